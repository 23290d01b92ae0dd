// Measures one row in this process.
using System.Diagnostics;
using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Playing;
using Samples.GameReplay.Scripts;
using Samples.GameReplay.Tracing;
using SuperSlab;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.GameReplay.Rows;

/// <summary>What a row replays.</summary>
/// <param name="Profile">What the first pass learned of it.</param>
/// <param name="Plan">The plan of a prewarmed row; null takes the one that the profile makes.</param>
/// <param name="Touch">What is written into blocks.</param>
/// <param name="ProfileFolder">Where the profile of an engine row is written to; null makes none.</param>
internal sealed record ReplayJob(
    TraceFile Trace, TraceProfile Profile, ScenePlan? Plan, TouchMode Touch, string? ProfileFolder = null);

/// <summary>
/// Measures one row. The order matters: first everything of the replay itself is made and used once (tables, threads,
/// compiled code), then the resident memory so far is noted as the base line, and only then is the allocator made.
/// Reading and compiling the trace happens between the frames, outside all measurements.
/// </summary>
internal static class RowRun<TContestant, TAllocator, TBlock, TTouch>
    where TContestant : class, IReplayContestant<TContestant, TAllocator, TBlock>
    where TAllocator : struct, IGameAllocator<TBlock>, allows ref struct
    where TBlock : struct, IBlock
    where TTouch : struct, ITouch
{
    public static RowMeasurement Measure(RowSpec row, ReplayJob job, bool recordsFaults)
    {
        (TraceFile trace, TraceProfile profile) = (job.Trace, job.Profile);
        using var ensemble = new Ensemble<TContestant, TAllocator, TBlock, TTouch>(profile.Threads, recordsFaults);
        Rehearse(ensemble, profile.Threads, row);

        using var reader = new TraceReader(trace.Open(), trace.Name, profile.Slots);
        var compiler = new StepCompiler(reader);
        compiler.Reserve(profile.Slots);
        var script = new StepScript(profile.OperationCapacities);
        long[] frameTicks = new long[profile.Frames];
        frameTicks.AsSpan().Clear();
        long[] profilerTicks = new long[profile.Frames];
        profilerTicks.AsSpan().Clear();
        TBlock[] slots = EmptySlots.Of(profile.Slots, TContestant.Filler);

        GC.Collect();
        _ = ResidentMemory.TryResetPeak();
        long baseLine = ResidentMemory.Bytes();
        using TContestant contestant = TContestant.Create(profile, job.Plan ?? PlanFor(row, profile), slots);
        using SampleProfile? profiled = contestant.BeginProfile(job.ProfileFolder, row.AttributesFaults);
        using FaultAttribution? unprofiled =
            row.AttributesFaults && profiled is null ? new FaultAttribution(contestant.Memory) : null;
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
                profiled?.EndFrame(
                    new HotLoopCounts
                    {
                        PageFaults = figures.PageFaults,
                        OsCalls = figures.OsCalls,
                        ManagedBytes = figures.ManagedBytes,
                        Collections = figures.Collections
                    });
                profilerTicks[frames] = (profiled?.CostTicks ?? 0) - spentTicks;
                spentTicks += profilerTicks[frames];
                frameTicks[frames++] = figures.WorkTicks;
                hotLoop += figures;
            }
        }

        long peak = Math.Max(ResidentMemory.PeakBytes() - baseLine, 0);
        CheckSurvivors(contestant, reader.Blocks);
        if (profiled is not null)
            contestant.EndProfile(profiled);

        long start = Stopwatch.GetTimestamp();
        string? recorded = row.IsRecorded ? contestant.RecordPlan()?.ToJson() : null;
        long planTicks = Stopwatch.GetTimestamp() - start;
        long[] work = Array.ConvertAll(frameTicks, Nanoseconds);
        RunDocument run = Document(row, profile, frameTicks, hotLoop, contestant.PrewarmNanoseconds, peak);
        return new RowMeasurement
        {
            Run = run with
            {
                PlanUse = job.Plan is null ? null : contestant.PlanUse(),
                MetadataBytes = (long)(contestant.Memory?.MetadataBytes ?? 0),
                Faults = row.AttributesFaults ? faults?.Collect() : null,
            },
            WorkNanoseconds = work,
            RecordedPlan = recorded,
            ProfilerNanoseconds = Array.ConvertAll(profilerTicks, Nanoseconds),
            PlanNanoseconds = recorded is null ? 0 : Nanoseconds(planTicks),
        };
    }

    private static ScenePlan? PlanFor(RowSpec row, TraceProfile profile) =>
        row.IsPrewarmed ? ReplayPlan.For(profile) : row.IsRecorded ? ReplayPlan.OnDemand(profile) : null;

    private static void Rehearse(Ensemble<TContestant, TAllocator, TBlock, TTouch> ensemble, int threads, RowSpec row)
    {
        byte[] file = RehearsalTrace.Write(threads, TContestant.RehearsesLargeBlocks);
        TraceProfile profile = TraceLearner.Learn(new MemoryStream(file), "rehearsal");
        using var reader = new TraceReader(new MemoryStream(file), "rehearsal", profile.Slots);
        var compiler = new StepCompiler(reader);
        var script = new StepScript(profile.OperationCapacities);
        using TContestant contestant = TContestant.Create(
            profile, PlanFor(row, profile), EmptySlots.Of(profile.Slots, TContestant.Filler));
        while (compiler.TryCompile(script))
            ensemble.Play(script, contestant);

        CheckSurvivors(contestant, reader.Blocks);
    }

    private static void CheckSurvivors(TContestant contestant, BlockTable blocks)
    {
        if (!TTouch.Checks)
            return;

        TAllocator allocator = contestant.Open();
        for (int slot = 0; slot < blocks.SlotCount; slot++)
        {
            LiveBlock block = blocks[slot];
            if (block.IsLive)
            {
                ref byte first = ref allocator.First(contestant.Slots[slot], block.AlignmentShift);
                TTouch.Check(ref first, (nuint)block.Bytes, (uint)block.Id, "at the end");
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

/// <summary>
/// Chooses the compiled form of <see cref="RowRun{TContestant, TAllocator, TBlock, TTouch}"/> for a row. Written out,
/// so that ahead-of-time compilation sees every one.
/// </summary>
internal static class RowRuns
{
    /// <summary>Measures the row in this process.</summary>
    /// <exception cref="RunFailedException">The allocator could not do it, or a block was not what it should
    /// be.</exception>
    public static RowMeasurement Measure(RowSpec row, ReplayJob job) => row.Allocator switch
    {
        AllocatorKind.Engine => Measure<EngineContestant, HandleAllocator, Address>(row, job),
        AllocatorKind.Malloc => Measure<MallocContestant, NativeMemoryAllocator, Address>(row, job),
        _ => Measure<GcContestant, GcAllocator, ArrayBlock>(row, job),
    };

    /// <summary>The same for a contestant of another program; of the row only the warmth counts.</summary>
    public static RowMeasurement Measure<TContestant, TAllocator, TBlock>(RowSpec row, ReplayJob job)
        where TContestant : class, IReplayContestant<TContestant, TAllocator, TBlock>
        where TAllocator : struct, IGameAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        bool records = PageFaultRecorder.IsAvailable(out _);
        try
        {
            return job.Touch switch
            {
                TouchMode.First => RowRun<TContestant, TAllocator, TBlock, TouchFirst>.Measure(row, job, records),
                TouchMode.Pages => RowRun<TContestant, TAllocator, TBlock, TouchPages>.Measure(row, job, records),
                TouchMode.All => RowRun<TContestant, TAllocator, TBlock, TouchAll>.Measure(row, job, records),
                _ => RowRun<TContestant, TAllocator, TBlock, TouchVerify>.Measure(row, job, records),
            };
        }
        catch (OutOfMemoryException error)
        {
            throw new RunFailedException($"{row.Title}: out of memory: {error.Message}", error);
        }
        catch (Exception error) when (error is ArgumentException or ArithmeticException or EngineMemoryException)
        {
            throw new RunFailedException($"{row.Title}: the allocator cannot serve this trace: {error.Message}", error);
        }
        catch (RunFailedException error)
        {
            throw new RunFailedException($"{row.Title}: {error.Message}", error);
        }
    }
}
