using System.Globalization;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Reporting;
using Samples.Common;

namespace Samples.Benchmarks.Scaling;

/// <summary>Prints the scaling workloads.</summary>
internal static class ScalingTables
{
    /// <summary>One workload: a row for each contestant on each number of threads.</summary>
    public static string Print(ScalingResult result)
    {
        var table = new TextTable(
            [
                result.Work.Name, "", "", "least ..", "of 1", "of best", "single calls, ns", "", "", "", "not",
                "calls to the", "by the", "switches", "", "page",
            ],
            [
                "ns per " + result.Work.Operation, "threads", "median", "most", "thread", "peer", "p50", "p99.9", "p99.99", "longest", "preempted",
                "system", "engine", "voluntary", "others", "faults",
            ]);
        foreach (ScalingPoint point in result.Points)
        {
            foreach (ScalingRow row in point.Rows)
            {
                CallLatency latency = row.Latency;
                table.Add(
                    row.Name,
                    Count(point.Load.Threads),
                    TimeText.Of(row.Median),
                    $"{TimeText.Of(row.Min)} .. {TimeText.Of(row.Max)}",
                    TimeText.Ratio(result.OfOneThread(point, row)),
                    TimeText.Ratio(result.OfBestPeer(point, row)),
                    Count(latency.P50),
                    Count(latency.P999),
                    Count(latency.P9999),
                    Count(latency.Longest),
                    Count(latency.LongestUndisturbed),
                    Count(row.SystemCalls),
                    Count(row.OsCalls),
                    Count(row.Usage?.VoluntarySwitches),
                    Count(row.Usage?.InvoluntarySwitches),
                    Count(row.Usage?.MinorFaults));
            }
        }

        return table.ToString();
    }

    /// <summary>All workloads: the engine's medians beside the best native allocator's.</summary>
    public static string PrintSummary(IReadOnlyList<ScalingResult> results)
    {
        var table = new TextTable(
            ["medians, ns per operation", "", "engine by", "of 1", "engine", "of 1", "best native", "", "handle", "implicit"],
            ["of one thread", "threads", "handle", "thread", "implicit", "thread", "from C", "", "of it", "of it"]);
        foreach (ScalingResult result in results)
        {
            foreach (ScalingPoint point in result.Points)
            {
                ScalingRow handle = point.Find(ContestantNames.Handle)!, engine = point.Find(ContestantNames.Engine)!;
                ScalingRow? best = result.BestPeer(point);
                table.Add(
                    result.Work.Name,
                    Count(point.Load.Threads),
                    TimeText.Of(handle.Median),
                    TimeText.Ratio(result.OfOneThread(point, handle)),
                    TimeText.Of(engine.Median),
                    TimeText.Ratio(result.OfOneThread(point, engine)),
                    best?.Name ?? TimeText.None,
                    TimeText.Of(best?.Median),
                    TimeText.Ratio(result.OfBestPeer(point, handle)),
                    TimeText.Ratio(result.OfBestPeer(point, engine)));
            }
        }

        return table.ToString();
    }

    private static string Count(long? count) => count?.ToString("N0", CultureInfo.InvariantCulture) ?? TimeText.None;
}
