using System.Numerics;
using System.Runtime.CompilerServices;
using Engine.Core;
using Engine.SuperSlabs;

namespace Engine.Slabs;

/// <summary>
/// The block sizes, a pure table. Steps of 16 bytes to 128 bytes, then eight classes to each doubling up to 2 MiB, so that above 128
/// bytes at most one ninth (11.1 %) of a block is lost to rounding; then whole SuperSlabs, 4 to 32 MiB. What is larger is
/// <see cref="Huge"/>: an extent of as many SuperSlabs as it takes. May be called in the hot loop, from any thread.
/// </summary>
public static class SizeClasses
{
    /// <summary>The number of classes, <see cref="Huge"/> included.</summary>
    public const int Count = Huge + 1;

    /// <summary>The class of all blocks above 32 MiB. Its blocks have no size in common.</summary>
    public const int Huge = LastWithinSuperSlab + MaximumExtentSuperSlabs;

    internal const nuint Quantum = 16;
    internal const nuint LinearBytes = 128;
    internal const int LinearCount = 8;

    /// <summary>The class of one SuperSlab. Blocks of it and of all classes above are aligned to 2 MiB.</summary>
    internal const int LastWithinSuperSlab = LinearCount + (14 * 8) - 1;

    /// <summary>Sizes up to here are looked up by one byte load in the thread cache's map.</summary>
    internal const nuint MappedBytes = 1024;

    private const int MaximumExtentSuperSlabs = 16;

    /// <summary>The class of the smallest blocks that hold <paramref name="bytes"/>. A size of 0 is treated as 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int IndexOf(nuint bytes)
    {
        if (bytes <= LinearBytes)
        {
            return bytes == 0 ? 0 : (int)((bytes - 1) / Quantum);
        }

        if (bytes <= SuperSlab.Bytes)
        {
            nuint last = bytes - 1;
            int doubling = BitOperations.Log2(last);
            return LinearCount + ((doubling - 7) * 8) + (int)((last >> (doubling - 3)) & 7);
        }

        nuint superSlabs = ((bytes - 1) >> SuperSlab.Shift) + 1;
        return superSlabs <= MaximumExtentSuperSlabs ? LastWithinSuperSlab - 1 + (int)superSlabs : Huge;
    }

    /// <summary>The class of the smallest blocks that hold <paramref name="bytes"/> and begin at multiples of <paramref name="alignment"/>.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="alignment">A power of two up to 2 MiB.</param>
    public static int IndexOf(nuint bytes, nuint alignment)
    {
        if (alignment <= Quantum || bytes > SuperSlab.Bytes)
        {
            return IndexOf(bytes);
        }

        if (alignment > SuperSlab.SlabBytes)
        {
            return LastWithinSuperSlab;
        }

        // A multiple of the alignment is a class of its own where classes lie closer than that; elsewhere all classes are its multiples.
        return IndexOf(nuint.Max(Sizes.AlignUp(bytes, alignment), alignment));
    }

    /// <summary>The size of a class's blocks in bytes; 0 for <see cref="Huge"/>.</summary>
    public static nuint BlockBytes(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, Huge);
        if (index < LinearCount)
        {
            return (nuint)(index + 1) * Quantum;
        }

        if (index <= LastWithinSuperSlab)
        {
            int doubling = (index - LinearCount) >> 3;
            int step = (index - LinearCount) & 7;
            return (LinearBytes << doubling) + ((nuint)(step + 1) * (Quantum << doubling));
        }

        return index == Huge ? 0 : (nuint)SuperSlabsOf(index) << SuperSlab.Shift;
    }

    /// <summary>
    /// So many blocks of a class more than live at a time let a thread allocate from an arena without new memory, whatever others hold: the
    /// magazine that it keeps to itself, and one on the way to it, or of blocks above 32 KiB one block. What it has beyond, others take when
    /// they need it.
    /// </summary>
    public static int CacheBlocks(int index) => Magazine.BlocksOf(index) is var blocks && index >= Magazine.FirstLarge ? Math.Min(blocks + 1, 2 * blocks) : 2 * blocks;

    /// <summary>The SuperSlabs of one block of a class of extents.</summary>
    internal static int SuperSlabsOf(int index) => index - LastWithinSuperSlab + 1;

    /// <summary>
    /// How many slabs (64 KiB each) a slab run of the class has: the fewest that leave at most 1/16 of it unused at the end, or 1/8 for
    /// blocks above 256 KiB, which then stand alone.
    /// </summary>
    internal static int SlabsPerRun(int index)
    {
        nuint block = BlockBytes(index);
        nuint divisor = block > 256 * Sizes.KiB ? 8u : 16u;
        for (int slabs = 1; slabs < SuperSlab.SlabCount; slabs++)
        {
            nuint bytes = (nuint)slabs << SuperSlab.SlabShift;
            if (block <= bytes && bytes % block <= bytes / divisor)
            {
                return slabs;
            }
        }

        return SuperSlab.SlabCount;
    }
}
