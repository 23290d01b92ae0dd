using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// The block sizes, a pure table. Steps of 16 bytes to 128 bytes, then eight classes to each doubling up to 2 MiB, so that above 128
/// bytes at most one ninth (11.1 %) of a block is lost to rounding; then whole SuperSlabs, 4 to 32 MiB. What is larger is
/// <see cref="Huge"/>: an extent of as many SuperSlabs as it takes. May be called in the hot loop, from any thread.
/// </summary>
internal static class SizeClasses
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
            return bytes == 0 ? 0 : (int)((bytes - 1) / Quantum);

        if (bytes <= SlabGeometry.SuperSlabBytes)
        {
            nuint last = bytes - 1;
            int doubling = BitOperations.Log2(last);
            return LinearCount + ((doubling - 7) * 8) + (int)((last >> (doubling - 3)) & 7);
        }

        nuint superSlabs = ((bytes - 1) >> SlabGeometry.SuperSlabShift) + 1;
        return superSlabs <= MaximumExtentSuperSlabs ? LastWithinSuperSlab - 1 + (int)superSlabs : Huge;
    }

    /// <summary>The class of the smallest blocks that hold <paramref name="bytes"/> and begin at multiples of <paramref name="alignment"/>.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="alignment">A power of two up to 2 MiB.</param>
    public static int IndexOf(nuint bytes, nuint alignment)
    {
        if (alignment <= Quantum || bytes > SlabGeometry.SuperSlabBytes)
            return IndexOf(bytes);

        if (alignment > SlabGeometry.SlabBytes)
            return LastWithinSuperSlab;

        // A multiple of the alignment is a class of its own where classes lie closer than that; elsewhere all classes are its multiples.
        return IndexOf(nuint.Max(Sizes.AlignUp(bytes, alignment), alignment));
    }

    /// <summary>The size of a class's blocks in bytes; 0 for <see cref="Huge"/>.</summary>
    public static nuint BlockBytes(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, Huge);
        if (index < LinearCount)
            return (nuint)(index + 1) * Quantum;

        if (index <= LastWithinSuperSlab)
        {
            int doubling = (index - LinearCount) >> 3;
            int step = (index - LinearCount) & 7;
            return (LinearBytes << doubling) + ((nuint)(step + 1) * (Quantum << doubling));
        }

        return index == Huge ? 0 : (nuint)SuperSlabsOf(index) << SlabGeometry.SuperSlabShift;
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
/// The classes that an arena keeps runs and stocks of: the size classes, and behind them, for blocks under a cache line, the same classes
/// once more for each home.
/// <code>
///   | 0 ... SizeClasses.Count - 1 | 16, 32, 48 bytes of home 0 | 16, 32, 48 bytes of home 1 | ... of home 31 |
/// </code>
/// A thread allocates small blocks of its own home only, so no two threads' blocks lie in one cache line, which would slow both down as long
/// as they write there (false sharing). A block that another thread frees has the class of its slab, its home's, so it is pushed on a
/// magazine from which the freeing thread never allocates, and goes home with it. Each cache that an arena makes for a thread has the next
/// home, so the homes of up to 32 threads are their own. The size class itself keeps what belongs to no home: runs that a prewarm promised and no home needs, and blocks
/// of threads without a cache.
/// </summary>
internal static class ArenaClasses
{
    /// <summary>As many as leave the tops of a thread cache within 2 KiB, and a class within a byte.</summary>
    public const int Homes = 32;

    /// <summary>The first size classes, whose blocks are smaller than a cache line.</summary>
    public const int SmallClasses = (64 / (int)SizeClasses.Quantum) - 1;

    public const int Count = SizeClasses.Count + (Homes * SmallClasses);

    /// <summary>The class of a home's blocks of a small size class.</summary>
    public static int OfHome(int home, int sizeClass) => SizeClasses.Count + (home * SmallClasses) + sizeClass;

    public static bool IsOfHome(int arenaClass) => arenaClass >= SizeClasses.Count;

    public static int SizeClassOf(int arenaClass) => IsOfHome(arenaClass) ? (arenaClass - SizeClasses.Count) % SmallClasses : arenaClass;

    /// <summary>The size class of a slab's blocks.</summary>
    public static int SizeClassOfTag(uint tag) => SizeClassOf((int)(tag & byte.MaxValue));

    /// <summary>
    /// The class that follows among those whose blocks are of one size class: <c>for (int one = sizeClass; one &lt; Count;
    /// one = Next(one))</c> goes through all.
    /// </summary>
    public static int Next(int arenaClass) =>
        IsOfHome(arenaClass) ? arenaClass + SmallClasses : arenaClass < SmallClasses ? OfHome(0, arenaClass) : Count;

    /// <summary>
    /// Runs that so many blocks need besides, when so many threads use them: each home may have one with few blocks out, and each thread a
    /// magazine on the way to each other home.
    /// </summary>
    public static long RunsBesides(int sizeClass, int threads, int blocksPerRun)
    {
        long others = Math.Min(threads, Homes) - 1;
        return sizeClass >= SmallClasses || others <= 0 ? 0 : others + (long)Sizes.DivideRoundingUp((nuint)(threads * others * Magazine.BlocksOf(sizeClass)), (nuint)blocksPerRun);
    }

    /// <summary>Magazines that so many threads need for blocks on the way to other homes.</summary>
    public static long MagazinesBesides(int sizeClass, int threads) =>
        sizeClass >= SmallClasses ? 0 : (long)threads * Math.Max(0, Math.Min(threads, Homes) - 1);
}

/// <summary>
/// What one arena knows of one class. Threads come here once a magazine. What changes, guarded by <see cref="Lock"/>, and what does not lie in
/// cache lines of their own, so that a thread that takes blocks from a run disturbs neither those that look something up nor another class.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal unsafe struct ClassState
{
    public int Lock;

    /// <summary>The first run (slab number) with free blocks, or -1.</summary>
    public int FirstRun;
    public int Runs;

    /// <summary>Runs without a block out.</summary>
    public int EmptyRuns;

    /// <summary>Runs that a prewarm made; the class never goes below, so what was promised to it is not lent to another.</summary>
    public int PrewarmedRuns;

    /// <summary>Blocks with callers and in thread caches, and the most there ever were: what a prewarm of this use would need.</summary>
    public long BlocksOut;
    public long PeakBlocksOut;

    private fixed long _apart[3];

    /// <summary>(2^43 / block bytes) rounded up: (offset * reciprocal) &gt;&gt; 43 divides exactly within a SuperSlab.</summary>
    public ulong Reciprocal;
    public uint BlockBytes;
    public ushort Capacity;
    public ushort MagazineBlocks;
    public int SlabsPerRun;

    /// <summary>The most full magazines that a thread keeps in its stock; see <see cref="MagazineStock"/>.</summary>
    public int StockLimit;
}
