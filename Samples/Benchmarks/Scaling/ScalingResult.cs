using Samples.Common;

namespace Samples.Benchmarks.Scaling;

/// <summary>One contestant's measurements of one workload on one number of threads, over all rounds.</summary>
internal sealed class ScalingRow(string name)
{
    private readonly List<ScalingMeasurement> _rounds = [];

    /// <summary>The contestant.</summary>
    public string Name => name;

    /// <summary>The rounds.</summary>
    public IReadOnlyList<ScalingMeasurement> Rounds => _rounds;

    /// <summary>The least nanoseconds per operation of one thread.</summary>
    public double Min => Times.Min();

    /// <summary>The median.</summary>
    public double Median => Statistics.Median(Times);

    /// <summary>The most.</summary>
    public double Max => Times.Max();

    /// <summary>The medians of the rounds' percentiles, and the longest of all rounds.</summary>
    public CallLatency Latency => new(
        MedianOf(latency => latency.P50),
        MedianOf(latency => latency.P999),
        MedianOf(latency => latency.P9999),
        _rounds.Max(round => round.Latency.Longest),
        _rounds.Max(round => round.Latency.LongestUndisturbed));

    /// <summary>Switches and faults of all rounds; null where the system does not tell.</summary>
    public ThreadUsage? Usage => _rounds.Aggregate((ThreadUsage?)default(ThreadUsage), (sum, round) => sum + round.Usage);

    /// <summary>System calls of all rounds; null where they could not be counted.</summary>
    public long? SystemCalls => _rounds.Aggregate((long?)0, (sum, round) => sum + round.SystemCalls);

    /// <summary>The engine's calls to the system's memory functions; null of others.</summary>
    public long? OsCalls => _rounds.Aggregate((long?)0, (sum, round) => sum + round.OsCalls);

    /// <summary>Whether a thread called the system, or waited, in a measured loop. What is not known counts for nothing.</summary>
    public bool HasCalledSystem => OsCalls > 0 || SystemCalls > 0 || Usage?.VoluntarySwitches > 0;

    private IEnumerable<double> Times => _rounds.SelectMany(round => round.Nanoseconds);

    /// <summary>Adds a round.</summary>
    public void Add(ScalingMeasurement measurement) => _rounds.Add(measurement);

    private long MedianOf(Func<CallLatency, long> figure) => Statistics.Median(_rounds.Select(round => figure(round.Latency)));
}

/// <summary>All contestants' results of one workload on one number of threads.</summary>
/// <param name="load">What was done.</param>
internal sealed class ScalingPoint(ScalingLoad load)
{
    private readonly List<ScalingRow> _rows = [];

    /// <summary>What was done.</summary>
    public ScalingLoad Load => load;

    /// <summary>The contestants, in the order of the tables.</summary>
    public IReadOnlyList<ScalingRow> Rows => _rows;

    /// <summary>The contestant of that name; null if it did not take part.</summary>
    public ScalingRow? Find(string name) => _rows.Find(row => row.Name == name);

    /// <summary>Adds a round of one contestant.</summary>
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

    /// <summary>What is wrong with the work itself, in words: lost contents, or another checksum than the first one's.</summary>
    public IEnumerable<string> Faults()
    {
        ulong expected = _rows[0].Rounds[0].Checksum;
        foreach (ScalingRow row in _rows)
        {
            string what = $"{load.Work.Name} on {load.Threads} threads: {row.Name}";
            if (row.Rounds.Sum(round => round.LostBlocks) is > 0 and long lost)
            {
                yield return $"{what}: {lost} blocks had lost what was written to them";
            }
            else if (row.Rounds.FirstOrDefault(round => round.Checksum != expected) is { } other)
            {
                yield return $"{what} did other work than {_rows[0].Name}: checksum {other.Checksum:x} instead of {expected:x}";
            }
        }
    }
}

/// <summary>One workload on all numbers of threads.</summary>
/// <param name="work">The workload.</param>
/// <param name="points">In the order of the numbers.</param>
/// <param name="peers">The native allocators run from C: what the others are compared with.</param>
internal sealed class ScalingResult(ScalingWork work, IReadOnlyList<ScalingPoint> points, IReadOnlyList<string> peers)
{
    /// <summary>The workload.</summary>
    public ScalingWork Work => work;

    /// <summary>One for each number of threads.</summary>
    public IReadOnlyList<ScalingPoint> Points => points;

    /// <summary>The native allocators run from C.</summary>
    public IReadOnlyList<string> Peers => peers;

    /// <summary>All contestants.</summary>
    public IEnumerable<string> Names => points[0].Rows.Select(row => row.Name);

    /// <summary>
    /// A time in relation to the same contestant's with one thread, had each thread a processor of its own: where there are more threads
    /// than processors, the time is first divided by how many share one. Null where one thread was not measured.
    /// </summary>
    public double? OfOneThread(ScalingPoint point, ScalingRow row)
    {
        double share = Math.Max((double)point.Load.Threads / Environment.ProcessorCount, 1);
        return row.Median / share / points.FirstOrDefault(other => other.Load.Threads == 1)?.Find(row.Name)?.Median;
    }

    /// <summary>A time in relation to the best peer's on the same number of threads; null where there is none.</summary>
    public double? OfBestPeer(ScalingPoint point, ScalingRow row) => row.Median / BestPeer(point)?.Median;

    /// <summary>The fastest peer by median; null where there is none.</summary>
    public ScalingRow? BestPeer(ScalingPoint point) => point.Rows.Where(row => peers.Contains(row.Name)).MinBy(row => row.Median);
}
