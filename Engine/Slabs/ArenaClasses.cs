using Engine.Core;

namespace Engine.Slabs;

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
