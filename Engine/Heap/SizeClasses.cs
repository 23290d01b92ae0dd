using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// The block sizes, a pure table: steps of 16 bytes to 128 bytes, then eight classes to each doubling up to 32 MiB, so
/// rounding takes at most one ninth (11.1 %) of a block above 128 bytes. Larger blocks are <see cref="Huge"/>: each an
/// extent of its own length, in whole SuperSlabs. Hot-loop safe. Any thread.
/// </summary>
internal static class SizeClasses
{
    /// <summary>The number of classes, <see cref="Huge"/> included.</summary>
    public const int Count = Huge + 1;

    /// <summary>The class of all blocks above 32 MiB, which have no size in common.</summary>
    public const int Huge = LinearCount + (18 * 8);

    internal const nuint Quantum = 16;
    internal const nuint LinearBytes = 128;
    internal const int LinearCount = 8;

    /// <summary>The class of one SuperSlab. Its blocks, and those of the classes above, are aligned to 2 MiB; those
    /// above are extents.</summary>
    internal const int LastWithinSuperSlab = LinearCount + (14 * 8) - 1;

    /// <summary>The thread cache's map covers the sizes up to here.</summary>
    internal const nuint MappedBytes = 1024;

    private const nuint LargestBytes = 16 * SlabGeometry.SuperSlabBytes;

    /// <summary>The class of the smallest blocks that hold a size in bytes; a size of 0 counts as 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int IndexOf(nuint bytes)
    {
        if (bytes <= LinearBytes)
            return bytes == 0 ? 0 : (int)((bytes - 1) / Quantum);

        if (bytes <= LargestBytes)
        {
            nuint last = bytes - 1;
            int doubling = BitOperations.Log2(last);
            return LinearCount + ((doubling - 7) * 8) + (int)((last >> (doubling - 3)) & 7);
        }

        return Huge;
    }

    /// <summary>The class of the smallest blocks that hold a size and begin at multiples of an alignment.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="alignment">A power of two up to 2 MiB.</param>
    public static int IndexOf(nuint bytes, nuint alignment)
    {
        if (alignment <= Quantum || bytes > SlabGeometry.SuperSlabBytes)
            return IndexOf(bytes);

        if (alignment > SlabGeometry.SlabBytes)
            return LastWithinSuperSlab;

        // Where classes lie closer than the alignment, a multiple of it is a class; elsewhere every class is a
        // multiple.
        return IndexOf(nuint.Max(Sizes.AlignUp(bytes, alignment), alignment));
    }

    /// <summary>The size of a class's blocks in bytes; 0 for <see cref="Huge"/>.</summary>
    public static nuint BlockBytes(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, Huge);
        if (index < LinearCount)
            return (nuint)(index + 1) * Quantum;

        int doubling = (index - LinearCount) >> 3;
        int step = (index - LinearCount) & 7;
        return index == Huge ? 0 : (LinearBytes << doubling) + ((nuint)(step + 1) * (Quantum << doubling));
    }

    /// <summary>
    /// Blocks of a class, beyond the most that live at once, with which a thread allocates without new memory whatever
    /// others hold: its own magazine and one on the way to it, or for blocks above 32 KiB one block. Others take the
    /// rest.
    /// </summary>
    public static int CacheBlocks(int index)
    {
        int blocks = Magazine.BlocksOf(index);
        return index >= Magazine.FirstLarge ? Math.Min(blocks + 1, 2 * blocks) : 2 * blocks;
    }

    /// <summary>
    /// Slabs in a run of the class: the fewest that leave at most 1/16 of the run unused at its end, or 1/8 for blocks
    /// above 256 KiB, which then stand alone; of an extent as many as it has; 0 for <see cref="Huge"/>.
    /// </summary>
    internal static int SlabsPerRun(int index)
    {
        nuint block = BlockBytes(index);
        if (index > LastWithinSuperSlab)
            return (int)(block >> SlabGeometry.SlabShift);

        nuint divisor = block > 256 * Sizes.KiB ? 8u : 16u;
        for (int slabs = 1; slabs < SlabGeometry.SlabCount; slabs++)
        {
            nuint bytes = (nuint)slabs << SlabGeometry.SlabShift;
            if (block <= bytes && bytes % block <= bytes / divisor)
                return slabs;
        }

        return SlabGeometry.SlabCount;
    }
}

/// <summary>
/// The classes of which an arena keeps runs and stocks: the size classes, then, for blocks smaller than a cache line,
/// the same classes once more for each home.
/// <code>
///   | 0 ... SizeClasses.Count - 1 | 16, 32, 48 bytes of home 0 | 16, 32, 48 bytes of home 1 | ... of home 31 |
/// </code>
/// </summary>
/// <remarks>
/// A thread allocates small blocks from its own home only. So no two threads' blocks share a cache line, which would
/// slow both while they write there (false sharing). A block freed by another thread keeps its slab's class, a class of
/// its home: the freeing thread pushes it on a magazine from which it never allocates, and the magazine carries it
/// home. An arena gives each new cache the next home, so up to 32 threads have a home each. The size class itself keeps
/// what has no home: promised runs that no home needs, and the blocks of threads without a cache.
/// </remarks>
internal static class ArenaClasses
{
    /// <summary>The most with which a cache's tops take at most 2 KiB and a class fits in a byte.</summary>
    public const int Homes = 32;

    /// <summary>Size classes whose blocks are smaller than a cache line.</summary>
    public const int SmallClasses = (64 / (int)SizeClasses.Quantum) - 1;

    public const int Count = SizeClasses.Count + (Homes * SmallClasses);

    /// <summary>The home's class of a small size class.</summary>
    public static int OfHome(int home, int sizeClass) => SizeClasses.Count + (home * SmallClasses) + sizeClass;

    public static bool IsOfHome(int arenaClass) => arenaClass >= SizeClasses.Count;

    public static int SizeClassOf(int arenaClass) =>
        IsOfHome(arenaClass) ? (arenaClass - SizeClasses.Count) % SmallClasses : arenaClass;

    /// <summary>The size class of the blocks in a slab with this tag.</summary>
    public static int SizeClassOfTag(uint tag) => SizeClassOf((int)(tag & byte.MaxValue));

    /// <summary>
    /// The next class with blocks of the same size class. All of them:
    /// <c>for (int one = sizeClass; one &lt; Count; one = Next(one))</c>.
    /// </summary>
    public static int Next(int arenaClass) =>
        IsOfHome(arenaClass) ? arenaClass + SmallClasses : arenaClass < SmallClasses ? OfHome(0, arenaClass) : Count;

    /// <summary>
    /// Runs beyond those that the blocks themselves fill: each home but one may have a run with few blocks out, and
    /// each thread a magazine on the way to each other home.
    /// </summary>
    public static long RunsBesides(int sizeClass, int threads, int blocksPerRun)
    {
        long others = Math.Min(threads, Homes) - 1;
        if (sizeClass >= SmallClasses || others <= 0)
            return 0;

        nuint underway = (nuint)(threads * others * Magazine.BlocksOf(sizeClass));
        return others + (long)Sizes.DivideRoundingUp(underway, (nuint)blocksPerRun);
    }

    /// <summary>Magazines for blocks on the way to other homes.</summary>
    public static long MagazinesBesides(int sizeClass, int threads) =>
        sizeClass >= SmallClasses ? 0 : (long)threads * Math.Max(0, Math.Min(threads, Homes) - 1);
}

/// <summary>
/// What an arena knows of one class. What changes, under <see cref="Lock"/>, and what does not lie in separate cache
/// lines: a thread that takes blocks from a run disturbs neither readers of constants nor other classes.
/// <code>
///   Runs           =   runs of the class;  EmptyRuns of them have no block out
///   PrewarmedRuns &lt;=  Runs: what was promised to the class is not lent to another
///   the list from FirstRun holds the runs with free blocks
/// </code>
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal unsafe struct ClassState
{
    public int Lock;

    /// <summary>The slab of the first run with free blocks, or <see cref="SlabGeometry.None"/>.</summary>
    public int FirstRun;
    public int Runs;

    /// <summary>Runs without a block out.</summary>
    public int EmptyRuns;
    public int PrewarmedRuns;

    /// <summary>Blocks with callers and in thread caches.</summary>
    public long BlocksOut;

    /// <summary>The most blocks that were out at once: what a prewarm for this use would need.</summary>
    public long PeakBlocksOut;

    private fixed long _apart[3];

    /// <summary>2^43 / block bytes, rounded up: offset * Reciprocal / 2^43 is exact within a SuperSlab.</summary>
    public ulong Reciprocal;
    public uint BlockBytes;
    public ushort Capacity;
    public ushort MagazineBlocks;
    public int SlabsPerRun;

    /// <summary>The most full magazines in a thread's stock.</summary>
    public int StockLimit;

    /// <summary>Under the lock.</summary>
    [Conditional("DEBUG")]
    public static void AssertHolds(ClassState* state)
    {
        Debug.Assert(state->Runs >= state->EmptyRuns && state->EmptyRuns >= 0, "empty runs are runs");
        Debug.Assert(state->Runs >= state->PrewarmedRuns && state->PrewarmedRuns >= 0, "promised runs stay");
        Debug.Assert(state->PeakBlocksOut >= state->BlocksOut && state->BlocksOut >= 0, "blocks return once");
    }
}
