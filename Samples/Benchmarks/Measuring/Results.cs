// What was measured: of one process, of one contestant, of one workload.
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Samples.Benchmarks.Measuring;

/// <summary>What one process found out about one workload with one contestant.</summary>
internal sealed record Measurement
{
    /// <summary>The workload's <see cref="Workloads.Workload.Id"/>.</summary>
    public required string Workload { get; init; }

    /// <summary>Nanoseconds per operation, of each repetition.</summary>
    public required double[] Nanoseconds { get; init; }

    /// <summary>What the work left behind, the same for all who did the same work.</summary>
    public required ulong Checksum { get; init; }

    /// <summary>The most physical memory that the work took; null where it is not asked.</summary>
    public long? PeakResidentBytes { get; init; }

    /// <summary>How much of that were the allocator's own tables; null where it does not say.</summary>
    public long? MetadataBytes { get; init; }

    /// <summary>
    /// Calls to the system's memory functions in the timed part; null where the allocator does not say.
    /// </summary>
    public long? OsCalls { get; init; }
}

/// <summary>One contestant's measurements of one workload over all rounds.</summary>
internal sealed class ContestantResult(string name) : RepeatedRow<Measurement>
{
    public string Name => name;

    /// <summary>What the work left behind; the same in every round, or the work is not what it says.</summary>
    public IEnumerable<ulong> Checksums => Repeats.Select(measurement => measurement.Checksum).Distinct();

    /// <summary>The fastest repetition of all rounds, in nanoseconds per operation.</summary>
    public double Min => Times.Min();

    public double Median => Statistics.Median(Times);
    public double Max => Times.Max();
    private IEnumerable<double> Times => Repeats.SelectMany(measurement => measurement.Nanoseconds);

    /// <summary>The median of a figure that not all contestants have.</summary>
    public long? MedianOf(Func<Measurement, long?> figure)
    {
        List<long> known = [.. Repeats.Select(figure).OfType<long>()];
        return known.Count == 0 ? null : Statistics.Median(known);
    }
}

/// <summary>All contestants' results of one workload.</summary>
internal sealed class WorkloadResult(Workload work)
{
    private readonly List<ContestantResult> _contestants = [];

    public Workload Work => work;

    /// <summary>Those who did it, in the order of the tables.</summary>
    public IReadOnlyList<ContestantResult> Contestants => _contestants;

    /// <summary>The fastest native allocator, run natively; null where none is.</summary>
    public ContestantResult? BestPeer => Best(ContestantNames.NativePeers);

    /// <summary>A contestant's median in relation to the best peer's; null where there is none.</summary>
    public double? RatioToBestPeer(ContestantResult contestant) =>
        BestPeer is { } best ? contestant.Median / best.Median : null;

    /// <summary>The fastest of some contestants, by median; null where none of them took part.</summary>
    public ContestantResult? Best(IReadOnlyList<string> names) =>
        _contestants.Where(contestant => names.Contains(contestant.Name)).MinBy(contestant => contestant.Median);

    /// <summary>The contestant of that name; null if it did not take part.</summary>
    public ContestantResult? Find(string name) => _contestants.Find(contestant => contestant.Name == name);

    public void Add(string contestant, Measurement measurement)
    {
        ContestantResult? result = Find(contestant);
        if (result is null)
        {
            result = new ContestantResult(contestant);
            _contestants.Add(result);
        }

        result.Add(measurement);
    }

    /// <summary>Who did other work than the first, in words; null when all did the same.</summary>
    public string? Difference()
    {
        ulong expected = _contestants[0].Checksums.First();
        var others = from contestant in _contestants
                     from checksum in contestant.Checksums
                     where checksum != expected
                     select $"{work.Id}: {contestant.Name} did other work than {_contestants[0].Name}: "
                         + $"checksum {checksum:x} instead of {expected:x}";
        return others.FirstOrDefault();
    }
}
