// What was measured: by one process, of one contestant, on one number of threads, of one workload.
using System.Globalization;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Samples.Benchmarks.Scaling;

/// <summary>What one process found out about one workload on a number of threads.</summary>
internal sealed record ScalingMeasurement
{
    public required string Workload { get; init; }
    public required int Threads { get; init; }

    /// <summary>Nanoseconds per operation of one thread, of each repetition.</summary>
    public required double[] Nanoseconds { get; init; }

    /// <summary>The tags of all blocks, the same for all who did the same work.</summary>
    public required ulong Checksum { get; init; }

    /// <summary>Blocks in which, when they were freed, was not what was written.</summary>
    public required long LostBlocks { get; init; }

    /// <summary>Single calls.</summary>
    public required CallLatency Latency { get; init; }

    /// <summary>Switches and faults of all threads in all repetitions; null where the system does not tell.</summary>
    public ThreadUsage? Usage { get; init; }

    /// <summary>System calls of all threads in one pass; null where they could not be counted.</summary>
    public long? SystemCalls { get; init; }

    /// <summary>Calls of the engine to the system's memory functions since its prewarm; null of others.</summary>
    public long? OsCalls { get; init; }

    /// <summary>Reads what the native driver prints.</summary>
    /// <exception cref="RunFailedException">A line that must be there is not.</exception>
    public static ScalingMeasurement Parse(string output, ScalingLoad load)
    {
        Dictionary<string, string[]> lines = [];
        foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] words = line.Split(' ');
            lines[words[0]] = words[1..];
        }

        if (!lines.ContainsKey("nanoseconds") || !lines.ContainsKey("usage"))
            throw new RunFailedException($"{load.Work.Name}: the native driver printed no result");

        long[] latency = Numbers("latency"), usage = Numbers("usage");
        return new ScalingMeasurement
        {
            Workload = load.Work.Name,
            Threads = load.Threads,
            Nanoseconds = Array.ConvertAll(Numbers("nanoseconds"), whole => (double)whole / load.OperationsPerThread),
            Checksum = (ulong)Numbers("checksum")[0],
            LostBlocks = Numbers("lost")[0],
            Latency = new CallLatency(latency[0], latency[1], latency[2], latency[3], latency[4]),
            Usage = new ThreadUsage(usage[0], usage[1], usage[2]),
            SystemCalls = lines.ContainsKey("calls") ? Numbers("calls")[0] : null,
        };

        long[] Numbers(string key) =>
            Array.ConvertAll(lines[key], word => long.Parse(word, CultureInfo.InvariantCulture));
    }
}

/// <summary>One contestant's measurements of one workload on one number of threads, over all rounds.</summary>
internal sealed class ScalingRow(string name) : RepeatedRow<ScalingMeasurement>
{
    public string Name => name;

    /// <summary>The least nanoseconds per operation of one thread.</summary>
    public double Min => Times.Min();

    public double Median => Statistics.Median(Times);
    public double Max => Times.Max();

    /// <summary>The medians of the rounds' percentiles, and the longest of all rounds.</summary>
    public CallLatency Latency => new(
        MedianOf(latency => latency.P50),
        MedianOf(latency => latency.P999),
        MedianOf(latency => latency.P9999),
        Most(round => round.Latency.Longest),
        Most(round => round.Latency.LongestUndisturbed));

    /// <summary>Switches and faults of all rounds; null where the system does not tell.</summary>
    public ThreadUsage? Usage =>
        Repeats.Aggregate((ThreadUsage?)default(ThreadUsage), (sum, round) => sum + round.Usage);

    /// <summary>System calls of all rounds; null where they could not be counted.</summary>
    public long? SystemCalls => Repeats.Aggregate((long?)0, (sum, round) => sum + round.SystemCalls);

    /// <summary>The engine's calls to the system's memory functions; null of others.</summary>
    public long? OsCalls => Repeats.Aggregate((long?)0, (sum, round) => sum + round.OsCalls);

    /// <summary>
    /// Whether a thread called the system, or waited, in a measured loop. What is not known counts for nothing.
    /// </summary>
    public bool HasCalledSystem => OsCalls > 0 || SystemCalls > 0 || Usage?.VoluntarySwitches > 0;

    private IEnumerable<double> Times => Repeats.SelectMany(round => round.Nanoseconds);

    private long MedianOf(Func<CallLatency, long> figure) =>
        Statistics.Median(Repeats.Select(round => figure(round.Latency)));
}

/// <summary>All contestants' results of one workload on one number of threads.</summary>
internal sealed class ScalingPoint(ScalingLoad load)
{
    private readonly List<ScalingRow> _rows = [];

    public ScalingLoad Load => load;

    /// <summary>The contestants, in the order of the tables.</summary>
    public IReadOnlyList<ScalingRow> Rows => _rows;

    /// <summary>The contestant of that name; null if it did not take part.</summary>
    public ScalingRow? Find(string name) => _rows.Find(row => row.Name == name);

    public void Add(string contestant, ScalingMeasurement measurement)
    {
        ScalingRow? row = Find(contestant);
        if (row is null)
        {
            row = new ScalingRow(contestant);
            _rows.Add(row);
        }

        row.Add(measurement);
    }

    /// <summary>
    /// What is wrong with the work itself, in words: lost contents, or another checksum than the first one's.
    /// </summary>
    public IEnumerable<string> Faults()
    {
        ulong expected = _rows[0].First.Checksum;
        foreach (ScalingRow row in _rows)
        {
            string what = $"{load.Work.Name} on {load.Threads} threads: {row.Name}";
            if (row.Repeats.Sum(round => round.LostBlocks) is > 0 and long lost)
                yield return $"{what}: {lost} blocks had lost what was written to them";
            else if (row.Repeats.FirstOrDefault(round => round.Checksum != expected) is { } other)
            {
                yield return $"{what} did other work than {_rows[0].Name}: checksum {other.Checksum:x} instead of "
                    + $"{expected:x}";
            }
        }
    }
}

/// <summary>One workload on all numbers of threads.</summary>
/// <param name="points">In the order of the numbers.</param>
/// <param name="peers">The native allocators run from C: what the others are compared with.</param>
internal sealed class ScalingResult(ScalingWork work, IReadOnlyList<ScalingPoint> points, IReadOnlyList<string> peers)
{
    public ScalingWork Work => work;

    /// <summary>One for each number of threads.</summary>
    public IReadOnlyList<ScalingPoint> Points => points;

    public IReadOnlyList<string> Peers => peers;
    public IEnumerable<string> Names => points[0].Rows.Select(row => row.Name);

    /// <summary>
    /// A time in relation to the same contestant's with one thread, had each thread a processor of its own: where there
    /// are more threads than processors, the time is first divided by how many share one. Null where one thread was not
    /// measured.
    /// </summary>
    public double? OfOneThread(ScalingPoint point, ScalingRow row)
    {
        double share = Math.Max((double)point.Load.Threads / Environment.ProcessorCount, 1);
        return row.Median / share / points.FirstOrDefault(other => other.Load.Threads == 1)?.Find(row.Name)?.Median;
    }

    /// <summary>
    /// A time in relation to the best peer's on the same number of threads; null where there is none.
    /// </summary>
    public double? OfBestPeer(ScalingPoint point, ScalingRow row) => row.Median / BestPeer(point)?.Median;

    /// <summary>The fastest peer by median; null where there is none.</summary>
    public ScalingRow? BestPeer(ScalingPoint point) =>
        point.Rows.Where(row => peers.Contains(row.Name)).MinBy(row => row.Median);
}
