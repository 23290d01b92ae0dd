using Engine.Core;

namespace Engine.Arenas;

/// <summary>What part of the engine's memory an address lies in, so that equal owners are equal values.</summary>
/// <param name="Kind">The kind of memory.</param>
/// <param name="Arena">Whose it is; null where no arena's.</param>
/// <param name="Detail">Block bytes, an extent's bytes, a lane's or a thread slot's number, or the table's number.</param>
internal readonly record struct AddressOwner(AddressOwner.Use Kind, IArena? Arena, nuint Detail)
{
    public enum Use
    {
        Block,
        Extent,
        FreeSlab,
        Lane,
        SpareLaneMemory,
        Cache,
        Magazine,
        Unowned,
        Tags,
        SlabDescriptors,
        SuperSlabDescriptors,
        PoolBitmaps,
        MetadataHeap,
        BetweenTables,
    }

    /// <summary>As reports show it, without the arena.</summary>
    public string Describe() => Kind switch
    {
        Use.Block => $"blocks of {Detail} bytes",
        Use.Extent => $"extent of {Sizes.Text(Detail)}",
        Use.FreeSlab => "slabs that hold no blocks",
        Use.Lane => $"lane {Detail}",
        Use.SpareLaneMemory => "overflow memory of no lane",
        Use.Cache => $"cache of thread slot {Detail}",
        Use.Magazine => $"magazine of thread slot {Detail}",
        Use.Unowned => "SuperSlabs that no arena owns",
        Use.Tags => "slab tags",
        Use.SlabDescriptors => "slab descriptors",
        Use.SuperSlabDescriptors => "SuperSlab descriptors",
        Use.PoolBitmaps => "pool bitmaps",
        Use.MetadataHeap => "metadata heap",
        _ => "unused space beside the tables",
    };
}
