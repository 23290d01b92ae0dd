using System.Text;
using Samples.Common;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.GameReplay.Rows;

/// <summary>One row's results over all repeats.</summary>
internal sealed class RowResults(RowSpec row) : RepeatedRow<RowMeasurement>
{
    public RowSpec Row => row;

    /// <summary>
    /// The work of all frames together, each frame by its median of the repeats: one that was disturbed does not count.
    /// </summary>
    public long WorkNanoseconds => Sum(measurement => measurement.WorkNanoseconds, Statistics.Median);

    /// <summary>
    /// The same, each frame by its least of the repeats: the machine's other work has the smallest part in it.
    /// </summary>
    public long LeastWorkNanoseconds => Sum(measurement => measurement.WorkNanoseconds, Enumerable.Min);

    /// <summary>How long the recorded plans took to be made, the median of the repeats.</summary>
    public long PlanNanoseconds => Median(measurement => measurement.PlanNanoseconds);

    /// <summary>What the profiler's own calls took in all frames together, each frame by its median.</summary>
    public long ProfilerNanoseconds => Sum(measurement => measurement.ProfilerNanoseconds, Statistics.Median);

    /// <summary>The same, each frame by its least.</summary>
    public long LeastProfilerNanoseconds => Sum(measurement => measurement.ProfilerNanoseconds, Enumerable.Min);

    /// <summary>The plans that were recorded, one a repeat.</summary>
    public IEnumerable<ScenePlan> Plans => Repeats
        .Where(measurement => measurement.RecordedPlan is not null)
        .Select(measurement => ScenePlan.Parse(Encoding.UTF8.GetBytes(measurement.RecordedPlan!)));

    /// <summary>The page faults of the first repeat by owner; null where that was not asked for.</summary>
    public ProfileFaults? Faults => First.Run.Faults;

    /// <summary>
    /// The row as one result: times and memory are medians, and of the things that should not happen in the frames the
    /// largest count is taken, so that a 0 is a 0 in every repeat.
    /// </summary>
    public RunDocument Summary() => First.Run with
    {
        FrameNanoseconds = new FrameNanoseconds
        {
            P50 = Median(measurement => measurement.Run.FrameNanoseconds.P50),
            P99 = Median(measurement => measurement.Run.FrameNanoseconds.P99),
            Max = Median(measurement => measurement.Run.FrameNanoseconds.Max),
        },
        HotLoop = new HotLoop
        {
            PageFaults = Most(measurement => measurement.Run.HotLoop.PageFaults),
            EnginePageFaults = Repeats.Any(measurement => measurement.Run.HotLoop.EnginePageFaults is null)
                ? null
                : Most(measurement => measurement.Run.HotLoop.EnginePageFaults),
            OsCalls = Most(measurement => measurement.Run.HotLoop.OsCalls),
            ManagedBytes = Most(measurement => measurement.Run.HotLoop.ManagedBytes),
            Collections = Most(measurement => measurement.Run.HotLoop.Collections),
        },
        PrewarmNanoseconds = Median(measurement => measurement.Run.PrewarmNanoseconds),
        PeakResidentBytes = Median(measurement => measurement.Run.PeakResidentBytes),
        PlanUse = Repeats.MaxBy(measurement => measurement.Run.PlanUse?.WasteBytes)?.Run.PlanUse,
    };

    /// <summary>
    /// What must not be and is, in words; null when all is well. Only the prewarmed engine promises anything.
    /// </summary>
    public string? Problem() => BrokenPromise() ?? (Faults is null ? null : FaultsTable.Problem(Faults));

    private string? BrokenPromise()
    {
        if (row is not { Allocator: AllocatorKind.Engine, IsPrewarmed: true })
            return null;

        RunDocument summary = Summary();
        HotLoop hotLoop = summary.HotLoop;
        (long Count, string What, string Where)[] events =
        [
            (hotLoop.EnginePageFaults ?? 0, "page fault", " in the engine's memory"),
            (hotLoop.OsCalls, "OS call", " by the engine"),
            (hotLoop.ManagedBytes, "managed byte", ""),
            (hotLoop.Collections, "collection", ""),
        ];
        string[] broken =
        [
            .. events.Where(one => one.Count > 0).Select(one => FigureText.Count(one.Count, one.What) + one.Where),
        ];
        if (broken.Length != 0)
            return $"{row.Title}: the frames had {string.Join(", ", broken)}, and should have had none";

        return summary.PlanUse is not { } use || use.WasteBytes <= use.WasteLimitBytes ? null
            : $"{row.Title}: {FigureText.Bytes(use.WasteBytes)} of the plan's prewarm were never used, "
                + $"and at most {FigureText.Bytes(use.WasteLimitBytes)} may be";
    }

    private long Sum(Func<RowMeasurement, long[]> times, Func<IEnumerable<long>, long> ofFrame) => Enumerable
        .Range(0, times(First).Length)
        .Sum(frame => ofFrame(Repeats.Select(measurement => times(measurement)[frame])));
}
