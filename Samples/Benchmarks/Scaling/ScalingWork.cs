// The scaling workloads.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Common;
using Samples.GameReplay.Scripts;

namespace Samples.Benchmarks.Scaling;

/// <summary>
/// A workload that a number of threads do at once. <c>Native/scaling.c</c> has the same in C, with the same random
/// numbers, sizes and tags, so that the checksums are equal. The timed loops look at no block before they free it; the
/// checked ones do.
/// </summary>
internal abstract class ScalingWork
{
    /// <summary>Bytes of the largest block.</summary>
    public const uint MostBytes = BigWork.LeastBytes + BigWork.Mask;

    /// <summary>All of them, in the order of the tables.</summary>
    public static readonly ScalingWork[] All =
    [
        new MixedWork(),
        new SharedWork(),
        new BatchWork("batch64", blocks: 1000, bytes: 64, operationsPerStep: 1000, superSlabs: 8),
        new BatchWork("batch64k", blocks: 100, bytes: 65_536, operationsPerStep: 1000, superSlabs: 24),
        new BigWork(),
        new ScratchWork(),
        new LivesWork(),
    ];

    /// <summary>The name in JSON and on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>What one operation is, in words.</summary>
    public abstract string Operation { get; }

    /// <summary>
    /// How many of the operations asked for make one step; heavy work does fewer operations than asked for.
    /// </summary>
    public virtual long AskedPerStep => 1;

    /// <summary>How many operations a step is.</summary>
    public virtual long OperationsPerStep => 1;

    /// <summary>What a level load prewarms for each thread.</summary>
    public virtual int SuperSlabsPerThread => 8;

    /// <summary>How many blocks of <see cref="MostBytes"/> it prewarms besides for each.</summary>
    public virtual int LargestPerThread => 0;

    /// <summary>How many of its own slots a thread keeps blocks in from one pass to the next.</summary>
    public virtual int KeptSlots => 0;

    /// <summary>Whether blocks are passed on in a table that all threads share.</summary>
    public virtual bool IsShared => false;

    /// <summary>Whether the main thread makes a block for each thread, side by side, before each pass.</summary>
    public virtual bool TakesGiven => false;

    /// <summary>Whether each step is the life of a thread.</summary>
    public virtual bool HasLives => false;

    /// <summary>The steps of a thread that is asked for a number of operations.</summary>
    public int StepsFor(long operations) => (int)Math.Max(operations / AskedPerStep, 1);

    public abstract void Loop<TAllocator, TBlock, TPass>(TAllocator allocator, Player<TBlock> player, int steps)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
        where TPass : struct, IPass;
}

/// <summary>
/// Own slots: a random one is freed when it is full, and gets a block of 16 to 1,039 bytes when it is empty.
/// </summary>
internal class MixedWork : ScalingWork
{
    public override string Name => "mixed";
    public override string Operation => "allocate or free";
    public override int KeptSlots => Player.Slots;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public override void Loop<TAllocator, TBlock, TPass>(TAllocator allocator, Player<TBlock> player, int steps) =>
        Loop<TAllocator, TBlock, TPass>(allocator, player, steps, (uint)KeptSlots);

    /// <summary>The loop on the first of the thread's slots.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected static void Loop<TAllocator, TBlock, TPass>(
        TAllocator allocator, Player<TBlock> player, int operations, uint slots)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
        where TPass : struct, IPass
    {
        ref TBlock first = ref MemoryMarshal.GetArrayDataReference(player.Own);
        uint random = player.Seed;
        for (int operation = 0; operation < operations; operation++)
        {
            random = MixedLoop.Next(random);
            uint index = random % slots;
            ref TBlock slot = ref Unsafe.Add(ref first, index);
            TBlock block = slot;
            if (!block.IsNone)
            {
                player.Look<TPass>(block, index);
                allocator.Free(block);
                slot = default;
            }
            else
            {
                nuint bytes = MixedLoop.BytesOf(random);
                block = allocator.Allocate(bytes, index);
                Seal.Write<TBlock, TPass>(block, bytes, index);
                slot = block;
            }
        }
    }
}

/// <summary>
/// One table for all: each new block is exchanged for what lies in a random slot, mostly another thread's, which is
/// freed.
/// </summary>
internal sealed class SharedWork : ScalingWork
{
    public override string Name => "shared";
    public override string Operation => "block exchanged";
    public override int SuperSlabsPerThread => 16;
    public override bool IsShared => true;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public override void Loop<TAllocator, TBlock, TPass>(TAllocator allocator, Player<TBlock> player, int steps)
    {
        ref TBlock first = ref MemoryMarshal.GetArrayDataReference(player.Shared);
        uint slots = (uint)player.Shared.Length;
        uint random = player.Seed;
        for (int step = 0; step < steps; step++)
        {
            random = MixedLoop.Next(random);
            uint index = random % slots;
            nuint bytes = MixedLoop.BytesOf(random);
            TBlock block = allocator.Allocate(bytes, index);
            Seal.Write<TBlock, TPass>(block, bytes, index);
            TBlock old = Exchange(ref Unsafe.Add(ref first, index), block);
            if (!old.IsNone)
            {
                player.Look<TPass>(old, index);
                allocator.Free(old);
            }
        }
    }

    // A block is one word: an address or a reference, and which of them is known when this is compiled.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TBlock Exchange<TBlock>(ref TBlock slot, TBlock block)
        where TBlock : struct, IBlock
    {
        if (RuntimeHelpers.IsReferenceOrContainsReferences<TBlock>())
        {
            object? old = Interlocked.Exchange(
                ref Unsafe.As<TBlock, object?>(ref slot), Unsafe.As<TBlock, object?>(ref block));
            return Unsafe.As<object?, TBlock>(ref old);
        }

        nint address = Interlocked.Exchange(ref Unsafe.As<TBlock, nint>(ref slot), Unsafe.As<TBlock, nint>(ref block));
        return Unsafe.As<nint, TBlock>(ref address);
    }
}

/// <summary>Blocks of one size: a batch of them is allocated, then freed.</summary>
internal sealed class BatchWork(string name, int blocks, nuint bytes, long operationsPerStep, int superSlabs)
    : ScalingWork
{
    public override string Name => name;
    public override string Operation => "block allocated and freed";
    public override long AskedPerStep => operationsPerStep;
    public override long OperationsPerStep => blocks;
    public override int SuperSlabsPerThread => superSlabs;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public override void Loop<TAllocator, TBlock, TPass>(TAllocator allocator, Player<TBlock> player, int steps)
    {
        Span<TBlock> batch = player.Own.AsSpan(0, blocks);
        for (int step = 0; step < steps; step++)
        {
            for (int index = 0; index < batch.Length; index++)
            {
                TBlock block = allocator.Allocate(bytes, (uint)index);
                Seal.Write<TBlock, TPass>(block, bytes, (uint)index);
                batch[index] = block;
            }

            for (int index = 0; index < batch.Length; index++)
            {
                player.Look<TPass>(batch[index], (uint)index);
                allocator.Free(batch[index]);
            }
        }

        batch.Clear();
    }
}

/// <summary>A few large blocks of 64 KiB to 2.1 MiB, of which a random one is replaced.</summary>
internal sealed class BigWork : ScalingWork
{
    /// <summary>The least that is asked for.</summary>
    public const uint LeastBytes = 65_536;

    /// <summary>Which bits of the random number come on top.</summary>
    public const uint Mask = 0x1f_ffff;

    public override string Name => "big";
    public override string Operation => "block replaced";
    public override long AskedPerStep => 100;
    public override int SuperSlabsPerThread => 32;
    public override int LargestPerThread => KeptSlots;
    public override int KeptSlots => 16;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public override void Loop<TAllocator, TBlock, TPass>(TAllocator allocator, Player<TBlock> player, int steps)
    {
        uint random = player.Seed;
        for (int step = 0; step < steps; step++)
        {
            random = MixedLoop.Next(random);
            uint index = random % (uint)KeptSlots;
            nuint bytes = LeastBytes + (random & Mask);
            ref TBlock slot = ref player.Own[index];
            if (!slot.IsNone)
            {
                player.Look<TPass>(slot, index);
                allocator.Free(slot);
            }

            slot = allocator.Allocate(bytes, index);
            Seal.Write<TBlock, TPass>(slot, bytes, index);
        }
    }
}

/// <summary>
/// Each thread frees a block that the main thread made side by side with the others', then allocates 8 bytes and writes
/// them 100 times, again and again: an allocator that hands the neighbouring blocks out again has the threads write to
/// one cache line.
/// </summary>
internal sealed class ScratchWork : ScalingWork
{
    /// <summary>Bytes of each block.</summary>
    public const int Bytes = 8;

    private const int Writes = 100;

    public override string Name => "scratch";
    public override string Operation => "write to an own block";
    public override long AskedPerStep => Writes;
    public override long OperationsPerStep => Writes;
    public override bool TakesGiven => true;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public override void Loop<TAllocator, TBlock, TPass>(TAllocator allocator, Player<TBlock> player, int steps)
    {
        allocator.Free(player.Given);
        player.Given = default;
        for (int step = 0; step < steps; step++)
        {
            TBlock block = allocator.Allocate(Bytes, 0);
            ref byte first = ref block.First;
            if (TPass.IsChecked)
                Unsafe.WriteUnaligned(ref first, 0L);

            for (int write = 0; write < Writes; write++)
            {
                ref byte written = ref Unsafe.Add(ref first, write % Bytes);
                Volatile.Write(ref written, (byte)(Volatile.Read(ref written) + 1));
            }

            if (TPass.IsChecked)
                player.LookAtWrites(ref first, Bytes, Writes);

            allocator.Free(block);
        }
    }
}

/// <summary>
/// Threads that do 20,000 operations of <see cref="MixedWork"/> with 1,000 slots, free what is left, and die.
/// </summary>
internal sealed class LivesWork : MixedWork
{
    private const int Operations = 20_000;

    public override string Name => "lives";
    public override string Operation => "allocate or free, of a thread that dies";
    public override long AskedPerStep => Operations;
    public override long OperationsPerStep => Operations;
    public override int KeptSlots => 1000;
    public override bool HasLives => true;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public override void Loop<TAllocator, TBlock, TPass>(TAllocator allocator, Player<TBlock> player, int steps) =>
        Loop<TAllocator, TBlock, TPass>(allocator, player, Operations, (uint)KeptSlots);
}
