using System.Numerics;

namespace SuperSlab;

/// <content>
/// Slabs without memory: a SuperSlab that holds a few blocks keeps the others' memory only until a trim. It is filled
/// when they are taken, by a call of the system, like a SuperSlab that is not ready.
/// </content>
internal sealed unsafe partial class SlabSpace
{
    /// <summary>
    /// Gives the memory of free slabs back to the system, except of SuperSlabs that came by a prewarm. Other threads
    /// may go on: they do not find the slabs meanwhile.
    /// </summary>
    /// <returns>The bytes given back.</returns>
    /// <exception cref="EngineMemoryException">The system refused: the slabs keep their memory.</exception>
    public nuint TrimSlabs()
    {
        nuint bytes = 0;
        for (int superSlab = 0; superSlab < _pool.End; superSlab++)
        {
            if (IsTrimmable(superSlab))
                bytes += TrimSlabs(superSlab);
        }

        return bytes;
    }

    private nuint TrimSlabs(int superSlab)
    {
        NativeLock.Enter(_lock);
        uint slabs = _superSlabs[superSlab].IsPrewarmed ? 0 : OwnTrimmableSlabs(superSlab);
        if (slabs != 0)
            SetFree(superSlab, _superSlabs[superSlab].FreeSlabs & ~slabs);

        NativeLock.Exit(_lock);
        uint discarded = 0;
        try
        {
            while (discarded != slabs)
            {
                (int first, int count) = Bitmap.LowestRun(slabs & ~discarded);
                _pool.Discard(PageRange.OfSlabs((superSlab * SlabGeometry.SlabCount) + first, count));
                discarded |= Bitmap.Mask(first, count);
            }
        }
        finally
        {
            if (slabs != 0)
                GiveBits(superSlab, slabs, discarded);
        }

        return (nuint)BitOperations.PopCount(discarded) << SlabGeometry.SlabShift;
    }

    /// <summary>Puts memory behind slabs just taken of which some have none.</summary>
    /// <exception cref="EngineOutOfMemoryException">The system gave none. The slabs are free again.</exception>
    private void Fill(int slab, int count, uint absent, int sizeClass)
    {
        if (absent == 0)
            return;

        bool isFilled = false;
        try
        {
            _pool.Fill(PageRange.OfSlabs(slab, count), new Demand(_ownerTag, sizeClass));
            isFilled = true;
        }
        finally
        {
            if (!isFilled)
                GiveBits(slab / SlabGeometry.SlabCount, Bitmap.Mask(slab % SlabGeometry.SlabCount, count), absent);
        }
    }

    /// <summary>The SuperSlab, or where its free slabs have no memory, the best fit whose slabs have. Under the
    /// lock.</summary>
    private int PreferPresent(int superSlab, int count)
    {
        ulong fitting = _absentSlabs == 0 || HasPresent(superSlab, count) ? 0 : _nonEmptyLists >> count << count;
        for (; fitting != 0; fitting &= fitting - 1)
        {
            int one = _firstByRun[BitOperations.TrailingZeroCount(fitting)];
            for (; one != SlabGeometry.None; one = _superSlabs[one].NextByRun)
            {
                if (HasPresent(one, count))
                    return one;
            }
        }

        return superSlab;
    }

    private bool HasPresent(int superSlab, int count) => Bitmap.LongestRun(PresentSlabs(superSlab)) >= count;

    /// <summary>The free slabs of the arena's SuperSlab that have memory.</summary>
    private uint PresentSlabs(int superSlab) =>
        Volatile.Read(ref _superSlabs[superSlab].FreeSlabs) & ~_superSlabs[superSlab].AbsentSlabs;

    /// <summary>The same of any SuperSlab: none where it is not the arena's. Under the lock.</summary>
    private uint OwnPresentSlabs(int superSlab)
    {
        (uint free, uint absent, _) = OwnSlabs(superSlab);
        return free & ~absent;
    }

    /// <summary>The free slabs that have memory, if only behind some pages. Under the lock.</summary>
    private uint OwnTrimmableSlabs(int superSlab)
    {
        (uint free, uint absent, uint partial) = OwnSlabs(superSlab);
        return free & (~absent | partial);
    }

    /// <summary>
    /// Reads slabs of a SuperSlab that may be another arena's, or behind the pool's end, where there is no table. A
    /// SuperSlab leaves its arena without a free slab, under this lock, and loses its owner after it. So the owner is
    /// read before and after: slabs that another arena freed meanwhile are never taken for this one's.
    /// </summary>
    private (uint Free, uint Absent, uint Partial) OwnSlabs(int superSlab)
    {
        if (_pool.OwnerTagOf(superSlab) != _ownerTag)
            return default;

        ref SuperSlabDescriptor descriptor = ref _superSlabs[superSlab];
        (uint, uint, uint) slabs =
            (Volatile.Read(ref descriptor.FreeSlabs), descriptor.AbsentSlabs, descriptor.PartialSlabs);
        return _pool.OwnerTagOf(superSlab) == _ownerTag ? slabs : default;
    }

    /// <summary>Whether pages of the arena's SuperSlab may go back to the system. Some moments old.</summary>
    public bool IsTrimmable(int superSlab) =>
        _pool.OwnerTagOf(superSlab) == _ownerTag && _pool.CanDiscard(superSlab)
        && _superSlabs[superSlab] is { IsPrewarmed: false, RunLength: 1 };

    /// <summary>Whether a slab's tag is the arena's, and of which class.</summary>
    public bool IsOwnTag(uint tag, out int sizeClass)
    {
        sizeClass = (int)(tag & byte.MaxValue);
        return (tag & ~(uint)byte.MaxValue) == _ownerTag;
    }

    /// <summary>Gives pages back to the system on which no block lies.</summary>
    /// <exception cref="EngineMemoryException">The system refused.</exception>
    public void DiscardPages(PageRange pages) => _pool.Discard(pages);

    /// <summary>Puts memory behind pages that were given back.</summary>
    /// <exception cref="EngineOutOfMemoryException">The system gave none.</exception>
    public void FillPages(PageRange pages, int sizeClass) => _pool.Fill(pages, new Demand(_ownerTag, sizeClass));

    /// <summary>Notes that slabs of a SuperSlab that goes back to the pool have pages without memory.</summary>
    public void NoteAbsent(int superSlab, uint slabs)
    {
        NativeLock.Enter(_lock);
        SetAbsent(superSlab, _superSlabs[superSlab].AbsentSlabs | slabs);
        NativeLock.Exit(_lock);
    }

    /// <summary>Under the lock.</summary>
    private void SetAbsent(int superSlab, uint absent)
    {
        _absentSlabs += BitOperations.PopCount(absent) - BitOperations.PopCount(_superSlabs[superSlab].AbsentSlabs);
        _superSlabs[superSlab].AbsentSlabs = absent;
        _superSlabs[superSlab].PartialSlabs &= absent;
    }
}
