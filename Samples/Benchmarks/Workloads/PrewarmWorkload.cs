using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// A level load that wants much memory resident: the engine's prewarm, beside an allocation in C of which a byte in each page is written.
/// "null (C)" is the kernel alone: one mapping, huge pages allowed, populated by one call. Giving the memory back is not in the time.
/// </summary>
internal sealed class PrewarmWorkload(int mebibytes, int repetitions) : Workload
{
    private const nuint BlockBytes = 1 << 20;

    /// <inheritdoc/>
    public override string Name => "prewarm";

    /// <inheritdoc/>
    public override string? Variant => null;

    /// <inheritdoc/>
    public override string Operation => "MiB made resident";

    /// <inheritdoc/>
    public override long Operations => mebibytes;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("mebibytes", mebibytes)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> Contestants => [ContestantNames.Engine];

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{mebibytes}", $"{repetitions}"];

    /// <inheritdoc/>
    public override Measurement Measure(string contestant)
    {
        var clock = new RepetitionClock(repetitions);
        ulong stillFaulting = 0;
        do
        {
            using var memory = new EngineMemory();
            using LongLivedArena arena = memory.CreateLongLivedArena("level");
            clock.Start();
            nuint bytes = arena.Prewarm([new BlockCount(BlockBytes, mebibytes)], threads: 1);
            clock.Stop();
            stillFaulting += (ulong)Math.Max(memory.PagesThatWouldFault(memory.ReservationBase, bytes), 0);
        }
        while (clock.GoesOn);
        return new Measurement { Workload = Id, Nanoseconds = clock.Nanoseconds(Operations), Checksum = stillFaulting };
    }
}
