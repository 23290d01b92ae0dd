// The tables: of the allocators, and of the prefault policies.
using System.Text;
using Samples.Common;
using SuperSlab;

namespace Samples.RandomMixed;

internal static class MixedTable
{
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
                FigureText.Decimals(run.OperationsPerSecond / 1e6),
                $"{FigureText.Decimals(least / 1e6)} .. {FigureText.Decimals(most / 1e6)}",
                FigureText.Decimals(1e9 / run.OperationsPerSecond, 2),
                FigureText.Decimals((double)run.OperationsPerSecond / malloc, 2),
                FigureText.Count(run.PageFaultsInLoop),
                FigureText.Count(run.Prewarmed ? row.PageFaultsInRehearsal : null),
                FigureText.Count(run.ManagedBytesInLoop),
                FigureText.Count(run.CollectionsInLoop));
        }

        return table.ToString();
    }

    /// <summary>What the engine's memory says of how its pages came, a line for each different answer.</summary>
    public static string PrintPrefaults(IReadOnlyList<RowResults> results)
    {
        IEnumerable<string> prefaults = results.Where(row => row.Row.IsEngine).SelectMany(row => row.Prefaults())
            .Distinct();
        string end = Environment.NewLine;
        return string.Concat(prefaults.Select(prefault => $"{end}the engine's pages: {prefault}{end}"));
    }

    private static long? Malloc(IReadOnlyList<RowResults> results) => results
        .FirstOrDefault(
            row => row.Row is { Allocator: AllocatorKind.Malloc, IsPrewarmed: true })?.Summary().OperationsPerSecond;
}

/// <summary>Prints the matrix of prefault policies for people.</summary>
internal static class MatrixTable
{
    /// <summary>What the table is to be held against.</summary>
    public const string Original =
        "the original experiment, on another machine: 4.01 million operations/s without and 3.71 with memset inside "
        + "the timed loop, 132,500 page faults both times";

    private const string OriginalMark = " *";

    /// <summary>The table, what its words mean, and how the pages came.</summary>
    public static string Print(IReadOnlyList<RowResults> results, IReadOnlyList<PrefaultTrial> trials)
    {
        var table = new TextTable(
            ["", "million ops", "least ..", "page faults", "of them", "OS calls", "faults"],
            ["", "per second", "most", "in the loop", "interruptions", "in the loop", "left"]);
        var reasons = new StringBuilder();
        foreach (PrefaultTrial trial in trials)
        {
            string combination = RowSpec.Combination(trial.Policy, trial.Pages);
            if (!trial.IsObtained)
            {
                table.Add([$"{combination}: not here, see below", .. Enumerable.Repeat(FigureText.None, 6)]);
                reasons.AppendLine($"  {combination}: not here. {trial.Description}");
                continue;
            }

            List<RowResults> rows = [.. results.Where(
                result => result.Row.Prefault == trial.Policy && result.Row.Pages == trial.Pages)];
            rows.ForEach(row => AddRow(table, row));
            foreach (string prefault in rows.SelectMany(row => row.Prefaults()).Distinct())
                reasons.AppendLine($"  {combination}: {prefault}");
        }

        const string AllFaults =
            "all that the kernel counted for the thread, pages that it put there on request (a populate call) "
            + "included.";
        const string ByMemset =
            "what the original experiment did: new SuperSlabs are cleared by memset inside the timed loop.";
        return
        $"""
        {table}
        cold: the loop takes its memory from the system. prewarmed: a scene plan was loaded before the loop.
        page faults: {AllFaults}
        faults left: pages of the engine's SuperSlabs on which a write would still fault, after the loop.
        {OriginalMark.Trim()} {ByMemset}

        How the pages came, as the memory tells it:
        {reasons}
        """.ReplaceLineEndings();
    }

    private static void AddRow(TextTable table, RowResults row)
    {
        RunDocument run = row.Summary();
        EngineFigures engine = run.EngineMemory!;
        (long least, long most) = row.OperationsPerSecond;
        bool isOriginal = row.Row is { Prefault: PrefaultPolicy.Clear, Pages: PageKind.Normal, IsPrewarmed: false };
        table.Add(
            row.Row.Title + (isOriginal ? OriginalMark : ""),
            FigureText.Decimals(run.OperationsPerSecond / 1e6),
            $"{FigureText.Decimals(least / 1e6)} .. {FigureText.Decimals(most / 1e6)}",
            FigureText.Count(run.PageFaultsInLoop),
            FigureText.Count(engine.InterruptionsInLoop),
            FigureText.Count(engine.OsCallsInLoop),
            FigureText.Count(engine.FaultsLeft));
    }
}
