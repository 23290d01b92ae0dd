using System.Runtime.InteropServices;

namespace Engine.Slabs;

/// <summary>
/// What one arena knows of one size class. Cold: threads come here once a magazine. Guarded by <see cref="Lock"/>, and alone in its
/// cache lines so that two classes' locks do not disturb each other.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal struct ClassState
{
    public int Lock;

    /// <summary>The first run (slab number) with free blocks, or -1.</summary>
    public int FirstRun;
    public int Runs;

    /// <summary>Runs without a block out.</summary>
    public int EmptyRuns;

    /// <summary>Runs that a prewarm made; the class never goes below, so what was promised to it is not lent to another.</summary>
    public int PrewarmedRuns;

    /// <summary>The most full magazines that a thread keeps in its stock; see <see cref="MagazineStock"/>.</summary>
    public int StockLimit;

    /// <summary>(2^43 / block bytes) rounded up: (offset * reciprocal) &gt;&gt; 43 divides exactly within a SuperSlab.</summary>
    public ulong Reciprocal;
    public uint BlockBytes;
    public ushort Capacity;
    public ushort MagazineBlocks;
    public int SlabsPerRun;

    /// <summary>Blocks with callers and in thread caches, and the most there ever were: what a prewarm of this use would need.</summary>
    public long BlocksOut;
    public long PeakBlocksOut;
}
