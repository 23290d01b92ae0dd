using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;

namespace Samples.Benchmarks.Reporting;

/// <summary>Prints all workloads in one table: the engine's medians beside those of the best native allocator and of the best C# pick.</summary>
internal static class SummaryTable
{
    /// <summary>The table.</summary>
    public static string Print(IReadOnlyList<WorkloadResult> results)
    {
        var table = new TextTable(
            ["medians, ns per", "empty", "engine by", "engine", "best native", "", "handle", "fastest pick", "", "handle"],
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
                native?.Name ?? TimeText.None,
                TimeText.Of(native?.Median),
                TimeText.Ratio(handle?.Median / native?.Median),
                pick?.Name ?? TimeText.None,
                TimeText.Of(pick?.Median),
                TimeText.Ratio(handle?.Median / pick?.Median));
        }

        return table.ToString();
    }
}
