namespace Samples.Benchmarks.Workloads;

/// <summary>
/// All workloads with the amount of work that each does. Fixed rather than by the clock, so that the checksums of all
/// contestants can be equal; so much that the timed parts of the fastest are about a millisecond, and the slowest still
/// end.
/// </summary>
internal static class Catalog
{
    private const int Repetitions = 3;
    private const long LongestCallOperations = 10_000_000;
    private const long QuickLongestCallOperations = 1_000_000;
    private const long DriftOperations = 8_000_000;
    private const long QuickDriftOperations = 2_000_000;
    private static readonly int[] Sizes = [16, 64, 256, 1024, 8192, 65_536];

    // One or two of each name, for a look.
    private static readonly string[] QuickIds =
    [
        "pair-64", "batch-fifo-64", "batch-random-64", "batch-random-1024", "random-mixed-256", "random-mixed-4096",
        "producer-consumer",
        "server", "threads-2", "frame-arena", "dispose-100000", "prewarm", "random-mixed-cold-65536", "drift",
        "trace-openttd-ai-p50", "trace-openttd-ai-p99", "trace-openttd-ai-max", "longest-call",
    ];

    /// <summary>
    /// The workloads that were asked for by id, or by words that it begins with ("batch", "batch-fifo"), in the order
    /// of the tables. If none was: all, or when it is to be quick, some of each kind.
    /// </summary>
    public static IReadOnlyList<Workload> Find(IReadOnlyList<string> names, bool isQuick) =>
        [.. Create(isQuick).Where(work => names.Count == 0
            ? !isQuick || QuickIds.Contains(work.Id)
            : names.Any(name => Matches(work, name)))];

    public static IEnumerable<string> Names() => Create(isQuick: true).Select(work => work.Name).Distinct();

    private static bool Matches(Workload work, string name) =>
        $"{work.Id}-".StartsWith($"{name}-", StringComparison.Ordinal);

    private static List<Workload> Create(bool isQuick) =>
    [
        .. Array.ConvertAll(Sizes, bytes => new PairWorkload(bytes, PairsOf(bytes), Repetitions)),
        .. Array.ConvertAll(Sizes, bytes => new BatchWorkload(isRandom: false, bytes, BatchesOf(bytes), Repetitions)),
        .. Array.ConvertAll(Sizes, bytes => new BatchWorkload(isRandom: true, bytes, BatchesOf(bytes), Repetitions)),
        new MixedWorkload(256, 1_000_000, Repetitions),
        new MixedWorkload(4096, 1_000_000, Repetitions),
        new MixedWorkload(65_536, 1_000_000, Repetitions),
        new MixedWorkload(1_000_000, 2_000_000, Repetitions),
        new RingWorkload(300_000, Repetitions),
        new ServerWorkload(10, 20_000, Repetitions),
        new ThreadsWorkload(1, 500_000, Repetitions),
        new ThreadsWorkload(2, 500_000, Repetitions),
        new ReallocWorkload(isDoubling: true, 4, Repetitions),
        new ReallocWorkload(isDoubling: false, 1, Repetitions),
        new FrameWorkload(4000, Repetitions),
        new DisposeWorkload(100_000, Repetitions),
        new DisposeWorkload(1_000_000, Repetitions),
        new PrewarmWorkload(64, Repetitions),
        new MixedColdWorkload(65_536, 1_000_000),
        new MixedColdWorkload(1_000_000, 2_000_000),
        new DriftWorkload(isQuick ? QuickDriftOperations : DriftOperations),
        .. TraceWorkload.All(),
        new LongestCallWorkload(isQuick ? QuickLongestCallOperations : LongestCallOperations),
    ];

    private static long PairsOf(int bytes) => bytes switch
    {
        <= 256 => 1_000_000,
        <= 1024 => 500_000,
        <= 8192 => 50_000,
        _ => 10_000,
    };

    private static int BatchesOf(int bytes) => bytes switch
    {
        <= 64 => 400,
        <= 256 => 200,
        <= 1024 => 100,
        <= 8192 => 20,
        _ => 5,
    };
}
