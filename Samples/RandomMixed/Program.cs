using System.Globalization;
using System.Text.Json;
using Samples.Common;
using Samples.RandomMixed.Rows;
using SuperSlab;

namespace Samples.RandomMixed;

/// <summary>
/// The benchmark that the engine's memory system began with: random allocations and frees within a working set, by one thread.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments) => SampleHost.Run(MixedCommand.Create(Run), arguments);

    private static int Run(MixedOptions options) => options.OnlyRow is null ? RunAllRows(options) : RunOneRow(options, options.OnlyRow);

    private static int RunOneRow(MixedOptions options, RowSpec row)
    {
        SampleProfile.Prepare(options.Profile);
        Measurement measurement = RowRuns.Measure(row, options.Work, options.Profile);
        Console.Out.WriteLine(JsonSerializer.Serialize(measurement, MixedJson.Default.Measurement));
        return ExitCodes.Success;
    }

    private static int RunAllRows(MixedOptions options)
    {
        var json = new JsonDestination(options.Json);
        options = options.Profile is null ? options : options with { Repeat = 1 };
        if (!json.IsStandardOutput)
        {
            Console.Out.WriteLine(Heading(options));
        }

        List<PrefaultTrial> trials = options.Matrix ? MatrixRows.Try(options) : [];
        List<RowSpec> rows = options.Matrix
            ? [.. trials.Where(trial => trial.IsObtained).SelectMany(trial => MatrixRows.Of(trial, options))]
            : RowSpec.Select(options);
        if (options.Profile is not null)
        {
            rows = [rows.Find(row => row.IsEngine && row.IsPrewarmed != options.Cold)!];
        }

        List<RowResults> results = rows.ConvertAll(row => new RowResults(row));
        Measure(options, results);
        if (!json.IsStandardOutput)
        {
            Console.Out.Write(options.Matrix ? MatrixTable.Print(results, trials) : MixedTable.Print(results));
            bool isPrefaultAsked = !options.Matrix && (options.Prefault is not null || options.Pages is not null);
            Console.Out.Write(isPrefaultAsked ? MixedTable.PrintPrefaults(results) : "");
        }

        if (options.Faults && !json.IsStandardOutput)
        {
            results.ForEach(row => Console.Out.Write(Environment.NewLine + FaultsTable.Print(row.Row.Title, "in the loop", row.Faults!)));
        }

        List<RunDocument> runs = results.ConvertAll(row => row.Summary());
        json.Write(new MixedDocument { Runs = runs, Unavailable = MatrixRows.Unavailable(trials) }, MixedJson.Default.MixedDocument);
        return Judge(results);
    }

    private static string Heading(MixedOptions options)
    {
        string heading = string.Create(
            CultureInfo.InvariantCulture,
            $"random mixed: {options.Work.Operations:N0} operations, working set {options.Work.WorkingSet:N0}, seed {options.Work.Seed}; "
            + $"medians of {options.Repeat} runs{Environment.NewLine}");
        return options.Matrix ? heading + MatrixTable.Original + Environment.NewLine : heading;
    }

    private static void Measure(MixedOptions options, List<RowResults> results)
    {
        for (int repeat = 0; repeat < options.Repeat; repeat++)
        {
            foreach (RowResults row in results)
            {
                string text = ChildProcess.Run(MixedCommand.ChildArguments(options, row.Row), "");
                row.Add(JsonSerializer.Deserialize(text, MixedJson.Default.Measurement)!);
            }
        }
    }

    private static int Judge(List<RowResults> results)
    {
        int code = ExitCodes.Success;
        foreach (RowResults row in results)
        {
            string? wrong = row.Checksum != results[0].Checksum
                ? $"{row.Row.Title} did other work than {results[0].Row.Title}: checksum {row.Checksum:x8} instead of {results[0].Checksum:x8}"
                : row.BrokenPromise() ?? (row.Faults is { } faults && FaultsTable.Problem(faults) is { } problem ? $"{row.Row.Title}: {problem}" : null);
            if (wrong is not null)
            {
                Console.Error.WriteLine("error: " + wrong);
                code = ExitCodes.Failure;
            }
        }

        return code;
    }
}
