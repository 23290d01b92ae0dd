using System.Runtime.InteropServices;
using Samples.Benchmarks.Measuring;
using Samples.Benchmarks.Workloads;
using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.Benchmarks.Contestants;

/// <summary>Makes a contestant, as fresh as a process can have it, and lets it do a workload.</summary>
internal static unsafe class ContestantHost
{
    // Apart from the next place by more than a cache line, so that places do not contend for the same few cache sets.
    private const nuint PlaceGapBytes = 64;

    /// <summary>Sets what a contestant needs of its process, which has no other contestant.</summary>
    public static void Prepare(string contestant)
    {
        if (contestant == ContestantNames.HandleOnDemand)
        {
            // As a user would say it of a program that is there.
            Environment.SetEnvironmentVariable("ENGINE_MEMORY_PREFAULT", "none");
            Environment.SetEnvironmentVariable("ENGINE_MEMORY_PAGES", "normal");
        }
    }

    /// <summary>Does the work in this process.</summary>
    /// <exception cref="RunFailedException">The contestant is not there.</exception>
    public static Measurement Measure(BlockWorkload work, string contestant) => contestant switch
    {
        ContestantNames.Engine or ContestantNames.Handle or ContestantNames.HandleHardened =>
            MeasureEngine(work, contestant),
        ContestantNames.Null => MeasureNull(work),
        ContestantNames.NativeMemory => work.Run<NativeMemoryAllocator, NativeMemoryAllocator, Address>(default),
        ContestantNames.Gc => work.Run<GcAllocator, GcAllocator, ArrayBlock>(default),
        ContestantNames.ArrayPool => work.Run<PoolAllocator, PoolAllocator, ArrayBlock>(default),
        _ => work.Run<FunctionAllocator, FunctionAllocator, Address>(Peer.Load(contestant)),
    };

    // As a game would: the level load knows what the level needs.
    private static Measurement MeasureEngine(BlockWorkload work, string contestant)
    {
        using var memory = new EngineMemory(new EngineMemoryOptions
        {
            Checks = contestant == ContestantNames.HandleHardened ? MemoryChecks.Hardened : MemoryChecks.Off,
        });
        using Scene scene = Scene.Load(memory, PlanFor(work));
        long osCalls = memory.OsCalls;
        Measurement measurement = contestant == ContestantNames.Engine
            ? work.Run<EngineAllocator, EngineAllocator, Address>(new EngineAllocator(scene.Arena))
            : work.Run<HandleContestant, HandleAllocator, Address>(new HandleContestant(scene.Arena));
        return measurement with { OsCalls = memory.OsCalls - osCalls };
    }

    /// <summary>Profiles the engine by its handle; the repetitions are the frames.</summary>
    /// <param name="rounds">How often all repetitions are done.</param>
    /// <param name="folder">Where the profile is written to.</param>
    /// <returns>How many frames there were.</returns>
    public static long Profile(BlockWorkload work, int rounds, string folder)
    {
        SampleProfile.Prepare(folder);
        using var memory = new EngineMemory(new EngineMemoryOptions { Checks = MemoryChecks.Off });
        using SampleProfile profile = SampleProfile.Begin(folder, memory, countsPageFaults: true)!;
        using Scene scene = Scene.Load(memory, PlanFor(work));
        profile.Profiler.NoteLoad(scene);
        for (int round = 0; round < rounds; round++)
            _ = work.Run<HandleContestant, HandleAllocator, Address>(new HandleContestant(scene.Arena), profile);

        profile.Profiler.NoteUnload(scene);
        profile.Write();
        return profile.Profiler.FrameCount;
    }

    private static Measurement MeasureNull(BlockWorkload work)
    {
        nuint placeBytes = work.LargestBytes + PlaceGapBytes;
        byte* buffer = (byte*)NativeMemory.AllocZeroed(work.Places, placeBytes);
        try
        {
            return work.Run<NullAllocator, NullAllocator, Address>(new NullAllocator(buffer, placeBytes));
        }
        finally
        {
            NativeMemory.Free(buffer);
        }
    }

    private static ScenePlan PlanFor(BlockWorkload work)
    {
        var arena = new ArenaPlan
        {
            Blocks = work.Blocks,
            ThreadCount = work.Threads + 1,
            Carve = work.TogetherSuperSlabs == 0,
            TogetherSuperSlabCount = work.TogetherSuperSlabs,
        };
        return new ScenePlan { Name = "benchmark", Arenas = [arena] };
    }
}
