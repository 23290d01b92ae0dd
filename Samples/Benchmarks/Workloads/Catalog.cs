namespace Samples.Benchmarks.Workloads;

/// <summary>
/// All workloads with the amount of work that each does. Fixed rather than by the clock, so that the checksums of all contestants can be
/// equal; so much that the timed parts are milliseconds for the fastest and the slow ones still end.
/// </summary>
internal static class Catalog
{
    private static readonly int[] Sizes = [16, 64, 256, 1024, 8192, 65_536];

    /// <summary>The workloads, in the order of the tables.</summary>
    /// <param name="isQuick">Whether it is to be a look rather than a measurement: a fifth of the work.</param>
    public static IReadOnlyList<Workload> Create(bool isQuick)
    {
        const int Repetitions = 3;
        int share = isQuick ? 5 : 1;
        return
        [
            .. Array.ConvertAll(Sizes, bytes => new PairWorkload(bytes, PairsOf(bytes) / share, Repetitions)),
            .. Array.ConvertAll(Sizes, bytes => new BatchWorkload(isRandom: false, bytes, BatchesOf(bytes) / share, Repetitions)),
            .. Array.ConvertAll(Sizes, bytes => new BatchWorkload(isRandom: true, bytes, BatchesOf(bytes) / share, Repetitions)),
            new MixedWorkload(256, 2_000_000 / share, Repetitions),
            new MixedWorkload(4096, 2_000_000 / share, Repetitions),
            new MixedWorkload(65_536, 2_000_000 / share, Repetitions),
            new MixedWorkload(1_000_000, 3_000_000 / share, Repetitions),
            new RingWorkload(1_000_000 / share, Repetitions),
            new ServerWorkload(20 / share, 20_000, Repetitions),
            new ThreadsWorkload(1, 1_000_000 / share, Repetitions),
            new ThreadsWorkload(2, 1_000_000 / share, Repetitions),
            new ReallocWorkload(isDoubling: true, 20, Repetitions),
            new ReallocWorkload(isDoubling: false, 1, Repetitions),
            new FrameWorkload(10_000 / share, Repetitions),
            new DisposeWorkload(100_000, Repetitions),
            new DisposeWorkload(1_000_000, Repetitions),
            new PrewarmWorkload(isQuick ? 64 : 256, Repetitions),
            new MixedColdWorkload(65_536, 2_000_000 / share),
            new MixedColdWorkload(1_000_000, 3_000_000 / share),
            .. TraceWorkload.All(),
            new LongestCallWorkload(10_000_000 / share),
        ];
    }

    /// <summary>The workloads that were asked for by id, or by words that it begins with ("batch", "batch-fifo"); all, if none was.</summary>
    public static IReadOnlyList<Workload> Find(IReadOnlyList<string> names, bool isQuick) =>
        [.. Create(isQuick).Where(work => names.Count == 0 || names.Any(name => $"{work.Id}-".StartsWith($"{name}-", StringComparison.Ordinal)))];

    /// <summary>The names there are.</summary>
    public static IEnumerable<string> Names() => Create(isQuick: true).Select(work => work.Name).Distinct();

    private static long PairsOf(int bytes) => bytes switch
    {
        <= 256 => 2_000_000,
        <= 1024 => 1_000_000,
        <= 8192 => 200_000,
        _ => 50_000,
    };

    private static int BatchesOf(int bytes) => bytes switch
    {
        <= 256 => 1000,
        <= 1024 => 500,
        <= 8192 => 100,
        _ => 20,
    };
}
