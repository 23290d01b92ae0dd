using System.Globalization;
using System.Text.Json;
using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Rows;
using Samples.GameReplay.Tracing;

namespace Samples.GameReplay;

/// <summary>
/// The main job: a real game's allocations, replayed. The parent process reads the trace once, which checks it and learns what
/// a replay needs, then starts a child process for each row, and prints what they found.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments) => SampleHost.Run(ReplayCommand.Create(Run), arguments);

    private static int Run(ReplayOptions options)
    {
        TraceFile trace = TraceFile.Find(options.Trace);
        return options.OnlyRow is null ? RunAllRows(options, trace) : RunOneRow(options, trace, options.OnlyRow);
    }

    private static int RunOneRow(ReplayOptions options, TraceFile trace, RowSpec row)
    {
        TraceProfile profile = JsonSerializer.Deserialize(Console.In.ReadToEnd(), ReplayJson.Default.TraceProfile)!;
        RunDocument run = RowRuns.Measure(row, trace, profile, options.EffectiveTouch);
        Console.Out.WriteLine(JsonSerializer.Serialize(run, ReplayJson.Default.RunDocument));
        return ExitCodes.Success;
    }

    private static int RunAllRows(ReplayOptions options, TraceFile trace)
    {
        var json = new JsonDestination(options.Json);
        TraceProfile profile = TraceLearner.Learn(trace.Open(), trace.Name);
        if (!json.IsStandardOutput)
        {
            Console.Out.WriteLine(Heading(trace, profile, options));
            Console.Out.WriteLine();
        }

        List<RowResults> results = RowSpec.Select(options.Allocator, options.Cold).ConvertAll(row => new RowResults(row));
        string profileText = JsonSerializer.Serialize(profile, ReplayJson.Default.TraceProfile);
        for (int repeat = 0; repeat < options.Repeat; repeat++)
        {
            foreach (RowResults row in results)
            {
                string text = ChildProcess.Run(ReplayCommand.ChildArguments(options, row.Row), profileText);
                row.Add(JsonSerializer.Deserialize(text, ReplayJson.Default.RunDocument)!);
            }
        }

        if (!json.IsStandardOutput)
        {
            Console.Out.Write(ReplayTable.Print(results, options.Repeat));
        }

        json.Write(
            new ReplayDocument { Trace = trace.Name, Runs = results.ConvertAll(row => row.Summary()) },
            ReplayJson.Default.ReplayDocument);
        return Judge(results);
    }

    private static int Judge(List<RowResults> results)
    {
        int code = ExitCodes.Success;
        foreach (RowResults row in results)
        {
            if (row.BrokenPromise() is { } broken)
            {
                Console.Error.WriteLine("error: " + broken);
                code = ExitCodes.Failure;
            }
        }

        return code;
    }

    private static string Heading(TraceFile trace, TraceProfile profile, ReplayOptions options)
    {
        string touch = options.EffectiveTouch switch
        {
            TouchMode.First => "the first 4 KiB and the last byte of each block are written",
            TouchMode.Pages => "a byte in each page of each block is written",
            TouchMode.All => "every byte of each block is written",
            _ => "every byte of each block is written and checked",
        };
        string repeats = options.Repeat > 1 ? $"; medians of {options.Repeat} runs" : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{trace.Name}: {profile.Frames:N0} frames, {profile.Threads} threads, {profile.Allocations:N0} allocations, "
            + $"{profile.FrameAllocations:N0} of them in the frames{Environment.NewLine}{touch}{repeats}");
    }
}
