namespace SuperSlab;

/// <content>
/// Extents: whole SuperSlabs, and some first slabs of the one behind them, which is divided like any other.
/// <code>
///   | SuperSlab: extent | SuperSlab: extent | extent | slabs of other runs, or free |
/// </code>
/// Its whole SuperSlabs stand in the arena's list as one run; the last one stands there by itself.
/// </content>
internal sealed unsafe partial class SlabSpace
{
    /// <summary>
    /// Takes neighbouring SuperSlabs for an extent of more than 32 slabs. What it does not need of the last one is
    /// free for other runs.
    /// </summary>
    /// <returns>The first slab's number, or -1 where the reservation has no such run.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory.</exception>
    public int TakeExtent(int slabs, int sizeClass = Demand.NoClass)
    {
        int superSlab = TryTakeOwned(slabs);
        superSlab = superSlab >= 0 ? superSlab : TryTakeBefore(slabs / AllFree, slabs % AllFree, sizeClass);
        if (superSlab >= 0)
            return superSlab * SlabGeometry.SlabCount;

        int count = (slabs + AllFree - 1) / AllFree;
        superSlab = Acquire(count, sizeClass, slabs: 0, out _);
        if (superSlab < 0)
            return -1;

        NativeLock.Enter(_lock);
        AdoptExtent(superSlab, slabs);
        NoteUse();
        NativeLock.Exit(_lock);
        return superSlab * SlabGeometry.SlabCount;
    }

    /// <summary>Takes neighbouring SuperSlabs that a prewarm promised and nobody uses; -1 for none.</summary>
    private int TryTakeOwned(int slabs)
    {
        if (!HasRun(AllFree))
            return -1;

        NativeLock.Enter(_lock);
        int found = FindFree(slabs);
        if (found >= 0)
        {
            int whole = slabs / AllFree;
            Absorb(found, 0, whole);
            if (slabs % AllFree != 0)
                SetFree(found + whole, _superSlabs[found + whole].FreeSlabs & ~Bitmap.Mask(0, slabs % AllFree));

            NoteUse();
        }

        NativeLock.Exit(_lock);
        return found;
    }

    /// <summary>
    /// Takes ready SuperSlabs in front of one of the arena's whose first slabs are free: where an extent was before,
    /// for example. So extents that come and go do not need ever more neighbouring SuperSlabs.
    /// </summary>
    private int TryTakeBefore(int whole, int rest, int sizeClass)
    {
        int last = rest == 0 ? -1 : TakeFirstSlabs(whole, rest);
        if (last < 0)
            return -1;

        int superSlab = last - whole;
        bool isAdmitted = Budget.TryTake(whole, sizeClass, isLast: false);
        if (!isAdmitted || !_pool.TryTakeReadyAt(superSlab, whole, _ownerTag))
        {
            if (isAdmitted)
                Budget.Return(whole);

            GiveSlabs(last * SlabGeometry.SlabCount, rest);
            return -1;
        }

        NativeLock.Enter(_lock);
        Adopt(superSlab, whole);
        NoteUse();
        NativeLock.Exit(_lock);
        return superSlab;
    }

    /// <summary>Takes the first slabs of a SuperSlab behind ready ones; -1 where there is none.</summary>
    private int TakeFirstSlabs(int whole, int rest)
    {
        int found = -1;
        NativeLock.Enter(_lock);
        for (int run = rest; run < AllFree && found < 0; run++)
        {
            for (int one = _firstByRun[run]; one != SlabGeometry.None && found < 0; one = _superSlabs[one].NextByRun)
            {
                bool fits = (PresentSlabs(one) & Bitmap.Mask(0, rest)) == Bitmap.Mask(0, rest) && one >= whole;
                for (int before = one - whole; fits && before < one; before++)
                    fits = _pool.StateOf(before) is { IsFree: true, IsReady: true };

                found = fits ? one : -1;
            }
        }

        if (found >= 0)
            SetFree(found, _superSlabs[found].FreeSlabs & ~Bitmap.Mask(0, rest));

        NativeLock.Exit(_lock);
        return found;
    }

    private int FindOwned(int slabs)
    {
        if (!HasRun(AllFree))
            return -1;

        NativeLock.Enter(_lock);
        int found = FindFree(slabs);
        NativeLock.Exit(_lock);
        return found;
    }

    /// <summary>The lowest promised SuperSlab from which on this many slabs are free, or -1. Under the lock.</summary>
    private int FindFree(int slabs)
    {
        int best = -1;
        for (int one = _firstByRun[AllFree]; one != SlabGeometry.None; one = _superSlabs[one].NextByRun)
            best = (best < 0 || one < best) && AreFree(one, slabs) ? one : best;

        return best;
    }

    /// <summary>
    /// Makes an extent longer: in place if what lies behind it is free, else by moving its pages. What grew once will
    /// grow again, so it gets whole SuperSlabs.
    /// </summary>
    /// <remarks>After a move the caller moves the description, then returns the old SuperSlabs.</remarks>
    /// <returns>The extent's first slab afterwards, or -1 where neither is possible.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory.</exception>
    public int GrowExtent(int slab, int slabs, int newSuperSlabs, int sizeClass = Demand.NoClass)
    {
        int superSlab = slab / SlabGeometry.SlabCount;
        if (!TryMakeWhole(slab, slabs))
            return -1;

        int length = _superSlabs[superSlab].RunLength;
        int own = OwnFreeBehind(superSlab + length, newSuperSlabs - length);
        int more = newSuperSlabs - length - own;
        if (more > 0)
            AdmitOrReclaim(more, sizeClass);

        int grown = -1;
        bool isTaken = false;
        try
        {
            Demand demand = new(_ownerTag, sizeClass);
            isTaken = more <= 0 || _pool.TryTakeAt(superSlab + length + own, more, demand);
            if (isTaken)
                grown = TryJoin(superSlab, own, more) ? superSlab : -1;
            else if (own == 0 && !HasPromised(superSlab, length))
                grown = _pool.TakeWithPagesOf(superSlab, length, newSuperSlabs, demand);
        }
        finally
        {
            if (grown < 0 && more > 0)
            {
                if (isTaken)
                    _pool.Give(superSlab + length + own, more);

                Budget.Return(more);
            }
        }

        if (grown >= 0 && grown != superSlab)
        {
            NativeLock.Enter(_lock);
            Adopt(grown, newSuperSlabs);
            NoteUse();
            NativeLock.Exit(_lock);
        }

        return grown < 0 ? -1 : grown * SlabGeometry.SlabCount;
    }

    /// <summary>Gives an extent all slabs of its last SuperSlab; false where others have some.</summary>
    public bool TryMakeWhole(int slab, int slabs)
    {
        int superSlab = slab / SlabGeometry.SlabCount;
        int length = _superSlabs[superSlab].RunLength;
        int rest = slabs - (length * AllFree);
        if (rest <= 0)
            return true;

        int last = superSlab + length;
        NativeLock.Enter(_lock);
        bool isFree = PresentSlabs(last) == ~Bitmap.Mask(0, rest);
        if (isFree)
            Absorb(superSlab, length, 1);

        NativeLock.Exit(_lock);
        return isFree;
    }

    /// <summary>How many promised SuperSlabs from one on nobody uses, up to a number. Some moments old.</summary>
    private int OwnFreeBehind(int superSlab, int most)
    {
        int count = 0;
        NativeLock.Enter(_lock);
        while (count < most && AreFree(superSlab + count, AllFree))
            count++;

        NativeLock.Exit(_lock);
        return count;
    }

    /// <summary>Adds the arena's own SuperSlabs behind an extent, and those just taken behind them.</summary>
    /// <returns>False, and nothing has changed, where others took some of its own meanwhile.</returns>
    private bool TryJoin(int superSlab, int own, int more)
    {
        NativeLock.Enter(_lock);
        int length = _superSlabs[superSlab].RunLength;
        bool isFree = own == 0 || AreFree(superSlab + length, own * AllFree);
        if (isFree)
        {
            Absorb(superSlab, length, own);
            if (more > 0)
                Append(superSlab, length + own, more);

            NoteUse();
        }

        NativeLock.Exit(_lock);
        return isFree;
    }

    /// <summary>Puts memory behind the next reserved SuperSlabs of a range. The budget has admitted them.</summary>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory. Nothing has changed.</exception>
    public void GrowRange(int superSlab, int length, int more, PrefaultTask? task)
    {
        _pool.TakeReserved(superSlab + length, more, new Demand(_ownerTag, Demand.NoClass), task);
        NativeLock.Enter(_lock);
        if (length == 0)
            Adopt(superSlab, more);
        else
            Append(superSlab, length, more);

        NoteUse();
        NativeLock.Exit(_lock);
    }

    /// <summary>Gives the memory of a range's last SuperSlabs back to the system.</summary>
    /// <exception cref="EngineMemoryException">The system refused. They are the arena's no more.</exception>
    public void ShrinkRange(int superSlab, int length, int kept)
    {
        NativeLock.Enter(_lock);
        _superSlabs[superSlab].RunLength = kept;
        Count(kept - length);
        NativeLock.Exit(_lock);
        try
        {
            _pool.GiveReserved(superSlab + kept, length - kept);
        }
        finally
        {
            Budget.Return(length - kept);
        }
    }

    /// <summary>Adds SuperSlabs just taken to the extent before them. Under the lock.</summary>
    private void Append(int superSlab, int length, int more)
    {
        _superSlabs[superSlab + length].RunLength = 0;
        _superSlabs[superSlab].RunLength += more;
        Count(more);
    }

    private bool HasPromised(int superSlab, int length)
    {
        for (int index = superSlab; index < superSlab + length; index++)
        {
            if (_superSlabs[index].IsPromised)
                return true;
        }

        return false;
    }

    /// <summary>Whether the slabs from a SuperSlab's first on are the arena's and in no run. Under the lock.</summary>
    private bool AreFree(int superSlab, int slabs)
    {
        for (; slabs > 0; superSlab++, slabs -= AllFree)
        {
            uint wanted = Bitmap.Mask(0, Math.Min(slabs, AllFree));
            if ((OwnPresentSlabs(superSlab) & wanted) != wanted)
                return false;
        }

        return true;
    }

    /// <summary>Makes divided SuperSlabs that nobody uses a part of the extent before them. Under the lock.</summary>
    private void Absorb(int superSlab, int length, int count)
    {
        for (int index = superSlab + length; index < superSlab + length + count; index++)
        {
            SetFree(index, 0);
            Disown(index, 1);
            _superSlabs[index].RunLength = 0;
        }

        if (length != 0)
        {
            _superSlabs[superSlab].RunLength = length + count;
            Count(count);
        }
        else
        {
            _superSlabs[superSlab].RunLength = count;
            Adopt(superSlab, count);
        }
    }

    /// <summary>Gives back the SuperSlabs that an extent left; the budget counts the new ones.</summary>
    /// <returns>How many they were.</returns>
    public int GiveMoved(int slab)
    {
        int superSlab = slab / SlabGeometry.SlabCount;
        int length = _superSlabs[superSlab].RunLength;
        NativeLock.Enter(_lock);
        Disown(superSlab, length);
        NativeLock.Exit(_lock);
        _pool.Give(superSlab, length);
        return length;
    }

    /// <summary>Gives the SuperSlabs of an extent back; promised ones stay, to be divided.</summary>
    private void GiveExtent(int superSlab, int length)
    {
        NativeLock.Enter(_lock);
        Disown(superSlab, length);
        for (int index = superSlab; index < superSlab + length; index++)
        {
            if (_superSlabs[index].IsPromised)
            {
                _superSlabs[index].RunLength = 1;
                Adopt(index, 1);
                SetFree(index, uint.MaxValue);
            }
        }

        // What was promised is so as long as the arena lives; nobody else knows of the others.
        NativeLock.Exit(_lock);
        int end = superSlab + length;
        for (int count; superSlab < end; superSlab += Math.Max(count, 1))
        {
            count = 0;
            while (superSlab + count < end && !_superSlabs[superSlab + count].IsPromised)
                count++;

            if (count != 0)
                GiveBack(superSlab, count);
        }
    }

    /// <summary>Adds SuperSlabs just taken as an extent, whose last one may have free slabs. Under the lock.</summary>
    private void AdoptExtent(int superSlab, int slabs)
    {
        int whole = slabs / AllFree;
        _superSlabs[superSlab].RunLength = whole;
        Adopt(superSlab, whole);
        if (slabs % AllFree != 0)
        {
            _superSlabs[superSlab + whole].RunLength = 1;
            Adopt(superSlab + whole, 1);
            SetFree(superSlab + whole, ~Bitmap.Mask(0, slabs % AllFree));
        }
    }
}
