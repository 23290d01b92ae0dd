using System.Runtime.CompilerServices;

namespace SuperSlab;

/// <summary>
/// One arena's thread caches, found by thread slot, and the slow paths of allocating and freeing: a magazine ran empty, or full.
/// <para>
/// Ordering: an entry of the table is written by the slot's own thread and read by it, so it needs none. The next owner of a dead
/// thread's slot sees the entry and the cache because it took the slot under the lock of <see cref="ThreadSlots"/> after it saw the
/// thread dead. Reset and validation look at all caches while no other thread uses the arena, by the caller's word; counts that are
/// taken while threads run see a cache only after it was initialised (the entry is written as a release), and numbers of the moment.
/// </para>
/// <para>
/// What a thread keeps to itself, its loaded magazines, others take in two cases only (<see cref="Reclaim"/>). A dead thread's cache: the
/// taker borrows its slot, so nobody adopts it meanwhile. The cache of a thread that waits: the taker first hides it from the table, then
/// makes every processor pass a barrier, then looks whether the thread waits outside of the arena's slow paths. A thread that does holds no
/// cache in its hands: before its next call it reads the table, finds nothing, and asks <see cref="Attach"/>, which waits for the taker. Only
/// a handle would hold it: a thread that took one is left alone.
/// </para>
/// </summary>
internal sealed unsafe partial class ArenaCaches
{
    private readonly Reservation _reservation;
    private readonly MetadataHeap _heap;
    private readonly ArenaSlabs _slabs;
    private readonly bool _checksFrees;
    private readonly CounterBoard? _counters;
    private readonly Lock _attaching = new();
    private nint _firstAttached;
    private int _attached;
    private nuint _promisedBytes;

    /// <summary>The caches of the slots from <see cref="ThreadSlots.TableCount"/> on; 0 for none. Replaced by a longer one under the lock.</summary>
    private nint[] _above = [];

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
        new Span<nint>(Table, ThreadSlots.TableCount).Fill((nint)ThreadCache.Detached);
        slabs.Relieve = Relieve;
        slabs.Space.Reclaim = Reclaim;
    }

    public static nuint TableBytes => (nuint)(ThreadSlots.TableCount * sizeof(nint));

    public static nuint CacheBytes => (nuint)(sizeof(ThreadCache) + (CounterSwitch.IsOn ? sizeof(ThreadCounters) : 0));

    /// <summary>A cache for each slot below <see cref="ThreadSlots.TableCount"/>; the detached one where the slot's thread has not used the arena yet.</summary>
    public ThreadCache** Table { get; }

    /// <summary>The cache of a slot, whose thread may go on; the detached one for slot 0, and where there is none.</summary>
    public ThreadCache* CacheOf(int slot)
    {
        if (slot < ThreadSlots.TableCount)
            return Table[slot];

        nint[] above = Volatile.Read(ref _above);
        int place = slot - ThreadSlots.TableCount;
        return place < above.Length && Volatile.Read(ref above[place]) is var cache and not 0 ? (ThreadCache*)cache : ThreadCache.Detached;
    }

    /// <summary>The calling thread's cache, made or adopted now if it has none; the detached one where there is no memory for it.</summary>
    public ThreadCache* Attach()
    {
        int slot = ThreadSlots.Take();
        ThreadCache* cache = CacheOf(slot);
        return cache != ThreadCache.Detached || slot == 0 ? cache : AttachNew(slot);
    }

    private ThreadCache* AttachNew(int slot)
    {
        lock (_attaching)
        {
            ThreadCache* cache = CacheOf(slot);
            if (cache != ThreadCache.Detached || !HasPlace(slot))
                return cache;

            cache = (ThreadCache*)AllocateOrNull(CacheBytes);
            if (cache == null)
                return ThreadCache.Detached;

            ThreadCache.Initialise(cache, slot, _attached % ArenaClasses.Homes);
            cache->ReservationBase = _reservation.Base;
            cache->ReservationBytes = _checksFrees ? 0 : _reservation.BlockBytes;
            cache->Tags = _reservation.Tags;
            if (CounterSwitch.IsOn && !TryCount(cache, slot))
            {
                _heap.Free(cache, CacheBytes);
                return ThreadCache.Detached;
            }

            _attached++;
            NoteAttached(cache);
            Show(slot, cache);
            return cache;
        }
    }

    /// <summary>Under the lock: a slot's thread finds this cache from now on.</summary>
    private void Show(int slot, ThreadCache* cache)
    {
        ref nint place = ref slot < ThreadSlots.TableCount ? ref ((nint*)Table)[slot] : ref _above[slot - ThreadSlots.TableCount];
        Volatile.Write(ref place, (nint)cache);
    }

    /// <summary>Under the lock: whether a slot's cache can be shown, for which room is made now.</summary>
    private bool HasPlace(int slot)
    {
        int place = slot - ThreadSlots.TableCount;
        if (place < _above.Length)
            return true;

        try
        {
            nint[] longer = new nint[Math.Max(2 * _above.Length, place + 1)];
            _above.CopyTo(longer, 0);
            Volatile.Write(ref _above, longer);
            return true;
        }
        catch (OutOfMemoryException)
        {
            return false;
        }
    }

    private bool TryCount(ThreadCache* cache, int slot)
    {
        try
        {
            ThreadCounters.Initialise(cache, ThreadSlots.TagOf(slot));
            _counters?.Add(cache);
            return true;
        }
        catch (Exception exception) when (exception is EngineOutOfMemoryException or EngineMemoryException)
        {
            return false;
        }
    }

    /// <summary>Adds a cache to those whose stocks others look through: a list that only grows at its head, so readers need no lock.</summary>
    private void NoteAttached(ThreadCache* cache)
    {
        cache->NextAttached = (ThreadCache*)_firstAttached;
        Volatile.Write(ref _firstAttached, (nint)cache);
    }

    /// <summary>The cache that was made last; follow <see cref="ThreadCache.NextAttached"/>.</summary>
    public ThreadCache* FirstAttached => (ThreadCache*)Volatile.Read(ref _firstAttached);

    /// <summary>
    /// Makes room in the metadata heap for the caches of that many threads, two magazines for each class that a thread uses, those in stocks
    /// and the bitmaps of runs, so that none of them is an OS call later.
    /// </summary>
    /// <param name="threads">Threads that will use the arena.</param>
    /// <param name="threadClasses">Pairs of a thread and a class it uses.</param>
    /// <param name="stockMagazines">Magazines that the stocks of the used classes can hold.</param>
    /// <param name="bitmapBytes">Bitmaps of the runs of the used classes.</param>
    /// <returns>The bytes promised, for <see cref="WithdrawMetadata"/>.</returns>
    public nuint PromiseMetadata(int threads, long threadClasses, long stockMagazines, nuint bitmapBytes)
    {
        nuint bytes = checked(
            ((nuint)threads * (CacheBytes + Magazine.Bytes)) + ((nuint)((2 * threadClasses) + stockMagazines) * Magazine.Bytes) + bitmapBytes
            + (CounterSwitch.IsOn ? CounterBoard.BytesFor(threads) : 0));
        _heap.Promise(_slabs.Promise, bytes);
        _promisedBytes += bytes;
        return bytes;
    }

    public void WithdrawMetadata(nuint bytes)
    {
        _heap.Withdraw(_slabs.Promise, bytes);
        _promisedBytes -= bytes;
    }

    /// <summary>
    /// Allocates from the thread's own stock, when its loaded magazine is empty. Like the fast path it waits for nothing, so it needs no
    /// <see cref="SlowPath"/>: a thread that waits has no cache in its hands.
    /// </summary>
    /// <returns>The block, or 0 where the stock is empty, or a magazine would have to be given back to the heap, whose lock may be taken.</returns>
    public nuint TryTakeStocked(ThreadCache* cache, int sizeClass)
    {
        Magazine* full = cache->StockedBytes == 0 || cache->EmptyCount == ThreadCache.MostEmpty ? null : StockOf(cache, sizeClass).TryPop();
        if (full == null)
            return 0;

        cache->StockedBytes -= _slabs.MagazineBytes(sizeClass);
        return _slabs.MagazineBlocks(sizeClass) == 1 ? TakeOnly(cache, full) : TakeTop(cache, sizeClass, full);
    }

    /// <summary>Frees where that needs no more than a full magazine in the thread's own stock and an empty one from its list. Waits for nothing.</summary>
    /// <param name="cache">The thread's.</param>
    /// <param name="sizeClass">The class of the block's slab, which is this arena's.</param>
    /// <param name="block">The block.</param>
    /// <returns>False, and nothing has changed, where the slow path must look closer.</returns>
    public bool TryPutStocked(ThreadCache* cache, int sizeClass, nuint block)
    {
        Magazine* empty = _checksFrees ? null : cache->Empty;
        nuint* top = ThreadCache.Top(cache, sizeClass);
        bool isUsual = top == null
            ? _slabs.MagazineBlocks(sizeClass) == 1 && !IsLastOnly(cache, sizeClass, block)
            : top[-1] != block && top == Magazine.FullTop(Magazine.Of(top));
        if (empty == null || !isUsual)
            return false;

        cache->Empty = empty->Next;
        cache->EmptyCount--;
        nuint* bottom = Magazine.Empty(empty, _slabs.MagazineBlocks(sizeClass));
        *bottom = block;
        if (!TryStock(cache, sizeClass, top == null ? empty : Magazine.Of(top)))
        {
            Keep(cache, empty);
            return false;
        }

        if (top != null)
            ThreadCache.SetTop(cache, sizeClass, bottom + 1);

        return true;
    }

    /// <summary>Allocates when the loaded magazine is empty.</summary>
    /// <returns>The block, or 0 where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory. Nothing has changed.</exception>
    public nuint Allocate(ThreadCache* cache, int sizeClass)
    {
        int capacity = cache == ThreadCache.Detached ? 0 : _slabs.MagazineBlocks(sizeClass);
        if (capacity == 0)
            return AllocateUncached(sizeClass);

        Magazine* full = TakeFull(cache, sizeClass);
        if (full != null)
            return capacity == 1 ? TakeOnly(cache, full) : TakeTop(cache, sizeClass, full);

        return capacity == 1 ? AllocateUncached(sizeClass)
            : ArenaClasses.IsOfHome(sizeClass) ? FillOrBorrow(cache, sizeClass, capacity)
            : FillAndLoad(cache, sizeClass, capacity);
    }

    /// <summary>Where there is no memory left for a home, a block of another one is better than none.</summary>
    private nuint FillOrBorrow(ThreadCache* cache, int sizeClass, int capacity)
    {
        try
        {
            nuint block = FillAndLoad(cache, sizeClass, capacity);
            return block != 0 ? block : _slabs.TakeOfAnyHome(sizeClass);
        }
        catch (EngineOutOfMemoryException)
        {
            nuint block = _slabs.TakeOfAnyHome(sizeClass);
            if (block == 0)
                throw;

            return block;
        }
    }

    /// <summary>
    /// Fills a magazine with some blocks from runs and loads it. It is not the loaded one that is filled, since what a run takes may call the
    /// user's code, which may use this very cache: what was freed there stays.
    /// </summary>
    private nuint FillAndLoad(ThreadCache* cache, int sizeClass, int capacity)
    {
        Magazine* fresh = TakeEmpty(cache);
        if (fresh == null)
            return AllocateUncached(sizeClass);

        bool isLoaded = false;
        try
        {
            nuint* bottom = Magazine.Empty(fresh, capacity);
            int got = _slabs.Fill(sizeClass, bottom, NextFillStep(cache, sizeClass, capacity));
            nuint* loaded = ThreadCache.Top(cache, sizeClass);
            isLoaded = got != 0 && (loaded == null || loaded[-1] == 0);
            if (isLoaded)
                Load(cache, sizeClass, bottom + got - 1);
            else if (got > 1)
                _slabs.Return(sizeClass, bottom, got - 1);

            return got == 0 ? 0 : bottom[got - 1];
        }
        finally
        {
            if (!isLoaded)
                Keep(cache, fresh);
        }
    }

    /// <summary>Frees when the loaded magazine is full. Never fails for want of memory: what finds no place in a magazine goes back to its run.</summary>
    /// <exception cref="EngineMemoryException">A block freed earlier turns out to be no free-able block. This one is freed all the same.</exception>
    public void Free(ThreadCache* cache, int sizeClass, nuint block)
    {
        int capacity = cache == ThreadCache.Detached ? 0 : _slabs.MagazineBlocks(sizeClass);
        if (capacity == 0)
            _slabs.Return(sizeClass, &block, 1);
        else if (capacity == 1)
            FreeOnly(cache, sizeClass, block);
        else
            FreeToFull(cache, sizeClass, capacity, block);
    }

    private nuint AllocateUncached(int sizeClass)
    {
        nuint block;
        return _slabs.Fill(sizeClass, &block, 1) == 0 ? 0 : block;
    }

    /// <summary>Another magazine becomes the loaded one, instead of an empty one, which is kept.</summary>
    private void Load(ThreadCache* cache, int sizeClass, nuint* top)
    {
        nuint* empty = ThreadCache.Top(cache, sizeClass);
        if (empty != null)
            Keep(cache, Magazine.Of(empty));

        ThreadCache.SetTop(cache, sizeClass, top);
    }

    private nuint TakeTop(ThreadCache* cache, int sizeClass, Magazine* full)
    {
        nuint* top = Magazine.FullTop(full) - 1;
        Load(cache, sizeClass, top);
        return *top;
    }

    /// <summary>The block of a magazine that holds one.</summary>
    private nuint TakeOnly(ThreadCache* cache, Magazine* full)
    {
        nuint block = Magazine.FullTop(full)[-1];
        Keep(cache, full);
        return block;
    }

    private void FreeOnly(ThreadCache* cache, int sizeClass, nuint block)
    {
        Magazine* magazine = TakeEmpty(cache);
        if (magazine != null)
        {
            *Magazine.Empty(magazine, 1) = block;
            if (TryStock(cache, sizeClass, magazine))
                return;

            Keep(cache, magazine);
        }

        _slabs.Return(sizeClass, &block, 1);
    }

    private void FreeToFull(ThreadCache* cache, int sizeClass, int capacity, nuint block)
    {
        nuint* top = ThreadCache.Top(cache, sizeClass);
        Magazine* empty = TakeEmpty(cache);
        if (top == null && empty == null)
        {
            _slabs.Return(sizeClass, &block, 1);
            return;
        }

        Magazine* loaded = top == null ? null : Magazine.Of(top);
        try
        {
            if (loaded != null && (empty == null || !TryStock(cache, sizeClass, loaded)))
            {
                if (empty != null)
                    Keep(cache, empty);

                empty = loaded;
                _slabs.Return(sizeClass, Magazine.FullTop(loaded) - capacity, capacity);
            }
        }
        finally
        {
            nuint* bottom = Magazine.Empty(empty, capacity);
            *bottom = block;
            ThreadCache.SetTop(cache, sizeClass, bottom + 1);
        }
    }

    /// <summary>A full magazine of the thread's own stock, else half of what the next thread's has, else null.</summary>
    private Magazine* TakeFull(ThreadCache* cache, int sizeClass)
    {
        Magazine* full = StockOf(cache, sizeClass).TryPop();
        if (full == null)
            return Steal(cache, sizeClass);

        cache->StockedBytes -= _slabs.MagazineBytes(sizeClass);
        return full;
    }

    /// <summary>
    /// Adds a full magazine to the thread's own stock; false where that would be more than a thread may hold, which is twice as much while
    /// another thread has the class's lock: better than to wait for it.
    /// </summary>
    private bool TryStock(ThreadCache* cache, int sizeClass, Magazine* full)
    {
        int limit = _slabs.StockLimit(sizeClass) << (_slabs.IsBusy(sizeClass) ? 1 : 0);
        long bytes = _slabs.MagazineBytes(sizeClass);
        bool isStocked = cache->StockedBytes - Volatile.Read(ref cache->TakenBytes) + bytes <= Magazine.MostStockedBytes
            && StockOf(cache, sizeClass).TryPush(full, limit);
        cache->StockedBytes += isStocked ? bytes : 0;
        ThreadCache.NoteUse(cache, sizeClass);
        return isStocked;
    }

    private Magazine* Steal(ThreadCache* cache, int sizeClass)
    {
        ThreadCache* first = cache->Victim == null ? FirstAttached : cache->Victim;
        ThreadCache* victim = first;
        for (bool isRound = first == null; !isRound; isRound = victim == first)
        {
            Magazine* full = TakeFrom(victim, sizeClass, (StockOf(victim, sizeClass).Count + 1) / 2, out int count);
            if (full != null)
            {
                cache->Victim = victim;
                KeepRest(cache, sizeClass, full, count);
                return full;
            }

            victim = victim->NextAttached == null ? FirstAttached : victim->NextAttached;
        }

        return null;
    }

    /// <summary>Takes magazines from any thread's stock.</summary>
    private Magazine* TakeFrom(ThreadCache* victim, int sizeClass, int most, out int count)
    {
        Magazine* first = StockOf(victim, sizeClass).TryTake(most, out count);
        if (first != null)
            Interlocked.Add(ref victim->TakenBytes, count * _slabs.MagazineBytes(sizeClass));

        return first;
    }

    /// <summary>What was taken beyond the first goes into the taker's own stock, which is empty and to which only its thread adds: there is room.</summary>
    private void KeepRest(ThreadCache* cache, int sizeClass, Magazine* full, int count)
    {
        if (count > 1)
        {
            Magazine* last = full->Next;
            for (int more = 2; more < count; more++)
                last = last->Next;

            ThreadCache.NoteUse(cache, sizeClass);
            StockOf(cache, sizeClass).TryPush(full->Next, last, count - 1, MagazineStock.MaximumCount);
            cache->StockedBytes += (count - 1) * _slabs.MagazineBytes(sizeClass);
        }
    }

    /// <summary>A thread's full magazines of a class.</summary>
    public MagazineStock StockOf(ThreadCache* cache, int sizeClass) => new(cache->Stocks + sizeClass, _heap.Base);

    /// <summary>The thread allocated a block whose size is not its class's, or on a slow path.</summary>
    public void CountAllocationOf(ThreadCache* cache, nuint bytes)
    {
        if (cache == ThreadCache.Detached)
        {
            _counters?.CountWithoutCache((long)bytes, 0);
            return;
        }

        ThreadCounters.CountAllocationOf(cache, bytes);
    }

    /// <summary>The same for a free.</summary>
    public void CountFreeOf(ThreadCache* cache, nuint bytes)
    {
        if (cache == ThreadCache.Detached)
        {
            _counters?.CountWithoutCache(0, (long)bytes);
            return;
        }

        ThreadCounters.CountFreeOf(cache, bytes);
    }

    /// <summary>What was counted counts as thrown away from now on. No other thread uses the arena.</summary>
    public void RetireCounters()
    {
        for (ThreadCache* cache = FirstAttached; CounterSwitch.IsOn && cache != null; cache = cache->NextAttached)
            _counters?.Retire(cache);
    }

    /// <summary>Empties every cache without looking at its blocks. No other thread uses the arena.</summary>
    public void Drop()
    {
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
        {
            for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
                DropClass(cache, sizeClass);

            DropEmpty(cache);
            cache->StockedBytes = cache->TakenBytes = 0;
        }
    }

    /// <summary>Frees the caches and the table. The arena has given its table away before.</summary>
    public void FreeTables()
    {
        Drop();
        ThreadCache* next;
        for (ThreadCache* cache = FirstAttached; cache != null; cache = next)
        {
            next = cache->NextAttached;
            if (CounterSwitch.IsOn)
                _counters?.Remove(cache);

            // A handle that outlives its arena finds a cache that reads as 0.
            _heap.Retire(cache, CacheBytes);
        }

        _firstAttached = 0;
        _heap.Free(Table, TableBytes);
        WithdrawMetadata(_promisedBytes);
    }

    /// <summary>A class is filled in small steps at first, which double, so that a thread that takes few blocks holds few back; large blocks come one by one.</summary>
    private static int NextFillStep(ThreadCache* cache, int sizeClass, int capacity)
    {
        bool isSingle = ArenaClasses.SizeClassOf(sizeClass) >= Magazine.FirstTakenSingly;
        int step = isSingle ? 1 : Math.Max(Math.Max(1, (int)cache->FillSteps[sizeClass]), capacity / 8);
        cache->FillSteps[sizeClass] = (byte)(isSingle ? 1 : Math.Min(step * 2, capacity));
        return Math.Min(step, capacity);
    }

    /// <summary>An empty magazine, or null. A prewarmed arena makes no OS call for one.</summary>
    private Magazine* TakeEmpty(ThreadCache* cache)
    {
        Magazine* empty = cache->Empty;
        if (empty != null)
        {
            cache->Empty = empty->Next;
            cache->EmptyCount--;
            return empty;
        }

        return (Magazine*)(_promisedBytes == 0 ? AllocateOrNull(Magazine.Bytes) : _heap.TryAllocateReady(Magazine.Bytes, _slabs.Promise));
    }

    /// <summary>Keeps a magazine that is empty now.</summary>
    private void Keep(ThreadCache* cache, Magazine* empty)
    {
        if (cache->EmptyCount == ThreadCache.MostEmpty)
        {
            _heap.Free(empty, Magazine.Bytes);
            return;
        }

        empty->Next = cache->Empty;
        cache->Empty = empty;
        cache->EmptyCount++;
    }

    private void* AllocateOrNull(nuint bytes)
    {
        try
        {
            return _heap.Allocate(bytes, _slabs.Promise);
        }
        catch (Exception exception) when (exception is EngineOutOfMemoryException or EngineMemoryException)
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

        MagazineStock stock = StockOf(cache, sizeClass);
        for (Magazine* full = stock.TryPop(); full != null; full = stock.TryPop())
            _heap.Free(full, Magazine.Bytes);
    }

    private void DropEmpty(ThreadCache* cache)
    {
        while (cache->Empty != null)
        {
            Magazine* empty = cache->Empty;
            cache->Empty = empty->Next;
            _heap.Free(empty, Magazine.Bytes);
        }

        cache->EmptyCount = 0;
    }
}
