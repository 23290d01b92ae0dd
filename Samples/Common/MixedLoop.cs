// The random-mixed loop of RandomMixed and Benchmarks, and the blocks that it needs.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using SuperSlab;

namespace Samples.Common;

/// <summary>
/// The benchmark's work. One iteration is one operation: a pseudo-random number picks a slot of the working set; a full
/// slot is freed, an empty one gets a block of 16 to 1,039 bytes, of which the first and the last byte are written. So
/// half of the operations free, in an order that has nothing to do with that of the allocations.
/// </summary>
internal static class MixedLoop
{
    public const nuint MostBytes = SmallestBytes + BytesMask;

    private const uint SmallestBytes = 16;
    private const uint BytesMask = 1023;

    /// <summary>Does the operations.</summary>
    /// <param name="firstPlace">The place of the first slot: see <see cref="IAllocator{TBlock}.Allocate"/>.</param>
    /// <param name="seed">Where the random numbers begin.</param>
    /// <returns>The last random number: with it as the seed, another run goes on where this one ended.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static uint Run<TAllocator, TBlock>(
        TAllocator allocator, long operations, Span<TBlock> slots, uint firstPlace, uint seed)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        ref TBlock first = ref MemoryMarshal.GetReference(slots);
        uint workingSet = (uint)slots.Length;
        uint random = seed;
        for (long operation = 0; operation < operations; operation++)
        {
            random = Next(random);
            uint index = random % workingSet;
            ref TBlock slot = ref Unsafe.Add(ref first, index);
            TBlock block = slot;
            if (!block.IsNone)
            {
                allocator.Free(block);
                slot = default;
            }
            else
            {
                nuint bytes = BytesOf(random);
                block = allocator.Allocate(bytes, firstPlace + index);
                block.First = (byte)random;
                Unsafe.Add(ref block.First, bytes - 1) = (byte)random;
                slot = block;
            }
        }

        return random;
    }

    /// <summary>Frees what is left.</summary>
    public static void Clear<TAllocator, TBlock>(TAllocator allocator, Span<TBlock> slots)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        foreach (ref TBlock slot in slots)
        {
            if (!slot.IsNone)
            {
                allocator.Free(slot);
                slot = default;
            }
        }
    }

    /// <summary>
    /// A number made of which slots are full and of what stands in their blocks: the same after the same work.
    /// </summary>
    public static uint Checksum<TBlock>(ReadOnlySpan<TBlock> slots)
        where TBlock : struct, IBlock
    {
        uint sum = 2166136261;
        for (int index = 0; index < slots.Length; index++)
        {
            if (!slots[index].IsNone)
                sum = ((sum ^ (uint)index) * 16777619) ^ slots[index].First;
        }

        return sum;
    }

    /// <summary>
    /// G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003: the triple 13, 17, 5.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Next(uint random)
    {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        return random;
    }

    /// <summary>The size of the block that a number asks for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint BytesOf(uint random) => SmallestBytes + ((random >> 8) & BytesMask);

    /// <summary>
    /// The block counts that a level load prewarms for the loop: the peak of live blocks by block size, found by the
    /// loop's arithmetic without an allocator.
    /// </summary>
    public static List<BlockCount> Peaks(long operations, uint workingSet, uint seed)
    {
        nuint[] blocks = new nuint[workingSet];
        Dictionary<nuint, (long Live, long Peak)> counts = [];
        uint random = seed;
        for (long operation = 0; operation < operations; operation++)
        {
            random = Next(random);
            ref nuint block = ref blocks[random % workingSet];
            bool isFree = block == 0;
            nuint bytes = isFree ? LongLivedArena.BlockBytes(BytesOf(random)) : block;
            ref (long Live, long Peak) count = ref CollectionsMarshal.GetValueRefOrAddDefault(counts, bytes, out _);
            count.Live += isFree ? 1 : -1;
            count.Peak = Math.Max(count.Peak, count.Live);
            block = isFree ? bytes : 0;
        }

        return [.. counts.Select(count => new BlockCount(count.Key, count.Value.Peak))];
    }
}
