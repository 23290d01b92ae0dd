// A producer, a consumer, and the ring between them.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.GameReplay.Scripts;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// One thread allocates blocks of 64 to 512 bytes, writes the first and the last byte, and puts them into a ring;
/// another takes them out, reads the first byte and frees them. Every free is that of another thread's block.
/// </summary>
internal sealed class RingWorkload(long pairs, int repetitions) : BlockWorkload
{
    private const uint Seed = 42;
    private const nuint LeastBytes = 64;
    private const nuint MostBytes = 512;

    // Of 4,096 blocks in the ring no class ever has as many: on average the largest has 292.
    private const long MostOfAClass = 512;

    public override string Name => "producer-consumer";
    public override string? Variant => null;
    public override string Operation => "block handed over";
    public override long Operations => pairs;
    public override IReadOnlyList<Parameter> Parameters =>
        [new("pairs", pairs), new("ring", Ring<Address>.Capacity), new("seed", Seed)];
    public override IReadOnlyList<string> NativeArguments(string folder) =>
        [Name, $"{pairs}", $"{Seed}", $"{repetitions}"];

    public override IReadOnlyList<BlockCount> Blocks
    {
        get
        {
            List<BlockCount> blocks = [];
            for (nuint bytes = LongLivedArena.BlockBytes(LeastBytes); bytes <= LongLivedArena.BlockBytes(MostBytes);)
            {
                blocks.Add(new BlockCount(bytes, MostOfAClass));
                bytes = LongLivedArena.BlockBytes(bytes + 1);
            }

            return blocks;
        }
    }

    public override int Threads => 2;

    // A place is used again when its block has surely left the ring.
    public override uint Places => 2 * Ring<Address>.Capacity;

    public override nuint LargestBytes => MostBytes;

    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile)
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
        return Measured(clock, sum);
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

/// <summary>
/// A queue between one producer and one consumer, without locks: each side writes its own count and keeps a copy of the
/// other's, which it reads anew only when the ring seems full, or empty. (L. Lamport, "Specifying Concurrent Program
/// Modules", 1983.)
/// </summary>
internal sealed class Ring<TBlock>
    where TBlock : struct, IBlock
{
    /// <summary>How many blocks the ring holds.</summary>
    public const int Capacity = 4096;

    private readonly TBlock[] _entries = new TBlock[Capacity];
    private RingCounts _counts;

    /// <summary>Makes a ring whose memory has been written.</summary>
    public Ring() => _entries.AsSpan().Clear();

    /// <summary>Adds a block; waits while the ring is full. For the producer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(TBlock block)
    {
        long added = _counts.Added;
        if (added - _counts.TakenAsSeen == Capacity)
            WaitForRoom();

        _entries[(int)added & (Capacity - 1)] = block;
        Volatile.Write(ref _counts.Added, added + 1);
    }

    /// <summary>Takes the oldest block; waits while there is none. For the consumer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TBlock Take()
    {
        long taken = _counts.Taken;
        if (taken == _counts.AddedAsSeen)
            WaitForBlock();

        TBlock block = _entries[(int)taken & (Capacity - 1)];
        Volatile.Write(ref _counts.Taken, taken + 1);
        return block;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WaitForRoom()
    {
        var wait = default(RingWait);
        while (_counts.Added - (_counts.TakenAsSeen = Volatile.Read(ref _counts.Taken)) == Capacity)
            wait.Once();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WaitForBlock()
    {
        var wait = default(RingWait);
        while (_counts.Taken == (_counts.AddedAsSeen = Volatile.Read(ref _counts.Added)))
            wait.Once();
    }
}

/// <summary>
/// How far the two sides of a <see cref="Ring{TBlock}"/> have come. What one side writes lies two cache lines from what
/// the other does.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 384)]
internal struct RingCounts
{
    /// <summary>The blocks added; the producer writes it.</summary>
    [FieldOffset(128)]
    public long Added;

    /// <summary>What the producer last saw of <see cref="Taken"/>.</summary>
    [FieldOffset(136)]
    public long TakenAsSeen;

    /// <summary>The blocks taken; the consumer writes it.</summary>
    [FieldOffset(256)]
    public long Taken;

    /// <summary>What the consumer last saw of <see cref="Added"/>.</summary>
    [FieldOffset(264)]
    public long AddedAsSeen;
}

/// <summary>
/// Waiting for the other thread: a while before looking again, because the cache line that is looked at is then taken
/// from the other thread once for many blocks; and after many of these the processor is given away, in case the other
/// one needs it.
/// </summary>
internal struct RingWait
{
    private const int Pauses = 32;
    private const int WaitsBeforeYield = 32;
    private int _waits;

    /// <summary>Waits a while.</summary>
    public void Once()
    {
        if (++_waits % WaitsBeforeYield == 0)
            Thread.Yield();

        for (int pause = 0; pause < Pauses; pause++)
        {
            if (X86Base.IsSupported)
                X86Base.Pause();
            else if (ArmBase.IsSupported)
                ArmBase.Yield();
        }
    }
}
