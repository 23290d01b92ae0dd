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
internal sealed unsafe class ArenaCaches
{
    /// <summary>How much of <see cref="Rehearse(int, long, bool)"/> this process has gone through.</summary>
    private static volatile int s_rehearsed;

    private readonly Reservation _reservation;
    private readonly MetadataHeap _heap;
    private readonly ArenaSlabs _slabs;
    private readonly bool _checksFrees;
    private readonly CounterBoard? _counters;
    private readonly Lock _attaching = new();
    private nint _firstAttached;
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
        slabs.Relieve = Relieve;
        slabs.Space.Reclaim = Reclaim;
    }

    public static nuint TableBytes => (nuint)(ThreadSlots.Count * sizeof(nint));

    public static nuint CacheBytes => (nuint)(sizeof(ThreadCache) + (CounterSwitch.IsOn ? sizeof(ThreadCounters) : 0));

    /// <summary>A cache for each slot; the detached one where the slot's thread has not used the arena yet.</summary>
    public ThreadCache** Table { get; }

    /// <summary>The calling thread's cache, made or adopted now if it has none; the detached one where there is no slot or no memory for it.</summary>
    public ThreadCache* Attach()
    {
        int slot = ThreadSlots.TryTake();
        ThreadCache* cache = Table[slot];
        return cache != ThreadCache.Detached || slot == 0 ? cache : AttachNew(slot);
    }

    private ThreadCache* AttachNew(int slot)
    {
        lock (_attaching)
        {
            ThreadCache* cache = Table[slot];
            if (cache != ThreadCache.Detached)
            {
                return cache;
            }

            cache = (ThreadCache*)AllocateOrNull(CacheBytes);
            if (cache == null)
            {
                return ThreadCache.Detached;
            }

            ThreadCache.Initialise(cache);
            cache->ReservationBase = _reservation.Base;
            cache->ReservationBytes = _checksFrees ? 0 : _reservation.BlockBytes;
            cache->Tags = _reservation.Tags;
            if (CounterSwitch.IsOn && !TryCount(cache, slot))
            {
                _heap.Free(cache, CacheBytes);
                return ThreadCache.Detached;
            }

            NoteAttached(cache);
            Volatile.Write(ref ((nint*)Table)[slot], (nint)cache);
            return cache;
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
    private ThreadCache* FirstAttached => (ThreadCache*)Volatile.Read(ref _firstAttached);

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

    /// <summary>Allocates when the loaded magazine is empty.</summary>
    /// <returns>The block, or 0 where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory. Nothing has changed.</exception>
    public nuint Allocate(ThreadCache* cache, int sizeClass)
    {
        int capacity = cache == ThreadCache.Detached ? 0 : _slabs.MagazineBlocks(sizeClass);
        if (capacity == 0)
        {
            return AllocateUncached(sizeClass);
        }

        Magazine* full = TakeFull(cache, sizeClass);
        if (full != null)
        {
            return capacity == 1 ? TakeOnly(cache, full) : TakeTop(cache, sizeClass, full);
        }

        return capacity == 1 ? AllocateUncached(sizeClass) : FillAndLoad(cache, sizeClass, capacity);
    }

    /// <summary>
    /// Fills a magazine with some blocks from runs and loads it. It is not the loaded one that is filled, since what a run takes may call the
    /// user's code, which may use this very cache: what was freed there stays.
    /// </summary>
    private nuint FillAndLoad(ThreadCache* cache, int sizeClass, int capacity)
    {
        Magazine* fresh = TakeEmpty(cache);
        if (fresh == null)
        {
            return AllocateUncached(sizeClass);
        }

        bool isLoaded = false;
        try
        {
            nuint* bottom = Magazine.Empty(fresh, capacity);
            int got = _slabs.Fill(sizeClass, bottom, NextFillStep(cache, sizeClass, capacity));
            nuint* loaded = ThreadCache.Top(cache, sizeClass);
            isLoaded = got != 0 && (loaded == null || loaded[-1] == 0);
            if (isLoaded)
            {
                Load(cache, sizeClass, bottom + got - 1);
            }
            else if (got > 1)
            {
                _slabs.Return(sizeClass, bottom, got - 1);
            }

            return got == 0 ? 0 : bottom[got - 1];
        }
        finally
        {
            if (!isLoaded)
            {
                Keep(cache, fresh);
            }
        }
    }

    /// <summary>Frees when the loaded magazine is full. Never fails for want of memory: what finds no place in a magazine goes back to its run.</summary>
    /// <exception cref="EngineMemoryException">A block freed earlier turns out to be no free-able block. This one is freed all the same.</exception>
    public void Free(ThreadCache* cache, int sizeClass, nuint block)
    {
        int capacity = cache == ThreadCache.Detached ? 0 : _slabs.MagazineBlocks(sizeClass);
        if (capacity == 0)
        {
            _slabs.Return(sizeClass, &block, 1);
        }
        else if (capacity == 1)
        {
            FreeOnly(cache, sizeClass, block);
        }
        else
        {
            FreeToFull(cache, sizeClass, capacity, block);
        }
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
        {
            Keep(cache, Magazine.Of(empty));
        }

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
        cache->FillSteps[sizeClass] = 1;
        Magazine* magazine = TakeEmpty(cache);
        if (magazine != null)
        {
            *Magazine.Empty(magazine, 1) = block;
            if (StockOf(cache, sizeClass).TryPush(magazine, _slabs.StockLimit(sizeClass)))
            {
                return;
            }

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
            if (loaded != null && (empty == null || !StockOf(cache, sizeClass).TryPush(loaded, _slabs.StockLimit(sizeClass))))
            {
                if (empty != null)
                {
                    Keep(cache, empty);
                }

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
        MagazineStock own = StockOf(cache, sizeClass);
        Magazine* full = own.TryPop();
        return full != null ? full : Steal(cache, sizeClass, own);
    }

    private Magazine* Steal(ThreadCache* cache, int sizeClass, MagazineStock own)
    {
        ThreadCache* first = cache->Victim == null ? FirstAttached : cache->Victim;
        ThreadCache* victim = first;
        for (bool isRound = first == null; !isRound; isRound = victim == first)
        {
            MagazineStock stock = StockOf(victim, sizeClass);
            Magazine* full = stock.TryTake((stock.Count + 1) / 2, out int count);
            if (full != null)
            {
                cache->Victim = victim;
                KeepRest(own, full, count);
                return full;
            }

            victim = victim->NextAttached == null ? FirstAttached : victim->NextAttached;
        }

        return null;
    }

    /// <summary>What was taken beyond the first goes into the taker's own stock, which is empty and to which only its thread adds: there is room.</summary>
    private static void KeepRest(MagazineStock own, Magazine* full, int count)
    {
        if (count > 1)
        {
            Magazine* last = full->Next;
            for (int more = 2; more < count; more++)
            {
                last = last->Next;
            }

            own.TryPush(full->Next, last, count - 1, MagazineStock.MaximumCount);
        }
    }

    /// <summary>A thread's full magazines of a class.</summary>
    public MagazineStock StockOf(ThreadCache* cache, int sizeClass) => new(cache->Stocks + sizeClass, _heap.Base);

    /// <summary>
    /// Before a class takes a new run: of blocks that stand alone in their magazine, the thread's own are returned, so that a buffer that grows
    /// through the classes does not leave one behind in each; then full magazines of all threads, the largest blocks first, until there are
    /// as many neighbouring free slabs as a run has.
    /// </summary>
    private void Relieve(int sizeClass)
    {
        int slabs = _slabs.ClassOf(sizeClass)->SlabsPerRun;
        ThreadCache* own = Table[ThreadSlots.Current];
        for (int large = Magazine.FirstOfOne; sizeClass >= Magazine.FirstOfOne && own != ThreadCache.Detached && large < SizeClasses.Huge; large++)
        {
            _slabs.ThrowIfWrong(large, ReturnStock(own, large));
        }

        for (int other = SizeClasses.LastWithinSuperSlab; slabs != 0 && other >= 0 && !_slabs.Space.HasRun(slabs); other--)
        {
            for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
            {
                _slabs.ThrowIfWrong(other, ReturnStock(cache, other));
            }
        }
    }

    /// <summary>
    /// Returns to their runs the free blocks that the calling thread, dead threads, threads that wait, and all stocks hold, and releases runs
    /// without a block: what an arena does before it says that there is no memory. Other threads may use the arena meanwhile. Takes no OS
    /// memory. Blocks in the loaded magazines of other threads that run, or took a handle, stay: at most 64 KiB of a class each.
    /// </summary>
    /// <exception cref="EngineMemoryException">A block that was freed before is no free-able block. The others have been returned.</exception>
    public void Reclaim()
    {
        (int SizeClass, nuint Block) wrong = default;
        for (ThreadCache* cache = FirstAttached; cache != null; cache = cache->NextAttached)
        {
            for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
            {
                Note(ref wrong, sizeClass, ReturnStock(cache, sizeClass));
            }
        }

        ReturnLoaded(Table[ThreadSlots.Current], ref wrong);
        lock (_attaching)
        {
            ReturnOfDead(ref wrong);
            ReturnOfWaiting(ref wrong);
        }

        _slabs.ReleaseEmptyRuns();
        _slabs.ThrowIfWrong(wrong.SizeClass, wrong.Block);
    }

    private static void Note(ref (int SizeClass, nuint Block) wrong, int sizeClass, nuint block) => wrong = block == 0 ? wrong : (sizeClass, block);

    private void ReturnOfDead(ref (int SizeClass, nuint Block) wrong)
    {
        for (int slot = 1; slot < ThreadSlots.End; slot++)
        {
            if (Table[slot] != ThreadCache.Detached && ThreadSlots.TryBorrow(slot) is { } dead)
            {
                ReturnLoaded(Table[slot], ref wrong);
                ThreadSlots.GiveBack(slot, dead);
            }
        }
    }

    private void ReturnOfWaiting(ref (int SizeClass, nuint Block) wrong)
    {
        List<(int Slot, nint Cache)> hidden = [];
        for (int slot = 1; slot < ThreadSlots.End; slot++)
        {
            ThreadCache* cache = Table[slot];
            if (cache != ThreadCache.Detached && slot != ThreadSlots.Current && !cache->HasHandle && ThreadSlots.Waits(slot))
            {
                hidden.Add((slot, (nint)cache));
                Volatile.Write(ref ((nint*)Table)[slot], (nint)ThreadCache.Detached);
            }
        }

        if (hidden.Count != 0)
        {
            Interlocked.MemoryBarrierProcessWide();
        }

        foreach ((int slot, nint cache) in hidden)
        {
            // It may have taken a handle before it was hidden, and only the barrier showed that.
            if (ThreadSlots.Waits(slot) && !((ThreadCache*)cache)->HasHandle)
            {
                ReturnLoaded((ThreadCache*)cache, ref wrong);
            }

            Volatile.Write(ref ((nint*)Table)[slot], cache);
        }
    }

    /// <summary>Returns the blocks of a cache's loaded magazines to their runs; the magazines stay. The caller has the cache to itself.</summary>
    private void ReturnLoaded(ThreadCache* cache, ref (int SizeClass, nuint Block) wrong)
    {
        for (int sizeClass = 0; cache != ThreadCache.Detached && sizeClass < SizeClasses.Huge; sizeClass++)
        {
            nuint* top = ThreadCache.Top(cache, sizeClass);
            if (top != null)
            {
                nuint* bottom = Magazine.FullTop(Magazine.Of(top)) - _slabs.MagazineBlocks(sizeClass);
                ThreadCache.SetTop(cache, sizeClass, bottom);
                Note(ref wrong, sizeClass, _slabs.ReturnAll(sizeClass, bottom, (int)(top - bottom)));
            }
        }
    }

    /// <summary>Returns what a stock holds of a class to its runs. Any thread.</summary>
    /// <returns>A block that could not be returned, or 0.</returns>
    private nuint ReturnStock(ThreadCache* cache, int sizeClass)
    {
        nuint wrong = 0;
        int capacity = _slabs.MagazineBlocks(sizeClass);
        MagazineStock stock = StockOf(cache, sizeClass);
        for (Magazine* full = stock.Count == 0 ? null : stock.TryPop(); full != null; full = stock.TryPop())
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
        ThreadCache* own = Table[ThreadSlots.Current];
        (int SizeClass, nuint Block) wrong = default;
        for (int sizeClass = 0; own != ThreadCache.Detached && sizeClass < SizeClasses.Huge; sizeClass++)
        {
            Note(ref wrong, sizeClass, ReturnStock(own, sizeClass));
        }

        ReturnLoaded(own, ref wrong);
        if (own != ThreadCache.Detached)
        {
            own->HasHandle = false;
        }

        _slabs.ThrowIfWrong(wrong.SizeClass, wrong.Block);
    }

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

    /// <summary>Whether a block of a class whose magazines hold one is the one that the thread freed last.</summary>
    public bool IsLastOnly(ThreadCache* cache, int sizeClass, nuint block) =>
        _slabs.MagazineBlocks(sizeClass) == 1 && cache != ThreadCache.Detached && StockOf(cache, sizeClass).IsLast(block);

    /// <summary>Whether a block that the caller was given is among the free ones of any thread.</summary>
    public bool Holds(int sizeClass, nuint block)
    {
        int capacity = _slabs.MagazineBlocks(sizeClass);
        bool found = false;
        for (ThreadCache* attached = FirstAttached; attached != null; attached = attached->NextAttached)
        {
            found = found || HoldsLoaded(attached, sizeClass, capacity, block) || HoldsInStock(attached, sizeClass, capacity, block);
        }

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
        {
            return false;
        }

        if (!System.Runtime.Intrinsics.X86.X86Base.IsSupported)
        {
            Interlocked.MemoryBarrierProcessWide();
        }

        return Magazine.BlocksBelow(top, capacity).Contains(block);
    }

    /// <summary>Looks through a stock's magazines while they are the caller's: while others have them, their contents mean nothing.</summary>
    private bool HoldsInStock(ThreadCache* cache, int sizeClass, int capacity, nuint block)
    {
        MagazineStock stock = StockOf(cache, sizeClass);
        Magazine* first = stock.TryTake(MagazineStock.MaximumCount, out int count);
        if (first == null)
        {
            return false;
        }

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

        return found;
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
                isMagazine = top != null && (nuint)address - (nuint)Magazine.Of(top) < Magazine.Bytes;
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
            count += ThreadCache.Top(Table[slot], sizeClass) != null || Table[slot]->FillSteps[sizeClass] != 0 ? 1 : 0;
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
                ReadOnlySpan<nuint> loaded = top == null ? [] : Magazine.BlocksBelow(top, capacity);
                free.UnionWith([.. loaded]);
                MagazineStock stock = StockOf(Table[slot], sizeClass);
                Magazine* full = stock.Top;
                for (int count = stock.Count; count > 0; count--, full = full->Next)
                {
                    free.UnionWith(Magazine.BlocksOfFull(full, capacity).ToArray());
                }
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
        return loaded + ((long)StockOf(cache, sizeClass).Count * capacity);
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

            if (cache != ThreadCache.Detached)
            {
                DropEmpty(cache);
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

    /// <summary>A class is filled in small steps at first, which double, so that a thread that takes few blocks holds few back.</summary>
    private static int NextFillStep(ThreadCache* cache, int sizeClass, int capacity)
    {
        int step = Math.Max(1, (int)cache->FillSteps[sizeClass]);
        step = Math.Max(step, capacity / 8);
        cache->FillSteps[sizeClass] = (byte)Math.Min(step * 2, capacity);
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

    /// <summary>
    /// Goes once through what frames may do for the first time only when they take a new run or exchange magazines, so that nothing of it is
    /// compiled then. Leaves the arena as it was.
    /// </summary>
    /// <param name="sizeClass">A class with free blocks in its runs; not used where the arena has free slabs.</param>
    /// <param name="blocks">How many it has.</param>
    /// <param name="hasSlabs">Whether the arena has free slabs, for any class.</param>
    public void Rehearse(int sizeClass, long blocks, bool hasSlabs)
    {
        int depth = hasSlabs ? 2 : 1;
        if (s_rehearsed >= depth || _slabs.MagazineBlocks(sizeClass) == 0)
        {
            return;
        }

        ThreadCache* cache = (ThreadCache*)AllocateOrNull(CacheBytes);
        if (cache == null)
        {
            return;
        }

        s_rehearsed = depth;
        ThreadCache.Initialise(cache);
        foreach (int one in hasSlabs ? (ReadOnlySpan<int>)[0, Magazine.FirstOfOne] : [sizeClass])
        {
            long peak = _slabs.ClassOf(one)->PeakBlocksOut;
            Rehearse(cache, one, hasSlabs ? long.MaxValue : blocks);
            _slabs.RestorePeak(one, peak);
        }

        DropEmpty(cache);
        _heap.Free(cache, CacheBytes);
        _slabs.ReleaseEmptyRuns();
    }

    /// <summary>Allocates and frees more than a magazine holds, first from runs, then from the stock, with a cache that nobody else sees.</summary>
    private void Rehearse(ThreadCache* cache, int sizeClass, long most)
    {
        Span<nuint> blocks = stackalloc nuint[(2 * Magazine.MaximumBlocks) + 2];
        for (int round = 0; round < 2; round++)
        {
            int count = 0;
            for (; count < Math.Min(most, (2 * _slabs.MagazineBlocks(sizeClass)) + 2); count++)
            {
                nuint block = ThreadCache.Pop(cache, (nuint)sizeClass);
                blocks[count] = block != 0 ? block : Allocate(cache, sizeClass);
                if (blocks[count] == 0)
                {
                    break;
                }
            }

            foreach (nuint block in blocks[..count])
            {
                nuint* top = ThreadCache.Top(cache, sizeClass);
                if (((nuint)top & Magazine.Mask) == 0)
                {
                    Free(cache, sizeClass, block);
                    continue;
                }

                *top = block;
                ThreadCache.SetTop(cache, sizeClass, top + 1);
            }
        }

        (int SizeClass, nuint Block) wrong = default;
        ReturnLoaded(cache, ref wrong);
        Note(ref wrong, sizeClass, ReturnStock(cache, sizeClass));
        DropClass(cache, sizeClass);
        _slabs.ThrowIfWrong(wrong.SizeClass, wrong.Block);
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
        {
            _heap.Free(full, Magazine.Bytes);
        }
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
