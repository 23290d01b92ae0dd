namespace SuperSlab.Scenes;

/// <summary>What a scene's frames are held to. By default nothing is allowed, and what happens all the same is counted. Immutable; any thread.</summary>
public sealed record HotLoopRules
{
    /// <summary>Frames at the beginning that are held to nothing, in which code is compiled and faulted in. Default 0.</summary>
    public int WarmUpFrames { get; init; }

    /// <summary>Page faults of the frame's threads.</summary>
    public HotLoopRule PageFaults { get; init; }

    /// <summary>Calls of the engine to the operating system's memory functions.</summary>
    public HotLoopRule OsCalls { get; init; }

    /// <summary>Bytes allocated on the managed heap by the frame's threads.</summary>
    public HotLoopRule ManagedBytes { get; init; }

    /// <summary>Garbage collections.</summary>
    public HotLoopRule Collections { get; init; }

    /// <summary>Frame arena lanes that needed more than their share.</summary>
    public HotLoopRule FrameOverflow { get; init; }

    /// <summary>Times that a long-lived arena went beyond its soft budget.</summary>
    public HotLoopRule BudgetOverrun { get; init; }

    /// <summary>
    /// Tags that are over their budgets when the frame ends (<see cref="AllocationTag"/>). Null, the default, does not look: looking
    /// reads every thread's counters in every arena, and needs <see cref="MemoryCounters"/>; a guard refuses the rule without them.
    /// </summary>
    public HotLoopRule? TagOverrun { get; init; }
}

/// <summary>What a frame may do of one kind of thing that does not belong in the hot loop. Immutable; any thread.</summary>
/// <param name="AllowedPerFrame">How many (or, of managed memory, how many bytes) a frame may have. Default 0.</param>
/// <param name="Action">What is done about more.</param>
public readonly record struct HotLoopRule(long AllowedPerFrame, HotLoopAction Action = HotLoopAction.Count);

/// <summary>The kinds of things that do not belong in a hot loop; each has its rule in <see cref="HotLoopRules"/>.</summary>
[Flags]
public enum HotLoopKinds
{
    /// <summary>None of them.</summary>
    None = 0,

    /// <summary>Page faults.</summary>
    PageFaults = 1,

    /// <summary>The engine's OS calls.</summary>
    OsCalls = 2,

    /// <summary>Managed bytes.</summary>
    ManagedBytes = 4,

    /// <summary>Collections.</summary>
    Collections = 8,

    /// <summary>Overflow of a frame arena's lane.</summary>
    FrameOverflow = 16,

    /// <summary>A soft or hard budget.</summary>
    BudgetOverrun = 32,

    /// <summary>The budget of an allocation tag.</summary>
    TagOverrun = 64,
}

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
