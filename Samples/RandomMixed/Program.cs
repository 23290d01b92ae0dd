using System.Globalization;
using Samples.Common;
using SuperSlab;

namespace Samples.RandomMixed;

/// <summary>
/// The benchmark that the engine's memory system began with: random allocations and frees within a working set, by one
/// thread.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments) => SampleHost.Run(MixedCommand.Create(Run), arguments);

    private static int Run(MixedOptions options)
    {
        if (options.OnlyRow is not { } only)
            return RunAllRows(options);

        SampleProfile.Prepare(options.Profile);
        return RowRunner.Answer(RowRun.Measure(only, options.Work, options.Profile), MixedJson.Default.Measurement);
    }

    private static int RunAllRows(MixedOptions options)
    {
        var json = new JsonDestination(options.Json);
        TextWriter output = json.Tables;
        output.WriteLine(Heading(options));
        List<PrefaultTrial> trials = options.Matrix ? MatrixRows.Try(options) : [];
        List<RowSpec> rows = options.Matrix
            ? [.. trials.Where(trial => trial.IsObtained).SelectMany(trial => MatrixRows.Of(trial, options))]
            : RowSpec.Select(options);
        if (options.Profile is not null)
            rows = [rows.Find(row => row.IsEngine && row.IsPrewarmed != options.Cold)!];

        List<RowResults> results = rows.ConvertAll(row => new RowResults(row));
        RowRunner.TakeTurns(options.Repeat, results, row => row.Add(
            RowRunner.Ask(MixedCommand.ChildArguments(options, row.Row), MixedJson.Default.Measurement)));
        output.Write(options.Matrix ? MatrixTable.Print(results, trials) : MixedTable.Print(results));
        bool isPrefaultAsked = !options.Matrix && (options.Prefault is not null || options.Pages is not null);
        output.Write(isPrefaultAsked ? MixedTable.PrintPrefaults(results) : "");
        if (options.Faults)
        {
            results.ForEach(row =>
                output.Write(Environment.NewLine + FaultsTable.Print(row.Row.Title, "in the loop", row.Faults!)));
        }

        List<RunDocument> runs = results.ConvertAll(row => row.Summary());
        json.Write(
            new MixedDocument { Runs = runs, Unavailable = MatrixRows.Unavailable(trials) },
            MixedJson.Default.MixedDocument);
        return RowRunner.Judge(results.Select(row => row.Problem(results[0])));
    }

    private static string Heading(MixedOptions options)
    {
        string heading = string.Create(
            CultureInfo.InvariantCulture,
            $"random mixed: {options.Work.Operations:N0} operations, working set {options.Work.WorkingSet:N0}, seed "
            + $"{options.Work.Seed}; medians of {options.Repeat} runs{Environment.NewLine}");
        return options.Matrix ? heading + MatrixTable.Original + Environment.NewLine : heading;
    }
}
