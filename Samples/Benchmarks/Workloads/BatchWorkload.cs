using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.RandomMixed;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// Allocate 1,000 blocks of one size, writing the first 8 bytes of each, then free them all: in the order in which they came (fifo), or
/// in a random one. This runs through an allocator's caches to what stands behind them.
/// </summary>
internal sealed class BatchWorkload(bool isRandom, int bytes, int rounds, int repetitions) : BlockWorkload
{
    private const int BatchBlocks = 1000;
    private const int Orders = 64;
    private const uint Seed = 12345;

    /// <inheritdoc/>
    public override string Name => isRandom ? "batch-random" : "batch-fifo";

    /// <inheritdoc/>
    public override string? Variant => $"{bytes}";

    /// <inheritdoc/>
    public override string Operation => "allocate and free";

    /// <inheritdoc/>
    public override long Operations => (long)rounds * BatchBlocks;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("bytes", bytes), new("blocks", BatchBlocks), new("batches", rounds)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{bytes}", $"{rounds}", $"{repetitions}"];

    /// <inheritdoc/>
    public override IReadOnlyList<BlockCount> Blocks => [new((nuint)bytes, BatchBlocks)];

    /// <inheritdoc/>
    public override uint Places => BatchBlocks;

    /// <inheritdoc/>
    public override nuint LargestBytes => (nuint)bytes;

    /// <inheritdoc/>
    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile = null)
    {
        ushort[] order = MakeOrders();
        TBlock[] blocks = new TBlock[BatchBlocks];
        var clock = new RepetitionClock(repetitions, profile);
        do
        {
            TAllocator allocator = contestant.Open();
            clock.Start();
            Loop<TAllocator, TBlock>(allocator, (nuint)bytes, rounds, blocks, order);
            clock.Stop();
        }
        while (clock.GoesOn);
        return new Measurement
        {
            Workload = Id,
            Nanoseconds = clock.Nanoseconds(Operations),
            Checksum = Check<TAllocator, TBlock>(contestant.Open(), (nuint)bytes, blocks, order),
        };
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Loop<TAllocator, TBlock>(TAllocator allocator, nuint bytes, int rounds, TBlock[] blocks, ushort[] orders)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        ref TBlock first = ref MemoryMarshal.GetArrayDataReference(blocks);
        for (int round = 0; round < rounds; round++)
        {
            Fill<TAllocator, TBlock>(allocator, bytes, ref first);
            ref ushort order = ref orders[round % Orders * BatchBlocks];
            for (uint index = 0; index < BatchBlocks; index++)
            {
                allocator.Free(Unsafe.Add(ref first, (nuint)Unsafe.Add(ref order, index)));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fill<TAllocator, TBlock>(TAllocator allocator, nuint bytes, ref TBlock first)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        for (uint index = 0; index < BatchBlocks; index++)
        {
            TBlock block = allocator.Allocate(bytes, index);
            Volatile.Write(ref Unsafe.As<byte, ulong>(ref block.First), index);
            Unsafe.Add(ref first, index) = block;
        }
    }

    // One more batch, read before it is freed: blocks that overlap would have lost their numbers.
    private static ulong Check<TAllocator, TBlock>(TAllocator allocator, nuint bytes, TBlock[] blocks, ushort[] orders)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        Fill<TAllocator, TBlock>(allocator, bytes, ref blocks[0]);
        ulong sum = 0;
        for (int index = 0; index < BatchBlocks; index++)
        {
            TBlock block = blocks[orders[index]];
            sum = (sum * 31) + Unsafe.As<byte, ulong>(ref block.First);
            allocator.Free(block);
        }

        return sum;
    }

    private ushort[] MakeOrders()
    {
        ushort[] orders = new ushort[Orders * BatchBlocks];
        uint random = Seed;
        for (int order = 0; order < Orders; order++)
        {
            Span<ushort> indices = orders.AsSpan(order * BatchBlocks, BatchBlocks);
            for (int index = 0; index < BatchBlocks; index++)
            {
                indices[index] = (ushort)index;
            }

            for (int index = BatchBlocks - 1; index > 0 && isRandom; index--)
            {
                random = MixedLoop.Next(random);
                int other = (int)(random % (uint)(index + 1));
                (indices[index], indices[other]) = (indices[other], indices[index]);
            }
        }

        return orders;
    }
}
