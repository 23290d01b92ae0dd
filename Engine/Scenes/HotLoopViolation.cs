namespace Engine.Scenes;

/// <summary>A frame that broke its rules, and who did it. Immutable; any thread.</summary>
public sealed record HotLoopViolation
{
    /// <summary>The frame's number: the guard's frames count from 1.</summary>
    public required long Frame { get; init; }

    /// <summary>The rules that were broken.</summary>
    public required HotLoopKinds Broken { get; init; }

    /// <summary>What happened in the frame, on all registered threads.</summary>
    public required HotLoopCounts Counts { get; init; }

    /// <summary>
    /// The first culprit, in words. Of several things that happened, the one of which most is known comes first: who wanted memory that was
    /// not ready, an address that faulted, a lane, a budget, a tag, managed bytes, a collection.
    /// </summary>
    public required string Culprit { get; init; }

    /// <summary>The name of the thread that did it, as it was registered; null where no single thread did.</summary>
    public string? Thread { get; init; }

    /// <summary>The name of the arena that did it, or in whose memory the fault was; null where there is none.</summary>
    public string? Arena { get; init; }

    /// <summary>The name of the tag that is over its budget; null where no tag is the culprit.</summary>
    public string? Tag { get; init; }

    /// <summary>The size in bytes of the blocks that the arena wanted memory for; 0 where it was not for blocks of a size.</summary>
    public nuint BlockBytes { get; init; }

    /// <summary>The first address that faulted; 0 where none did or the system does not tell (see <see cref="Engine.Platform.PageFaultRecorder"/>).</summary>
    public nuint FaultAddress { get; init; }

    /// <summary>Who called, where memory that was not ready was asked for and call stacks are recorded; else null.</summary>
    public string? CallStack { get; init; }

    /// <summary>The violation in one line, without the call stack.</summary>
    public override string ToString() =>
        $"Frame {Frame} broke its rules ({Broken}): {Culprit}. In all: {Counts.PageFaults} page faults, {Counts.OsCalls} OS calls, "
        + $"{Counts.ManagedBytes} managed bytes, {Counts.Collections} collections, {Counts.FrameOverflows} frame overflows, "
        + $"{Counts.SoftOverruns} soft and {Counts.HardOverruns} hard budget overruns, "
        + $"{Counts.TagOverruns} tags over their budgets.";
}
