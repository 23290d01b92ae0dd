using System.Globalization;
using System.Runtime.CompilerServices;
using Samples.Common;

namespace Samples.LevelStreaming;

/// <summary>
/// Levels that are loaded and unloaded while the game goes on. The parent process records the levels' plans in a child,
/// if none are given, starts a child for each row, and prints what they found.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments) => SampleHost.Run(StreamingCommand.Create(Run), arguments);

    private static int Run(StreamingOptions options)
    {
        if (options.Record is not null)
        {
            OutputFile.CheckFolder("--record", options.Record);
            RowRuns.Record(options.Walk, options.Record);
            return ExitCodes.Success;
        }

        if (options.OnlyRow is { } only)
        {
            SampleProfile.Prepare(options.Profile);
            RowDocument row = RowRuns.Measure(only, options.Walk, options.Plans, options.Profile);
            return RowRunner.Answer(row, StreamingJson.Default.RowDocument);
        }

        return options.Beside is { } megabytes ? RunBeside(options, megabytes) : RunAllRows(options);
    }

    private static int RunBeside(StreamingOptions options, int megabytes)
    {
        var json = new JsonDestination(options.Json);
        using Beside beside = new(megabytes, options.Walk.Seed);
        BesideDocument result = beside.Run();
        json.Tables.Write(BesideTable.Print(result));
        json.Write(new StreamingDocument { Rows = [], Beside = result }, StreamingJson.Default.StreamingDocument);
        string? problem = result.Violations == 0
            ? null
            : $"{FigureText.Count(result.Violations, "frame")} broke the rules. {result.FirstViolation}";
        return RowRunner.Judge([problem]);
    }

    private static int RunAllRows(StreamingOptions options)
    {
        var json = new JsonDestination(options.Json);
        string plans = options.Plans ?? Path.Combine(Path.GetTempPath(), $"level-streaming-{Environment.ProcessId}");
        List<RowDocument> rows = [];
        try
        {
            if (options.Plans is null && Array.Exists(options.Rows, row => row == RowKind.Prewarmed))
                ChildProcess.Run(StreamingCommand.RecordArguments(options, plans), "");

            RowRunner.TakeTurns(1, options.Rows, row => rows.Add(RowRunner.Ask(
                StreamingCommand.RowArguments(options, row, plans), StreamingJson.Default.RowDocument)));
        }
        finally
        {
            if (options.Plans is null && Directory.Exists(plans))
                Directory.Delete(plans, recursive: true);
        }

        json.Tables.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"level streaming: {options.Walk.Frames:N0} frames, seed {options.Walk.Seed}{Environment.NewLine}"));
        json.Tables.Write(StreamingTable.Print(rows));
        json.Write(new StreamingDocument { Rows = rows }, StreamingJson.Default.StreamingDocument);
        return RowRunner.Judge(rows.Select(row => Problem(row, rows[0])));
    }

    private static string? Problem(RowDocument row, RowDocument first)
    {
        if (row.Checksum != first.Checksum)
        {
            return $"{row.Row} did other work than {first.Row}: checksum {row.Checksum:x8} instead of "
                + $"{first.Checksum:x8}";
        }

        return row.Row != EnumNames<RowKind>.Of(RowKind.Prewarmed) ? null
            : row.Violations != 0
                ? $"{row.Row}: {FigureText.Count(row.Violations, "frame")} broke the rules. {row.FirstViolation}"
            : row is { ProcessFaultsInFrames: > 0, PagesMovedByKernel: 0 } && !RuntimeFeature.IsDynamicCodeCompiled
                ? $"{row.Row}: {FigureText.Count(row.ProcessFaultsInFrames, "page fault")} in the process during "
                    + "the frames, and compiled ahead of time there should be none"
            : null;
    }
}
