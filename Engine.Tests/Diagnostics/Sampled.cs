using Engine.Tests.Support;

namespace Engine.Tests.Diagnostics;

/// <summary>Memories of which allocations are sampled, for tests.</summary>
internal static class Sampled
{
    /// <summary>Each block is a sample.</summary>
    public const long Everything = 1;

    public static long LiveSamples(EngineMemory memory) => memory.Counters!.ReadSamples()!.Counts.LiveCount;

    public static Profiler Sampling(
        EngineMemory memory, long every, ulong? seed = null, SampleLimits? limits = null) => new(
        memory, new ProfilerOptions
        {
            SampleAllocationsEvery = every,
            SampleSeed = seed ?? (ulong)TestRandom.Seed(),
            SampleLimits = limits ?? SampleLimits.Default,
            FrameCapacity = 16,
            SampleCapacity = 16,
        });

    public static EngineMemory Memory(MemoryChecks checks = MemoryChecks.Off) =>
        new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), Checks = checks });
}
