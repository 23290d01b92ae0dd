using System.Globalization;
using System.Text.Json;
using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Playing;
using Samples.GameReplay.Rows;
using Samples.GameReplay.Tracing;
using SuperSlab.Scenes;

namespace Samples.GameReplay;

/// <summary>
/// The main job: a real game's allocations, replayed. The parent process reads the trace once, which checks it and
/// learns what a replay needs, then starts a child process for each row, and prints what they found.
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
        TraceProfile profile = RowRunner.Read(Console.In.ReadToEnd(), ReplayJson.Default.TraceProfile);
        ScenePlan? plan = options.Plan is null ? null : PlanFile.Read(options.Plan);
        var job = new ReplayJob(trace, profile, plan, options.EffectiveTouch, options.Profile);
        return RowRunner.Answer(RowRuns.Measure(row, job), ReplayJson.Default.RowMeasurement);
    }

    private static int RunAllRows(ReplayOptions options, TraceFile trace)
    {
        var json = new JsonDestination(options.Json);
        if (options.RecordPlan is not null)
            OutputFile.Check("--record-plan", options.RecordPlan);

        if (options.Plan is not null)
            PlanFile.Read(options.Plan);

        TraceProfile profile = TraceLearner.Learn(trace.Open(), trace.Name);
        TextWriter output = json.Tables;
        output.WriteLine(Heading(trace, profile, options));
        output.WriteLine();

        List<RowResults> results = Rows(options).ConvertAll(row => new RowResults(row));
        string profileText = JsonSerializer.Serialize(profile, ReplayJson.Default.TraceProfile);
        RowRunner.TakeTurns(options.Repeat, results, row =>
        {
            string[] arguments = ReplayCommand.ChildArguments(options, row.Row);
            RowMeasurement measured = RowRunner.Ask(arguments, ReplayJson.Default.RowMeasurement, profileText);
            row.Add(options.Faults ? measured : measured with { Run = measured.Run with { Faults = null } });
        });

        RecordingCost? recording = options.RecordPlan is null ? null
            : WritePlan(options.RecordPlan, results) with { AddedSuperSlabs = Complete(options, profileText) };
        output.Write(ReplayTable.Print(results, options.Repeat));
        output.Write(ReplayTable.PrintPlans(results, recording));
        if (options.Profile is not null && results is [var plain, var profiled, var withOwners])
            output.Write(ReplayTable.PrintProfiling(plain, profiled, withOwners));

        foreach (RowResults row in results.Where(row => row.Faults is not null))
            output.Write(Environment.NewLine + FaultsTable.Print(row.Row.Title, "in the frames", row.Faults!));

        List<RunDocument> runs = results.ConvertAll(row => row.Summary());
        json.Write(
            new ReplayDocument { Trace = trace.Name, Runs = runs, Recording = recording },
            ReplayJson.Default.ReplayDocument);
        return RowRunner.Judge(results.Select(row => row.Problem()));
    }

    private static List<RowSpec> Rows(ReplayOptions options)
    {
        if (options.Profile is null)
        {
            return options.RecordPlan is null
                ? RowSpec.Select(options.Allocator, options.Cold)
                : [.. RowSpec.Recording];
        }

        RowSpec plain = new(AllocatorKind.Engine, !options.Cold);
        RowSpec profiled = plain with { IsProfiled = true };
        RowSpec withOwners = profiled with { AttributesFaults = true };
        return options.Repeat == 1 ? [withOwners] : [plain, profiled, withOwners];
    }

    private static RecordingCost WritePlan(string path, List<RowResults> results)
    {
        RowResults without = results[0];
        RowResults with = results[1];
        List<ScenePlan> plans = [.. with.Plans];
        PlanFile.Write(path, ScenePlan.Merge(plans));
        return new RecordingCost(plans.Count, without.WorkNanoseconds, with.WorkNanoseconds, with.PlanNanoseconds);
    }

    /// <summary>
    /// Replays by a recorded plan, and gives it a SuperSlab more until no frame calls the system: a prewarmed arena
    /// cannot move blocks together to make neighbouring SuperSlabs for an extent, as one on demand moves their pages.
    /// </summary>
    /// <returns>How many it got.</returns>
    private static int Complete(ReplayOptions options, string profileText)
    {
        const int MostAdded = 16;
        string path = options.RecordPlan!;
        ReplayOptions tried = options with { Plan = path, RecordPlan = null };
        string[] arguments = ReplayCommand.ChildArguments(tried, new RowSpec(AllocatorKind.Engine, true));
        int added = 0;
        for (int passed = 0; passed < 2;)
        {
            RowMeasurement run = RowRunner.Ask(arguments, ReplayJson.Default.RowMeasurement, profileText);
            bool isEnough = run.Run.HotLoop.OsCalls == 0;
            passed = isEnough ? passed + 1 : 0;
            if (isEnough)
                continue;

            if (added++ == MostAdded)
                throw new RunFailedException($"The recorded plan made OS calls with {MostAdded} SuperSlabs more, too.");

            ScenePlan plan = PlanFile.Read(path);
            ArenaPlan arena = plan.Arenas[0];
            arena = arena with { TogetherSuperSlabCount = arena.TogetherSuperSlabCount + 1 };
            PlanFile.Write(path, plan with { Arenas = [arena] });
        }

        return added;
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
            $"{trace.Name}: {profile.Frames:N0} frames, {profile.Threads} threads, {profile.Allocations:N0} "
            + $"allocations, {profile.FrameAllocations:N0} of them in the frames{Environment.NewLine}{touch}{repeats}");
    }
}
