namespace Samples.Benchmarks.Workloads;

/// <summary>
/// All workloads with the amount of work that each does. Fixed rather than by the clock, so that the checksums of all contestants can be
/// equal; so much that the timed parts are milliseconds for the fastest and the slow ones still end.
/// </summary>
internal static class Catalog
{
    private static readonly int[] Sizes = [16, 64, 256, 1024, 8192, 65_536];

    /// <summary>The workloads, in the order of the tables.</summary>
    /// <param name="isQuick">Whether it is to be a look rather than a measurement: a fifth of the work and fewer repetitions.</param>
    public static IReadOnlyList<Workload> Create(bool isQuick)
    {
        int repetitions = isQuick ? 2 : 3;
        int share = isQuick ? 5 : 1;
        return
        [
            .. Array.ConvertAll(Sizes, bytes => new PairWorkload(bytes, PairsOf(bytes) / share, repetitions)),
            .. Array.ConvertAll(Sizes, bytes => new BatchWorkload(isRandom: false, bytes, BatchesOf(bytes) / share, repetitions)),
            .. Array.ConvertAll(Sizes, bytes => new BatchWorkload(isRandom: true, bytes, BatchesOf(bytes) / share, repetitions)),
            new MixedWorkload(256, 2_000_000 / share, repetitions),
            new MixedWorkload(4096, 2_000_000 / share, repetitions),
            new MixedWorkload(65_536, 2_000_000 / share, repetitions),
            new MixedWorkload(1_000_000, 3_000_000 / share, repetitions),
        ];
    }

    /// <summary>The workloads that were asked for by name or id; all, if none was.</summary>
    public static IReadOnlyList<Workload> Find(IReadOnlyList<string> names, bool isQuick) =>
        [.. Create(isQuick).Where(work => names.Count == 0 || names.Contains(work.Name) || names.Contains(work.Id))];

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
