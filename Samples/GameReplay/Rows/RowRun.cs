using System.Diagnostics;
using Samples.Common;
using Samples.GameReplay.Contestants;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Playing;
using Samples.GameReplay.Scripts;
using Samples.GameReplay.Touching;
using Samples.GameReplay.Tracing;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.GameReplay.Rows;

/// <summary>
/// Measures one row. The order matters: first everything of the replay itself is made and used once (tables, threads, compiled
/// code), then the resident memory so far is noted as the base line, and only then is the allocator made. Reading and
/// compiling the trace happens between the frames, outside all measurements.
/// </summary>
internal static class RowRun<TContestant, TLane, TTouch>
    where TContestant : class, IContestant<TContestant, TLane>
    where TLane : ILane, allows ref struct
    where TTouch : struct, ITouch
{
    /// <summary>Replays the trace once.</summary>
    public static RowMeasurement Measure(RowSpec row, TraceFile trace, TraceProfile profile, ScenePlan? plan, bool recordsFaults, string? profileFolder = null)
    {
        using var ensemble = new Ensemble<TContestant, TLane, TTouch>(profile.Threads, recordsFaults);
        Rehearse(ensemble, profile.Threads, row);

        using var reader = new TraceReader(trace.Open(), trace.Name, profile.Slots);
        var compiler = new StepCompiler(reader);
        compiler.Reserve(profile.Slots);
        var script = new StepScript(profile.OperationCapacities);
        long[] frameTicks = new long[profile.Frames];
        frameTicks.AsSpan().Clear();
        long[] profilerTicks = new long[profile.Frames];
        profilerTicks.AsSpan().Clear();

        GC.Collect();
        _ = ResidentMemory.TryResetPeak();
        long baseLine = ResidentMemory.Bytes();
        using TContestant contestant = TContestant.Create(profile, plan ?? PlanFor(row, profile));
        using SampleProfile? profiled = contestant.BeginProfile(profileFolder, row.AttributesFaults);
        using FaultAttribution? unprofiled = row.AttributesFaults && profiled is null ? new FaultAttribution(contestant.Memory) : null;
        FaultAttribution? faults = profiled?.Faults ?? unprofiled;
        ensemble.Faults = faults;
        StepFigures hotLoop = default(StepFigures) with { EngineFaults = 0 };
        int frames = 0;
        long spentTicks = 0;
        while (compiler.TryCompile(script))
        {
            bool isFrame = script.Kind == StepKind.Frame;
            if (isFrame)
            {
                profiled?.BeginFrame();
                unprofiled?.BeginFrame(frames);
            }

            StepFigures figures = ensemble.Play(script, contestant);
            if (isFrame)
            {
                unprofiled?.EndFrame();
                profiled?.EndFrame(new HotLoopCounts { PageFaults = figures.PageFaults, OsCalls = figures.OsCalls, ManagedBytes = figures.ManagedBytes, Collections = figures.Collections });
                profilerTicks[frames] = (profiled?.CostTicks ?? 0) - spentTicks;
                spentTicks += profilerTicks[frames];
                frameTicks[frames++] = figures.WorkTicks;
                hotLoop += figures;
            }
        }

        long peak = Math.Max(ResidentMemory.PeakBytes() - baseLine, 0);
        CheckSurvivors(contestant, reader.Blocks);
        if (profiled is not null)
        {
            contestant.EndProfile(profiled);
        }

        long start = Stopwatch.GetTimestamp();
        string? recorded = row.IsRecorded ? contestant.RecordPlan()?.ToJson() : null;
        long planTicks = Stopwatch.GetTimestamp() - start;
        long[] work = Array.ConvertAll(frameTicks, Nanoseconds);
        RunDocument run = Document(row, profile, frameTicks, hotLoop, contestant.PrewarmNanoseconds, peak);
        return new RowMeasurement
        {
            Run = run with { PlanUse = plan is null ? null : contestant.PlanUse(), MetadataBytes = contestant.MetadataBytes, Faults = row.AttributesFaults ? faults?.Collect() : null },
            WorkNanoseconds = work,
            RecordedPlan = recorded,
            ProfilerNanoseconds = Array.ConvertAll(profilerTicks, Nanoseconds),
            PlanNanoseconds = recorded is null ? 0 : Nanoseconds(planTicks),
        };
    }

    private static ScenePlan? PlanFor(RowSpec row, TraceProfile profile) =>
        row.IsPrewarmed ? ReplayPlan.For(profile) : null;

    private static void Rehearse(Ensemble<TContestant, TLane, TTouch> ensemble, int threads, RowSpec row)
    {
        byte[] file = RehearsalTrace.Write(threads, TContestant.RehearsesLargeBlocks);
        TraceProfile profile = TraceLearner.Learn(new MemoryStream(file), "rehearsal");
        using var reader = new TraceReader(new MemoryStream(file), "rehearsal", profile.Slots);
        var compiler = new StepCompiler(reader);
        var script = new StepScript(profile.OperationCapacities);
        using TContestant contestant = TContestant.Create(profile, PlanFor(row, profile));
        while (compiler.TryCompile(script))
        {
            ensemble.Play(script, contestant);
        }

        CheckSurvivors(contestant, reader.Blocks);
    }

    private static void CheckSurvivors(TContestant contestant, BlockTable blocks)
    {
        if (!TTouch.Checks)
        {
            return;
        }

        TLane lane = contestant.OpenLane();
        for (int slot = 0; slot < blocks.SlotCount; slot++)
        {
            LiveBlock block = blocks[slot];
            if (block.IsLive)
            {
                TTouch.Check(ref lane.Block((uint)slot, block.AlignmentShift), (nuint)block.Bytes, (uint)block.Id, "at the end");
            }
        }
    }

    private static RunDocument Document(
        RowSpec row, TraceProfile profile, long[] frameTicks, StepFigures hotLoop, long prewarmNanoseconds, long peak)
    {
        Array.Sort(frameTicks);
        return new RunDocument
        {
            Allocator = row.AllocatorName,
            Prewarmed = row.IsPrewarmed,
            Frames = frameTicks.Length,
            Allocations = profile.Allocations,
            FrameNanoseconds = new FrameNanoseconds
            {
                P50 = Nanoseconds(Statistics.Percentile(frameTicks, 50)),
                P99 = Nanoseconds(Statistics.Percentile(frameTicks, 99)),
                Max = Nanoseconds(Statistics.Percentile(frameTicks, 100)),
            },
            HotLoop = new HotLoop
            {
                PageFaults = hotLoop.PageFaults,
                EnginePageFaults = hotLoop.EngineFaults,
                OsCalls = hotLoop.OsCalls,
                ManagedBytes = hotLoop.ManagedBytes,
                Collections = hotLoop.Collections,
            },
            PrewarmNanoseconds = prewarmNanoseconds,
            PeakResidentBytes = peak,
        };
    }

    private static long Nanoseconds(long ticks) => (long)(ticks * (1e9 / Stopwatch.Frequency));
}
