using System.Globalization;
using System.Text;
using Samples.Common;

namespace Samples.GameReplay.Rows;

/// <summary>Prints the results for people: at most 160 columns wide.</summary>
internal static class ReplayTable
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>The table. With several repeats, the range of each frame time stands under its median.</summary>
    public static string Print(IEnumerable<RowResults> results, int repeats)
    {
        var table = new TextTable(
            [
                "", "alloca-", "frame time", "frame time", "frame time", "page", "in engine", "engine", "managed",
                "collec-", "peak resi-", "prewarm",
            ],
            [
                "", "tions", "p50 µs", "p99 µs", "max µs", "faults", "memory", "OS calls", "bytes", "tions",
                "dent MiB", "ms",
            ]);
        foreach (RowResults row in results)
        {
            table.Add(Cells(row.Row, row.Summary()));
            if (repeats > 1)
            {
                table.Add(
                    "  least .. most",
                    "",
                    Range(row, run => run.FrameNanoseconds.P50),
                    Range(row, run => run.FrameNanoseconds.P99),
                    Range(row, run => run.FrameNanoseconds.Max),
                    "", "", "", "", "", "", "");
            }
        }

        return table.ToString();
    }

    /// <summary>
    /// A line for each row that was loaded by a given plan, and one for a recording; empty where there was neither.
    /// </summary>
    public static string PrintPlans(IEnumerable<RowResults> results, RecordingCost? recording)
    {
        var text = new StringBuilder();
        foreach (RowResults row in results)
        {
            if (row.Summary().PlanUse is { } use)
            {
                text.AppendLine(
                    Culture,
                    $"plan: {FigureText.Bytes(use.PrewarmedBytes)} prewarmed, "
                    + $"{FigureText.Bytes(use.UsedBytes)} of it used; "
                    + $"waste {FigureText.Bytes(use.WasteBytes)} of {FigureText.Bytes(use.WasteLimitBytes)} allowed");
            }
        }

        if (recording is not null)
        {
            text.AppendLine(
                Culture,
                $"recording: the frames' work took {FigureText.Time(recording.WorkNanosecondsWithout)} without and "
                + $"{FigureText.Time(recording.WorkNanosecondsWith)} with the recorder "
                + $"({recording.Percent:+0.0;-0.0;0.0} %), each frame by its median of "
                + $"{FigureText.Count(recording.Repeats, "run")} by turns; making the plan afterwards "
                + $"took {FigureText.Time(recording.PlanNanoseconds)}; the plan was tried, and got "
                + $"{FigureText.Count(recording.AddedSuperSlabs, "SuperSlab")} more until no frame called the system");
        }

        return text.Length == 0 ? "" : Environment.NewLine + text;
    }

    /// <summary>What profiling cost: in the frames' work, and in the profiler's own calls between them.</summary>
    public static string PrintProfiling(RowResults without, RowResults with, RowResults withOwners)
    {
        var table = new TextTable(
            [
                "what a profiler adds to a frame, in %",
                "to the work:", "to the work:", "its calls:", "its calls:", "its calls:",
            ],
            [
                $"each frame by its value of {with.Repeats.Count} runs",
                "by medians", "by the least", "by medians", "by the least", "ns, medians",
            ]);
        table.Add(ProfilingCells("counters, tags, timeline", without, with));
        table.Add(ProfilingCells("the owners of page faults, too", without, withOwners));
        return Environment.NewLine + table;
    }

    private static string[] ProfilingCells(string what, RowResults without, RowResults with) =>
    [
        what,
        Percent(with.WorkNanoseconds - without.WorkNanoseconds, without.WorkNanoseconds),
        Percent(with.LeastWorkNanoseconds - without.LeastWorkNanoseconds, without.LeastWorkNanoseconds),
        Percent(with.ProfilerNanoseconds, without.WorkNanoseconds),
        Percent(with.LeastProfilerNanoseconds, without.LeastWorkNanoseconds),
        FigureText.Count(with.ProfilerNanoseconds / Math.Max(1, with.Summary().Frames)),
    ];

    private static string Percent(long part, long whole) => (100.0 * part / whole).ToString("+0.0;-0.0;0.0", Culture);

    private static string[] Cells(RowSpec row, RunDocument run)
    {
        bool isEngine = row.Allocator == AllocatorKind.Engine;
        return
        [
            row.Title,
            FigureText.Count(run.Allocations),
            Microseconds(run.FrameNanoseconds.P50),
            Microseconds(run.FrameNanoseconds.P99),
            Microseconds(run.FrameNanoseconds.Max),
            FigureText.Count(run.HotLoop.PageFaults),
            !isEngine ? FigureText.None
                : run.HotLoop.EnginePageFaults is { } faults ? FigureText.Count(faults)
                : "unknown",
            isEngine ? FigureText.Count(run.HotLoop.OsCalls) : FigureText.None,
            FigureText.Count(run.HotLoop.ManagedBytes),
            FigureText.Count(run.HotLoop.Collections),
            FigureText.Mebibytes(run.PeakResidentBytes),
            row.IsPrewarmed ? FigureText.Decimals(run.PrewarmNanoseconds / 1e6) : FigureText.None,
        ];
    }

    private static string Range(RowResults row, Func<RunDocument, long> figure)
    {
        (long least, long most) = row.Range(measurement => figure(measurement.Run));
        return $"{Microseconds(least)} .. {Microseconds(most)}";
    }

    private static string Microseconds(long nanoseconds)
    {
        double value = nanoseconds / 1000.0;
        return value.ToString(value < 1000 ? "N1" : "N0", Culture);
    }
}
