namespace SuperSlab;

/// <summary>
/// Counts of allocations and frees, by thread and by tag, for a profiler: a switch for the whole process, off unless it is turned on before
/// the first <c>EngineMemory</c> is made. Off, the fast paths have not one instruction for it; on, each allocation and each free adds to two
/// numbers of its own thread, about a nanosecond.
/// <para>
/// Turned on by <see cref="Enable"/>, or by the project of the program, which programs that are compiled ahead of time or trimmed need:
/// <code>
/// &lt;RuntimeHostConfigurationOption Include="SuperSlab.Counters" Value="true" Trim="true" /&gt;
/// </code>
/// </para>
/// </summary>
public static class MemoryCounters
{
    /// <summary>Whether this process counts. Asking settles it. Any thread.</summary>
    public static bool AreOn => CounterSwitch.IsOn;

    /// <summary>Turns counting on. Call it first thing in the program: what the switch is when it is first looked at, it stays.</summary>
    /// <exception cref="InvalidOperationException">It is too late, or the program was built without counters.</exception>
    public static void Enable()
    {
        AppContext.SetSwitch(CounterSwitch.Name, true);
        if (!CounterSwitch.IsOn)
        {
            throw new InvalidOperationException(
                "Memory counters cannot be turned on any more: an EngineMemory was made before, or the program was compiled without them; "
                + $"see MemoryCounters for the project option '{CounterSwitch.Name}'.");
        }
    }
}

/// <summary>
/// Whether this process counts allocations: read once, when the class is first used, and a constant to compiled code from then on, so
/// that the fast paths have no instruction for it where it is off. The runtime compiler sees a read-only value; a trimmed or ahead-of-time
/// compiled program has the value settled when it is built (ILLink.Substitutions.xml), off unless its project says otherwise.
/// </summary>
internal static class CounterSwitch
{
    public const string Name = "SuperSlab.Counters";

    public static bool IsOn { get; } = AppContext.TryGetSwitch(Name, out bool on) && on;
}
