using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace SuperSlab;

/// <content>How a thread finds its cache, how caches are made and counted, and how they end.</content>
internal sealed unsafe partial class ArenaCaches
{
    /// <summary>The caches of slots from <see cref="ThreadSlots.TableCount"/> on. Replaced under the lock.</summary>
    private nint[] _above = [];

    public static nuint TableBytes => (nuint)(ThreadSlots.TableCount * sizeof(nint));

    public static nuint CacheBytes => (nuint)(sizeof(ThreadCache) + (CounterSwitch.IsOn ? sizeof(ThreadCounters) : 0));

    /// <summary>The caches of lower slots; the detached one for a slot that has not used the arena yet.</summary>
    public ThreadCache** Table { get; }

    /// <summary>The newest cache; follow <see cref="ThreadCache.NextAttached"/>.</summary>
    public ThreadCache* FirstAttached => (ThreadCache*)Volatile.Read(ref _firstAttached);

    /// <summary>A slot's cache, whose thread may go on; the detached one for slot 0, and where there is none.</summary>
    public ThreadCache* CacheOf(int slot)
    {
        if (slot < ThreadSlots.TableCount)
            return Table[slot];

        nint[] above = Volatile.Read(ref _above);
        int place = slot - ThreadSlots.TableCount;
        nint cache = place < above.Length ? Volatile.Read(ref above[place]) : 0;
        return cache == 0 ? ThreadCache.Detached : (ThreadCache*)cache;
    }

    /// <summary>The calling thread's cache, made or adopted if need be; the detached one without memory.</summary>
    public ThreadCache* Attach()
    {
        int slot = ThreadSlots.Take();
        ThreadCache* cache = CacheOf(slot);
        if (cache != ThreadCache.Detached || slot == 0)
            return cache;

        cache = AttachNew(slot);
        if (CounterSwitch.IsOn)
            _counters?.PrepareStack(slot);

        return cache;
    }

    private ThreadCache* AttachNew(int slot)
    {
        using (_attaching.Hold())
        {
            ThreadCache* cache = CacheOf(slot);
            if (cache != ThreadCache.Detached || !HasPlace(slot))
                return cache;

            cache = (ThreadCache*)AllocateOrNull(CacheBytes);
            if (cache == null)
                return ThreadCache.Detached;

            Debug.Assert((nuint)cache % Magazine.Bytes == 0, "a cache ends where a magazine could");
            ThreadCache.Initialise(cache, slot, _attached % ArenaClasses.Homes);
            cache->ReservationBase = _reservation.Base;
            cache->ReservationBytes = _checksFrees ? 0 : _reservation.BlockBytes;
            cache->Tags = _reservation.Tags;
            if (CounterSwitch.IsOn && !TryCount(cache, slot))
            {
                _heap.Free(cache, CacheBytes);
                return ThreadCache.Detached;
            }

            // The list only grows at its head, so those who look through it need no lock.
            _attached++;
            ShareStocks();
            cache->NextAttached = (ThreadCache*)_firstAttached;
            Volatile.Write(ref _firstAttached, (nint)cache);
            Show(slot, cache);
            return cache;
        }
    }

    /// <summary>Limits the bytes of blocks in all threads' stocks together; 0 is no limit. What is more goes back as
    /// threads free blocks, and by a trim.</summary>
    public void LimitStocks(nuint bytes)
    {
        using (_attaching.Hold())
        {
            _stockLimit = bytes;
            ShareStocks();
        }
    }

    /// <summary>Under the lock: each thread has an equal share of the limit.</summary>
    private void ShareStocks()
    {
        nuint share = _stockLimit == 0 ? nuint.MaxValue : _stockLimit / (nuint)Math.Max(_attached, 1);
        Volatile.Write(ref _stockShare, (long)nuint.Min(share, (nuint)Magazine.MostStockedBytes));
    }

    /// <summary>Under the lock: a slot's thread finds this cache from now on.</summary>
    private void Show(int slot, ThreadCache* cache)
    {
        Debug.Assert(cache == ThreadCache.Detached || cache->Slot == slot, "a cache is its slot's");
        int place = slot - ThreadSlots.TableCount;
        ref nint entry = ref place < 0 ? ref ((nint*)Table)[slot] : ref _above[place];
        Volatile.Write(ref entry, (nint)cache);
    }

    /// <summary>Under the lock: makes room for a slot's cache; false where there is no memory for it.</summary>
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

    /// <summary>Promises metadata for threads' caches, magazines and bitmaps.</summary>
    /// <returns>The bytes promised, for <see cref="WithdrawMetadata"/>.</returns>
    public nuint PromiseMetadata(int threads, long magazines, nuint bitmapBytes)
    {
        nuint bytes = checked(
            ((nuint)threads * (CacheBytes + Magazine.Bytes)) + bitmapBytes
            + ((nuint)magazines * Magazine.Bytes)
            + (CounterSwitch.IsOn ? CounterBoard.BytesFor(threads) : 0));
        _heap.Promise(_slabs.Promise, bytes);
        _promisedBytes += bytes;
        return bytes;
    }

    public void WithdrawMetadata(nuint bytes)
    {
        Debug.Assert(bytes <= _promisedBytes, "only what was promised is withdrawn");
        _heap.Withdraw(_slabs.Promise, bytes);
        _promisedBytes -= bytes;
    }

    /// <summary>Counts an allocation on a slow path, or of a block whose size is not its class's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void CountAllocationOf(ThreadCache* cache, nuint block, nuint bytes)
    {
        if (cache == ThreadCache.Detached)
            _counters?.CountWithoutCache(block, (long)bytes, 0);
        else
            ThreadCounters.CountAllocationOf(cache, block, bytes);
    }

    /// <summary>Counts a free on a slow path, or of a block whose size is not its class's. Its sample has gone
    /// before.</summary>
    public void CountFreeOf(ThreadCache* cache, nuint bytes)
    {
        if (cache == ThreadCache.Detached)
            _counters?.CountWithoutCache(0, 0, (long)bytes);
        else
            ThreadCounters.CountFreeOf(cache, bytes);
    }

    /// <summary>Counts all blocks as thrown away. No other thread uses the arena.</summary>
    public void RetireCounters()
    {
        for (ThreadCache* cache = FirstAttached; CounterSwitch.IsOn && cache != null; cache = cache->NextAttached)
            _counters?.Retire(cache);

        if (CounterSwitch.IsOn)
            _counters?.ForgetArena(_reservation, _slabs.Space.OwnerTag);
    }

    /// <summary>A block is about to be freed on a slow path: its sample goes before others may have it.</summary>
    public void ForgetSample(nuint block) => _counters?.Forget(block);

    /// <summary>Takes out the sample of a block that may move; null where it has none.</summary>
    public SampledBlock? TakeSample(nuint block) => _counters?.TakeSample(block);

    /// <summary>The block has not moved: its sample lives on.</summary>
    public void PutSample(nuint block, in SampledBlock sample) => _counters?.PutSample(block, sample);

    /// <summary>Empties every cache without a look at its blocks. No other thread uses the arena.</summary>
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

    /// <summary>Frees the caches and the table, of which the arena has let go before.</summary>
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
        for (Magazine* empty = PopEmpty(cache); empty != null; empty = PopEmpty(cache))
            _heap.Free(empty, Magazine.Bytes);

        Debug.Assert(cache->EmptyCount == 0, "the count is that of the list");
    }
}
