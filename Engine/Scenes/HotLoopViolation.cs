using System.Diagnostics.CodeAnalysis;

namespace SuperSlab.Scenes;

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

    /// <summary>The first address that faulted; 0 where none did or the system does not tell (see <see cref="PageFaultRecorder"/>).</summary>
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

/// <summary>A frame broke a rule whose action is <see cref="HotLoopAction.Throw"/>. Thrown by <see cref="HotLoopGuard.EndFrame"/>.</summary>
public sealed class HotLoopViolationException : Exception
{
    /// <summary>An exception without a violation.</summary>
    public HotLoopViolationException()
        : base("A frame broke the rules of the hot loop.")
    {
    }

    /// <summary>An exception with a message of its own.</summary>
    public HotLoopViolationException(string message)
        : base(message)
    {
    }

    /// <summary>As above, with the exception that led to this one.</summary>
    public HotLoopViolationException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>An exception that says what the frame did.</summary>
    public HotLoopViolationException(HotLoopViolation violation)
        : base(violation?.CallStack is null ? violation?.ToString() : violation + Environment.NewLine + violation.CallStack) => Violation = violation;

    /// <summary>What the frame did.</summary>
    public HotLoopViolation? Violation { get; }
}

/// <summary>Finds who broke a frame's rules, from what the threads kept. Cold: only for frames that broke one.</summary>
internal sealed class HotLoopCulprit(EngineMemory memory, GuardedThread[] threads, WatchedArenas watched, WatchedTags? tags)
{
    public HotLoopViolation Name(long frame, HotLoopKinds broken, HotLoopCounts counts)
    {
        FrameArena? overflown = watched.Overflown();
        LongLivedArena? overrun = watched.Overrun();
        HotLoopViolation unnamed = new() { Frame = frame, Broken = broken, Counts = counts, Culprit = "" };
        if (Find(static thread => thread.FirstDemand is not null, out GuardedThread? wanting))
            return OfDemand(unnamed, wanting);

        if (broken.HasFlag(HotLoopKinds.PageFaults) && Find(static thread => thread.LastFrame.PageFaults != 0, out GuardedThread? faulting))
            return OfFaults(unnamed, faulting);

        if (overflown is not null)
            return unnamed with { Arena = overflown.Name, Culprit = $"a lane of frame arena '{overflown.Name}' needed more than its {Sizes.Text(overflown.LaneBytes)}" };

        if (overrun is not null)
            return unnamed with { Arena = overrun.Name, Culprit = $"arena '{overrun.Name}' went beyond its budget" };

        if (broken.HasFlag(HotLoopKinds.TagOverrun) && tags is { Worst: { } tag })
            return unnamed with { Tag = tag.Name, Culprit = $"tag '{tag.Name}' has {tags.WorstLiveBytes} live bytes, and its budget is {tag.BudgetBytes}" };

        if (broken.HasFlag(HotLoopKinds.OsCalls) && Find(static thread => thread.LastFrame.OsCalls != 0, out GuardedThread? calling))
            return unnamed with { Thread = calling.Name, Culprit = $"thread '{calling.Name}' made the engine ask the system for memory for its tables, or give some back" };

        if (broken.HasFlag(HotLoopKinds.ManagedBytes) && Find(static thread => thread.LastFrame.ManagedBytes != 0, out GuardedThread? allocating))
            return unnamed with { Thread = allocating.Name, Culprit = $"thread '{allocating.Name}' allocated {allocating.LastFrame.ManagedBytes} managed bytes" };

        return unnamed with { Culprit = "garbage was collected" };
    }

    private bool Find(Predicate<GuardedThread> predicate, [NotNullWhen(true)] out GuardedThread? found)
    {
        found = Array.Find(threads, predicate);
        return found is not null;
    }

    private HotLoopViolation OfDemand(HotLoopViolation unnamed, GuardedThread thread)
    {
        Demand demand = thread.FirstDemand!.Value;
        string arena = memory.Arenas.NameOf(demand.OwnerTag);
        nuint block = demand.SizeClass == Demand.NoClass ? 0 : SizeClasses.BlockBytes(demand.SizeClass);
        string purpose = demand.SizeClass switch
        {
            Demand.NoClass => "for a frame, or ahead of use",
            SizeClasses.Huge => "for a block above 32 MiB",
            _ => $"for blocks of {block} bytes",
        };
        return unnamed with
        {
            Thread = thread.Name,
            Arena = arena,
            BlockBytes = block,
            FaultAddress = thread.FirstFault,
            CallStack = thread.DemandStack,
            Culprit = $"arena '{arena}' wanted {thread.DemandedSuperSlabs} SuperSlabs more than were ready, {purpose}, on thread '{thread.Name}'",
        };
    }

    private HotLoopViolation OfFaults(HotLoopViolation unnamed, GuardedThread thread)
    {
        string faults = $"thread '{thread.Name}' took {thread.LastFrame.PageFaults} page faults";
        if (thread.FirstFault == 0)
            return unnamed with { Thread = thread.Name, Culprit = $"{faults}, at addresses that the system does not tell" };

        string owner = memory.OwnerOf((nint)thread.FirstFault, out string? arena) ?? "memory outside the engine";
        string range = thread.LowestFault == thread.HighestFault
            ? $"at 0x{thread.FirstFault:x}"
            : $"between 0x{thread.LowestFault:x} and 0x{thread.HighestFault:x}, the first at 0x{thread.FirstFault:x}";
        return unnamed with { Thread = thread.Name, Arena = arena, FaultAddress = thread.FirstFault, Culprit = $"{faults} {range}, in {owner}" };
    }
}
