using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace SuperSlab;

/// <summary>
/// One arena's thread caches, found by thread slot, and the slow paths for a magazine that ran empty or full.
/// </summary>
/// <remarks>
/// Ordering: the slot's own thread writes and reads its entry in the table, so that needs none. The next owner of a
/// dead thread's slot sees the entry and the cache, because it took the slot under the lock of
/// <see cref="ThreadSlots"/> after it saw the thread dead. Reset and validation read all caches while, by the caller's
/// word, no other thread uses the arena. Counts taken while threads run see a cache only after it was initialised (the
/// entry is written as a release), and numbers some moments old.
/// <para>
/// Others take a thread's loaded magazines in two cases only (<see cref="Reclaim"/>). First, from a dead thread's
/// cache: the taker borrows its slot, so no thread adopts it meanwhile. Second, from a waiting thread's cache: the
/// taker hides the cache from the table, makes every processor pass a barrier, then checks that the thread waits
/// outside the arena's slow paths. Such a thread holds no pointer to its cache: before its next call it reads the
/// table, finds nothing, and calls <see cref="Attach"/>, which waits for the taker. Only a handle would hold one: a
/// thread that took a handle is left alone.
/// </para>
/// </remarks>
internal sealed unsafe partial class ArenaCaches
{
    private readonly Reservation _reservation;
    private readonly MetadataHeap _heap;
    private readonly ArenaSlabs _slabs;

    /// <summary>Every free takes the slow path: to the caches each address is foreign.</summary>
    private readonly bool _checksFrees;

    /// <summary>Where others read what caches count; null where nothing is counted.</summary>
    private readonly CounterBoard? _counters;
    private readonly WordLock _attaching = new();
    private readonly WordLock _trimming = new();
    private int _nextTrimmed;
    private nint _firstAttached;
    private int _attached;
    private nuint _stockLimit;

    /// <summary>The most bytes of blocks in all stocks of one thread.</summary>
    private long _stockShare = Magazine.MostStockedBytes;
    private nuint _promisedBytes;

    public ArenaCaches(
        Reservation reservation, MetadataHeap heap, ArenaSlabs slabs, bool checksFrees = false,
        CounterBoard? counters = null)
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

    /// <summary>Allocates from the thread's stock when its loaded magazine is empty. Waits for nothing.</summary>
    /// <remarks>So it needs no <see cref="SlowPath"/>, like the fast path: no thread waits inside.</remarks>
    /// <returns>The block, or 0 where the stock is empty, or keeping a magazine could mean the heap's lock.</returns>
    public nuint TryTakeStocked(ThreadCache* cache, int sizeClass)
    {
        bool mayTake = cache->StockedBytes != 0 && cache->EmptyCount != ThreadCache.MostEmpty;
        Magazine* full = mayTake ? PopStocked(cache, sizeClass) : null;
        return full == null ? 0 : Unpack(cache, sizeClass, full);
    }

    /// <summary>Frees if an empty magazine of the thread and room in its stock are enough. Waits for nothing.</summary>
    /// <returns>False, and nothing has changed, where the slow path must look closer.</returns>
    public bool TryPutStocked(ThreadCache* cache, int sizeClass, nuint block)
    {
        nuint* top = ThreadCache.Top(cache, sizeClass);
        bool isUsual = top == null
            ? _slabs.MagazineBlocks(sizeClass) == 1 && !IsLastOnly(cache, sizeClass, block)
            : top[-1] != block && top == Magazine.FullTop(Magazine.Of(top));
        if (_checksFrees || cache->Empty == null || !isUsual)
            return false;

        Magazine* empty = PopEmpty(cache);
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
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory.</exception>
    public nuint Allocate(ThreadCache* cache, int sizeClass)
    {
        int capacity = cache == ThreadCache.Detached ? 0 : _slabs.MagazineBlocks(sizeClass);
        if (capacity == 0)
            return AllocateUncached(sizeClass);

        Magazine* full = PopStocked(cache, sizeClass);
        full = full != null ? full : Steal(cache, sizeClass);
        if (full != null)
            return Unpack(cache, sizeClass, full);

        return capacity == 1 ? AllocateUncached(sizeClass)
            : ArenaClasses.IsOfHome(sizeClass) ? FillOrBorrow(cache, sizeClass, capacity)
            : FillAndLoad(cache, sizeClass, capacity);
    }

    /// <summary>Where there is no memory left for a home, takes a block of another one.</summary>
    private nuint FillOrBorrow(ThreadCache* cache, int sizeClass, int capacity)
    {
        nuint block = 0;
        EngineOutOfMemoryException? failure = null;
        try
        {
            block = FillAndLoad(cache, sizeClass, capacity);
        }
        catch (EngineOutOfMemoryException exception)
        {
            failure = exception;
        }

        block = block != 0 ? block : _slabs.TakeOfAnyHome(sizeClass);
        if (block == 0 && failure is not null)
            ExceptionDispatchInfo.Throw(failure);

        return block;
    }

    /// <summary>Fills a fresh magazine with blocks from runs and loads it.</summary>
    /// <remarks>
    /// Not the loaded one: taking runs may call the user's code, which may use this cache. Blocks freed there must
    /// stay.
    /// </remarks>
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

    /// <summary>Frees when the loaded magazine is full. Needs no memory: spare blocks go to runs.</summary>
    /// <exception cref="EngineMemoryException">An earlier free was of no block. This one is done.</exception>
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

    /// <summary>Loads a magazine in place of an empty one, which is kept.</summary>
    private void Load(ThreadCache* cache, int sizeClass, nuint* top)
    {
        nuint* empty = ThreadCache.Top(cache, sizeClass);
        Debug.Assert(empty == null || empty[-1] == 0, "only an empty magazine is replaced");
        if (empty != null)
            Keep(cache, Magazine.Of(empty));

        ThreadCache.SetTop(cache, sizeClass, top);
    }

    /// <summary>Takes a block of a full magazine and loads the rest.</summary>
    private nuint Unpack(ThreadCache* cache, int sizeClass, Magazine* full)
    {
        nuint* top = Magazine.FullTop(full) - 1;
        nuint block = *top;
        if (_slabs.MagazineBlocks(sizeClass) == 1)
            Keep(cache, full);
        else
            Load(cache, sizeClass, top);

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

    /// <summary>Takes a full magazine of the thread's stock; null where that is empty.</summary>
    private Magazine* PopStocked(ThreadCache* cache, int sizeClass)
    {
        Magazine* full = StockOf(cache, sizeClass).TryPop();
        if (full != null)
            cache->StockedBytes -= _slabs.MagazineBytes(sizeClass);
        return full;
    }

    /// <summary>
    /// Adds a full magazine to the thread's stock; false where that exceeds the limit. The limit is twice as high while
    /// another thread has the class's lock: better than to wait.
    /// </summary>
    private bool TryStock(ThreadCache* cache, int sizeClass, Magazine* full)
    {
        int limit = _slabs.StockLimit(sizeClass) << (_slabs.IsBusy(sizeClass) ? 1 : 0);
        long bytes = _slabs.MagazineBytes(sizeClass);
        long held = cache->StockedBytes - Volatile.Read(ref cache->TakenBytes);
        bool isStocked = held + bytes <= Volatile.Read(ref _stockShare)
            && StockOf(cache, sizeClass).TryPush(full, limit);
        cache->StockedBytes += isStocked ? bytes : 0;
        ThreadCache.NoteUse(cache, sizeClass);
        return isStocked;
    }

    /// <summary>Takes half of the first stock that is not empty, from the last victim on; null for none.</summary>
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

    /// <summary>Stocks the taken magazines but the first. The stock is empty and only its thread adds to it.</summary>
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

    /// <summary>Steps begin small and double: users of few blocks hold few back. Large ones come singly.</summary>
    private static int NextFillStep(ThreadCache* cache, int sizeClass, int capacity)
    {
        bool isSingle = ArenaClasses.SizeClassOf(sizeClass) >= Magazine.FirstTakenSingly;
        int step = isSingle ? 1 : Math.Max(Math.Max(1, (int)cache->FillSteps[sizeClass]), capacity / 8);
        cache->FillSteps[sizeClass] = (byte)(isSingle ? 1 : Math.Min(step * 2, capacity));
        return Math.Min(step, capacity);
    }

    private static Magazine* PopEmpty(ThreadCache* cache)
    {
        Magazine* empty = cache->Empty;
        if (empty != null)
        {
            cache->Empty = empty->Next;
            cache->EmptyCount--;
        }

        return empty;
    }

    /// <summary>An empty magazine, or null. In a prewarmed arena no OS call.</summary>
    private Magazine* TakeEmpty(ThreadCache* cache)
    {
        Magazine* empty = PopEmpty(cache);
        if (empty != null)
            return empty;

        return (Magazine*)(_promisedBytes == 0
            ? AllocateOrNull(Magazine.Bytes)
            : _heap.TryAllocateReady(Magazine.Bytes, _slabs.Promise));
    }

    /// <summary>Keeps a magazine, now empty, for the thread.</summary>
    private void Keep(ThreadCache* cache, Magazine* empty)
    {
        Debug.Assert(cache->EmptyCount is >= 0 and <= ThreadCache.MostEmpty, "the list is bounded");
        if (cache->EmptyCount == ThreadCache.MostEmpty)
        {
            _heap.Free(empty, Magazine.Bytes);
            return;
        }

        empty->Next = cache->Empty;
        cache->Empty = empty;
        cache->EmptyCount++;
    }
}
