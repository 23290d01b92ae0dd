using System.Text;
using Samples.Common;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.GameReplay.Rows;

/// <summary>One row's results over all repeats.</summary>
internal sealed class RowResults(RowSpec row)
{
    private readonly List<RunDocument> _runs = [];
    private readonly List<long[]> _work = [];
    private readonly List<ScenePlan> _plans = [];
    private readonly List<long> _planTimes = [];
    private readonly List<long[]> _profilerTimes = [];

    /// <summary>The row.</summary>
    public RowSpec Row => row;

    /// <summary>The work of all frames together, each frame by its median of the repeats: one that was disturbed does not count.</summary>
    public long WorkNanoseconds => Sum(_work, Statistics.Median);

    /// <summary>The same, each frame by its least of the repeats: what the machine's other work has the smallest part in.</summary>
    public long LeastWorkNanoseconds => Sum(_work, Enumerable.Min);

    /// <summary>How long the recorded plans took to be made, the median of the repeats.</summary>
    public long PlanNanoseconds => Statistics.Median(_planTimes);

    /// <summary>What the profiler's own calls took in all frames together, each frame by its median.</summary>
    public long ProfilerNanoseconds => Sum(_profilerTimes, Statistics.Median);

    /// <summary>The same, each frame by its least.</summary>
    public long LeastProfilerNanoseconds => Sum(_profilerTimes, Enumerable.Min);

    /// <summary>How often the row was measured.</summary>
    public int Repeats => _runs.Count;

    /// <summary>The plans that were recorded, one a repeat.</summary>
    public IReadOnlyList<ScenePlan> Plans => _plans;

    /// <summary>The page faults of the first repeat by owner; null where that was not asked for.</summary>
    public ProfileFaults? Faults => _runs[0].Faults;

    /// <summary>Adds a repeat.</summary>
    public void Add(RowMeasurement measurement)
    {
        _runs.Add(measurement.Run);
        _work.Add(measurement.WorkNanoseconds);
        _profilerTimes.Add(measurement.ProfilerNanoseconds);
        if (measurement.RecordedPlan is { } plan)
        {
            _plans.Add(ScenePlan.Parse(Encoding.UTF8.GetBytes(plan)));
            _planTimes.Add(measurement.PlanNanoseconds);
        }
    }

    /// <summary>
    /// The row as one result: times and memory are medians, and of the things that should not happen in the frames the largest
    /// count is taken, so that a 0 is a 0 in every repeat.
    /// </summary>
    public RunDocument Summary() => _runs[0] with
    {
        FrameNanoseconds = new FrameNanoseconds
        {
            P50 = Median(run => run.FrameNanoseconds.P50),
            P99 = Median(run => run.FrameNanoseconds.P99),
            Max = Median(run => run.FrameNanoseconds.Max),
        },
        HotLoop = new HotLoop
        {
            PageFaults = Largest(run => run.HotLoop.PageFaults),
            EnginePageFaults = _runs.Exists(run => run.HotLoop.EnginePageFaults is null)
                ? null
                : Largest(run => run.HotLoop.EnginePageFaults ?? 0),
            OsCalls = Largest(run => run.HotLoop.OsCalls),
            ManagedBytes = Largest(run => run.HotLoop.ManagedBytes),
            Collections = Largest(run => run.HotLoop.Collections),
        },
        PrewarmNanoseconds = Median(run => run.PrewarmNanoseconds),
        PeakResidentBytes = Median(run => run.PeakResidentBytes),
        PlanUse = _runs.MaxBy(run => run.PlanUse?.WasteBytes)?.PlanUse,
    };

    /// <summary>The smallest and the largest of a figure.</summary>
    public (long Least, long Most) Range(Func<RunDocument, long> figure) => (-Largest(run => -figure(run)), Largest(figure));

    /// <summary>What must not happen and did, in words; null when all is well. Only the prewarmed engine promises anything.</summary>
    public string? BrokenPromise()
    {
        if (row is not { Allocator: AllocatorKind.Engine, IsPrewarmed: true })
        {
            return null;
        }

        RunDocument summary = Summary();
        HotLoop hotLoop = summary.HotLoop;
        List<string> broken = [];
        Note(broken, hotLoop.EnginePageFaults ?? 0, "page faults in the engine's memory");
        Note(broken, hotLoop.OsCalls, "OS calls by the engine");
        Note(broken, hotLoop.ManagedBytes, "managed bytes");
        Note(broken, hotLoop.Collections, "collections");
        if (broken.Count != 0)
        {
            return $"{row.Title}: the frames had {string.Join(", ", broken)}, and should have had none";
        }

        return summary.PlanUse is not { } use || use.WasteBytes <= use.WasteLimitBytes ? null
            : $"{row.Title}: {use.WasteBytes} bytes of the plan's prewarm were never used, and at most {use.WasteLimitBytes} may be";
    }

    private static long Sum(List<long[]> runs, Func<List<long>, long> ofFrame)
    {
        long sum = 0;
        for (int frame = 0; frame < runs[0].Length; frame++)
        {
            sum += ofFrame(runs.ConvertAll(run => run[frame]));
        }

        return sum;
    }

    private static void Note(List<string> broken, long count, string what)
    {
        if (count > 0)
        {
            broken.Add($"{count} {what}");
        }
    }

    private long Median(Func<RunDocument, long> figure) => Statistics.Median(_runs.ConvertAll(run => figure(run)));

    private long Largest(Func<RunDocument, long> figure)
    {
        long largest = figure(_runs[0]);
        foreach (RunDocument run in _runs)
        {
            largest = Math.Max(largest, figure(run));
        }

        return largest;
    }
}
