using System.Runtime.InteropServices;
using Engine.Platform;

namespace Engine.SuperSlabs;

/// <summary>
/// 2 MiB, aligned to 2 MiB: the unit that is committed, prefaulted, handed out and given back; one huge page.
/// This is its descriptor; the descriptors stand in a table beside the SuperSlabs, never inside them, so that all 2 MiB are the
/// owner's and a run of SuperSlabs is one unbroken range.
///
/// Equations that hold while an arena owns the SuperSlab:
///   bit i of FreeSlabs is set     &lt;=&gt;  slab i belongs to no slab run (its tag is 0)
///   LongestFreeRun                 =   the longest run of ones in FreeSlabs
///   RunLength &gt; 1                 =&gt;  FreeSlabs is 0, and the next RunLength-1 SuperSlabs belong to the same extent
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = DescriptorBytes)]
internal struct SuperSlab
{
    public const int Shift = 21;
    public const nuint Bytes = 1u << Shift;
    public const int SlabShift = 16;
    public const nuint SlabBytes = 1u << SlabShift;
    public const int SlabCount = 1 << (Shift - SlabShift);
    public const int DescriptorBytes = 64;
    public const int None = -1;

    /// <summary>The owner's tag (see <see cref="Reservation.Tags"/>) with a class of 0, or 0 where the pool owns it.</summary>
    public uint OwnerTag;

    public uint FreeSlabs;

    /// <summary>SuperSlabs of the extent that begins here; 1 where the SuperSlab is divided in slabs; 0 inside an extent.</summary>
    public int RunLength;

    public int LongestFreeRun;

    /// <summary>Neighbours in the owner's list of SuperSlabs with the same <see cref="LongestFreeRun"/>.</summary>
    public int PreviousByRun;

    public int NextByRun;

    /// <summary>Neighbours in the owner's list of all its SuperSlabs.</summary>
    public int PreviousOwned;

    public int NextOwned;

    /// <summary>A prewarm promised it to its arena, to be divided as needed: it stays when its slabs are all free.</summary>
    public bool IsPromised;

    /// <summary>The kind of the pages that were put behind it last; it outlives owners.</summary>
    public PageKind Pages;
}
