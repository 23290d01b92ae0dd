using System.Runtime.CompilerServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.GameReplay.Scripts;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// Four buffers that grow by turns: from 16 bytes by doubling to 1 MiB, as lists grow, or by 64 KiB at a time to 4 MiB,
/// as logs do. Each step writes the last byte of the block. Most of the time is copying, unless the allocator can grow
/// a block where it is.
/// </summary>
internal sealed class ReallocWorkload(bool isDoubling, int rounds, int repetitions) : BlockWorkload
{
    private const uint Buffers = 4;
    private const nuint StepBytes = 64 * 1024;
    private const int SuperSlabBytes = 2 << 20;
    private readonly nuint[] _sizes = isDoubling
        ? [.. Enumerable.Range(0, 17).Select(doubling => (nuint)16 << doubling)]
        : [.. Enumerable.Range(1, 64).Select(step => (nuint)step * StepBytes)];

    public override string Name => "realloc";
    public override string? Variant => isDoubling ? "doubling" : "steps";
    public override string Operation => "growth";
    public override long Operations => (long)rounds * Buffers * (_sizes.Length - 1);

    public override IReadOnlyList<Parameter> Parameters =>
    [
        new("buffers", Buffers),
        new("firstBytes", (long)_sizes[0]),
        new("lastBytes", (long)_sizes[^1]),
        new("growths", _sizes.Length - 1),
        new("rounds", rounds),
    ];

    // By steps the collector takes seconds, which are not spent here.
    public override IReadOnlyList<string> Contestants =>
        isDoubling ? ContestantNames.All : [.. ContestantNames.All.Except([ContestantNames.Gc])];

    public override IReadOnlyList<string> NativeArguments(string folder) =>
        [Name, isDoubling ? "1" : "0", $"{rounds}", $"{repetitions}"];

    public override IReadOnlyList<BlockCount> Blocks =>
        [.. _sizes.GroupBy(bytes => LongLivedArena.BlockBytes(bytes)).Select(sameClass =>
            new BlockCount(sameClass.Max(), Buffers))];

    // By steps buffers grow in place where there is room behind them: at their largest, and half as much again for the
    // copy of one that moves and for gaps. What doubles moves each time.
    public override int TogetherSuperSlabs => isDoubling ? 0 : (int)(Buffers * LargestBytes * 3 / 2) / SuperSlabBytes;

    public override uint Places => Buffers;
    public override nuint LargestBytes => _sizes[^1];

    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile)
    {
        var clock = new RepetitionClock(repetitions, profile);
        ulong sum;
        do
        {
            TAllocator allocator = contestant.Open();
            clock.Start();
            sum = Loop<TAllocator, TBlock>(allocator, rounds, _sizes);
            clock.Stop();
        }
        while (clock.GoesOn);
        return Measured(clock, sum);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong Loop<TAllocator, TBlock>(TAllocator allocator, int rounds, nuint[] sizes)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        TBlock[] blocks = new TBlock[Buffers];
        ulong sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            for (uint buffer = 0; buffer < Buffers; buffer++)
            {
                blocks[buffer] = allocator.Allocate(sizes[0], buffer);
                blocks[buffer].First = (byte)round;
            }

            for (int step = 1; step < sizes.Length; step++)
            {
                foreach (ref TBlock block in blocks.AsSpan())
                {
                    block = allocator.Reallocate(block, sizes[step - 1], sizes[step]);
                    Unsafe.Add(ref block.First, sizes[step] - 1) = (byte)step;
                }
            }

            foreach (TBlock block in blocks)
            {
                sum = (sum * 31) + block.First + Unsafe.Add(ref block.First, sizes[^1] - 1);
                allocator.Free(block);
            }
        }

        return sum;
    }
}
