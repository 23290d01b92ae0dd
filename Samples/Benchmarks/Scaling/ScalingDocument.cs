using Samples.Benchmarks.Reporting;

namespace Samples.Benchmarks.Scaling;

/// <summary>The scaling run, as JSON has it: a point for each workload on each number of threads.</summary>
internal sealed record ScalingDocument(int Processors, IReadOnlyList<ScalingPointDocument> Scaling)
{
    /// <summary>The document of some results.</summary>
    public static ScalingDocument Of(IEnumerable<ScalingResult> results) => new(
        Environment.ProcessorCount,
        [.. results.SelectMany(result => result.Points.Select(point => ScalingPointDocument.Of(result, point)))]);
}

/// <summary>One workload on one number of threads. The operations are those that each thread does in one repetition.</summary>
internal sealed record ScalingPointDocument(string Name, int Threads, long Operations, IReadOnlyList<ScalingRowDocument> Contestants)
{
    /// <summary>The document of a point.</summary>
    public static ScalingPointDocument Of(ScalingResult result, ScalingPoint point) => new(
        result.Work.Name,
        point.Load.Threads,
        point.Load.OperationsPerThread,
        [.. point.Rows.Select(row => ScalingRowDocument.Of(result, point, row))]);
}

/// <summary>
/// One contestant. The ratios are null where what they are of was not measured; the counts where this system does not tell, and
/// <paramref name="EngineOsCalls"/> of those who are not the engine.
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

    /// <summary>The document of a row.</summary>
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
