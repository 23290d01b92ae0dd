using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// A stack of free blocks of one class, and the unit in which threads exchange them: whole magazines change hands, blocks are not
/// touched. (J. Bonwick and J. Adams, "Magazines and Vmem", USENIX 2001, is the idea's source.)
///
///   start                                                                             start + 1024
///   | Next |      (unused)      | 0 | block 0 | block 1 | ... | block BlocksOf(class) - 1 |
///                                   ^ empty: top is here                                  ^ full: top is here
///
/// The word below block 0 is 0, so "is it empty" is the pop itself; a full magazine's top is a multiple of 1,024, so "is it full" is a
/// test of the address. Neither needs a count.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = (int)Bytes)]
internal unsafe struct Magazine
{
    public const nuint Bytes = 1024;
    public const nuint Mask = Bytes - 1;
    public const int MaximumBlocks = ((int)Bytes / 8) - 2;

    /// <summary>The most magazines in a thread's stock of one class.</summary>
    public const int MostStocked = 128;

    /// <summary>The most bytes of blocks in all of a thread's stocks of one arena.</summary>
    public const long MostStockedBytes = 64 << 20;
    private const nuint TargetBytes = 64 * 1024;
    private const nuint LargeTargetBytes = 1024 * 1024;
    private const nuint LargestOfSeveral = 256 * 1024;
    private static readonly nuint LargestCachedBytes = 8 * Sizes.MiB;
    private static readonly nuint LargestSharedBytes = 512 * Sizes.KiB;

    /// <summary>The first size class of which a thread takes one block at a time from runs.</summary>
    public static readonly int FirstTakenSingly = SizeClasses.IndexOf((5 * 1024) + 1);

    /// <summary>The first size class that fills a magazine with more than 64 KiB.</summary>
    public static readonly int FirstLarge = SizeClasses.IndexOf((TargetBytes / 2) + 1);

    /// <summary>The first class whose magazines hold a single block.</summary>
    public static readonly int FirstOfOne = SizeClasses.IndexOf(LargestOfSeveral + 1);

    /// <summary>The magazine below it in a stock or in a list of empty ones.</summary>
    public Magazine* Next;

    /// <summary>
    /// How many blocks of a class fill a magazine: 64 KiB of them, at most 126; of blocks above 32 KiB 1 MiB, since each exchange of a magazine
    /// is a fence, which waits until what was written to such blocks has left the processor; one above 256 KiB, and none above 8 MiB.
    /// </summary>
    public static int BlocksOf(int sizeClass)
    {
        nuint block = SizeClasses.BlockBytes(sizeClass);
        return block == 0 || block > LargestCachedBytes ? 0
            : block > LargestOfSeveral ? 1
            : (int)nuint.Min((block > TargetBytes / 2 ? LargeTargetBytes : TargetBytes) / block, MaximumBlocks);
    }

    /// <summary>How many full magazines a thread's stock holds: 8 MiB of blocks, at most 128 magazines, and of blocks above 512 KiB two.</summary>
    public static int StockLimit(int sizeClass)
    {
        nuint block = SizeClasses.BlockBytes(sizeClass);
        return BlocksOf(sizeClass) == 0 ? 0
            : block > LargestSharedBytes ? 2
            : (int)nuint.Min(8 * Sizes.MiB / (block * (nuint)BlocksOf(sizeClass)), MostStocked);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint* FullTop(Magazine* magazine) => (nuint*)((byte*)magazine + Bytes);

    /// <summary>The free blocks of a loaded magazine of a class whose magazines have so many.</summary>
    public static ReadOnlySpan<nuint> BlocksBelow(nuint* top, int capacity)
    {
        nuint* bottom = FullTop(Of(top)) - capacity;
        return new(bottom, (int)(top - bottom));
    }

    /// <summary>The blocks of a full one.</summary>
    public static Span<nuint> BlocksOfFull(Magazine* full, int capacity) => new(FullTop(full) - capacity, capacity);

    /// <summary>Where block 0 of a class whose magazines have so many lies, after the word below it was set to 0.</summary>
    public static nuint* Empty(Magazine* magazine, int capacity)
    {
        nuint* bottom = FullTop(magazine) - capacity;
        bottom[-1] = 0;
        return bottom;
    }

    /// <summary>The magazine of a top, which lies above its start and at most at its end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Magazine* Of(nuint* top) => (Magazine*)(((nuint)top - 1) & ~Mask);
}
