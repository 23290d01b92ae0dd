using System.Diagnostics;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.RandomMixed;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// The random-mixed loop once, on memory that has to be got while it runs: how much that memory is. The time is shown too; most of it is
/// the kernel's.
/// </summary>
internal sealed class MixedColdWorkload(uint workingSet, long operations) : Workload
{
    private const uint Seed = 42;
    private const long RehearsedOperations = 20_000;

    /// <inheritdoc/>
    public override string Name => "random-mixed-cold";

    /// <inheritdoc/>
    public override string? Variant => $"{workingSet}";

    /// <inheritdoc/>
    public override string Operation => "allocate or free";

    /// <inheritdoc/>
    public override long Operations => operations;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("workingSet", workingSet), new("operations", operations), new("seed", Seed)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> Contestants => [ContestantNames.HandleCold];

    /// <inheritdoc/>
    public override bool IsMemoryAsked => true;

    /// <inheritdoc/>
    public override bool HasEmptyLoop => false;

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{operations}", $"{workingSet}", $"{Seed}"];

    /// <inheritdoc/>
    public override Measurement Measure(string contestant)
    {
        Address[] slots = new Address[workingSet];
        slots.AsSpan().Clear();

        // All code is compiled and all slots are written before the base line is taken.
        _ = Measure(slots, RehearsedOperations);
        slots.AsSpan().Clear();
        return Measure(slots, operations);
    }

    private Measurement Measure(Address[] slots, long count)
    {
        GC.Collect();
        _ = ResidentMemory.TryResetPeak();
        long baseLine = ResidentMemory.Bytes();
        using var memory = new EngineMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("cold");
        HandleAllocator allocator = new HandleContestant(arena).Open();
        long start = Stopwatch.GetTimestamp();
        MixedWorkload.Loop(allocator, count, slots, firstPlace: 0, Seed);
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        return new Measurement
        {
            Workload = Id,
            Nanoseconds = [time.TotalNanoseconds / count],
            Checksum = MixedWorkload.Checksum(slots),
            PeakResidentBytes = Math.Max(ResidentMemory.PeakBytes() - baseLine, 0),
            MetadataBytes = (long)memory.MetadataBytes,
        };
    }
}
