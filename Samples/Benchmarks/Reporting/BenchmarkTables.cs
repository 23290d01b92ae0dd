// The tables, and how figures stand in them.
using System.Globalization;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.GameReplay.Scripts;

namespace Samples.Benchmarks.Reporting;

/// <summary>
/// Prints the results of the workloads of one name for people: a row for each contestant, a few workloads beside each
/// other.
/// </summary>
internal static class WorkloadTable
{
    private const int WorkloadsBeside = 3;

    public static string Print(IReadOnlyList<WorkloadResult> results) =>
        string.Join(Environment.NewLine, results.Chunk(WorkloadsBeside).Select(Table));

    private static TextTable Table(WorkloadResult[] results)
    {
        var table = new TextTable(
            [
                results[0].Work.Name,
                .. results.SelectMany<WorkloadResult, string>(
                    result => [result.Work.Variant ?? "", "least ..", "of best"]),
            ],
            [
                "ns per " + results[0].Work.Operation,
                .. results.SelectMany<WorkloadResult, string>(_ => ["median", "most", "peer"]),
            ]);
        foreach (string contestant in results.SelectMany(result => result.Contestants)
            .Select(contestant => contestant.Name).Distinct())
        {
            table.Add([contestant, .. results.SelectMany(result => Cells(result, contestant))]);
        }

        return table;
    }

    private static string[] Cells(WorkloadResult result, string name)
    {
        if (result.Find(name) is not { } contestant)
            return [FigureText.None, FigureText.None, FigureText.None];

        return [
            TimeText.Of(contestant.Median),
            $"{TimeText.Of(contestant.Min)} .. {TimeText.Of(contestant.Max)}",
            TimeText.Ratio(result.RatioToBestPeer(contestant))];
    }
}

/// <summary>
/// Prints all workloads in one table: the engine's medians beside those of the best native allocator and of the best C#
/// pick.
/// </summary>
internal static class SummaryTable
{
    public static string Print(IReadOnlyList<WorkloadResult> results)
    {
        var table = new TextTable(
            [
                "medians, ns per", "empty", "engine by", "engine", "best native", "", "handle", "fastest pick",
                "", "handle",
            ],
            ["operation", "loop", "handle", "implicit", "from C", "", "of it", "of a C# user", "", "of it"]);
        foreach (WorkloadResult result in results)
        {
            ContestantResult? handle = result.Find(ContestantNames.Handle);
            ContestantResult? native = result.BestPeer;
            ContestantResult? pick = result.Best(ContestantNames.PicksOfCSharp);
            table.Add(
                result.Work.Id,
                TimeText.Of(result.Find(ContestantNames.Null)?.Median),
                TimeText.Of(handle?.Median),
                TimeText.Of(result.Find(ContestantNames.Engine)?.Median),
                native?.Name ?? FigureText.None,
                TimeText.Of(native?.Median),
                TimeText.Ratio(handle?.Median / native?.Median),
                pick?.Name ?? FigureText.None,
                TimeText.Of(pick?.Median),
                TimeText.Ratio(handle?.Median / pick?.Median));
        }

        return table.ToString();
    }
}

/// <summary>
/// Prints how much memory the workloads took that were asked for it: a row for each of them, a column for each
/// contestant.
/// </summary>
internal static class MemoryTable
{
    private static readonly string[] Columns =
        [
            ContestantNames.Null, ContestantNames.Handle, ContestantNames.HandleCold, ContestantNames.HandleOnDemand,
            ContestantNames.NativeMemory,
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
            return "";

        string[] names = Array.FindAll(Columns, name => asked.Exists(result => result.Find(name) is not null));
        var table = new TextTable(
            ["peak resident, MiB", .. names, "tables in"],
            ["", .. names.Select(_ => ""), ContestantNames.HandleCold]);
        foreach (WorkloadResult result in asked)
        {
            table.Add([
                result.Work.OneRunWith ?? result.Work.Id,
                .. names.Select(
                    name => FigureText.Mebibytes(result.Find(name) is { } contestant ? Peak(contestant) : null)),
                MetadataShare(result) is { } share
                    ? share.ToString("P1", CultureInfo.InvariantCulture)
                    : FigureText.None]);
        }

        return table.ToString();
    }

    /// <summary>The median of a contestant's peaks, in bytes.</summary>
    public static long? Peak(ContestantResult contestant) =>
        contestant.MedianOf(measurement => measurement.PeakResidentBytes);

    /// <summary>
    /// The share of the engine's own tables in its peak, without a prewarm; null where it was not asked.
    /// </summary>
    public static double? MetadataShare(WorkloadResult result) =>
        result.Find(ContestantNames.HandleCold) is { } cold && Peak(cold) is { } peak
            ? (double?)cold.MedianOf(measurement => measurement.MetadataBytes) / peak
            : null;
}

/// <summary>How figures stand in the tables.</summary>
internal static class TimeText
{
    /// <summary>A time in nanoseconds, with three digits that count.</summary>
    public static string Of(double? nanoseconds) => nanoseconds?.ToString(
        nanoseconds switch { < 10 => "N2", < 100 => "N1", _ => "N0" },
        CultureInfo.InvariantCulture) ?? FigureText.None;

    public static string Ratio(double? ratio) =>
        ratio?.ToString(ratio < 100 ? "N2" : "N0", CultureInfo.InvariantCulture) ?? FigureText.None;
}
