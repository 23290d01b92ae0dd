using System.Runtime.CompilerServices;
using Samples.RandomMixed.Contestants;

namespace Samples.RandomMixed;

/// <summary>
/// The benchmark's work. One iteration is one operation: a pseudo-random number picks a slot of the working set; a full slot is
/// freed, an empty one gets a block of 16 to 1,039 bytes, of which the first and the last byte are written. So half of the
/// operations free, in an order that has nothing to do with that of the allocations.
/// </summary>
internal static class MixedLoop
{
    private const uint SmallestBytes = 16;
    private const uint BytesMask = 1023;

    /// <summary>Does the operations.</summary>
    /// <returns>The last random number: with it as the seed, another run goes on where this one ended.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static uint Run<TBlocks>(ref TBlocks blocks, ulong operations, uint workingSet, uint seed)
        where TBlocks : IMixedBlocks, allows ref struct
    {
        uint random = seed;
        for (ulong operation = 0; operation < operations; operation++)
        {
            random = Next(random);
            uint slot = random % workingSet;
            if (!blocks.TryFree(slot))
            {
                nuint bytes = BytesOf(random);
                ref byte block = ref blocks.Allocate(slot, bytes);
                block = (byte)random;
                Unsafe.Add(ref block, bytes - 1) = (byte)random;
            }
        }

        return random;
    }

    /// <summary>Frees what is left.</summary>
    public static void Clear<TBlocks>(ref TBlocks blocks, uint workingSet)
        where TBlocks : IMixedBlocks, allows ref struct
    {
        for (uint slot = 0; slot < workingSet; slot++)
        {
            blocks.TryFree(slot);
        }
    }

    /// <summary>A number made of which slots are full and of what stands in their blocks: the same for all who did the same work.</summary>
    public static uint Checksum<TBlocks>(ref TBlocks blocks, uint workingSet)
        where TBlocks : IMixedBlocks, allows ref struct
    {
        uint sum = 2166136261;
        for (uint slot = 0; slot < workingSet; slot++)
        {
            if (blocks.TryGetFirst(slot, out byte first))
            {
                sum = ((sum ^ slot) * 16777619) ^ first;
            }
        }

        return sum;
    }

    /// <summary>G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003: the triple 13, 17, 5.</summary>
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
}
