namespace SuperSlab;

/// <content>How free blocks that threads hold come back to their runs.</content>
internal sealed unsafe partial class ArenaCaches
{
    /// <summary>
    /// Before a class takes a new run: of large blocks the thread's own are returned, so that a buffer that grows through the classes does not
    /// leave one behind in each, but not in a prewarmed arena that has room, whose memory is resident in any case; then full magazines of all
    /// threads, the largest blocks first, until there are as many neighbouring free slabs as a run has.
    /// </summary>
    private void Relieve(int sizeClass)
    {
        int slabs = _slabs.ClassOf(sizeClass)->SlabsPerRun;
        ThreadCache* own = CacheOf(ThreadSlots.Current);
        bool isLarge = sizeClass >= Magazine.FirstLarge && !ArenaClasses.IsOfHome(sizeClass);
        bool isResident = _promisedBytes != 0 && slabs != 0 && _slabs.Space.HasRun(slabs);
        if (isLarge && !isResident && own != ThreadCache.Detached)
            ReturnLarge(own);

        for (int other = SizeClasses.LastWithinSuperSlab; slabs != 0 && other >= 0 && !_slabs.Space.HasRun(slabs); other--)
        {
            for (int one = other; one < ArenaClasses.Count; one = ArenaClasses.Next(one))
                ReturnStocks(one);

            _slabs.GatherRuns(other);
        }
    }

    private void ReturnLarge(ThreadCache* own)
    {
        int large = Magazine.FirstLarge;
        while ((large = ThreadCache.NextUsed(own, large, below: SizeClasses.Huge)) < SizeClasses.Huge)
        {
            nuint wrong = ReturnLoaded(own, large);
            _slabs.ThrowIfWrong(large, wrong != 0 ? wrong : ReturnStock(own, large));
            large++;
        }
    }

    private void ReturnStocks(int sizeClass)
    {
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
            _slabs.ThrowIfWrong(sizeClass, ReturnStock(cache, sizeClass));
    }

    /// <summary>
    /// Returns to their runs the free blocks that the calling thread, dead threads, threads that wait, and all stocks hold, and releases runs
    /// without a block: what an arena does before it says that there is no memory. Other threads may use the arena meanwhile. Takes no OS
    /// memory. Blocks in the loaded magazines of other threads that run, or took a handle, stay: a magazine of a class each at most.
    /// </summary>
    /// <exception cref="EngineMemoryException">A block that was freed before is no free-able block. The others have been returned.</exception>
    public void Reclaim() => ReclaimWithin(milliseconds: 0);

    /// <summary>The same, but gives threads that are about to wait some time for that.</summary>
    public void ReclaimWithin(int milliseconds)
    {
        (int SizeClass, nuint Block) wrong = default;
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
            ReturnStocksOf(cache, ref wrong);

        ReturnLoaded(CacheOf(ThreadSlots.Current), ref wrong);
        lock (_attaching)
        {
            ReturnOfDead(ref wrong);
            ReturnOfWaiting(ref wrong);
        }

        for (; milliseconds > 0 && OthersHoldLoaded(); milliseconds--)
        {
            Thread.Sleep(1);
            lock (_attaching)
                ReturnOfWaiting(ref wrong);
        }

        _slabs.ReleaseEmptyRuns();
        _slabs.ThrowIfWrong(wrong.SizeClass, wrong.Block);
    }

    private static void Note(ref (int SizeClass, nuint Block) wrong, int sizeClass, nuint block) => wrong = block == 0 ? wrong : (sizeClass, block);

    private void ReturnStocksOf(ThreadCache* cache, ref (int SizeClass, nuint Block) wrong)
    {
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
            Note(ref wrong, sizeClass, ReturnStock(cache, sizeClass));
    }

    /// <summary>Whether a thread holds loaded magazines that could be taken from it if it waited. Some moments old.</summary>
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

    private static bool HoldsLoaded(ThreadCache* cache, int sizeClass) => ThreadCache.Top(cache, sizeClass) is var top && top != null && top[-1] != 0;

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
            // It may have taken a handle before it was hidden, and only the barrier showed that.
            ThreadCache* cache = (ThreadCache*)one;
            if (ThreadSlots.Waits(cache->Slot) && !cache->HasHandle)
                ReturnLoaded(cache, ref wrong);

            Show(cache->Slot, cache);
        }
    }

    /// <summary>Returns the blocks of a cache's loaded magazines to their runs; the magazines stay. The caller has the cache to itself.</summary>
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

    /// <summary>Returns what a stock holds of a class to its runs. Any thread.</summary>
    /// <returns>A block that could not be returned, or 0.</returns>
    private nuint ReturnStock(ThreadCache* cache, int sizeClass)
    {
        nuint wrong = 0;
        int capacity = _slabs.MagazineBlocks(sizeClass);
        while (StockOf(cache, sizeClass).Count != 0 && TakeFrom(cache, sizeClass, 1, out _) is var full && full != null)
        {
            nuint found = _slabs.ReturnAll(sizeClass, Magazine.FullTop(full) - capacity, capacity);
            wrong = found == 0 ? wrong : found;
            _heap.Free(full, Magazine.Bytes);
        }

        return wrong;
    }

    /// <summary>Gives the calling thread's blocks back to their runs, and lets others take what it may free until it takes a handle again.</summary>
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
