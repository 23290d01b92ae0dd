using Samples.Benchmarks.Workloads;

namespace Engine.Tests.Samples;

/// <summary>The benchmarks' workloads with hardly any work.</summary>
internal static class SmallWorkloads
{
    public static readonly Workload[] All =
    [
        new PairWorkload(64, 1000, 1),
        new BatchWorkload(isRandom: false, 1024, 3, 1),
        new BatchWorkload(isRandom: true, 16, 3, 1),
        new MixedWorkload(256, 20_000, 1),
        new RingWorkload(20_000, 1),
        new ServerWorkload(3, 2000, 1),
        new ThreadsWorkload(2, 20_000, 1),
        new ReallocWorkload(isDoubling: true, 1, 1),
        new ReallocWorkload(isDoubling: false, 1, 1),
        new FrameWorkload(10, 1),
        new DisposeWorkload(2000, 1),
        new LongestCallWorkload(20_000),
    ];
}
