namespace SuperSlab;

/// <summary>
/// The process's switch for counting allocations and frees by thread and tag. Turn it on before the first
/// <c>EngineMemory</c> is made. Off, the default, the fast paths have no instruction for it; on, each call adds to two
/// numbers of its own thread, about a nanosecond.
/// <para>
/// <see cref="Enable"/> turns it on, or the program's project, as trimmed and ahead-of-time compiled programs must:
/// <code>
/// &lt;RuntimeHostConfigurationOption Include="SuperSlab.Counters" Value="true" Trim="true" /&gt;
/// </code>
/// </para>
/// </summary>
public static class MemoryCounters
{
    /// <summary>Whether this process counts. The first read fixes the value for the life of the process. Any
    /// thread.</summary>
    public static bool AreOn => CounterSwitch.IsOn;

    /// <summary>Turns counting on. Call it first in the program: the first read of the switch fixes its
    /// value.</summary>
    /// <exception cref="InvalidOperationException">The switch was read before, or the program was built without
    /// counters.</exception>
    public static void Enable()
    {
        AppContext.SetSwitch(CounterSwitch.Name, true);
        if (!CounterSwitch.IsOn)
        {
            throw new InvalidOperationException(
                "Memory counters cannot be turned on now: an EngineMemory was made before, or the program was built "
                    + "without them; "
                + $"see MemoryCounters for the project option '{CounterSwitch.Name}'.");
        }
    }
}

/// <summary>
/// The value of the switch, a constant to compiled code: the JIT sees a read-only static, and a trimmed or
/// ahead-of-time compiled program gets it when it is built (ILLink.Substitutions.xml), off unless its project says
/// otherwise.
/// </summary>
internal static class CounterSwitch
{
    public const string Name = "SuperSlab.Counters";

    public static bool IsOn { get; } = AppContext.TryGetSwitch(Name, out bool on) && on;
}
