using Samples.Common;

namespace Samples.Benchmarks.Measuring;

/// <summary>One contestant's measurements of one workload over all rounds.</summary>
internal sealed class ContestantResult(string name)
{
    private readonly List<Measurement> _measurements = [];

    /// <summary>The contestant.</summary>
    public string Name => name;

    /// <summary>What the work left behind; the same in every round, or the work is not what it says.</summary>
    public IEnumerable<ulong> Checksums => _measurements.Select(measurement => measurement.Checksum).Distinct();

    /// <summary>The fastest repetition of all rounds, in nanoseconds per operation.</summary>
    public double Min => Times.Min();

    /// <summary>The median.</summary>
    public double Median => Statistics.Median(Times);

    /// <summary>The slowest.</summary>
    public double Max => Times.Max();

    private IEnumerable<double> Times => _measurements.SelectMany(measurement => measurement.Nanoseconds);

    /// <summary>Adds a round.</summary>
    public void Add(Measurement measurement) => _measurements.Add(measurement);

    /// <summary>The median of a figure that not all contestants have.</summary>
    public long? MedianOf(Func<Measurement, long?> figure)
    {
        List<long> known = [.. _measurements.Select(figure).OfType<long>()];
        return known.Count == 0 ? null : Statistics.Median(known);
    }

    /// <summary>The most of a figure that not all contestants have.</summary>
    public long? MostOf(Func<Measurement, long?> figure) => _measurements.Max(figure);
}
