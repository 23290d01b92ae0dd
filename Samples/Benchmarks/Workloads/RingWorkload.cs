using System.Runtime.CompilerServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.RandomMixed;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// One thread allocates blocks of 64 to 512 bytes, writes the first and the last byte, and puts them into a ring; another takes them out,
/// reads the first byte and frees them. Every free is that of another thread's block.
/// </summary>
internal sealed class RingWorkload(long pairs, int repetitions) : BlockWorkload
{
    private const uint Seed = 42;
    private const nuint LeastBytes = 64;
    private const nuint MostBytes = 512;

    // Of 4,096 blocks in the ring no class ever has so many: on average the largest has 292.
    private const long MostOfAClass = 512;

    /// <inheritdoc/>
    public override string Name => "producer-consumer";

    /// <inheritdoc/>
    public override string? Variant => null;

    /// <inheritdoc/>
    public override string Operation => "block handed over";

    /// <inheritdoc/>
    public override long Operations => pairs;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("pairs", pairs), new("ring", Ring<Address>.Capacity), new("seed", Seed)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{pairs}", $"{Seed}", $"{repetitions}"];

    /// <inheritdoc/>
    public override IReadOnlyList<BlockCount> Blocks
    {
        get
        {
            int first = SizeClasses.IndexOf(LeastBytes);
            IEnumerable<int> classes = Enumerable.Range(first, SizeClasses.IndexOf(MostBytes) - first + 1);
            return [.. classes.Select(index => new BlockCount(SizeClasses.BlockBytes(index), MostOfAClass))];
        }
    }

    /// <inheritdoc/>
    public override int Threads => 2;

    // A place is used again when its block has surely left the ring.
    /// <inheritdoc/>
    public override uint Places => 2 * Ring<Address>.Capacity;

    /// <inheritdoc/>
    public override nuint LargestBytes => MostBytes;

    /// <inheritdoc/>
    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile = null)
    {
        var ring = new Ring<TBlock>();
        var clock = new RepetitionClock(repetitions, profile);
        ulong sum = 0;
        do
        {
            using var isReady = new ManualResetEventSlim();
            var consumer = new Thread(() =>
            {
                TAllocator allocator = contestant.Open();
                isReady.Set();
                sum = Consume(allocator, ring, pairs);
            });
            consumer.Start();
            TAllocator allocator = contestant.Open();
            isReady.Wait();
            clock.Start();
            Produce(allocator, ring, pairs);
            consumer.Join();
            clock.Stop();
        }
        while (clock.GoesOn);
        return new Measurement { Workload = Id, Nanoseconds = clock.Nanoseconds(Operations), Checksum = sum };
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Produce<TAllocator, TBlock>(TAllocator allocator, Ring<TBlock> ring, long pairs)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        uint random = Seed;
        for (uint pair = 0; pair < pairs; pair++)
        {
            random = MixedLoop.Next(random);
            nuint bytes = LeastBytes + ((random >> 8) % (uint)(MostBytes - LeastBytes + 1));
            TBlock block = allocator.Allocate(bytes, pair % (2 * Ring<TBlock>.Capacity));
            block.First = (byte)random;
            Unsafe.Add(ref block.First, bytes - 1) = (byte)random;
            ring.Add(block);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong Consume<TAllocator, TBlock>(TAllocator allocator, Ring<TBlock> ring, long pairs)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        ulong sum = 0;
        for (long pair = 0; pair < pairs; pair++)
        {
            TBlock block = ring.Take();
            sum += block.First;
            allocator.Free(block);
        }

        return sum;
    }
}
