using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Samples.Common;
using Samples.LevelStreaming.Rows;

namespace Samples.LevelStreaming;

/// <summary>
/// Levels that are loaded and unloaded while the game goes on. The parent process records the levels' plans in a child, if none are
/// given, starts a child for each row, and prints what they found.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments) => SampleHost.Run(StreamingCommand.Create(Run), arguments);

    private static int Run(StreamingOptions options)
    {
        if (options.Record is not null)
        {
            RowRuns.Record(options.Walk, options.Record);
            return ExitCodes.Success;
        }

        if (options.OnlyRow is { } only)
        {
            SampleProfile.Prepare(options.Profile);
            RowDocument row = RowRuns.Measure(only, options.Walk, options.Plans, options.Profile);
            Console.Out.WriteLine(JsonSerializer.Serialize(row, StreamingJson.Default.RowDocument));
            return ExitCodes.Success;
        }

        return options.Beside is { } megabytes ? RunBeside(options, megabytes) : RunAllRows(options);
    }

    private static int RunBeside(StreamingOptions options, int megabytes)
    {
        var json = new JsonDestination(options.Json);
        using Beside beside = new(megabytes, options.Walk.Seed);
        BesideDocument result = beside.Run();
        if (!json.IsStandardOutput)
        {
            Console.Out.Write(BesideTable.Print(result));
        }

        json.Write(new StreamingDocument { Rows = [], Beside = result }, StreamingJson.Default.StreamingDocument);
        if (result.Violations == 0)
        {
            return ExitCodes.Success;
        }

        Console.Error.WriteLine($"error: {result.Violations} frames broke the rules. {result.FirstViolation}");
        return ExitCodes.Failure;
    }

    private static int RunAllRows(StreamingOptions options)
    {
        var json = new JsonDestination(options.Json);
        string plans = options.Plans ?? Path.Combine(Path.GetTempPath(), $"level-streaming-{Environment.ProcessId}");
        List<RowDocument> rows = [];
        try
        {
            if (options.Plans is null && Array.Exists(options.Rows, row => row == RowKind.Prewarmed))
            {
                ChildProcess.Run(StreamingCommand.RecordArguments(options, plans), "");
            }

            foreach (RowKind row in options.Rows)
            {
                string text = ChildProcess.Run(StreamingCommand.RowArguments(options, row, plans), "");
                rows.Add(JsonSerializer.Deserialize(text, StreamingJson.Default.RowDocument)!);
            }
        }
        finally
        {
            if (options.Plans is null && Directory.Exists(plans))
            {
                Directory.Delete(plans, recursive: true);
            }
        }

        if (!json.IsStandardOutput)
        {
            Console.Out.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"level streaming: {options.Walk.Frames:N0} frames, seed {options.Walk.Seed}{Environment.NewLine}"));
            Console.Out.Write(StreamingTable.Print(rows));
        }

        json.Write(new StreamingDocument { Rows = rows }, StreamingJson.Default.StreamingDocument);
        return Judge(rows);
    }

    private static int Judge(List<RowDocument> rows)
    {
        int code = ExitCodes.Success;
        foreach (RowDocument row in rows)
        {
            string? wrong = row.Checksum != rows[0].Checksum
                ? $"{row.Row} did other work than {rows[0].Row}: checksum {row.Checksum:x8} instead of {rows[0].Checksum:x8}"
                : row.Row != StreamingCommand.NameOf(RowKind.Prewarmed) ? null
                : row.Violations != 0 ? $"{row.Row}: {row.Violations} frames broke the rules. {row.FirstViolation}"
                : row.ProcessFaultsInFrames != 0 && !RuntimeFeature.IsDynamicCodeCompiled
                    ? $"{row.Row}: {row.ProcessFaultsInFrames} page faults in the process during the frames, and compiled ahead of time there should be none"
                : null;
            if (wrong is not null)
            {
                Console.Error.WriteLine("error: " + wrong);
                code = ExitCodes.Failure;
            }
        }

        return code;
    }
}
