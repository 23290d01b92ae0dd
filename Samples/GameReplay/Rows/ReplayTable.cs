using System.Globalization;
using Samples.Common;

namespace Samples.GameReplay.Rows;

/// <summary>Prints the results for people: at most 160 columns wide.</summary>
internal static class ReplayTable
{
    private const string None = "-";
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>The table. With several repeats, the range of each frame time stands under its median.</summary>
    public static string Print(IEnumerable<RowResults> results, int repeats)
    {
        var table = new TextTable(
            ["", "alloca-", "frame time", "frame time", "frame time", "page", "in engine", "engine", "managed", "collec-", "peak resi-", "prewarm"],
            ["", "tions", "p50 us", "p99 us", "max us", "faults", "memory", "OS calls", "bytes", "tions", "dent MiB", "ms"]);
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

    private static string[] Cells(RowSpec row, RunDocument run)
    {
        bool isEngine = row.Allocator == AllocatorKind.Engine;
        return
        [
            row.Title,
            Count(run.Allocations),
            Microseconds(run.FrameNanoseconds.P50),
            Microseconds(run.FrameNanoseconds.P99),
            Microseconds(run.FrameNanoseconds.Max),
            Count(run.HotLoop.PageFaults),
            !isEngine ? None : run.HotLoop.EnginePageFaults is { } faults ? Count(faults) : "unknown",
            isEngine ? Count(run.HotLoop.OsCalls) : None,
            Count(run.HotLoop.ManagedBytes),
            Count(run.HotLoop.Collections),
            (run.PeakResidentBytes / (1024.0 * 1024)).ToString("N1", Culture),
            row.IsPrewarmed ? (run.PrewarmNanoseconds / 1e6).ToString("N1", Culture) : None,
        ];
    }

    private static string Range(RowResults row, Func<RunDocument, long> figure)
    {
        (long least, long most) = row.Range(figure);
        return $"{Microseconds(least)} .. {Microseconds(most)}";
    }

    private static string Count(long value) => value.ToString("N0", Culture);

    private static string Microseconds(long nanoseconds)
    {
        double value = nanoseconds / 1000.0;
        return value.ToString(value < 1000 ? "N1" : "N0", Culture);
    }
}
