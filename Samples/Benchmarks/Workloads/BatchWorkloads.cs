// Blocks of one size: pairs and batches.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.GameReplay.Scripts;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// Allocate a block, write its first 8 bytes, free it, again and again: the shortest way through an allocator, with
/// everything in the cache. What is measured is instructions.
/// </summary>
internal sealed class PairWorkload(int bytes, long pairs, int repetitions) : BlockWorkload
{
    public override string Name => "pair";
    public override string? Variant => $"{bytes}";
    public override string Operation => "allocate and free";
    public override long Operations => pairs;
    public override IReadOnlyList<Parameter> Parameters => [new("bytes", bytes), new("pairs", pairs)];
    public override IReadOnlyList<string> NativeArguments(string folder) =>
        ["pair", $"{bytes}", $"{pairs}", $"{repetitions}"];
    public override IReadOnlyList<BlockCount> Blocks => [new((nuint)bytes, 1)];

    public override uint Places => 1;
    public override nuint LargestBytes => (nuint)bytes;

    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile)
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
        return Measured(clock, sum);
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

/// <summary>
/// Allocate 1,000 blocks of one size, writing the first 8 bytes of each, then free them all: in the order in which they
/// came (fifo), or in a random one. This runs through an allocator's caches to what stands behind them.
/// </summary>
internal sealed class BatchWorkload(bool isRandom, int bytes, int rounds, int repetitions) : BlockWorkload
{
    private const int BatchBlocks = 1000;
    private const int Orders = 64;
    private const uint Seed = 12345;

    public override string Name => isRandom ? "batch-random" : "batch-fifo";
    public override string? Variant => $"{bytes}";
    public override string Operation => "allocate and free";
    public override long Operations => (long)rounds * BatchBlocks;
    public override IReadOnlyList<Parameter> Parameters =>
        [new("bytes", bytes), new("blocks", BatchBlocks), new("batches", rounds)];
    public override IReadOnlyList<string> NativeArguments(string folder) =>
        [Name, $"{bytes}", $"{rounds}", $"{repetitions}"];
    public override IReadOnlyList<BlockCount> Blocks => [new((nuint)bytes, BatchBlocks)];

    public override uint Places => BatchBlocks;
    public override nuint LargestBytes => (nuint)bytes;

    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile)
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
    private static void Loop<TAllocator, TBlock>(
        TAllocator allocator, nuint bytes, int rounds, TBlock[] blocks, ushort[] orders)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        ref TBlock first = ref MemoryMarshal.GetArrayDataReference(blocks);
        for (int round = 0; round < rounds; round++)
        {
            Fill<TAllocator, TBlock>(allocator, bytes, ref first);
            ref ushort order = ref orders[round % Orders * BatchBlocks];
            for (uint index = 0; index < BatchBlocks; index++)
                allocator.Free(Unsafe.Add(ref first, (nuint)Unsafe.Add(ref order, index)));
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
                indices[index] = (ushort)index;

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
