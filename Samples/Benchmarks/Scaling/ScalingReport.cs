// The tables and the JSON document of the scaling workloads.
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Reporting;
using Samples.Common;
using Samples.GameReplay.Scripts;

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
                "ns per " + result.Work.Operation, "threads", "median", "most", "thread", "peer", "p50", "p99.9",
                "p99.99", "longest", "preempted",
                "system", "engine", "voluntary", "others", "faults",
            ]);
        foreach (ScalingPoint point in result.Points)
        {
            foreach (ScalingRow row in point.Rows)
            {
                CallLatency latency = row.Latency;
                table.Add(
                    row.Name,
                    FigureText.Count(point.Load.Threads),
                    TimeText.Of(row.Median),
                    $"{TimeText.Of(row.Min)} .. {TimeText.Of(row.Max)}",
                    TimeText.Ratio(result.OfOneThread(point, row)),
                    TimeText.Ratio(result.OfBestPeer(point, row)),
                    FigureText.Count(latency.P50),
                    FigureText.Count(latency.P999),
                    FigureText.Count(latency.P9999),
                    FigureText.Count(latency.Longest),
                    FigureText.Count(latency.LongestUndisturbed),
                    FigureText.Count(row.SystemCalls),
                    FigureText.Count(row.OsCalls),
                    FigureText.Count(row.Usage?.VoluntarySwitches),
                    FigureText.Count(row.Usage?.InvoluntarySwitches),
                    FigureText.Count(row.Usage?.MinorFaults));
            }
        }

        return table.ToString();
    }

    /// <summary>All workloads: the engine's medians beside the best native allocator's.</summary>
    public static string PrintSummary(IReadOnlyList<ScalingResult> results)
    {
        var table = new TextTable(
            [
                "medians, ns per operation", "", "engine by", "of 1", "engine", "of 1", "best native", "",
                "handle", "implicit",
            ],
            ["of one thread", "threads", "handle", "thread", "implicit", "thread", "from C", "", "of it", "of it"]);
        foreach (ScalingResult result in results)
        {
            foreach (ScalingPoint point in result.Points)
            {
                ScalingRow handle = point.Find(ContestantNames.Handle)!, engine = point.Find(ContestantNames.Engine)!;
                ScalingRow? best = result.BestPeer(point);
                table.Add(
                    result.Work.Name,
                    FigureText.Count(point.Load.Threads),
                    TimeText.Of(handle.Median),
                    TimeText.Ratio(result.OfOneThread(point, handle)),
                    TimeText.Of(engine.Median),
                    TimeText.Ratio(result.OfOneThread(point, engine)),
                    best?.Name ?? FigureText.None,
                    TimeText.Of(best?.Median),
                    TimeText.Ratio(result.OfBestPeer(point, handle)),
                    TimeText.Ratio(result.OfBestPeer(point, engine)));
            }
        }

        return table.ToString();
    }
}

/// <summary>The scaling run, as JSON has it: a point for each workload on each number of threads.</summary>
internal sealed record ScalingDocument(int Processors, IReadOnlyList<ScalingPointDocument> Scaling)
{
    public static ScalingDocument Of(IEnumerable<ScalingResult> results) => new(
        Environment.ProcessorCount,
        [.. results.SelectMany(result => result.Points.Select(point => ScalingPointDocument.Of(result, point)))]);
}

/// <summary>
/// One workload on one number of threads. The operations are those that each thread does in one repetition.
/// </summary>
internal sealed record ScalingPointDocument(
    string Name, int Threads, long Operations, IReadOnlyList<ScalingRowDocument> Contestants)
{
    public static ScalingPointDocument Of(ScalingResult result, ScalingPoint point) => new(
        result.Work.Name,
        point.Load.Threads,
        point.Load.OperationsPerThread,
        [.. point.Rows.Select(row => ScalingRowDocument.Of(result, point, row))]);
}

/// <summary>
/// One contestant. The ratios are null where what they are of was not measured; the counts where this system does not
/// tell, and <paramref name="EngineOsCalls"/> of those who are not the engine.
/// </summary>
internal sealed record ScalingRowDocument(
    string Name,
    TimesDocument NanosecondsPerOperation,
    double? RatioToOneThread,
    double? RatioToBestPeer,
    CallLatency CallNanoseconds,
    long? SystemCalls,
    long? EngineOsCalls,
    long? VoluntarySwitches,
    long? InvoluntarySwitches,
    long? MinorFaults)
{
    private const int Digits = 4;

    public static ScalingRowDocument Of(ScalingResult result, ScalingPoint point, ScalingRow row) => new(
        row.Name,
        new TimesDocument(Rounded(row.Min)!.Value, Rounded(row.Median)!.Value, Rounded(row.Max)!.Value),
        Rounded(result.OfOneThread(point, row)),
        Rounded(result.OfBestPeer(point, row)),
        row.Latency,
        row.SystemCalls,
        row.OsCalls,
        row.Usage?.VoluntarySwitches,
        row.Usage?.InvoluntarySwitches,
        row.Usage?.MinorFaults);

    private static double? Rounded(double? value) => value is null ? null : Math.Round(value.Value, Digits);
}
