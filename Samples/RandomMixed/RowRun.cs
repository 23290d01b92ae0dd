// Measures one row in this process.
using System.Diagnostics;
using System.Runtime.InteropServices;
using Samples.Common;
using SuperSlab;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.RandomMixed;

/// <summary>Makes a row's allocator, and measures it in this process.</summary>
/// <remarks>
/// "Prewarmed" is, for every allocator alike, that the identical loop was run once before; the engine was moreover
/// loaded with a scene plan before that, so that already this first loop finds all its memory. In the matrix the first
/// loop is the one that is measured.
/// </remarks>
internal static unsafe class RowRun
{
    // Faults are counted; their places are not.
    private const int RecorderCapacity = 256;

    // The room of a slot in the empty loop, which holds the largest block in whole cache lines.
    private const nuint NullSlotBytes = 1088;

    // Only has the code compiled, on the allocator to be measured: so small that it leaves nothing behind.
    private static readonly MixedWork LittleWork = new(20_000, 64, 1);

    /// <summary>Measures one row.</summary>
    /// <param name="profileFolder">Where the profile of an engine row is written to; null makes none.</param>
    public static Measurement Measure(RowSpec row, MixedWork work, string? profileFolder = null)
    {
        // The loop that compiles the code has a working set of its own.
        int slots = (int)Math.Max(work.WorkingSet, LittleWork.WorkingSet);
        return row.Allocator switch
        {
            AllocatorKind.Engine or AllocatorKind.Handle => MeasureEngine(row, work, Addresses(), profileFolder),
            AllocatorKind.Malloc => MeasureOther(default(NativeMemoryAllocator), row, work, Addresses()),
            AllocatorKind.Gc => MeasureOther(default(GcAllocator), row, work, Arrays()),
            AllocatorKind.Arraypool => MeasureOther(default(PoolAllocator), row, work, Arrays()),
            _ => MeasureNull(row, work, Addresses()),
        };
        Address[] Addresses() => EmptySlots.Of<Address>(slots);
        ArrayBlock[] Arrays() => EmptySlots.Of(slots, filler: new ArrayBlock([]));
    }

    private static Measurement MeasureEngine(RowSpec row, MixedWork work, Address[] slots, string? profileFolder)
    {
        var options = new EngineMemoryOptions { Prefault = row.Prefault, Pages = row.Pages };
        using (var rehearsal = new EngineMemory(options))
        {
            using LongLivedArena thrownAway = rehearsal.CreateLongLivedArena("rehearsal");
            using SampleProfile? unwritten = SampleProfile.Begin(profileFolder, rehearsal, countsPageFaults: true);
            CompileEngine(row, thrownAway, slots, work, unwritten);
        }

        bool isRecorded = row.IsOfMatrix && PageFaultRecorder.IsAvailable(out _);
        using PageFaultRecorder? recorder = isRecorded ? new PageFaultRecorder(RecorderCapacity) : null;
        using var memory = new EngineMemory(options);
        using SampleProfile? profile = SampleProfile.Begin(profileFolder, memory, countsPageFaults: true);
        using FaultAttribution? unprofiled = profile is null ? Attribution(row, memory) : null;
        FaultAttribution? faults = row.AttributesFaults ? profile?.Faults ?? unprofiled : null;
        var meter = new LoopMeter(memory, recorder, faults, profile);
        using Scene? scene = row.IsPrewarmed ? Scene.Load(memory, Plan(work)) : null;
        using LongLivedArena? cold = row.IsPrewarmed ? null : memory.CreateLongLivedArena("cold");
        LongLivedArena arena = scene?.Arena ?? cold!;
        if (scene is not null)
            profile?.Profiler.NoteLoad(scene);

        Measurement measurement = row.Allocator == AllocatorKind.Engine
            ? Measure(new EngineAllocator(arena), row, work, slots, meter)
            : Measure(new HandleContestant(arena).Open(), row, work, slots, meter);
        if (scene is not null)
            profile?.Profiler.NoteUnload(scene);

        profile?.Write();
        return measurement;
    }

    // The arena is thrown away, so it may do what the measured one will do: caches must overflow and run dry for all of
    // their code to be compiled, and with a small working set they never do.
    private static void CompileEngine(
        RowSpec row, LongLivedArena arena, Address[] slots, MixedWork work, SampleProfile? profile)
    {
        long operations = Math.Min(work.Operations, 4L * work.WorkingSet) + LittleWork.Operations;
        MixedWork compiling = work with { Operations = operations };
        if (row.Allocator == AllocatorKind.Engine)
            Compile(new EngineAllocator(arena), slots, compiling, profile);
        else
            Compile(new HandleContestant(arena).Open(), slots, compiling, profile);
    }

    private static Measurement MeasureOther<TAllocator, TBlock>(
        TAllocator allocator, RowSpec row, MixedWork work, TBlock[] slots)
        where TAllocator : struct, IAllocator<TBlock>
        where TBlock : struct, IBlock
    {
        Compile(allocator, slots, LittleWork);
        using FaultAttribution? faults = Attribution(row, null);
        return Measure(allocator, row, work, slots, new LoopMeter(null, null, faults));
    }

    private static Measurement MeasureNull(RowSpec row, MixedWork work, Address[] slots)
    {
        byte* buffer = (byte*)NativeMemory.AllocZeroed((nuint)slots.Length, NullSlotBytes);
        Measurement measurement = MeasureOther(new NullAllocator(buffer, NullSlotBytes), row, work, slots);
        NativeMemory.Free(buffer);
        return measurement;
    }

    // The loop and all around it.
    private static void Compile<TAllocator, TBlock>(
        TAllocator allocator, TBlock[] slots, MixedWork work, SampleProfile? profile = null)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        var meter = new LoopMeter(null, null, null, profile);
        Span<TBlock> used = slots.AsSpan(0, (int)work.WorkingSet);
        for (int round = 0; round < 2; round++)
        {
            _ = meter.Measure(allocator, used, work);
            _ = MixedLoop.Checksum<TBlock>(used);
            MixedLoop.Clear(allocator, used);
        }
    }

    // On an allocator that has done nothing but the little work.
    private static Measurement Measure<TAllocator, TBlock>(
        TAllocator allocator, RowSpec row, MixedWork work, TBlock[] slots, LoopMeter meter)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        Span<TBlock> used = slots.AsSpan(0, (int)work.WorkingSet);
        long rehearsalFaults = 0;
        if (row is { IsPrewarmed: true, IsOfMatrix: false })
        {
            rehearsalFaults = meter.Measure(allocator, used, work, isRehearsal: true).PageFaults;
            MixedLoop.Clear(allocator, used);
        }

        LoopFigures figures = meter.MeasureObserved(allocator, used, work);
        double seconds = (double)Math.Max(figures.Ticks, 1) / Stopwatch.Frequency;
        return new Measurement
        {
            Run = new RunDocument
            {
                Allocator = row.AllocatorName,
                Prewarmed = row.IsPrewarmed,
                Prefault = meter.DescribePrefault(),
                Operations = work.Operations,
                WorkingSet = work.WorkingSet,
                Seed = work.Seed,
                OperationsPerSecond = (long)(work.Operations / seconds),
                PageFaultsInLoop = figures.PageFaults,
                ManagedBytesInLoop = figures.ManagedBytes,
                CollectionsInLoop = figures.Collections,
                Faults = meter.CollectFaults(),
                EngineMemory = meter.DescribeEngine(row, figures),
            },
            PageFaultsInRehearsal = rehearsalFaults,
            Checksum = MixedLoop.Checksum<TBlock>(used),
        };
    }

    private static FaultAttribution? Attribution(RowSpec row, EngineMemory? memory) =>
        row.AttributesFaults ? new FaultAttribution(memory) : null;

    private static ScenePlan Plan(MixedWork work) => new()
    {
        Name = "random mixed",
        Arenas = [new ArenaPlan { Blocks = MixedLoop.Peaks(work.Operations, work.WorkingSet, work.Seed) }],
    };
}

/// <summary>What one run of the loop took.</summary>
internal readonly record struct LoopFigures(
    long Ticks, long PageFaults, long ManagedBytes, long Collections, long OsCalls, long? Interruptions);

/// <summary>Runs the loop and counts what happens in it.</summary>
/// <param name="memory">The engine's memory, in its rows.</param>
/// <param name="recorder">Tells the page faults that interrupt the loop from those made on request, where that is
/// wanted.</param>
/// <param name="faults">Names the owners of the page faults, where that is wanted.</param>
/// <param name="profile">Profiles the measured loop, where that is wanted.</param>
internal sealed class LoopMeter(
    EngineMemory? memory, PageFaultRecorder? recorder, FaultAttribution? faults = null, SampleProfile? profile = null)
{
    private const int SuperSlabShift = 21;
    private const long FrameOperations = 1000;

    /// <summary>Runs the loop once.</summary>
    /// <param name="isRehearsal">Whether the loop is not the one that counts, so that it is not profiled.</param>
    public LoopFigures Measure<TAllocator, TBlock>(
        TAllocator allocator, Span<TBlock> slots, MixedWork work, bool isRehearsal = false)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        int collections = GC.CollectionCount(0);
        long managed = GC.GetAllocatedBytesForCurrentThread();
        long osCalls = memory?.OsCalls ?? 0;
        long interruptions = recorder?.Count ?? 0;
        long pageFaults = PageFaults.OfThread();
        recorder?.Start();
        long start = Stopwatch.GetTimestamp();
        if (profile is null || isRehearsal)
            MixedLoop.Run(allocator, work.Operations, slots, firstPlace: 0, work.Seed);
        else
            RunFrames(profile, allocator, slots, work);

        long ticks = Stopwatch.GetTimestamp() - start;
        recorder?.Stop();
        return new LoopFigures(
            ticks,
            PageFaults.OfThread() - pageFaults,
            GC.GetAllocatedBytesForCurrentThread() - managed,
            GC.CollectionCount(0) - collections,
            (memory?.OsCalls ?? 0) - osCalls,
            recorder?.Count - interruptions);
    }

    /// <summary>The same, with the owners of the page faults where they are wanted.</summary>
    public LoopFigures MeasureObserved<TAllocator, TBlock>(TAllocator allocator, Span<TBlock> slots, MixedWork work)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        if (profile is not null)
        {
            // It observes this thread already, and takes pieces of the loop for frames.
            return Measure(allocator, slots, work);
        }

        using ObservedThread? thread = faults?.ObserveThisThread("loop");
        faults?.BeginFrame(0);
        LoopFigures figures = Measure(allocator, slots, work);
        faults?.EndFrame();
        return figures;
    }

    /// <summary>The page faults by owner; null where they were not wanted.</summary>
    public ProfileFaults? CollectFaults() => faults?.Collect();

    /// <summary>How the engine's pages came, after the loop; "none" where there is no engine.</summary>
    public string DescribePrefault() => memory?.PrefaultDescription ?? "none";

    /// <summary>What only the engine reports of the loop; null where there is no engine.</summary>
    public EngineFigures? DescribeEngine(RowSpec row, LoopFigures figures) => memory is null ? null : new EngineFigures
    {
        Policy = EnumNames<PrefaultPolicy>.Of(row.Prefault),
        Pages = EnumNames<PageKind>.Of(row.Pages),
        OsCallsInLoop = figures.OsCalls,
        InterruptionsInLoop = figures.Interruptions,
        FaultsLeft = FaultsLeft(memory),
    };

    // The same work, in pieces that the profile takes for frames.
    private static void RunFrames<TAllocator, TBlock>(
        SampleProfile profile, TAllocator allocator, Span<TBlock> slots, MixedWork work)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        uint random = work.Seed;
        for (long done = 0; done < work.Operations; done += FrameOperations)
        {
            profile.BeginFrame();
            random = MixedLoop.Run(
                allocator, Math.Min(FrameOperations, work.Operations - done), slots, firstPlace: 0, random);
            profile.EndFrame();
        }
    }

    // SuperSlabs are handed out from the lowest address up, and there is one arena.
    private static long? FaultsLeft(EngineMemory memory)
    {
        nuint bytes = (nuint)memory.OwnedSuperSlabCount << SuperSlabShift;
        long pages = bytes == 0 ? 0 : memory.PagesThatWouldFault(memory.ReservationBase, bytes);
        return pages < 0 ? null : pages;
    }
}
