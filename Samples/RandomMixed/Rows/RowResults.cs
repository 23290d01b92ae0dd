using Samples.Common;

namespace Samples.RandomMixed.Rows;

/// <summary>One row's results over all repeats.</summary>
internal sealed class RowResults(RowSpec row)
{
    private readonly List<Measurement> _measurements = [];

    /// <summary>The row.</summary>
    public RowSpec Row => row;

    /// <summary>What the loop left behind, which must be the same in all rows.</summary>
    public uint Checksum => _measurements[0].Checksum;

    /// <summary>The most page faults in the loop before the measured one.</summary>
    public long PageFaultsInRehearsal => Largest(measurement => measurement.PageFaultsInRehearsal);

    /// <summary>The slowest and the fastest repeat.</summary>
    public (long Least, long Most) OperationsPerSecond =>
        (-Largest(measurement => -measurement.Run.OperationsPerSecond), Largest(measurement => measurement.Run.OperationsPerSecond));

    /// <summary>Adds a repeat.</summary>
    public void Add(Measurement measurement) => _measurements.Add(measurement);

    /// <summary>The row as one result: the median speed, and of what should not happen the largest count.</summary>
    public RunDocument Summary() => _measurements[0].Run with
    {
        OperationsPerSecond = Statistics.Median(_measurements.ConvertAll(measurement => measurement.Run.OperationsPerSecond)),
        PageFaultsInLoop = Largest(measurement => measurement.Run.PageFaultsInLoop),
        ManagedBytesInLoop = Largest(measurement => measurement.Run.ManagedBytesInLoop),
        CollectionsInLoop = Largest(measurement => measurement.Run.CollectionsInLoop),
    };

    /// <summary>What must not happen and did, in words; null when all is well.</summary>
    public string? BrokenPromise()
    {
        RunDocument run = Summary();
        bool isBroken = row is { IsEngine: true, IsPrewarmed: true }
            && run.PageFaultsInLoop + run.ManagedBytesInLoop + run.CollectionsInLoop + PageFaultsInRehearsal > 0;
        return isBroken
            ? $"{row.Title}: {run.PageFaultsInLoop} page faults, {run.ManagedBytesInLoop} managed bytes and {run.CollectionsInLoop} collections "
                + $"in the loop, {PageFaultsInRehearsal} page faults in the loop before it; there should have been none"
            : null;
    }

    private long Largest(Func<Measurement, long> figure)
    {
        long largest = long.MinValue;
        foreach (Measurement measurement in _measurements)
        {
            largest = Math.Max(largest, figure(measurement));
        }

        return largest;
    }
}
