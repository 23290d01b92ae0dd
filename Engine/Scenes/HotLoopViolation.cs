using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace SuperSlab.Scenes;

/// <summary>A frame that broke its rules, and who did it. Immutable; any thread.</summary>
public sealed record HotLoopViolation
{
    /// <summary>The frame's number: the guard's frames count from 1.</summary>
    public required long FrameNumber { get; init; }

    /// <summary>The metrics whose rules were broken.</summary>
    public required IReadOnlyList<HotLoopMetric> Broken { get; init; }

    /// <summary>What happened in the frame, on all registered threads.</summary>
    public required HotLoopCounts Counts { get; init; }

    /// <summary>
    /// The first culprit, in words. Of several, the one of which most is known: a wish for memory that was not ready,
    /// an address that faulted, a lane, a budget, a tag, managed bytes, a collection.
    /// </summary>
    public required string Culprit { get; init; }

    /// <summary>The culprits of the frame's other broken rules, in words; empty where one explains all.</summary>
    public IReadOnlyList<string> OtherCulprits { get; init; } = [];

    /// <summary>The name of the culprit's thread, as it was registered; null where no single thread did it.</summary>
    public string? Thread { get; init; }

    /// <summary>The name of the arena that did it, or in whose memory the fault was; null without one.</summary>
    public string? Arena { get; init; }

    /// <summary>The name of the tag that is over its budget; null where no tag is the culprit.</summary>
    public string? Tag { get; init; }

    /// <summary>The size in bytes of the blocks that the arena wanted memory for; 0 where they had no size.</summary>
    public nuint BlockBytes { get; init; }

    /// <summary>The first address that faulted; 0 without one (see <see cref="HotLoopGuard.Unplaced"/>).</summary>
    public nuint FaultAddress { get; init; }

    /// <summary>
    /// The code that touched <see cref="FaultAddress"/>: a method, "library!function", or a library with an offset; null
    /// where it is not known.
    /// </summary>
    public string? FaultCode { get; init; }

    /// <summary>
    /// What the kernel did with resident pages of the whole machine in the last moments, by its own counters, where the
    /// page at <see cref="FaultAddress"/> was ready in the engine's memory, and so was moved or taken back: as in
    /// "pgmigrate_success +531". Empty where no counter tells; null where the page was not known to be ready.
    /// </summary>
    public string? KernelMoves { get; init; }

    /// <summary>The part of the frame that it happened in (<see cref="HotLoopGuard.Part"/>); null without one.</summary>
    public string? Part { get; init; }

    /// <summary>The call that wanted memory that was not ready, where call stacks are recorded; else null.</summary>
    public string? CallStack { get; init; }

    /// <summary>The violation in one line, without the call stack.</summary>
    public override string ToString() =>
        $"Frame {FrameNumber} broke its rules ({string.Join(", ", Broken)}): "
            + $"{string.Join("; besides, ", OtherCulprits.Prepend(Culprit))}. In all: {Counts}.";

    internal string WithCallStack => CallStack is null ? ToString() : ToString() + Environment.NewLine + CallStack;
}

/// <summary>A frame broke a rule whose action is <see cref="HotLoopAction.Throw"/>.</summary>
public sealed class HotLoopViolationException : EngineMemoryException
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

    /// <summary>An exception with a message and the exception that led to it.</summary>
    public HotLoopViolationException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>An exception that says what the frame did.</summary>
    public HotLoopViolationException(HotLoopViolation violation)
        : base(violation?.WithCallStack ?? "A frame broke the rules of the hot loop.") => Violation = violation;

    /// <summary>What the frame did.</summary>
    public HotLoopViolation? Violation { get; }
}

/// <summary>Finds who broke a frame's rules. Cold: runs only for frames that broke one.</summary>
internal sealed class HotLoopCulprit(
    EngineMemory memory,
    GuardedThread[] threads,
    WatchedArenas watched,
    WatchedTags? tags,
    HotLoopRules rules,
    FaultPlaces? places,
    bool namesMethods)
{
    private static readonly HotLoopMetric[] FaultMetrics =
    [
        HotLoopMetric.PageFaults, HotLoopMetric.RuntimeFaults, HotLoopMetric.HeapFaults, HotLoopMetric.NativeFaults,
    ];

    public HotLoopViolation Name(long frame, List<HotLoopMetric> broken, HotLoopCounts counts)
    {
        HotLoopViolation nobody = new() { FrameNumber = frame, Broken = broken, Counts = counts, Culprit = "" };
        HotLoopViolation[] all = [.. All(nobody)];
        if (all.Length != 0)
            return all[0] with { OtherCulprits = [.. all[1..].Select(other => other.Culprit).Distinct()] };

        HotLoopMetricRow first = HotLoopMetrics.All[(int)broken[0]];
        return nobody with { Culprit = $"{first.Text(counts[first.Metric])} came from somewhere else" };
    }

    /// <summary>The culprits, the one first of which most is known. A wish for memory that was not ready explains the
    /// faults in the engine's memory and its calls of the system.</summary>
    private IEnumerable<HotLoopViolation> All(HotLoopViolation nobody)
    {
        IReadOnlyList<HotLoopMetric> broken = nobody.Broken;
        bool isDemand = Find(static thread => thread.FirstDemand is not null, out GuardedThread? wanting);
        if (wanting is not null)
            yield return OfDemand(nobody, wanting);

        foreach (HotLoopMetric metric in FaultMetrics)
        {
            HotLoopMetric held = rules[metric]?.Holds(metric) ?? metric;
            if (broken.Contains(metric) && !(isDemand && held == HotLoopMetric.EngineFaults)
                && Find(thread => thread.LastFrame[held] != 0, out GuardedThread? faulting))
            {
                yield return OfFaults(nobody, faulting, held);
            }
        }

        if (watched.First<FrameArena>() is { } overflown)
        {
            string lane = Sizes.Text(overflown.LaneBytes);
            yield return nobody with
            {
                Arena = overflown.Name,
                Culprit = $"a lane of frame arena '{overflown.Name}' needed more than its {lane}",
            };
        }

        if (watched.First<LongLivedArena>() is { } overrun)
        {
            yield return nobody with
            {
                Arena = overrun.Name,
                Culprit = $"arena '{overrun.Name}' went beyond its budget",
            };
        }

        if (broken.Contains(HotLoopMetric.TagOverrun) && tags is { Worst: { } tag })
        {
            yield return nobody with
            {
                Tag = tag.Name,
                Culprit = $"tag '{tag.Name}' has {Sizes.Exact((nuint)tags.WorstLiveBytes)} live, and its budget is "
                    + Sizes.Exact((nuint)tag.BudgetBytes),
            };
        }

        if (!isDemand && Find(HotLoopMetric.OsCalls, broken, out GuardedThread? calling))
        {
            yield return OfThread(
                nobody, calling, "made the engine ask the system for memory for its tables, or give some back");
        }

        if (Find(HotLoopMetric.ManagedBytes, broken, out GuardedThread? allocating))
        {
            string bytes = Sizes.Count(allocating.LastFrame.ManagedBytes, "managed byte", "managed bytes");
            yield return OfThread(nobody, allocating, $"allocated {bytes}");
        }

        if (Find(HotLoopMetric.Waits, broken, out GuardedThread? waiting))
        {
            string times = Sizes.Count(waiting.LastFrame.Waits, "time", "times");
            yield return OfThread(nobody, waiting, $"waited {times} for a lock, a file, a driver or a timer");
        }

        if (broken.Contains(HotLoopMetric.Collections))
            yield return nobody with { Culprit = "garbage was collected" };
    }

    private static HotLoopViolation OfThread(HotLoopViolation violation, GuardedThread thread, string deed) =>
        violation with { Thread = thread.Name, Culprit = $"thread '{thread.Name}' {deed}" };

    private bool Find(
        HotLoopMetric metric, IReadOnlyList<HotLoopMetric> broken, [NotNullWhen(true)] out GuardedThread? found)
    {
        found = null;
        return broken.Contains(metric) && Find(thread => thread.LastFrame[metric] != 0, out found);
    }

    private bool Find(Predicate<GuardedThread> predicate, [NotNullWhen(true)] out GuardedThread? found)
    {
        found = Array.Find(threads, predicate);
        return found is not null;
    }

    private HotLoopViolation OfDemand(HotLoopViolation violation, GuardedThread thread)
    {
        Demand demand = thread.FirstDemand!.Value;
        string arena = memory.Arenas.NameOf(demand.OwnerTag);
        nuint block = demand.SizeClass == Demand.NoClass ? 0 : SizeClasses.BlockBytes(demand.SizeClass);
        string purpose = demand.SizeClass switch
        {
            Demand.NoClass => "for a frame, or ahead of use",
            SizeClasses.Huge => "for a block above 32 MiB",
            _ => $"for blocks of {Sizes.Text(block)}",
        };
        return violation with
        {
            Thread = thread.Name,
            Arena = arena,
            BlockBytes = block,
            FaultAddress = FirstFault(thread, HotLoopMetric.EngineFaults)?.Address ?? 0,
            CallStack = thread.DemandStack,
            Culprit = $"arena '{arena}' wanted "
                + $"{Sizes.Count(thread.DemandedSuperSlabs, "SuperSlab", "SuperSlabs")} more than were ready, "
                + $"{purpose}, on thread '{thread.Name}'",
        };
    }

    private HotLoopViolation OfFaults(HotLoopViolation violation, GuardedThread thread, HotLoopMetric held)
    {
        string faults = $"took {Sizes.Count(thread.LastFrame[held], "page fault", "page faults")}";
        if (FirstFault(thread, held) is not { } first)
            return OfThread(violation, thread, $"{faults}, at addresses that the system does not tell");

        string? owner = memory.OwnerOf((nint)first.Address, out string? arena);
        string? code = places?.CodeOf(first, namesMethods);
        string? part = first.Account.Part?.Name;
        string place = $"{RangeOf(thread, held, first)}, in {owner ?? places?.OwnerOf(first)}"
            + (code is null ? "" : $", touched by {code}")
            + (part is null ? "" : $", during '{part}'")
            + (owner is null ? $"; {places?.AdviceOn(first)} (docs/hot-loop.md)" : "");
        long longAgo = Stopwatch.GetTimestamp() - (Stopwatch.Frequency / 10); // before this frame
        string? moves = memory.IsReadySince((nint)first.Address, longAgo) ? places?.Moves().ToString() : null;
        string kernel = moves is null ? ""
            : "; moved by the kernel, as the page was ready: "
                + (moves.Length == 0 ? "no counter of it tells how" : $"{moves} on the machine in the last moments")
                + ", and a scene plan's \"stay\" prevents that (docs/hot-loop.md)";
        return OfThread(violation, thread, $"{faults} {place}{kernel}") with
        {
            KernelMoves = moves,
            Arena = arena,
            FaultAddress = first.Address,
            FaultCode = code,
            Part = part,
        };
    }

    private static bool IsOf(in PlacedFault fault, HotLoopMetric held) =>
        !fault.Account.IsExcluded && (held == HotLoopMetric.PageFaults || fault.Kind == held);

    private static PlacedFault? FirstFault(GuardedThread thread, HotLoopMetric held)
    {
        foreach (PlacedFault fault in thread.Faults)
        {
            if (IsOf(fault, held))
                return fault;
        }

        return null;
    }

    private static string RangeOf(GuardedThread thread, HotLoopMetric held, in PlacedFault first)
    {
        (nuint lowest, nuint highest) = (first.Address, first.Address);
        foreach (PlacedFault fault in thread.Faults)
        {
            if (IsOf(fault, held))
                (lowest, highest) = (nuint.Min(lowest, fault.Address), nuint.Max(highest, fault.Address));
        }

        return lowest == highest
            ? $"at 0x{first.Address:x}"
            : $"between 0x{lowest:x} and 0x{highest:x}, the first at 0x{first.Address:x}";
    }
}
