namespace Engine.Scenes;

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
    /// Tags that are over their budgets when the frame ends (<see cref="Engine.Arenas.AllocationTag"/>). Null, the default, does not look: looking
    /// reads every thread's counters in every arena, and needs <see cref="Engine.Core.MemoryCounters"/>; a guard refuses the rule without them.
    /// </summary>
    public HotLoopRule? TagOverrun { get; init; }
}
