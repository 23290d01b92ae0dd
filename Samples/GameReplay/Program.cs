using System.Globalization;
using System.Text.Json;
using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Rows;
using Samples.GameReplay.Tracing;
using SuperSlab.Scenes;

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
        SampleProfile.Prepare(options.Profile);
        TraceProfile profile = JsonSerializer.Deserialize(Console.In.ReadToEnd(), ReplayJson.Default.TraceProfile)!;
        ScenePlan? plan = options.Plan is null ? null : PlanFile.Read(options.Plan);
        RowMeasurement measurement = RowRuns.Measure(row, trace, profile, plan, options.EffectiveTouch, options.Profile);
        Console.Out.WriteLine(JsonSerializer.Serialize(measurement, ReplayJson.Default.RowMeasurement));
        return ExitCodes.Success;
    }

    private static int RunAllRows(ReplayOptions options, TraceFile trace)
    {
        var json = new JsonDestination(options.Json);
        if (options.RecordPlan is not null)
        {
            OutputFile.Check("--record-plan", options.RecordPlan);
        }

        if (options.Plan is not null)
        {
            PlanFile.Read(options.Plan);
        }

        TraceProfile profile = TraceLearner.Learn(trace.Open(), trace.Name);
        if (!json.IsStandardOutput)
        {
            Console.Out.WriteLine(Heading(trace, profile, options));
            Console.Out.WriteLine();
        }

        List<RowSpec> rows = options.RecordPlan is null ? RowSpec.Select(options.Allocator, options.Cold) : [.. RowSpec.Recording];
        if (options.Profile is not null)
        {
            RowSpec plain = new(AllocatorKind.Engine, !options.Cold);
            RowSpec profiled = plain with { IsProfiled = true };
            RowSpec withOwners = profiled with { AttributesFaults = true };
            rows = options.Repeat == 1 ? [withOwners] : [plain, profiled, withOwners];
        }

        List<RowResults> results = rows.ConvertAll(row => new RowResults(row));
        string profileText = JsonSerializer.Serialize(profile, ReplayJson.Default.TraceProfile);
        for (int repeat = 0; repeat < options.Repeat; repeat++)
        {
            foreach (RowResults row in results)
            {
                string text = ChildProcess.Run(ReplayCommand.ChildArguments(options, row.Row), profileText);
                RowMeasurement measured = JsonSerializer.Deserialize(text, ReplayJson.Default.RowMeasurement)!;
                row.Add(options.Faults ? measured : measured with { Run = measured.Run with { Faults = null } });
            }
        }

        RecordingCost? recording = options.RecordPlan is null ? null : WritePlan(options.RecordPlan, results);
        if (!json.IsStandardOutput)
        {
            Console.Out.Write(ReplayTable.Print(results, options.Repeat));
            Console.Out.Write(ReplayTable.PrintPlans(results, recording));
            Console.Out.Write(options.Profile is null || rows.Count == 1 ? "" : ReplayTable.PrintProfiling(results[0], results[1], results[2]));
        }

        if (options.Faults && !json.IsStandardOutput)
        {
            foreach (RowResults row in results.Where(row => row.Faults is not null))
            {
                Console.Out.Write(Environment.NewLine + FaultsTable.Print(row.Row.Title, "in the frames", row.Faults!));
            }
        }

        json.Write(
            new ReplayDocument { Trace = trace.Name, Runs = results.ConvertAll(row => row.Summary()), Recording = recording },
            ReplayJson.Default.ReplayDocument);
        return Judge(results);
    }

    private static RecordingCost WritePlan(string path, List<RowResults> results)
    {
        RowResults without = results[0];
        RowResults with = results[1];
        PlanFile.Write(path, ScenePlan.Merge(with.Plans));
        return new RecordingCost(with.Plans.Count, without.WorkNanoseconds, with.WorkNanoseconds, with.PlanNanoseconds);
    }

    private static int Judge(List<RowResults> results)
    {
        int code = ExitCodes.Success;
        foreach (RowResults row in results)
        {
            string? problem = row.Faults is null ? null : FaultsTable.Problem(row.Faults);
            if ((row.BrokenPromise() ?? problem) is { } broken)
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
