using Samples.Common;
using SuperSlab.Diagnostics;
using SuperSlab;

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

    /// <summary>The page faults of the first repeat by owner; null where that was not asked for.</summary>
    public ProfileFaults? Faults => _measurements[0].Run.Faults;

    /// <summary>Adds a repeat.</summary>
    public void Add(Measurement measurement) => _measurements.Add(measurement);

    /// <summary>The row as one result: the median speed, and of what should not happen the largest count.</summary>
    public RunDocument Summary() => _measurements[0].Run with
    {
        OperationsPerSecond = Statistics.Median(_measurements.ConvertAll(measurement => measurement.Run.OperationsPerSecond)),
        PageFaultsInLoop = Largest(measurement => measurement.Run.PageFaultsInLoop),
        ManagedBytesInLoop = Largest(measurement => measurement.Run.ManagedBytesInLoop),
        CollectionsInLoop = Largest(measurement => measurement.Run.CollectionsInLoop),
        EngineMemory = _measurements[0].Run.EngineMemory is { } first ? Summary(first) : null,
    };

    /// <summary>What the memory said of its pages: one line, if all repeats said the same.</summary>
    public IEnumerable<string> Prefaults() => _measurements.ConvertAll(measurement => measurement.Run.Prefault).Distinct();

    /// <summary>What must not happen and did, in words; null when all is well. No prefault asked for is no promise.</summary>
    public string? BrokenPromise()
    {
        RunDocument run = Summary();
        EngineFigures? engine = run.EngineMemory;
        if (engine is null || row.Prefault == PrefaultPolicy.None)
        {
            return null;
        }

        long events = run.PageFaultsInLoop + run.ManagedBytesInLoop + run.CollectionsInLoop + engine.OsCallsInLoop + PageFaultsInRehearsal;
        if (row.IsPrewarmed && events > 0)
        {
            return $"{row.Title}: {run.PageFaultsInLoop} page faults, {engine.OsCallsInLoop} OS calls, {run.ManagedBytesInLoop} managed bytes and "
                + $"{run.CollectionsInLoop} collections in the loop, {PageFaultsInRehearsal} page faults in the loop before it; there should have been none";
        }

        return engine.FaultsLeft > 0
            ? $"{row.Title}: {engine.FaultsLeft} pages of the engine's SuperSlabs would still fault; there should have been none"
            : null;
    }

    private EngineFigures Summary(EngineFigures first) => first with
    {
        OsCallsInLoop = Largest(measurement => measurement.Run.EngineMemory!.OsCallsInLoop),
        InterruptionsInLoop = LargestKnown(engine => engine.InterruptionsInLoop),
        FaultsLeft = LargestKnown(engine => engine.FaultsLeft),
    };

    private long? LargestKnown(Func<EngineFigures, long?> figure) => _measurements.Max(measurement => figure(measurement.Run.EngineMemory!));

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
