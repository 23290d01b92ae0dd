namespace Engine.Scenes;

/// <summary>What happened in a frame, or in many, that a hot loop should not do. Immutable; hot-loop safe; any thread.</summary>
/// <param name="PageFaults">
/// Page faults that interrupted the thread. Where the system does not record their addresses, those that it counts for the thread, pages
/// made resident on request included.
/// </param>
/// <param name="OsCalls">Calls of the engine to the operating system's memory functions.</param>
/// <param name="ManagedBytes">Bytes allocated on the managed heap.</param>
/// <param name="Collections">Garbage collections of any generation, by whichever thread; 0 in a single thread's counts.</param>
/// <param name="FrameOverflows">Times that a lane of a watched frame arena needed more than its share; 0 in a single thread's counts.</param>
/// <param name="SoftOverruns">Times that a watched arena went beyond its soft budget; 0 in a single thread's counts.</param>
/// <param name="HardOverruns">Times that a watched arena wanted more than its hard budget; 0 in a single thread's counts.</param>
/// <param name="TagOverruns">
/// Tags that were over their budgets when the frame ended; 0 in a single thread's counts, and where no rule asks for it.
/// </param>
public readonly record struct HotLoopCounts(
    long PageFaults,
    long OsCalls,
    long ManagedBytes,
    long Collections = 0,
    long FrameOverflows = 0,
    long SoftOverruns = 0,
    long HardOverruns = 0,
    long TagOverruns = 0)
{
    /// <summary>Both together.</summary>
    public static HotLoopCounts operator +(HotLoopCounts left, HotLoopCounts right) => new(
        left.PageFaults + right.PageFaults,
        left.OsCalls + right.OsCalls,
        left.ManagedBytes + right.ManagedBytes,
        left.Collections + right.Collections,
        left.FrameOverflows + right.FrameOverflows,
        left.SoftOverruns + right.SoftOverruns,
        left.HardOverruns + right.HardOverruns,
        left.TagOverruns + right.TagOverruns);

    /// <summary>What came since.</summary>
    public static HotLoopCounts operator -(HotLoopCounts left, HotLoopCounts right) => new(
        left.PageFaults - right.PageFaults,
        left.OsCalls - right.OsCalls,
        left.ManagedBytes - right.ManagedBytes,
        left.Collections - right.Collections,
        left.FrameOverflows - right.FrameOverflows,
        left.SoftOverruns - right.SoftOverruns,
        left.HardOverruns - right.HardOverruns,
        left.TagOverruns - right.TagOverruns);

    /// <summary>The same as <c>left + right</c>.</summary>
    public static HotLoopCounts Add(HotLoopCounts left, HotLoopCounts right) => left + right;

    /// <summary>The same as <c>left - right</c>.</summary>
    public static HotLoopCounts Subtract(HotLoopCounts left, HotLoopCounts right) => left - right;
}
