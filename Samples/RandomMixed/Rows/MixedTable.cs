using System.Globalization;
using Samples.Common;

namespace Samples.RandomMixed.Rows;

/// <summary>Prints the results for people.</summary>
internal static class MixedTable
{
    private const string None = "-";
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>The table.</summary>
    public static string Print(IReadOnlyList<RowResults> results)
    {
        var table = new TextTable(
            ["", "million ops", "least ..", "ns per", "times", "page faults", "page faults", "managed", "collec-"],
            ["", "per second", "most", "operation", "malloc", "in the loop", "in the loop before", "bytes", "tions"]);
        long? malloc = Malloc(results);
        foreach (RowResults row in results)
        {
            RunDocument run = row.Summary();
            (long least, long most) = row.OperationsPerSecond;
            table.Add(
                row.Row.Title,
                Millions(run.OperationsPerSecond),
                $"{Millions(least)} .. {Millions(most)}",
                (1e9 / run.OperationsPerSecond).ToString("N2", Culture),
                malloc is null ? None : ((double)run.OperationsPerSecond / malloc.Value).ToString("N2", Culture),
                Count(run.PageFaultsInLoop),
                run.Prewarmed ? Count(row.PageFaultsInRehearsal) : None,
                Count(run.ManagedBytesInLoop),
                Count(run.CollectionsInLoop));
        }

        return table.ToString();
    }

    /// <summary>What the engine's memory says of how its pages came, a line for each different answer.</summary>
    public static string PrintPrefaults(IReadOnlyList<RowResults> results)
    {
        IEnumerable<string> prefaults = results.Where(row => row.Row.IsEngine).SelectMany(row => row.Prefaults()).Distinct();
        return string.Concat(prefaults.Select(prefault => $"{Environment.NewLine}the engine's pages: {prefault}{Environment.NewLine}"));
    }

    private static long? Malloc(IReadOnlyList<RowResults> results)
    {
        foreach (RowResults row in results)
        {
            if (row.Row is { Allocator: AllocatorKind.Malloc, IsPrewarmed: true })
            {
                return row.Summary().OperationsPerSecond;
            }
        }

        return null;
    }

    private static string Millions(long value) => (value / 1e6).ToString("N1", Culture);

    private static string Count(long value) => value.ToString("N0", Culture);
}
