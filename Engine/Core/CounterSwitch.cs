namespace Engine.Core;

/// <summary>
/// Whether this process counts allocations: read once, when the class is first used, and a constant to compiled code from then on, so
/// that the fast paths have no instruction for it where it is off. The runtime compiler sees a read-only value; a trimmed or ahead-of-time
/// compiled program has the value settled when it is built (ILLink.Substitutions.xml), off unless its project says otherwise.
/// </summary>
internal static class CounterSwitch
{
    public const string Name = "Engine.Memory.Counters";

    public static bool IsOn { get; } = AppContext.TryGetSwitch(Name, out bool on) && on;
}
