using System.Diagnostics;

namespace SuperSlab;

/// <content>How free blocks that threads hold return to their runs.</content>
internal sealed unsafe partial class ArenaCaches
{
    private const int FirstExtent = SizeClasses.LastWithinSuperSlab + 1;

    /// <summary>
    /// Returns free blocks before a class takes a new run. First the thread's own large blocks, so that a buffer that
    /// grows through the classes leaves none behind in each; not in a prewarmed arena with room, whose memory is
    /// resident anyway. Then, until as many neighbouring slabs are free as a run has, full magazines of all threads,
    /// the thread's loaded ones, and runs that are empty: the largest blocks first, but extents last. Neighbouring
    /// SuperSlabs that others have divided meanwhile would be missing when such a block is wanted again.
    /// </summary>
    /// <remarks>So before the arena grows, no cached block of a class that has gone out of use keeps a run.</remarks>
    private void Relieve(int sizeClass)
    {
        int slabs = _slabs.ClassOf(sizeClass)->SlabsPerRun;
        ThreadCache* own = CacheOf(ThreadSlots.Current);
        bool isLarge = sizeClass >= Magazine.FirstLarge && !ArenaClasses.IsOfHome(sizeClass);
        bool leavesSome = isLarge && _promisedBytes == 0;
        if ((leavesSome || !_slabs.Space.HasRoom(slabs)) && own != ThreadCache.Detached)
            ReturnLarge(own, below: leavesSome ? SizeClasses.Huge : FirstExtent);

        for (int other = FirstExtent - 1; other >= 0 && !_slabs.Space.HasRoom(slabs); other--)
            ReturnClass(own, other);

        for (int other = SizeClasses.Huge - 1; other >= FirstExtent && !_slabs.Space.HasRoom(slabs); other--)
            ReturnClass(own, other);
    }

    private void ReturnLarge(ThreadCache* own, int below)
    {
        int large = Magazine.FirstLarge;
        while ((large = ThreadCache.NextUsed(own, large, below)) < below)
        {
            nuint wrong = ReturnLoaded(own, large);
            _slabs.ThrowIfWrong(large, wrong != 0 ? wrong : ReturnStock(own, large));
            large++;
        }
    }

    /// <summary>Returns all threads' full magazines of a class, the thread's loaded one, and the empty runs.</summary>
    private void ReturnClass(ThreadCache* own, int sizeClass)
    {
        for (int one = sizeClass; one < ArenaClasses.Count; one = ArenaClasses.Next(one))
        {
            ReturnStocks(one);
            _slabs.ThrowIfWrong(one, ReturnLoaded(own, one));
        }

        _slabs.GatherRuns(sizeClass);
    }

    private void ReturnStocks(int sizeClass)
    {
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
            _slabs.ThrowIfWrong(sizeClass, ReturnStock(cache, sizeClass));
    }

    /// <summary>
    /// Returns to their runs the free blocks in all stocks and in the loaded magazines of the calling, dead and waiting
    /// threads, then releases empty runs. An arena does so before it says that there is no memory; other threads may
    /// use it meanwhile. Takes no OS memory. A loaded magazine a class stays with other threads that run or took a
    /// handle.
    /// </summary>
    /// <exception cref="EngineMemoryException">An earlier free was of no block. The others are returned.</exception>
    public void Reclaim() => ReclaimWithin(milliseconds: 0);

    /// <summary>Reclaims, and gives threads that are about to wait some time for that.</summary>
    public void ReclaimWithin(int milliseconds)
    {
        (int SizeClass, nuint Block) wrong = default;
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
            ReturnStocksOf(cache, ref wrong);

        ReturnLoaded(CacheOf(ThreadSlots.Current), ref wrong);
        using (_attaching.Hold())
        {
            ReturnOfDead(ref wrong);
            ReturnOfWaiting(ref wrong);
        }

        for (; milliseconds > 0 && OthersHoldLoaded(); milliseconds--)
        {
            Thread.Sleep(1);
            using (_attaching.Hold())
                ReturnOfWaiting(ref wrong);
        }

        _slabs.ReleaseEmptyRuns();
        _slabs.ThrowIfWrong(wrong.SizeClass, wrong.Block);
    }

    /// <summary>
    /// Returns full magazines of all threads and the calling thread's loaded ones, class by class, until a time, and
    /// goes on there in the next call. It returns a magazine, or has looked at a class, at least.
    /// </summary>
    /// <returns>Whether all classes had their turn.</returns>
    public bool ReclaimUntil(long timestamp)
    {
        using WordLock.Scope one = _trimming.Hold();
        (int SizeClass, nuint Block) wrong = default;
        do
        {
            if (!ReturnOneStocked(_nextTrimmed, ref wrong))
            {
                if (CacheOf(ThreadSlots.Current) is var own && own != ThreadCache.Detached)
                    Note(ref wrong, _nextTrimmed, ReturnLoaded(own, _nextTrimmed));

                _slabs.ReleaseEmptyRuns(_nextTrimmed++);
            }
        }
        while (_nextTrimmed < ArenaClasses.Count && Stopwatch.GetTimestamp() < timestamp);

        bool isDone = _nextTrimmed == ArenaClasses.Count;
        _nextTrimmed = isDone ? 0 : _nextTrimmed;
        _slabs.ThrowIfWrong(wrong.SizeClass, wrong.Block);
        return isDone;
    }

    /// <summary>Returns one full magazine of a class from any thread's stock; false if no stock has one.</summary>
    private bool ReturnOneStocked(int sizeClass, ref (int SizeClass, nuint Block) wrong)
    {
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
        {
            if (TryReturnStocked(cache, sizeClass, out nuint found))
            {
                Note(ref wrong, sizeClass, found);
                return true;
            }
        }

        return false;
    }

    private static void Note(ref (int SizeClass, nuint Block) wrong, int sizeClass, nuint block) =>
        wrong = block == 0 ? wrong : (sizeClass, block);

    private void ReturnStocksOf(ThreadCache* cache, ref (int SizeClass, nuint Block) wrong)
    {
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
            Note(ref wrong, sizeClass, ReturnStock(cache, sizeClass));
    }

    /// <summary>Whether threads hold loaded magazines that could be taken if they waited. Some moments old.</summary>
    private bool OthersHoldLoaded()
    {
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
        {
            bool canBeTaken = cache->Slot != ThreadSlots.Current && !cache->HasHandle;
            for (int sizeClass = 0; canBeTaken && sizeClass < ArenaClasses.Count; sizeClass++)
            {
                if (HoldsLoaded(cache, sizeClass))
                    return true;
            }
        }

        return false;
    }

    private static bool HoldsLoaded(ThreadCache* cache, int sizeClass) =>
        ThreadCache.Top(cache, sizeClass) is var top && top != null && top[-1] != 0;

    private void ReturnOfDead(ref (int SizeClass, nuint Block) wrong)
    {
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
        {
            if (ThreadSlots.TryBorrow(cache->Slot) is { } dead)
            {
                ReturnLoaded(cache, ref wrong);
                ThreadSlots.GiveBack(cache->Slot, dead);
            }
        }
    }

    private void ReturnOfWaiting(ref (int SizeClass, nuint Block) wrong)
    {
        List<nint> hidden = [];
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
        {
            if (cache->Slot != ThreadSlots.Current && !cache->HasHandle && ThreadSlots.Waits(cache->Slot))
            {
                hidden.Add((nint)cache);
                Show(cache->Slot, ThreadCache.Detached);
            }
        }

        if (hidden.Count != 0)
            Interlocked.MemoryBarrierProcessWide();

        foreach (nint one in hidden)
        {
            // Only after the barrier is a handle visible that the thread took before its cache was hidden.
            ThreadCache* cache = (ThreadCache*)one;
            if (ThreadSlots.Waits(cache->Slot) && !cache->HasHandle)
                ReturnLoaded(cache, ref wrong);

            Show(cache->Slot, cache);
        }
    }

    /// <summary>Returns the blocks of a cache that is the caller's alone; the emptied magazines stay.</summary>
    private void ReturnLoaded(ThreadCache* cache, ref (int SizeClass, nuint Block) wrong)
    {
        for (int sizeClass = 0; cache != ThreadCache.Detached && sizeClass < ArenaClasses.Count; sizeClass++)
            Note(ref wrong, sizeClass, ReturnLoaded(cache, sizeClass));
    }

    /// <returns>A block that could not be returned, or 0.</returns>
    private nuint ReturnLoaded(ThreadCache* cache, int sizeClass)
    {
        if (!HoldsLoaded(cache, sizeClass))
            return 0;

        nuint* top = ThreadCache.Top(cache, sizeClass);
        nuint* bottom = Magazine.FullTop(Magazine.Of(top)) - _slabs.MagazineBlocks(sizeClass);
        ThreadCache.SetTop(cache, sizeClass, bottom);
        return _slabs.ReturnAll(sizeClass, bottom, (int)(top - bottom));
    }

    /// <summary>Returns a stock's blocks to their runs. Any thread.</summary>
    /// <returns>A block that could not be returned, or 0.</returns>
    private nuint ReturnStock(ThreadCache* cache, int sizeClass)
    {
        nuint wrong = 0;
        while (TryReturnStocked(cache, sizeClass, out nuint found))
            wrong = found == 0 ? wrong : found;

        return wrong;
    }

    /// <summary>Returns the blocks of one full magazine; false where the stock has none.</summary>
    private bool TryReturnStocked(ThreadCache* cache, int sizeClass, out nuint wrong)
    {
        wrong = 0;
        Magazine* full = StockOf(cache, sizeClass).Count == 0 ? null : TakeFrom(cache, sizeClass, 1, out _);
        if (full == null)
            return false;

        int capacity = _slabs.MagazineBlocks(sizeClass);
        wrong = _slabs.ReturnAll(sizeClass, Magazine.FullTop(full) - capacity, capacity);
        _heap.Free(full, Magazine.Bytes);
        return true;
    }

    /// <summary>Returns the calling thread's blocks to their runs and gives up its handle.</summary>
    public void Detach()
    {
        ThreadCache* own = CacheOf(ThreadSlots.Current);
        (int SizeClass, nuint Block) wrong = default;
        if (own != ThreadCache.Detached)
        {
            ReturnStocksOf(own, ref wrong);
            ReturnLoaded(own, ref wrong);
            own->HasHandle = false;
        }

        _slabs.ThrowIfWrong(wrong.SizeClass, wrong.Block);
    }
}
