using Samples.Benchmarks.Measuring;
using Samples.Common;

namespace Samples.Benchmarks.Reporting;

/// <summary>Prints the results of the workloads of one name for people: a row for each contestant, a few workloads beside each other.</summary>
internal static class WorkloadTable
{
    private const int WorkloadsBeside = 3;

    /// <summary>The tables.</summary>
    public static string Print(IReadOnlyList<WorkloadResult> results) =>
        string.Join(Environment.NewLine, results.Chunk(WorkloadsBeside).Select(Table));

    private static TextTable Table(WorkloadResult[] results)
    {
        var table = new TextTable(
            [results[0].Work.Name, .. results.SelectMany<WorkloadResult, string>(result => [result.Work.Variant ?? "", "least ..", "of best"])],
            ["ns per " + results[0].Work.Operation, .. results.SelectMany<WorkloadResult, string>(_ => ["median", "most", "peer"])]);
        foreach (string contestant in results.SelectMany(result => result.Contestants).Select(contestant => contestant.Name).Distinct())
        {
            table.Add([contestant, .. results.SelectMany(result => Cells(result, contestant))]);
        }

        return table;
    }

    private static string[] Cells(WorkloadResult result, string name)
    {
        if (result.Find(name) is not { } contestant)
        {
            return [TimeText.None, TimeText.None, TimeText.None];
        }

        return [
            TimeText.Of(contestant.Median),
            $"{TimeText.Of(contestant.Min)} .. {TimeText.Of(contestant.Max)}",
            TimeText.Ratio(result.RatioToBestPeer(contestant))];
    }
}
