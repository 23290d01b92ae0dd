using System.Globalization;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;

namespace Samples.Benchmarks.Reporting;

/// <summary>Prints how much memory the workloads took that were asked for it: a row for each of them, a column for each contestant.</summary>
internal static class MemoryTable
{
    private const double MebibyteBytes = 1 << 20;
    private static readonly string[] Columns =
        [
            ContestantNames.Null, ContestantNames.Handle, ContestantNames.HandleCold, ContestantNames.HandleOnDemand, ContestantNames.NativeMemory,
            ContestantNames.OfC(ContestantNames.Null), .. ContestantNames.NativePeers,
        ];

    /// <summary>The table; empty where no workload was asked.</summary>
    public static string Print(IReadOnlyList<WorkloadResult> results)
    {
        // The figures of one replay share its memory: one of them speaks for all.
        List<WorkloadResult> asked = [.. results
            .Where(result => result.Work.IsMemoryAsked)
            .DistinctBy(result => result.Work.OneRunWith ?? result.Work.Id)];
        if (asked.Count == 0)
        {
            return "";
        }

        string[] names = Array.FindAll(Columns, name => asked.Exists(result => result.Find(name) is not null));
        var table = new TextTable([["peak resident, MiB", .. names, "tables in"], ["", .. names.Select(_ => ""), ContestantNames.HandleCold]]);
        foreach (WorkloadResult result in asked)
        {
            table.Add([
                result.Work.OneRunWith ?? result.Work.Id,
                .. names.Select(name => result.Find(name) is { } contestant ? Mebibytes(Peak(contestant)) : TimeText.None),
                MetadataShare(result) is { } share ? share.ToString("P1", CultureInfo.InvariantCulture) : TimeText.None]);
        }

        return table.ToString();
    }

    /// <summary>The median of a contestant's peaks, in bytes.</summary>
    public static long? Peak(ContestantResult contestant) => contestant.MedianOf(measurement => measurement.PeakResidentBytes);

    /// <summary>The share of the engine's own tables in its peak, without a prewarm; null where it was not asked.</summary>
    public static double? MetadataShare(WorkloadResult result) =>
        result.Find(ContestantNames.HandleCold) is { } cold && Peak(cold) is { } peak
            ? (double?)cold.MedianOf(measurement => measurement.MetadataBytes) / peak
            : null;

    private static string Mebibytes(long? bytes) => bytes is null ? TimeText.None : (bytes.Value / MebibyteBytes).ToString("N1", CultureInfo.InvariantCulture);
}
