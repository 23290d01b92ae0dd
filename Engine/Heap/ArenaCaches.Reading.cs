namespace SuperSlab;

/// <content>What is read of the caches by others than their threads: for checks, plans and profilers.</content>
internal sealed unsafe partial class ArenaCaches
{
    /// <summary>Whether a block of a class whose magazines hold one is the one that the thread freed last.</summary>
    public bool IsLastOnly(ThreadCache* cache, int sizeClass, nuint block) =>
        _slabs.MagazineBlocks(sizeClass) == 1 && cache != ThreadCache.Detached && StockOf(cache, sizeClass).IsLast(block);

    /// <summary>Whether a block that the caller was given is among the free ones of any thread.</summary>
    public bool Holds(int sizeClass, nuint block)
    {
        int capacity = _slabs.MagazineBlocks(sizeClass);
        bool found = false;
        for (ThreadCache* attached = FirstAttached; attached != null; attached = attached->NextAttached)
            found = found || HoldsLoaded(attached, sizeClass, capacity, block) || HoldsInStock(attached, sizeClass, capacity, block);

        return found;
    }

    /// <summary>
    /// Looks through a loaded magazine while its thread goes on. The block was handed to the caller after whoever allocated it had taken it out of
    /// its magazine, so the top that is read here is of a later moment; and what stands below it was written before the top was. Where
    /// processors show two writes in another order, a barrier on all of them puts that right.
    /// </summary>
    private static bool HoldsLoaded(ThreadCache* cache, int sizeClass, int capacity, nuint block)
    {
        nuint* top = ThreadCache.Top(cache, sizeClass);
        if (top == null)
            return false;

        if (!System.Runtime.Intrinsics.X86.X86Base.IsSupported)
            Interlocked.MemoryBarrierProcessWide();

        return Magazine.BlocksBelow(top, capacity).Contains(block);
    }

    /// <summary>Looks through a stock's magazines while they are the caller's: while others have them, their contents mean nothing.</summary>
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
            // Its thread filled it meanwhile.
            Magazine* next = first->Next;
            _slabs.ReturnAll(sizeClass, Magazine.FullTop(first) - capacity, capacity);
            _heap.Free(first, Magazine.Bytes);
            first = next;
        }

        Interlocked.Add(ref cache->TakenBytes, -count * _slabs.MagazineBytes(sizeClass));
        return found;
    }

    /// <summary>
    /// Finds the thread slot whose cache, or one of whose magazines, an address of the metadata heap lies in, while the threads go on.
    /// </summary>
    /// <returns>The slot, or 0.</returns>
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

    /// <summary>How many thread caches have blocks of a size class, or had.</summary>
    public int CachesUsing(int sizeClass)
    {
        int count = 0;
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
            count += cache->FillSteps[ThreadCache.ClassFor(cache, sizeClass)] != 0 ? 1 : 0;

        return count;
    }

    /// <summary>How many free blocks of a size class the thread caches hold; some moments old where their threads go on.</summary>
    public long CachedBlocks(int sizeClass)
    {
        long count = 0;
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
            count += CachedBlocks(cache, sizeClass);

        return count;
    }

    /// <summary>The same of one thread's.</summary>
    public long CachedBlocks(ThreadCache* cache, int sizeClass)
    {
        int capacity = _slabs.MagazineBlocks(sizeClass);
        long count = 0;
        for (int one = sizeClass; one < ArenaClasses.Count; one = ArenaClasses.Next(one))
        {
            nuint* top = ThreadCache.Top(cache, one);
            long loaded = top == null ? 0 : Magazine.BlocksBelow(top, capacity).Length;
            count += loaded + ((long)StockOf(cache, one).Count * capacity);
        }

        return count;
    }

    /// <summary>Adds the free blocks that the thread caches hold. No other thread uses the arena.</summary>
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

    /// <summary>The bytes that live by what the caches counted; 0 where <see cref="CounterSwitch"/> is off.</summary>
    /// <param name="tags">How many tags there are.</param>
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
