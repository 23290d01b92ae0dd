using System.Runtime.InteropServices;
using Samples.Common;
using Samples.RandomMixed.Contestants;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;
using SuperSlab;

namespace Samples.RandomMixed.Rows;

/// <summary>Makes a row's allocator, and measures it in this process.</summary>
internal static unsafe class RowRuns
{
    // Faults are counted; where they happened is not asked.
    private const int RecorderCapacity = 256;

    /// <summary>Measures one row.</summary>
    /// <param name="row">Which.</param>
    /// <param name="work">What it does.</param>
    /// <param name="profileFolder">Where the profile of an engine row is written to; null makes none.</param>
    public static Measurement Measure(RowSpec row, MixedWork work, string? profileFolder = null)
    {
        var slots = new AddressTable(SlotsFor(work));
        Measurement measurement = row.Allocator switch
        {
            AllocatorKind.Engine or AllocatorKind.Handle => MeasureEngine(row, work, slots, profileFolder),
            AllocatorKind.Malloc => MeasureMalloc(row, work, slots),
            AllocatorKind.Gc => MeasureGc(row, work),
            AllocatorKind.ArrayPool => MeasurePool(row, work),
            _ => MeasureNull(row, work, slots),
        };

        // The blocks know only where the table lies, which keeps it from no collection.
        GC.KeepAlive(slots);
        return measurement;
    }

    private static Measurement MeasureEngine(RowSpec row, MixedWork work, AddressTable slots, string? profileFolder)
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
        {
            profile?.Profiler.NoteLoad(scene);
        }

        Measurement measurement = MeasureIn(arena, row, slots, work, meter);
        if (scene is not null)
        {
            profile?.Profiler.NoteUnload(scene);
        }

        profile?.Write();
        return measurement;
    }

    private static Measurement MeasureIn(LongLivedArena arena, RowSpec row, AddressTable slots, MixedWork work, LoopMeter meter)
    {
        if (row.Allocator == AllocatorKind.Engine)
        {
            var blocks = new EngineBlocks(arena, slots.First);
            return RowRun.Measure(ref blocks, row, work, meter);
        }

        var handle = new HandleBlocks(arena.GetHandle(), slots.First);
        return RowRun.Measure(ref handle, row, work, meter);
    }

    // The arena is thrown away, so it may do what the measured one will do: caches must overflow and run dry for all of their code to be
    // compiled, and with a small working set they never do.
    private static void CompileEngine(RowSpec row, LongLivedArena arena, AddressTable slots, MixedWork work, SampleProfile? profile)
    {
        MixedWork compiling = work with { Operations = Math.Min(work.Operations, 4UL * work.WorkingSet) + RowRun.LittleWork.Operations };
        if (row.Allocator == AllocatorKind.Engine)
        {
            var blocks = new EngineBlocks(arena, slots.First);
            RowRun.Compile(ref blocks, compiling, profile);
            return;
        }

        var handle = new HandleBlocks(arena.GetHandle(), slots.First);
        RowRun.Compile(ref handle, compiling, profile);
    }

    private static Measurement MeasureMalloc(RowSpec row, MixedWork work, AddressTable slots)
    {
        var blocks = new MallocBlocks(slots.First);
        RowRun.Compile(ref blocks, RowRun.LittleWork);
        using FaultAttribution? faults = Attribution(row, null);
        return RowRun.Measure(ref blocks, row, work, new LoopMeter(null, null, faults));
    }

    private static Measurement MeasureGc(RowSpec row, MixedWork work)
    {
        var blocks = new GcBlocks(Arrays(work));
        RowRun.Compile(ref blocks, RowRun.LittleWork);
        using FaultAttribution? faults = Attribution(row, null);
        return RowRun.Measure(ref blocks, row, work, new LoopMeter(null, null, faults));
    }

    private static Measurement MeasurePool(RowSpec row, MixedWork work)
    {
        var blocks = new PoolBlocks(Arrays(work));
        RowRun.Compile(ref blocks, RowRun.LittleWork);
        using FaultAttribution? faults = Attribution(row, null);
        return RowRun.Measure(ref blocks, row, work, new LoopMeter(null, null, faults));
    }

    private static Measurement MeasureNull(RowSpec row, MixedWork work, AddressTable slots)
    {
        byte* buffer = (byte*)NativeMemory.AllocZeroed((nuint)SlotsFor(work), NullBlocks.SlotBytes);
        var blocks = new NullBlocks(buffer, slots.First);
        RowRun.Compile(ref blocks, RowRun.LittleWork);
        using FaultAttribution? faults = Attribution(row, null);
        Measurement measurement = RowRun.Measure(ref blocks, row, work, new LoopMeter(null, null, faults));
        NativeMemory.Free(buffer);
        return measurement;
    }

    private static FaultAttribution? Attribution(RowSpec row, EngineMemory? memory) => row.AttributesFaults ? new FaultAttribution(memory) : null;

    // The loop that compiles the code has a working set of its own.
    private static int SlotsFor(MixedWork work) => (int)Math.Max(work.WorkingSet, RowRun.LittleWork.WorkingSet);

    private static byte[]?[] Arrays(MixedWork work)
    {
        byte[]?[] arrays = new byte[]?[SlotsFor(work)];

        // Written once, so that using the table in the loop faults in nothing.
        Array.Fill(arrays, []);
        Array.Clear(arrays);
        return arrays;
    }

    private static ScenePlan Plan(MixedWork work) => new()
    {
        Name = "random mixed",
        Arenas = [new ArenaPlan { Blocks = MixedPeaks.Find(work.Operations, work.WorkingSet, work.Seed) }],
    };
}
