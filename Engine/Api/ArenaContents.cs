using System.Collections;

namespace SuperSlab;

/// <summary>
/// Walks the blocks that callers of a quiet arena hold: those that are out of their runs, as the bitmaps say, without
/// those that thread caches and their stocks hold back.
/// </summary>
internal sealed unsafe class ArenaBlocks(Reservation reservation, ArenaSlabs slabs, ArenaCaches caches)
    : IEnumerable<ArenaBlock>, IEnumerator<ArenaBlock>
{
    private readonly HashSet<nuint> _free = [];
    private int _superSlab;
    private int _slab;
    private int _index;

    public ArenaBlock Current { get; private set; }

    object IEnumerator.Current => Current;

    public IEnumerator<ArenaBlock> GetEnumerator()
    {
        ArenaBlocks walk = new(reservation, slabs, caches);
        walk.Reset();
        return walk;
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Reset()
    {
        _free.Clear();
        caches.CollectFree(_free);
        _superSlab = slabs.Space.FirstOwned;
        _slab = 0;
        _index = 0;
    }

    public bool MoveNext()
    {
        for (; _superSlab != SlabGeometry.None; _superSlab = reservation.SuperSlabs[_superSlab].NextOwned, _slab = 0)
        {
            while (_slab < SlabGeometry.SlabCount)
            {
                int slab = (_superSlab * SlabGeometry.SlabCount) + _slab;
                SlabRun* run = slabs.Runs[slab];
                bool isRun = reservation.Tags[slab] != 0;
                for (; isRun && _index < run->Capacity; _index++)
                {
                    bool isOut = (run->Bitmap[_index >> 6] & (1UL << (_index & 63))) == 0;
                    nuint bytes = slabs.UsableBytes(reservation.AddressOfSlab(slab), run->SizeClass);
                    nint address = reservation.AddressOfSlab(slab) + (nint)((nuint)_index * bytes);
                    if (isOut && !_free.Contains((nuint)address))
                    {
                        Current = new ArenaBlock(address, bytes);
                        _index++;
                        return true;
                    }
                }

                _index = 0;
                _slab += isRun ? run->SlabCount : 1;
            }
        }

        return false;
    }

    public void Dispose()
    {
        // There is nothing to give back.
    }
}

/// <summary>A block that a caller holds.</summary>
/// <param name="Address">Where it begins.</param>
/// <param name="Bytes">How many bytes of it may be used.</param>
public readonly record struct ArenaBlock(nint Address, nuint Bytes);
