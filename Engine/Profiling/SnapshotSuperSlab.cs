using System.Runtime.CompilerServices;
using Engine.Platform;
using Engine.Slabs;
using Engine.SuperSlabs;

namespace Engine.Profiling;

/// <summary>One SuperSlab in a <see cref="MemorySnapshot"/>. Immutable; any thread.</summary>
public struct SnapshotSuperSlab
{
    private SlabClasses _classes;

    /// <summary>The slabs of a SuperSlab.</summary>
    public static int SlabCount => SuperSlab.SlabCount;

    /// <summary>Which: it lies so many times 2 MiB behind the reservation's beginning.</summary>
    public int Index { readonly get; internal set; }

    /// <summary>Who has it.</summary>
    public SnapshotState State { readonly get; internal set; }

    /// <summary>The kind of pages that were put behind it last.</summary>
    public PageKind Pages { readonly get; internal set; }

    /// <summary>The number of the arena that owns it; 0 where none does.</summary>
    public int Arena { readonly get; internal set; }

    /// <summary>Bytes of blocks that are out of their runs: callers' and caches'. All of it where lanes or an extent that is out stand in it.</summary>
    public nuint UsedBytes { readonly get; internal set; }

    /// <summary>The block bytes of the size class that a slab is divided in; 0 for a free slab, for lanes, and for blocks above 32 MiB.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such slab.</exception>
    public readonly nuint BlockBytesOf(int slab)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slab);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slab, SlabCount);
        return _classes[slab] == 0 ? 0 : SizeClasses.BlockBytes(_classes[slab] - 1);
    }

    internal void SetClass(int slab, int sizeClass) => _classes[slab] = (byte)(sizeClass + 1);

    /// <summary>A class and 1 for each slab; 0 for those that have none.</summary>
    [InlineArray(SuperSlab.SlabCount)]
    private struct SlabClasses
    {
        private byte _first;
    }
}
