using System.Runtime.CompilerServices;
using Engine.Core;
using Engine.Slabs;
using Engine.SuperSlabs;

namespace Engine.Caches;

/// <summary>
/// One arena's thread caches, found by thread slot, and the slow paths of allocating and freeing: a magazine ran empty, or full.
/// <para>
/// Ordering: an entry of the table is written by the slot's own thread and read by it, so it needs none. The next owner of a dead
/// thread's slot sees the entry and the cache because it took the slot under the lock of <see cref="ThreadSlots"/> after it saw the
/// thread dead. Trim, reset and validation look at all caches while no other thread uses the arena, by the caller's word; counts that are
/// taken while threads run see a cache only after it was initialised (the entry is written as a release), and numbers of the moment.
/// </para>
/// </summary>
internal sealed unsafe class ArenaCaches
{
    private readonly Reservation _reservation;
    private readonly MetadataHeap _heap;
    private readonly ArenaSlabs _slabs;
    private readonly bool _checksFrees;
    private readonly CounterBoard? _counters;
    private nuint _promisedBytes;

    /// <param name="reservation">Where the blocks lie.</param>
    /// <param name="heap">Where the caches and magazines come from.</param>
    /// <param name="slabs">What fills them.</param>
    /// <param name="checksFrees">Sends every free to the slow path: to the caches each address is foreign.</param>
    /// <param name="counters">Where what the caches count is read; null where nothing is counted.</param>
    public ArenaCaches(Reservation reservation, MetadataHeap heap, ArenaSlabs slabs, bool checksFrees = false, CounterBoard? counters = null)
    {
        _checksFrees = checksFrees;
        _counters = counters;
        _reservation = reservation;
        _heap = heap;
        _slabs = slabs;
        Table = (ThreadCache**)heap.Allocate(TableBytes);
        new Span<nint>(Table, ThreadSlots.Count).Fill((nint)ThreadCache.Detached);
    }

    public static nuint TableBytes => (nuint)(ThreadSlots.Count * sizeof(nint));

    public static nuint CacheBytes => (nuint)(sizeof(ThreadCache) + (CounterSwitch.IsOn ? sizeof(ThreadCounters) : 0));

    /// <summary>A cache for each slot; the detached one where the slot's thread has not used the arena yet.</summary>
    public ThreadCache** Table { get; }

    /// <summary>The calling thread's cache, made or adopted now if it has none.</summary>
    public ThreadCache* Attach()
    {
        int slot = ThreadSlots.Take();
        ThreadCache* cache = Table[slot];
        if (cache == ThreadCache.Detached)
        {
            cache = (ThreadCache*)_heap.Allocate(CacheBytes);
            ThreadCache.Initialise(cache);
            cache->ReservationBase = _reservation.Base;
            cache->ReservationBytes = _checksFrees ? 0 : _reservation.BlockBytes;
            cache->Tags = _reservation.Tags;
            if (CounterSwitch.IsOn)
            {
                ThreadCounters.Initialise(cache, ThreadSlots.TagOf(slot));
                _counters?.Add(cache);
            }

            Volatile.Write(ref ((nint*)Table)[slot], (nint)cache);
        }

        return cache;
    }

    /// <summary>
    /// Makes room in the metadata heap for the caches of that many threads, two magazines for each class that a thread uses, the depots
    /// and the bitmaps of runs, so that none of them is an OS call later.
    /// </summary>
    /// <param name="threads">Threads that will use the arena.</param>
    /// <param name="threadClasses">Pairs of a thread and a class it uses.</param>
    /// <param name="depotMagazines">Magazines that the depots of the used classes can hold.</param>
    /// <param name="bitmapBytes">Bitmaps of the runs of the used classes.</param>
    /// <returns>The bytes promised, for <see cref="WithdrawMetadata"/>.</returns>
    public nuint PromiseMetadata(int threads, long threadClasses, long depotMagazines, nuint bitmapBytes)
    {
        nuint bytes = checked(
            ((nuint)threads * (CacheBytes + Magazine.Bytes)) + ((nuint)((2 * threadClasses) + depotMagazines) * Magazine.Bytes) + bitmapBytes
            + (CounterSwitch.IsOn ? CounterBoard.BytesFor(threads) : 0));
        _heap.Promise(bytes);
        _promisedBytes += bytes;
        return bytes;
    }

    public void WithdrawMetadata(nuint bytes)
    {
        _heap.Withdraw(bytes);
        _promisedBytes -= bytes;
    }

    /// <summary>Allocates when the loaded magazine is empty.</summary>
    /// <returns>The block, or 0 where the reservation is full.</returns>
    public nuint Allocate(ThreadCache* cache, int sizeClass)
    {
        int capacity = _slabs.MagazineBlocks(sizeClass);
        if (capacity == 0)
        {
            nuint block;
            return _slabs.Fill(sizeClass, &block, 1) == 0 ? 0 : block;
        }

        Magazine* loaded = LoadedOrNew(cache, sizeClass);
        nuint second = (nuint)cache->Seconds[sizeClass];
        nuint* top;
        if ((second & ThreadCache.FullBit) != 0)
        {
            cache->Seconds[sizeClass] = (nuint)loaded;
            top = Magazine.FullTop((Magazine*)(second & ~ThreadCache.FullBit));
        }
        else if (_slabs.Depots.TakeFull(sizeClass, second == 0 ? null : loaded) is var full && full != null)
        {
            cache->Seconds[sizeClass] = second == 0 ? (nuint)loaded : second;
            top = Magazine.FullTop(full);
        }
        else
        {
            if (capacity == 1 && !_slabs.HasFreeBlock(sizeClass))
            {
                ReturnLarge(cache);
            }

            nuint* bottom = Magazine.FullTop(loaded) - capacity;
            int got = _slabs.Fill(sizeClass, bottom, NextFillStep(cache, sizeClass, capacity));
            if (got == 0)
            {
                return 0;
            }

            top = bottom + got;
        }

        ThreadCache.SetTop(cache, sizeClass, top - 1);
        return top[-1];
    }

    /// <summary>Frees when the loaded magazine is full.</summary>
    /// <exception cref="EngineMemoryException">A block freed earlier turns out to be no free-able block. This one is freed all the same.</exception>
    public void Free(ThreadCache* cache, int sizeClass, nuint block)
    {
        int capacity = _slabs.MagazineBlocks(sizeClass);
        nuint* top = ThreadCache.Top(cache, sizeClass);
        if (capacity == 0)
        {
            _slabs.Return(sizeClass, &block, 1);
            return;
        }

        if (top == null)
        {
            Magazine* first = TryNewMagazine();
            if (first == null)
            {
                _slabs.Return(sizeClass, &block, 1);
                return;
            }

            Push(cache, sizeClass, Magazine.FullTop(first) - capacity, block);
            return;
        }

        Magazine* loaded = Magazine.Of(top);
        nuint second = (nuint)cache->Seconds[sizeClass];
        Magazine* other = (Magazine*)(second & ~ThreadCache.FullBit);
        bool isFull = (second & ThreadCache.FullBit) != 0;
        Magazine* empty = isFull ? TakeEmpty(sizeClass, other) : other == null ? TryNewMagazine() : other;
        if (empty == null && other == null)
        {
            _slabs.Return(sizeClass, &block, 1);
            return;
        }

        nuint* bottom = Magazine.FullTop(empty == null ? other : empty) - capacity;
        try
        {
            if (empty == null)
            {
                _slabs.Return(sizeClass, bottom, capacity);
            }
        }
        finally
        {
            bottom[-1] = 0;
            cache->Seconds[sizeClass] = (nuint)loaded | ThreadCache.FullBit;
            Push(cache, sizeClass, bottom, block);
        }
    }

    /// <summary>Whether a block is among the free ones of the calling thread or of the depot.</summary>
    public bool Holds(ThreadCache* cache, int sizeClass, nuint block)
    {
        int capacity = _slabs.MagazineBlocks(sizeClass);
        nuint* top = ThreadCache.Top(cache, sizeClass);
        nuint second = (nuint)cache->Seconds[sizeClass];
        return (top != null && Magazine.BlocksBelow(top, capacity).Contains(block))
            || ((second & ThreadCache.FullBit) != 0 && Magazine.BlocksOfFull((Magazine*)(second & ~ThreadCache.FullBit), capacity).Contains(block))
            || _slabs.Depots.Holds(sizeClass, block);
    }

    /// <summary>
    /// Finds the thread slot whose cache, or one of whose magazines, an address of the metadata heap lies in, while the threads go on.
    /// </summary>
    /// <returns>The slot, or 0.</returns>
    public int SlotOf(nint address, out bool isMagazine)
    {
        isMagazine = false;
        for (int slot = 1; slot < ThreadSlots.Count; slot++)
        {
            ThreadCache* cache = Table[slot];
            if (cache == ThreadCache.Detached || !_heap.IsResident(cache))
            {
                continue;
            }

            if ((nuint)((byte*)address - (byte*)cache) < MetadataHeap.BytesFor(CacheBytes, 1))
            {
                return slot;
            }

            for (int sizeClass = 0; sizeClass < SizeClasses.Count && !isMagazine; sizeClass++)
            {
                nuint* top = ThreadCache.Top(cache, sizeClass);
                nuint second = (nuint)cache->Seconds[sizeClass] & ~ThreadCache.FullBit;
                isMagazine = (nuint)address - (nuint)Magazine.Of(top) < Magazine.Bytes || (nuint)address - second < Magazine.Bytes;
            }

            if (isMagazine)
            {
                return slot;
            }
        }

        return 0;
    }

    /// <summary>How many thread caches have used a class.</summary>
    public int CachesUsing(int sizeClass)
    {
        int count = 0;
        for (int slot = 1; slot < ThreadSlots.Count; slot++)
        {
            count += ThreadCache.Top(Table[slot], sizeClass) != null ? 1 : 0;
        }

        return count;
    }

    /// <summary>How many free blocks of a class the thread caches hold; some moments old where their threads go on.</summary>
    public long CachedBlocks(int sizeClass)
    {
        long count = 0;
        for (int slot = 1; slot < ThreadSlots.End; slot++)
        {
            count += CachedBlocks(slot, sizeClass);
        }

        return count;
    }

    /// <summary>Adds the free blocks that the thread caches hold. No other thread uses the arena.</summary>
    public void CollectFree(HashSet<nuint> free)
    {
        for (int slot = 1; slot < ThreadSlots.End; slot++)
        {
            for (int sizeClass = 0; Table[slot] != ThreadCache.Detached && sizeClass < SizeClasses.Count; sizeClass++)
            {
                int capacity = _slabs.MagazineBlocks(sizeClass);
                nuint* top = ThreadCache.Top(Table[slot], sizeClass);
                nuint second = (nuint)Table[slot]->Seconds[sizeClass];
                ReadOnlySpan<nuint> loaded = top == null ? [] : Magazine.BlocksBelow(top, capacity);
                ReadOnlySpan<nuint> other = (second & ThreadCache.FullBit) == 0 ? [] : Magazine.BlocksOfFull((Magazine*)(second & ~ThreadCache.FullBit), capacity);
                free.UnionWith([.. loaded, .. other]);
            }
        }
    }

    /// <summary>How many free blocks of a class the cache of one slot holds; some moments old where its thread goes on.</summary>
    public long CachedBlocks(int slot, int sizeClass)
    {
        ThreadCache* cache = Table[slot];
        int capacity = _slabs.MagazineBlocks(sizeClass);
        nuint* top = ThreadCache.Top(cache, sizeClass);
        long loaded = top == null ? 0 : Magazine.BlocksBelow(top, capacity).Length;
        return loaded + ((cache->Seconds[sizeClass] & ThreadCache.FullBit) != 0 ? capacity : 0);
    }

    /// <summary>The bytes that live by what the caches counted; 0 where <see cref="CounterSwitch"/> is off.</summary>
    /// <param name="tags">How many tags there are.</param>
    public long CountedLiveBytes(int tags)
    {
        long live = 0;
        for (int slot = 1; CounterSwitch.IsOn && slot < ThreadSlots.End; slot++)
        {
            for (int tag = 0; Table[slot] != ThreadCache.Detached && tag < tags; tag++)
            {
                live += ThreadCounters.CellOf(Table[slot], tag)->LiveBytes;
            }
        }

        return live;
    }

    /// <summary>What was counted counts as thrown away from now on. No other thread uses the arena.</summary>
    public void RetireCounters()
    {
        for (int slot = 1; CounterSwitch.IsOn && slot < ThreadSlots.End; slot++)
        {
            if (Table[slot] != ThreadCache.Detached)
            {
                _counters?.Retire(Table[slot]);
            }
        }
    }

    /// <summary>Empties every cache without looking at its blocks. No other thread uses the arena.</summary>
    public void Drop()
    {
        for (int slot = 1; slot < ThreadSlots.Count; slot++)
        {
            ThreadCache* cache = Table[slot];
            for (int sizeClass = 0; cache != ThreadCache.Detached && sizeClass < SizeClasses.Count; sizeClass++)
            {
                DropClass(cache, sizeClass);
            }
        }
    }

    /// <summary>Returns the blocks in the caches of the calling thread and of threads that have died to their runs.</summary>
    public void ReturnOwnAndAbandoned()
    {
        nint own = ThreadSlots.Current;
        for (int slot = 1; slot < ThreadSlots.Count; slot++)
        {
            ThreadCache* cache = Table[slot];
            if (cache != ThreadCache.Detached && (slot == own || ThreadSlots.IsAbandoned(slot)))
            {
                ReturnAll(cache);
            }
        }
    }

    /// <summary>Frees the caches and the table. The arena has given its table away before.</summary>
    public void FreeTables()
    {
        Drop();
        for (int slot = 1; slot < ThreadSlots.Count; slot++)
        {
            if (Table[slot] != ThreadCache.Detached)
            {
                if (CounterSwitch.IsOn)
                {
                    _counters?.Remove(Table[slot]);
                }

                // A handle that outlives its arena finds a cache that reads as 0.
                _heap.Retire(Table[slot], CacheBytes);
            }
        }

        _heap.Free(Table, TableBytes);
        WithdrawMetadata(_promisedBytes);
    }

    /// <summary>Gives the blocks of one cache back to their runs, and its magazines to the heap.</summary>
    public void ReturnAll(ThreadCache* cache)
    {
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            ReturnClass(cache, sizeClass);
            DropClass(cache, sizeClass);
        }
    }

    /// <summary>
    /// Before a thread takes new memory for a block so large that its magazines hold one: gives back the large blocks that its cache holds
    /// in all classes, so that a buffer that grows through the classes does not leave a block behind in each.
    /// </summary>
    private void ReturnLarge(ThreadCache* cache)
    {
        for (int sizeClass = Magazine.FirstOfOne; sizeClass < SizeClasses.Huge; sizeClass++)
        {
            ReturnClass(cache, sizeClass);
        }
    }

    /// <summary>Gives the blocks of one class back to their runs; the magazines stay.</summary>
    private void ReturnClass(ThreadCache* cache, int sizeClass)
    {
        int capacity = _slabs.MagazineBlocks(sizeClass);
        nuint* top = ThreadCache.Top(cache, sizeClass);
        if (top != null)
        {
            nuint* bottom = Magazine.FullTop(Magazine.Of(top)) - capacity;
            ThreadCache.SetTop(cache, sizeClass, bottom);
            _slabs.Return(sizeClass, bottom, (int)(top - bottom));
        }

        nuint second = (nuint)cache->Seconds[sizeClass];
        if ((second & ThreadCache.FullBit) != 0)
        {
            cache->Seconds[sizeClass] = second & ~ThreadCache.FullBit;
            _slabs.Return(sizeClass, Magazine.FullTop((Magazine*)(second & ~ThreadCache.FullBit)) - capacity, capacity);
        }
    }

    private static void Push(ThreadCache* cache, int sizeClass, nuint* top, nuint block)
    {
        *top = block;
        ThreadCache.SetTop(cache, sizeClass, top + 1);
    }

    /// <summary>A class is filled in small steps at first, which double, so that a thread that takes few blocks holds few back.</summary>
    private static int NextFillStep(ThreadCache* cache, int sizeClass, int capacity)
    {
        int step = Math.Max(1, (int)cache->FillSteps[sizeClass]);
        step = Math.Max(step, capacity / 8);
        cache->FillSteps[sizeClass] = (byte)Math.Min(step * 2, capacity);
        return Math.Min(step, capacity);
    }

    private Magazine* LoadedOrNew(ThreadCache* cache, int sizeClass)
    {
        nuint* top = ThreadCache.Top(cache, sizeClass);
        if (top != null)
        {
            return Magazine.Of(top);
        }

        Magazine* loaded = (Magazine*)_heap.Allocate(Magazine.Bytes);
        ThreadCache.SetTop(cache, sizeClass, Magazine.FullTop(loaded) - _slabs.MagazineBlocks(sizeClass));
        return loaded;
    }

    /// <summary>
    /// An empty magazine for a full one, which the depot takes; or null, and the full one stays the caller's. A prewarmed arena makes no
    /// OS call for the depot's sake.
    /// </summary>
    private Magazine* TakeEmpty(int sizeClass, Magazine* full)
    {
        Magazine* empty = _slabs.Depots.TakeEmpty(sizeClass, full);
        if (empty == null && _slabs.Depots.HasRoom(sizeClass))
        {
            empty = _promisedBytes == 0 ? TryNewMagazine() : (Magazine*)_heap.TryAllocateReady(Magazine.Bytes);
            if (empty != null && !_slabs.Depots.TryDeposit(sizeClass, full))
            {
                _heap.Free(empty, Magazine.Bytes);
                empty = null;
            }
        }

        return empty;
    }

    private Magazine* TryNewMagazine()
    {
        try
        {
            return (Magazine*)_heap.Allocate(Magazine.Bytes);
        }
        catch (EngineOutOfMemoryException)
        {
            return null;
        }
    }

    private void DropClass(ThreadCache* cache, int sizeClass)
    {
        nuint* top = ThreadCache.Top(cache, sizeClass);
        if (top != null)
        {
            _heap.Free(Magazine.Of(top), Magazine.Bytes);
            ThreadCache.SetTop(cache, sizeClass, null);
        }

        Magazine* second = (Magazine*)((nuint)cache->Seconds[sizeClass] & ~ThreadCache.FullBit);
        if (second != null)
        {
            _heap.Free(second, Magazine.Bytes);
            cache->Seconds[sizeClass] = 0;
        }
    }
}
