using System.Runtime.InteropServices;
using Engine;
using Engine.Arenas;
using Engine.Platform;
using Engine.Scenes;
using Samples.Common;
using Samples.RandomMixed.Contestants;

namespace Samples.RandomMixed.Rows;

/// <summary>Makes a row's allocator, and measures it in this process.</summary>
internal static unsafe class RowRuns
{
    // Faults are counted; where they happened is not asked.
    private const int RecorderCapacity = 256;

    private static readonly LoopMeter Meter = new(null, null);

    /// <summary>Measures one row.</summary>
    /// <param name="row">Which.</param>
    /// <param name="work">What it does.</param>
    /// <param name="profileFolder">Where the profile of an engine row is written to; null makes none.</param>
    public static Measurement Measure(RowSpec row, MixedWork work, string? profileFolder = null) => row.Allocator switch
    {
        AllocatorKind.Engine or AllocatorKind.Handle => MeasureEngine(row, work, profileFolder),
        AllocatorKind.Malloc => MeasureMalloc(row, work),
        AllocatorKind.Gc => MeasureGc(row, work),
        AllocatorKind.ArrayPool => MeasurePool(row, work),
        _ => MeasureNull(row, work),
    };

    private static Measurement MeasureEngine(RowSpec row, MixedWork work, string? profileFolder)
    {
        var slots = new AddressTable(SlotsFor(work));
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
        var meter = new LoopMeter(memory, recorder, profile);
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

    private static Measurement MeasureMalloc(RowSpec row, MixedWork work)
    {
        var blocks = new MallocBlocks(new AddressTable(SlotsFor(work)).First);
        RowRun.Compile(ref blocks, RowRun.LittleWork);
        return RowRun.Measure(ref blocks, row, work, Meter);
    }

    private static Measurement MeasureGc(RowSpec row, MixedWork work)
    {
        var blocks = new GcBlocks(Arrays(work));
        RowRun.Compile(ref blocks, RowRun.LittleWork);
        return RowRun.Measure(ref blocks, row, work, Meter);
    }

    private static Measurement MeasurePool(RowSpec row, MixedWork work)
    {
        var blocks = new PoolBlocks(Arrays(work));
        RowRun.Compile(ref blocks, RowRun.LittleWork);
        return RowRun.Measure(ref blocks, row, work, Meter);
    }

    private static Measurement MeasureNull(RowSpec row, MixedWork work)
    {
        byte* buffer = (byte*)NativeMemory.AllocZeroed((nuint)SlotsFor(work), NullBlocks.SlotBytes);
        var blocks = new NullBlocks(buffer, new AddressTable(SlotsFor(work)).First);
        RowRun.Compile(ref blocks, RowRun.LittleWork);
        Measurement measurement = RowRun.Measure(ref blocks, row, work, Meter);
        NativeMemory.Free(buffer);
        return measurement;
    }

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
