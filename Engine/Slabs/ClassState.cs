using System.Runtime.InteropServices;

namespace Engine.Slabs;

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
