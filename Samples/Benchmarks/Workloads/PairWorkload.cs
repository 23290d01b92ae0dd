using System.Runtime.CompilerServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// Allocate a block, write its first 8 bytes, free it, again and again: the shortest way through an allocator, with everything in the
/// cache. What is measured is instructions.
/// </summary>
internal sealed class PairWorkload(int bytes, long pairs, int repetitions) : BlockWorkload
{
    /// <inheritdoc/>
    public override string Name => "pair";

    /// <inheritdoc/>
    public override string? Variant => $"{bytes}";

    /// <inheritdoc/>
    public override string Operation => "allocate and free";

    /// <inheritdoc/>
    public override long Operations => pairs;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("bytes", bytes), new("pairs", pairs)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => ["pair", $"{bytes}", $"{pairs}", $"{repetitions}"];

    /// <inheritdoc/>
    public override IReadOnlyList<BlockCount> Blocks => [new((nuint)bytes, 1)];

    /// <inheritdoc/>
    public override uint Places => 1;

    /// <inheritdoc/>
    public override nuint LargestBytes => (nuint)bytes;

    /// <inheritdoc/>
    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile = null)
    {
        var clock = new RepetitionClock(repetitions, profile);
        ulong sum = 0;
        do
        {
            TAllocator allocator = contestant.Open();
            clock.Start();
            sum = Loop<TAllocator, TBlock>(allocator, (nuint)bytes, pairs);
            clock.Stop();
        }
        while (clock.GoesOn);
        return new Measurement { Workload = Id, Nanoseconds = clock.Nanoseconds(Operations), Checksum = sum };
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong Loop<TAllocator, TBlock>(TAllocator allocator, nuint bytes, long pairs)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        ulong sum = 0;
        for (long pair = 0; pair < pairs; pair++)
        {
            TBlock block = allocator.Allocate(bytes, 0);
            ref ulong first = ref Unsafe.As<byte, ulong>(ref block.First);
            Volatile.Write(ref first, (ulong)pair);
            sum += Volatile.Read(ref first);
            allocator.Free(block);
        }

        return sum;
    }
}
