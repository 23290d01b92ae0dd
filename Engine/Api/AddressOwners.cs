namespace SuperSlab;

/// <summary>
/// Finds whose an address of the reservation is, by looking at the tables while other threads change them: what it says
/// was so at some moment of the call. Touches none of the memory that it names. Allocates nothing. Any thread.
/// </summary>
internal sealed unsafe class AddressOwners(Reservation reservation, SuperSlabPool pool, ArenaRegistry arenas)
{
    /// <summary>The owner of an address within the reservation.</summary>
    public AddressOwner Find(nint address)
    {
        // An arena that is being made or disposed has not all of its tables, and none begins or ends here meanwhile.
        using (arenas.Hold())
        {
            return reservation.Contains(address) ? OfSuperSlab(address) : OfTable(address);
        }
    }

    private AddressOwner OfSuperSlab(nint address)
    {
        int superSlab = (int)((address - reservation.Base) >> SlabGeometry.SuperSlabShift);
        uint tag = pool.OwnerTagOf(superSlab);
        IArena? arena = tag == 0 ? null : arenas.Find(tag);
        return arena switch
        {
            null => new(AddressOwner.Use.Unowned, null, 0),
            FrameArena frames => arenas.IsShown(tag) && frames.LaneOf(address) is int lane and >= 0
                ? new(AddressOwner.Use.Lane, arena, (nuint)lane)
                : new(AddressOwner.Use.SpareLaneMemory, arena, 0),
            _ => OfSlab(arena, superSlab, (int)((address - reservation.Base) >> SlabGeometry.SlabShift)),
        };
    }

    private AddressOwner OfSlab(IArena arena, int superSlab, int slab)
    {
        while (superSlab > 0 && reservation.SuperSlabs[superSlab].RunLength == 0)
            superSlab--;

        if (reservation.SuperSlabs[superSlab].RunLength > 1)
            return OfExtent(arena, superSlab);

        // Of a run of one block only the first slab has a tag.
        uint free = reservation.SuperSlabs[superSlab].FreeSlabs;
        while ((free & (1u << (slab % SlabGeometry.SlabCount))) == 0)
        {
            int sizeClass = ArenaClasses.SizeClassOfTag(reservation.Tags[slab]);
            if (reservation.Tags[slab] != 0)
            {
                return sizeClass > SizeClasses.LastWithinSuperSlab ? OfExtent(arena, superSlab)
                    : new(AddressOwner.Use.Block, arena, SizeClasses.BlockBytes(sizeClass));
            }

            if (slab % SlabGeometry.SlabCount == 0)
            {
                int first = SlabRuns.ExtentInto(reservation, superSlab, out _);
                return first < 0 ? new(AddressOwner.Use.FreeSlab, arena, 0) : OfExtent(arena, first);
            }

            slab--;
        }

        return new(AddressOwner.Use.FreeSlab, arena, 0);
    }

    private AddressOwner OfExtent(IArena arena, int superSlab)
    {
        SlabRun* run = (SlabRun*)reservation.SlabDescriptors + (superSlab * SlabGeometry.SlabCount);
        return new(AddressOwner.Use.Extent, arena, (nuint)run->SlabCount << SlabGeometry.SlabShift);
    }

    private AddressOwner OfTable(nint address)
    {
        if (!reservation.Heap.Contains(address))
        {
            AddressOwner.Use table = reservation.Bitmaps.Contains(address) ? AddressOwner.Use.PoolBitmaps
                : reservation.IsSuperSlabDescriptor(address) ? AddressOwner.Use.SuperSlabDescriptors
                : reservation.IsSlabDescriptor(address) ? AddressOwner.Use.SlabDescriptors
                : reservation.IsTag(address) ? AddressOwner.Use.Tags
                : AddressOwner.Use.BetweenTables;
            return new(table, null, 0);
        }

        CacheSearch search = new(address);
        arenas.Read(ref search);
        return search.Owner;
    }

    /// <summary>Looks for the thread cache that an address of the metadata heap lies in.</summary>
    private struct CacheSearch(nint address) : IArenaReader
    {
        public AddressOwner Owner { get; private set; } = new(AddressOwner.Use.MetadataHeap, null, 0);

        public void Read(IArena arena, int number)
        {
            if (Owner.Arena is null && arena is LongLivedArena blocks
                && blocks.Caches.SlotOf(address, out bool isMagazine) is var slot and not 0)
            {
                Owner = new(isMagazine ? AddressOwner.Use.Magazine : AddressOwner.Use.Cache, arena, (nuint)slot);
            }
        }
    }
}

/// <summary>What part of the engine's memory an address lies in, so that equal owners are equal values.</summary>
/// <param name="Kind">The kind of memory.</param>
/// <param name="Arena">Whose it is; null where no arena's.</param>
/// <param name="Detail">Block bytes, an extent's bytes, a lane's or a thread slot's number, or the table's
/// number.</param>
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
        Use.Block => $"blocks of {Sizes.Text(Detail)}",
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
