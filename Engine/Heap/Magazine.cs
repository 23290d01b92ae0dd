using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// A stack of free blocks of one class, and the unit in which threads exchange blocks: magazines change hands, blocks
/// stay untouched. (J. Bonwick and J. Adams, "Magazines and Vmem", USENIX 2001.)
///
///   start                                                                             start + 1024
///   | Next |      (unused)      | 0 | block 0 | block 1 | ... | block BlocksOf(class) - 1 |
///                                   ^ top of an empty one                                 ^ top of a full one
///
/// No count is needed. The word below block 0 is 0, so a pop itself says "empty". A full magazine's top is a multiple
/// of 1,024, so a test of the address says "full".
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = (int)Bytes)]
internal unsafe struct Magazine
{
    public const nuint Bytes = 1024;
    public const nuint Mask = Bytes - 1;
    public const int MaximumBlocks = ((int)Bytes / 8) - 2;

    /// <summary>The most magazines in one stock.</summary>
    public const int MostStocked = 128;

    /// <summary>The most bytes of blocks in all of a thread's stocks of one arena, where the arena has no
    /// limit.</summary>
    public const long MostStockedBytes = 64 << 20;
    private const nuint TargetBytes = 64 * 1024;
    private const nuint LargeTargetBytes = 1024 * 1024;
    private const nuint LargestOfSeveral = 256 * 1024;
    private static readonly nuint LargestCachedBytes = 8 * Sizes.MiB;
    private static readonly nuint LargestSharedBytes = 512 * Sizes.KiB;

    /// <summary>The first size class of which a fill takes a single block.</summary>
    public static readonly int FirstTakenSingly = SizeClasses.IndexOf((5 * 1024) + 1);

    /// <summary>The first size class with more than 64 KiB in a magazine.</summary>
    public static readonly int FirstLarge = SizeClasses.IndexOf((TargetBytes / 2) + 1);

    /// <summary>The first size class with one block in a magazine.</summary>
    public static readonly int FirstOfOne = SizeClasses.IndexOf(LargestOfSeveral + 1);

    /// <summary>The magazine below this one in a stock, or in a list of empty ones.</summary>
    public Magazine* Next;

    /// <summary>Blocks in a magazine: 64 KiB, at most 126; above 32 KiB 1 MiB; above 256 KiB 1, 8 MiB 0.</summary>
    /// <remarks>Each exchange is a fence, which waits for all writes to the blocks: large blocks have fewer.</remarks>
    public static int BlocksOf(int sizeClass)
    {
        nuint block = SizeClasses.BlockBytes(sizeClass);
        return block == 0 || block > LargestCachedBytes ? 0
            : block > LargestOfSeveral ? 1
            : (int)nuint.Min((block > TargetBytes / 2 ? LargeTargetBytes : TargetBytes) / block, MaximumBlocks);
    }

    /// <summary>The most full magazines in a stock: 8 MiB of blocks, at most 128; above 512 KiB a block, two.</summary>
    public static int StockLimit(int sizeClass)
    {
        nuint block = SizeClasses.BlockBytes(sizeClass);
        return BlocksOf(sizeClass) == 0 ? 0
            : block > LargestSharedBytes ? 2
            : (int)nuint.Min(8 * Sizes.MiB / (block * (nuint)BlocksOf(sizeClass)), MostStocked);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint* FullTop(Magazine* magazine) => (nuint*)((byte*)magazine + Bytes);

    /// <summary>The free blocks below the top of a loaded magazine.</summary>
    public static ReadOnlySpan<nuint> BlocksBelow(nuint* top, int capacity)
    {
        nuint* bottom = FullTop(Of(top)) - capacity;
        return new(bottom, (int)(top - bottom));
    }

    /// <summary>The blocks of a full magazine.</summary>
    public static Span<nuint> BlocksOfFull(Magazine* full, int capacity) => new(FullTop(full) - capacity, capacity);

    /// <summary>Makes a magazine empty: sets the word below block 0 to 0.</summary>
    /// <returns>The address of block 0.</returns>
    public static nuint* Empty(Magazine* magazine, int capacity)
    {
        Debug.Assert((nuint)magazine % Bytes == 0 && capacity is > 0 and <= MaximumBlocks, "no such magazine");
        nuint* bottom = FullTop(magazine) - capacity;
        bottom[-1] = 0;
        return bottom;
    }

    /// <summary>The magazine of a top, which lies above the magazine's start and at most at its end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Magazine* Of(nuint* top) => (Magazine*)(((nuint)top - 1) & ~Mask);
}
