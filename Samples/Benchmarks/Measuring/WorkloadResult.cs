using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Workloads;

namespace Samples.Benchmarks.Measuring;

/// <summary>All contestants' results of one workload.</summary>
internal sealed class WorkloadResult(Workload work)
{
    private readonly List<ContestantResult> _contestants = [];

    /// <summary>The workload.</summary>
    public Workload Work => work;

    /// <summary>Those who did it, in the order of the tables.</summary>
    public IReadOnlyList<ContestantResult> Contestants => _contestants;

    /// <summary>The fastest native allocator, run natively; null where none is.</summary>
    public ContestantResult? BestPeer => Best(ContestantNames.NativePeers);

    /// <summary>A contestant's median in relation to the best peer's; null where there is none.</summary>
    public double? RatioToBestPeer(ContestantResult contestant) => BestPeer is { } best ? contestant.Median / best.Median : null;

    /// <summary>The fastest of some contestants, by median; null where none of them took part.</summary>
    public ContestantResult? Best(IReadOnlyList<string> names) =>
        _contestants.Where(contestant => names.Contains(contestant.Name)).MinBy(contestant => contestant.Median);

    /// <summary>The contestant of that name; null if it did not take part.</summary>
    public ContestantResult? Find(string name) => _contestants.Find(contestant => contestant.Name == name);

    /// <summary>Adds a round of one contestant.</summary>
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
        foreach (ContestantResult contestant in _contestants)
        {
            foreach (ulong checksum in contestant.Checksums)
            {
                if (checksum != expected)
                {
                    return $"{work.Id}: {contestant.Name} did other work than {_contestants[0].Name}: checksum {checksum:x} instead of {expected:x}";
                }
            }
        }

        return null;
    }
}
