using System.Globalization;
using System.Text;
using Samples.Common;
using SuperSlab;

namespace Samples.RandomMixed.Rows;

/// <summary>Prints the matrix of prefault policies for people.</summary>
internal static class MatrixTable
{
    /// <summary>What the table is to be held against.</summary>
    public const string Original =
        "the original experiment, on another machine: 4.01 million operations/s without and 3.71 with memset inside the timed loop, "
        + "132,500 page faults both times";

    private const string None = "-";
    private const string OriginalMark = " *";
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

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
                table.Add($"{combination}: not here, see below", None, None, None, None, None, None);
                reasons.AppendLine(Culture, $"  {combination}: not here. {trial.Description}");
                continue;
            }

            List<RowResults> rows = [.. results.Where(result => result.Row.Prefault == trial.Policy && result.Row.Pages == trial.Pages)];
            rows.ForEach(row => AddRow(table, row));
            foreach (string prefault in rows.SelectMany(row => row.Prefaults()).Distinct())
            {
                reasons.AppendLine(Culture, $"  {combination}: {prefault}");
            }
        }

        return $"""
            {table}
            cold: the loop takes its memory from the system. prewarmed: a scene plan was loaded before the loop.
            page faults: all that the kernel counted for the thread, pages that it put there on request (a populate call) included.
            faults left: pages of the engine's SuperSlabs on which a write would still fault, after the loop.
            {OriginalMark.Trim()} what the original experiment did: new SuperSlabs are cleared by memset inside the timed loop.

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
            Millions(run.OperationsPerSecond),
            $"{Millions(least)} .. {Millions(most)}",
            Count(run.PageFaultsInLoop),
            Count(engine.InterruptionsInLoop),
            Count(engine.OsCallsInLoop),
            Count(engine.FaultsLeft));
    }

    private static string Millions(long value) => (value / 1e6).ToString("N1", Culture);

    private static string Count(long? value) => value?.ToString("N0", Culture) ?? None;
}
