namespace SuperSlab;

/// <content>What checks, plans and profilers read of the caches.</content>
internal sealed unsafe partial class ArenaCaches
{
    /// <summary>Whether the thread freed this block last, of a class with one block in a magazine.</summary>
    public bool IsLastOnly(ThreadCache* cache, int sizeClass, nuint block) =>
        _slabs.MagazineBlocks(sizeClass) == 1 && cache != ThreadCache.Detached
        && StockOf(cache, sizeClass).IsLast(block);

    /// <summary>Whether a block that the caller was given is among any thread's free ones.</summary>
    public bool Holds(int sizeClass, nuint block)
    {
        int capacity = _slabs.MagazineBlocks(sizeClass);
        bool found = false;
        for (ThreadCache* attached = FirstAttached; attached != null; attached = attached->NextAttached)
        {
            found = found || HoldsLoaded(attached, sizeClass, capacity, block)
                || HoldsInStock(attached, sizeClass, capacity, block);
        }

        return found;
    }

    /// <summary>Looks through a loaded magazine while its thread goes on.</summary>
    /// <remarks>
    /// The caller got the block after it had left its magazine, so the top read here is newer; and what lies below the
    /// top was written before it. Where CPUs reorder writes, a barrier on all of them makes that visible.
    /// </remarks>
    private static bool HoldsLoaded(ThreadCache* cache, int sizeClass, int capacity, nuint block)
    {
        nuint* top = ThreadCache.Top(cache, sizeClass);
        if (top == null)
            return false;

        if (!System.Runtime.Intrinsics.X86.X86Base.IsSupported)
            Interlocked.MemoryBarrierProcessWide();

        return Magazine.BlocksBelow(top, capacity).Contains(block);
    }

    /// <summary>Looks through a stock's magazines while they are the caller's: others change theirs.</summary>
    private bool HoldsInStock(ThreadCache* cache, int sizeClass, int capacity, nuint block)
    {
        MagazineStock stock = StockOf(cache, sizeClass);
        Magazine* first = TakeFrom(cache, sizeClass, MagazineStock.MaximumCount, out int count);
        if (first == null)
            return false;

        bool found = Magazine.BlocksOfFull(first, capacity).Contains(block);
        Magazine* last = first;
        for (int index = 1; index < count; index++)
        {
            last = last->Next;
            found |= Magazine.BlocksOfFull(last, capacity).Contains(block);
        }

        for (; count > 0 && !stock.TryPush(first, last, count, MagazineStock.MaximumCount); count--)
        {
            // Its thread filled the stock meanwhile.
            Magazine* next = first->Next;
            _slabs.ReturnAll(sizeClass, Magazine.FullTop(first) - capacity, capacity);
            _heap.Free(first, Magazine.Bytes);
            first = next;
        }

        Interlocked.Add(ref cache->TakenBytes, -count * _slabs.MagazineBytes(sizeClass));
        return found;
    }

    /// <summary>The slot whose cache or loaded magazine holds an address, or 0. Threads may go on.</summary>
    public int SlotOf(nint address, out bool isMagazine)
    {
        isMagazine = false;
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
        {
            if ((nuint)((byte*)address - (byte*)cache) < MetadataHeap.BytesFor(CacheBytes, 1))
                return cache->Slot;

            for (int sizeClass = 0; sizeClass < ArenaClasses.Count && !isMagazine; sizeClass++)
            {
                nuint* top = ThreadCache.Top(cache, sizeClass);
                isMagazine = top != null && (nuint)address - (nuint)Magazine.Of(top) < Magazine.Bytes;
            }

            if (isMagazine)
                return cache->Slot;
        }

        return 0;
    }

    /// <summary>Thread caches that have blocks of a size class, or had.</summary>
    public int CachesUsing(int sizeClass)
    {
        int count = 0;
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
            count += cache->FillSteps[ThreadCache.ClassFor(cache, sizeClass)] != 0 ? 1 : 0;

        return count;
    }

    /// <summary>Free blocks of a size class in all thread caches. Some moments old.</summary>
    public long CachedBlocks(int sizeClass)
    {
        long count = 0;
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
            count += CachedBlocks(cache, sizeClass);

        return count;
    }

    /// <summary>Bytes of the free blocks in all thread caches. Some moments old. Looks only at classes that a thread
    /// used.</summary>
    public long CachedBytes()
    {
        long bytes = 0;
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
        {
            int one = ThreadCache.NextUsed(cache, 0, ArenaClasses.Count);
            for (; one < ArenaClasses.Count; one = NextUsedBehind(cache, one))
                bytes += CachedOf(cache, one, _slabs.MagazineBlocks(one)) * _slabs.ClassOf(one)->BlockBytes;
        }

        return bytes;
    }

    /// <summary>Free blocks of a size class in a cache. Some moments old.</summary>
    public long CachedBlocks(ThreadCache* cache, int sizeClass)
    {
        int capacity = _slabs.MagazineBlocks(sizeClass);
        long count = 0;
        for (int one = sizeClass; one < ArenaClasses.Count; one = ArenaClasses.Next(one))
            count += CachedOf(cache, one, capacity);

        return count;
    }

    private static int NextUsedBehind(ThreadCache* cache, int one) =>
        ThreadCache.NextUsed(cache, one + 1, ArenaClasses.Count);

    private long CachedOf(ThreadCache* cache, int arenaClass, int capacity)
    {
        nuint* top = ThreadCache.Top(cache, arenaClass);
        long loaded = top == null ? 0 : Magazine.BlocksBelow(top, capacity).Length;
        return loaded + ((long)StockOf(cache, arenaClass).Count * capacity);
    }

    /// <summary>Adds the free blocks in thread caches. No other thread uses the arena.</summary>
    public void CollectFree(HashSet<nuint> free)
    {
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
        {
            for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
            {
                int capacity = _slabs.MagazineBlocks(sizeClass);
                nuint* top = ThreadCache.Top(cache, sizeClass);
                ReadOnlySpan<nuint> loaded = top == null ? [] : Magazine.BlocksBelow(top, capacity);
                free.UnionWith([.. loaded]);
                MagazineStock stock = StockOf(cache, sizeClass);
                Magazine* full = stock.Top;
                for (int count = stock.Count; count > 0; count--, full = full->Next)
                    free.UnionWith(Magazine.BlocksOfFull(full, capacity).ToArray());
            }
        }
    }

    /// <summary>The bytes that live by the caches' counters; 0 where <see cref="CounterSwitch"/> is off.</summary>
    public long CountedLiveBytes(int tags)
    {
        long live = 0;
        for (ThreadCache* cache = FirstAttached; CounterSwitch.IsOn && cache != null; cache = cache->NextAttached)
        {
            for (int tag = 0; tag < tags; tag++)
                live += ThreadCounters.CellOf(cache, tag)->LiveBytes;
        }

        return live;
    }
}
