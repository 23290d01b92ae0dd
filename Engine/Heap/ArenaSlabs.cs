using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// One arena's slab runs by size class: where magazines are filled and emptied. A thread comes here once a magazine, so a lock for each
/// class is cheap, and blocks freed by any thread end in the run they came from without anybody owning a run. No class's lock is held
/// while another is taken (but a home's while its size class's is), while SuperSlabs are taken, or while anything of the caller's runs.
///
///   magazine empty:  a full one of some thread's stock  ->  else blocks from runs with free ones  ->  else a new run  ->  SlabSpace
///   magazine full:   into the thread's own stock  ->  else its blocks back to their runs  ->  a run without blocks out, back to SlabSpace
/// </summary>
internal sealed unsafe class ArenaSlabs
{
    private const int LongestDividedRun = 4;

    private readonly Reservation _reservation;
    private readonly MetadataHeap _heap;
    private readonly ClassState* _classes;
    private readonly SlabRuns _runs;
    private readonly void* _spaceState;
    private readonly HugeUse _hugeUse = new();

    /// <param name="reservation">Where the SuperSlabs lie.</param>
    /// <param name="pool">Where they come from.</param>
    /// <param name="heap">Where the tables lie.</param>
    /// <param name="arenaTag">What marks the slabs as this arena's.</param>
    /// <param name="cached">False where threads hold no blocks back: then each block is taken and returned one by one, through the slow path.</param>
    public ArenaSlabs(Reservation reservation, SuperSlabPool pool, MetadataHeap heap, uint arenaTag, bool cached = true)
    {
        _reservation = reservation;
        _heap = heap;
        _classes = (ClassState*)heap.Allocate(ClassesBytes);
        try
        {
            _spaceState = heap.Allocate(SlabSpace.StateBytes);
        }
        catch
        {
            heap.Free(_classes, ClassesBytes);
            throw;
        }

        Space = new SlabSpace(reservation, pool, arenaTag, _spaceState);
        _runs = new SlabRuns(reservation, heap, Promise, Space, arenaTag);
        for (int index = 0; index < ArenaClasses.Count; index++)
        {
            int sizeClass = ArenaClasses.SizeClassOf(index);
            nuint block = SizeClasses.BlockBytes(sizeClass);
            ref ClassState state = ref _classes[index];
            state.FirstRun = SlabGeometry.None;
            state.BlockBytes = (uint)block;
            state.MagazineBlocks = (ushort)(cached ? Magazine.BlocksOf(sizeClass) : 0);
            state.StockLimit = cached ? Magazine.StockLimit(sizeClass) : 0;
            state.SlabsPerRun = sizeClass <= SizeClasses.LastWithinSuperSlab ? SizeClasses.SlabsPerRun(sizeClass) : 0;
            state.Capacity = (ushort)nuint.Max(1, block == 0 ? 1 : ((nuint)state.SlabsPerRun << SlabGeometry.SlabShift) / block);
            state.Reciprocal = SlabRuns.ReciprocalOf(block);
        }
    }

    public SlabSpace Space { get; }

    /// <summary>Room for metadata that prewarms promised to the arena.</summary>
    public MetadataPromise Promise { get; } = new();

    public SlabRuns Runs => _runs;

    /// <summary>
    /// Called with a class that is about to take a new run: whoever holds free blocks returns some, so that the arena need not grow. Null where
    /// nobody holds any. Called under no lock.
    /// </summary>
    public Action<int>? Relieve { get; set; }

    private static nuint ClassesBytes => (nuint)(ArenaClasses.Count * sizeof(ClassState));

    public ClassState* ClassOf(int sizeClass) => _classes + sizeClass;

    public int StockLimit(int sizeClass) => _classes[sizeClass].StockLimit;

    /// <summary>Whether a thread has the class's lock at the moment.</summary>
    public bool IsBusy(int sizeClass) => Volatile.Read(ref _classes[sizeClass].Lock) != 0;

    public int MagazineBlocks(int sizeClass) => _classes[sizeClass].MagazineBlocks;

    /// <summary>The bytes of the blocks in a full magazine.</summary>
    public long MagazineBytes(int sizeClass) => (long)_classes[sizeClass].MagazineBlocks * _classes[sizeClass].BlockBytes;

    /// <summary>Writes up to <paramref name="want"/> free blocks, the lowest address last, where a stack's top will be.</summary>
    /// <returns>How many; 0 only where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory. Nothing has changed.</exception>
    public int Fill(int sizeClass, nuint* blocks, int want)
    {
        ClassState* state = _classes + sizeClass;
        int got = TakeFree(sizeClass, blocks, want);
        if (got == 0)
        {
            Relieve?.Invoke(sizeClass);
            got = TakeFree(sizeClass, blocks, want);
        }

        return got != 0 ? got : FillFromNewRun(sizeClass, state, blocks, want);
    }

    /// <summary>A free block of a small size class, of any home; 0 where there is none.</summary>
    public nuint TakeOfAnyHome(int sizeClass)
    {
        nuint block = 0;
        for (int one = ArenaClasses.SizeClassOf(sizeClass); block == 0 && one < ArenaClasses.Count; one = ArenaClasses.Next(one))
            _ = TakeFree(one, &block, 1);

        return block;
    }

    /// <summary>Takes blocks from runs that have free ones, for a home also from a run that no home needs.</summary>
    private int TakeFree(int sizeClass, nuint* blocks, int want)
    {
        ClassState* state = _classes + sizeClass;
        ClassState* shared = _classes + ArenaClasses.SizeClassOf(sizeClass);
        int got = 0;
        if (Volatile.Read(ref state->FirstRun) >= 0 || (shared != state && Volatile.Read(ref shared->EmptyRuns) != 0))
        {
            NativeLock.Enter(&state->Lock);
            while (got < want && (state->FirstRun >= 0 || (got == 0 && shared != state && TryMoveRun(shared, state, sizeClass))))
                got += _runs.TakeBlocks(state, state->FirstRun, blocks + got, want - got);

            NativeLock.Exit(&state->Lock);
            new Span<nuint>(blocks, got).Reverse();
        }

        return got;
    }

    /// <summary>A run that no home needs becomes a home's, whose lock is held.</summary>
    private bool TryMoveRun(ClassState* shared, ClassState* home, int sizeClass)
    {
        NativeLock.Enter(&shared->Lock);
        int slab = _runs.FirstEmpty(shared);
        if (slab >= 0)
            _runs.MoveRun(shared, home, sizeClass, slab);

        NativeLock.Exit(&shared->Lock);
        return slab >= 0;
    }

    /// <summary>Goes through the move of a run to a home, from a class to itself, which leaves everything as it was.</summary>
    public void RehearseMove(int sizeClass) => TryMoveRun(_classes + sizeClass, _classes + sizeClass, sizeClass);

    /// <summary>Runs of a small size class that homes have without a block out go: those that were promised, to where every home takes them.</summary>
    public void GatherRuns(int sizeClass)
    {
        for (int one = ArenaClasses.Next(sizeClass); one < ArenaClasses.Count; one = ArenaClasses.Next(one))
            ReleaseEmptyRuns(one);
    }

    private int FillFromNewRun(int sizeClass, ClassState* state, nuint* blocks, int want)
    {
        int slab = _runs.NewRun(sizeClass, state, out ulong* bitmap);
        if (slab < 0)
        {
            // The reclaim may have returned blocks of this very class.
            return TakeFree(sizeClass, blocks, want);
        }

        NativeLock.Enter(&state->Lock);
        _runs.Begin(sizeClass, state, slab, _runs.SlabsOf(slab, state), bitmap);
        int got = _runs.TakeBlocks(state, slab, blocks, want);
        NativeLock.Exit(&state->Lock);
        new Span<nuint>(blocks, got).Reverse();
        return got;
    }

    /// <summary>Gives blocks back to the runs they came from.</summary>
    /// <exception cref="EngineMemoryException">An address is no block, or is free already. The others have been returned.</exception>
    public void Return(int sizeClass, nuint* blocks, int count) => ThrowIfWrong(sizeClass, ReturnAll(sizeClass, blocks, count));

    /// <summary>The same, but tells an address that is no block, or is free already, instead of throwing; 0 where all were.</summary>
    public nuint ReturnAll(int sizeClass, nuint* blocks, int count)
    {
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        nuint wrong = ReturnBlocks(sizeClass, state, blocks, count);
        NativeLock.Exit(&state->Lock);
        return wrong;
    }

    /// <exception cref="EngineMemoryException">There is such a block.</exception>
    public void ThrowIfWrong(int sizeClass, nuint wrong)
    {
        if (wrong != 0)
        {
            throw new EngineMemoryException(
                $"0x{wrong:x} was freed twice, or is not the beginning of a block of {_classes[sizeClass].BlockBytes} bytes; it was found when a thread's freed blocks were returned.");
        }
    }

    /// <summary>An extent above the largest class.</summary>
    /// <returns>Its address, or 0 where the reservation has no such run.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory. Nothing has changed.</exception>
    public nuint AllocateHuge(nuint bytes)
    {
        int superSlabs = checked((int)Sizes.DivideRoundingUp(bytes, SlabGeometry.SuperSlabBytes));
        ClassState* state = _classes + SizeClasses.Huge;
        NativeLock.Enter(&state->Lock);
        int slab = _runs.BestIdleHuge(state, superSlabs);
        nuint block = slab < 0 ? 0 : TakeHuge(state, slab);
        NativeLock.Exit(&state->Lock);
        if (slab >= 0)
            return block;

        slab = Space.TakeExtent(superSlabs, SizeClasses.Huge);
        if (slab < 0)
            return 0;

        NativeLock.Enter(&state->Lock);
        _runs.Begin(SizeClasses.Huge, state, slab, superSlabs * SlabGeometry.SlabCount, bitmap: null);
        block = TakeHuge(state, slab);
        NativeLock.Exit(&state->Lock);
        return block;
    }

    /// <summary>Under the class's lock.</summary>
    private nuint TakeHuge(ClassState* state, int slab)
    {
        nuint block;
        _runs.TakeBlocks(state, slab, &block, 1);
        _hugeUse.Count(_runs[slab]->SlabCount, 1);
        return block;
    }

    public nuint UsableBytes(nint block, int sizeClass) => sizeClass != SizeClasses.Huge
        ? _classes[sizeClass].BlockBytes
        : (nuint)_runs[_runs.SlabOf(block)]->SlabCount << SlabGeometry.SlabShift;

    /// <summary>
    /// Makes a block that stands alone in its run larger without moving a byte: where it is, if what lies behind it is free, or else,
    /// for whole SuperSlabs, by moving its pages.
    /// </summary>
    /// <returns>The block's address afterwards, or 0 where it could not grow so.</returns>
    public nuint Grow(nint block, int sizeClass, nuint bytes)
    {
        int newClass = SizeClasses.IndexOf(bytes);
        ClassState* state = _classes + sizeClass;
        int slab = _runs.SlabOf(block);
        bool isExtent = sizeClass > SizeClasses.LastWithinSuperSlab;
        if (state->Capacity != 1 || _classes[newClass].Capacity != 1 || block != _reservation.AddressOfSlab(slab)
            || isExtent != newClass > SizeClasses.LastWithinSuperSlab || !TryLeaveClass(sizeClass, slab))
        {
            return 0;
        }

        int oldSlabs = _runs[slab]->SlabCount;
        int slabs = isExtent
            ? checked((int)Sizes.DivideRoundingUp(bytes, SlabGeometry.SuperSlabBytes)) * SlabGeometry.SlabCount
            : _classes[newClass].SlabsPerRun;
        int grown = -1;
        try
        {
            grown = isExtent ? Space.GrowExtent(slab, slabs / SlabGeometry.SlabCount, newClass)
                : Space.TryGrowSlabs(slab, oldSlabs, slabs) ? slab
                : -1;
        }
        finally
        {
            if (grown < 0)
                EnterClass(sizeClass, oldSlabs);
        }

        if (grown < 0)
            return 0;

        // First what describes the block moves, then its old SuperSlabs go: whoever takes them may describe them at once.
        _runs.Move(slab, grown, newClass, slabs);
        EnterClass(newClass, slabs);
        if (grown != slab)
            Space.GiveMoved(slab);

        return (nuint)_reservation.AddressOfSlab(grown);
    }

    private nuint ReturnBlocks(int sizeClass, ClassState* state, nuint* blocks, int count)
    {
        nuint wrong = 0;
        int returned;
        for (int index = 0; index < count; index += Math.Max(1, returned))
        {
            nuint* block = blocks + index;
            int slabs = _runs[_runs.SlabOf((nint)(*block))]->SlabCount;
            returned = _runs.ReturnBlocks(sizeClass, state, block, count - index, out int unneeded);
            if (returned == 0)
                wrong = *block;
            else if (sizeClass == SizeClasses.Huge)
                _hugeUse.Count(slabs, -1);

            if (unneeded >= 0)
                LetGo(sizeClass, state, unneeded);
        }

        return wrong;
    }

    /// <summary>A block's run leaves its class, unless a prewarm promised it.</summary>
    private bool TryLeaveClass(int sizeClass, int slab)
    {
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        bool isSpare = _runs.IsSpare(state, slab);
        if (isSpare)
        {
            state->Runs--;
            state->BlocksOut--;
            if (sizeClass == SizeClasses.Huge)
                _hugeUse.Count(_runs[slab]->SlabCount, -1);
        }

        NativeLock.Exit(&state->Lock);
        return isSpare;
    }

    private void EnterClass(int sizeClass, int slabs)
    {
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        state->Runs++;
        state->BlocksOut++;
        state->PeakBlocksOut = Math.Max(state->PeakBlocksOut, state->BlocksOut);
        if (sizeClass == SizeClasses.Huge)
            _hugeUse.Count(slabs, 1);

        NativeLock.Exit(&state->Lock);
    }

    /// <summary>
    /// Whether a prewarm makes the runs of a size in any case: extents, and runs so long that SuperSlabs divided as needed would leave
    /// much unused between them.
    /// </summary>
    public bool IsCarvedAlways(nuint bytes) =>
        SizeClasses.IndexOf(bytes) > SizeClasses.LastWithinSuperSlab || SlabsPerRun(bytes) > LongestDividedRun;

    /// <summary>The length of a run of blocks of a size, in slabs; of an extent, whole SuperSlabs.</summary>
    public int RunSlabs(nuint bytes) => SizeClasses.IndexOf(bytes) > SizeClasses.LastWithinSuperSlab
        ? checked((int)Sizes.DivideRoundingUp(bytes, SlabGeometry.SuperSlabBytes) * SlabGeometry.SlabCount)
        : SlabsPerRun(bytes);

    public int SlabsPerRun(nuint bytes) => _classes[SizeClasses.IndexOf(bytes)].SlabsPerRun;

    /// <summary>Metadata of the runs of so many blocks, and of some runs besides, in bytes.</summary>
    public nuint BitmapBytesFor(nuint bytes, long count, long runsBesides)
    {
        int capacity = _classes[SizeClasses.IndexOf(bytes)].Capacity;
        return capacity <= SlabRun.InlineBlocks ? 0 : MetadataHeap.BytesFor(SlabRun.BitmapBytes(capacity), ((count + capacity - 1) / capacity) + runsBesides);
    }

    /// <summary>Runs of a size that homes need besides those for the blocks of so many threads.</summary>
    public long RunsBesides(nuint bytes, int threads)
    {
        int sizeClass = SizeClasses.IndexOf(bytes);
        return ArenaClasses.RunsBesides(sizeClass, threads, _classes[sizeClass].Capacity);
    }

    /// <summary>SuperSlabs that <paramref name="count"/> more blocks of a size would take if they stood alone, in slabs.</summary>
    public long SlabsFor(nuint bytes, long count)
    {
        int sizeClass = SizeClasses.IndexOf(bytes);
        ClassState* state = _classes + sizeClass;
        return sizeClass > SizeClasses.LastWithinSuperSlab
            ? checked((long)Sizes.DivideRoundingUp(bytes, SlabGeometry.SuperSlabBytes) * SlabGeometry.SlabCount * count)
            : checked((count + state->Capacity - 1) / state->Capacity * state->SlabsPerRun);
    }

    /// <summary>Bitmaps for runs of so many blocks of a size, for <see cref="AddPromised"/>; empty where they stand in the descriptors.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is no memory for them. Nothing has changed.</exception>
    public nint[] AllocateBitmaps(nuint bytes, int runs) => _runs.AllocateBitmaps(_classes + SizeClasses.IndexOf(bytes), runs);

    public void FreeBitmaps(nuint bytes, nint[] bitmaps) => _runs.FreeBitmaps(_classes + SizeClasses.IndexOf(bytes), bitmaps);

    /// <summary>A run in claimed memory, which the space counts as taken, becomes its class's and stays so. Cannot fail.</summary>
    /// <param name="bytes">The size of its blocks.</param>
    /// <param name="slab">Its first slab.</param>
    /// <param name="slabs">Its length.</param>
    /// <param name="bitmap">Its bitmap, or 0 where that stands in the descriptor.</param>
    public void AddPromised(nuint bytes, int slab, int slabs, nint bitmap)
    {
        int sizeClass = SizeClasses.IndexOf(bytes);
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        _runs.Begin(sizeClass, state, slab, slabs, (ulong*)bitmap);
        _runs[slab]->IsPromised = sizeClass == SizeClasses.Huge;
        state->PrewarmedRuns++;
        NativeLock.Exit(&state->Lock);
    }

    /// <summary>What a rehearsal had out at once is no use of the arena.</summary>
    public void RestorePeak(int sizeClass, long peak)
    {
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        state->PeakBlocksOut = Math.Max(peak, state->BlocksOut);
        NativeLock.Exit(&state->Lock);
    }

    /// <summary>Gives all runs without a block out, above what was prewarmed, back to the SuperSlabs.</summary>
    public void ReleaseEmptyRuns()
    {
        // Homes first: theirs go to their size classes.
        for (int sizeClass = ArenaClasses.Count - 1; sizeClass >= 0; sizeClass--)
            ReleaseEmptyRuns(sizeClass);
    }

    private void ReleaseEmptyRuns(int sizeClass)
    {
        ClassState* state = _classes + sizeClass;
        if (Volatile.Read(ref state->EmptyRuns) == 0)
            return;

        NativeLock.Enter(&state->Lock);
        for (int slab = state->FirstRun; slab != SlabGeometry.None;)
        {
            int next = _runs[slab]->Next;
            if (_runs[slab]->IsEmpty)
                LetGo(sizeClass, state, slab);

            slab = next;
        }

        NativeLock.Exit(&state->Lock);
    }

    /// <summary>A class does not need a run without a block out: it goes, unless a prewarm promised it to the class. Under the class's lock.</summary>
    private void LetGo(int sizeClass, ClassState* state, int slab)
    {
        if (_runs.IsSpare(state, slab))
        {
            _runs.ReleaseRun(state, slab);
        }
        else if (ArenaClasses.IsOfHome(sizeClass))
        {
            int shared = ArenaClasses.SizeClassOf(sizeClass);
            NativeLock.Enter(&_classes[shared].Lock);
            _runs.MoveRun(state, _classes + shared, shared, slab);
            NativeLock.Exit(&_classes[shared].Lock);
        }
    }

    /// <summary>Every block becomes free at once; prewarmed runs stay with their classes, all others go. No other thread uses the arena.</summary>
    public void Reset()
    {
        for (int superSlab = Space.FirstOwned; superSlab != SlabGeometry.None; superSlab = _reservation.SuperSlabs[superSlab].NextOwned)
        {
            _runs.ForEachRun(superSlab, (run, slab) =>
            {
                ClassState* state = _classes + run->SizeClass;
                if (run->FreeBlocks == 0)
                    _runs.LinkFirst(state, slab);

                if (!run->IsEmpty)
                {
                    SlabRuns.FillBitmap(run);
                    state->EmptyRuns++;
                }
            });
        }

        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
            _classes[sizeClass].BlocksOut = 0;

        _hugeUse.Clear();
        ReleaseEmptyRuns();
    }

    /// <summary>Gives everything back to the pool at once, however many blocks are out. No other thread uses the arena.</summary>
    public void ReleaseAll()
    {
        Space.ReleaseAll(superSlab => _runs.ForEachRun(superSlab, (_, slab) => _runs.ForgetRun(slab)));
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
        {
            ref ClassState state = ref _classes[sizeClass];
            state.FirstRun = SlabGeometry.None;
            state.Runs = state.EmptyRuns = state.PrewarmedRuns = 0;
            state.BlocksOut = 0;
        }
    }

    /// <summary>Calls back for each block size with the most blocks that were out at once.</summary>
    public void CollectPeaks(Action<nuint, long, int> collect)
    {
        for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
        {
            long peak = Total(sizeClass).PeakBlocksOut;
            if (peak != 0)
                collect(_classes[sizeClass].BlockBytes, peak, sizeClass);
        }

        foreach ((nuint bytes, _, long peak) in HugeBlocks())
        {
            if (peak != 0)
                collect(bytes, peak, SizeClasses.Huge);
        }
    }

    /// <summary>Calls back for each block size with the blocks that callers and thread caches hold.</summary>
    public void CollectLive(Action<nuint, long, int> collect)
    {
        for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
            collect(_classes[sizeClass].BlockBytes, Total(sizeClass).BlocksOut, sizeClass);

        foreach ((nuint bytes, long count, _) in HugeBlocks())
            collect(bytes, count, SizeClasses.Huge);
    }

    /// <summary>A size class with what its homes have; its peak is the sum of theirs, which may lie at different times.</summary>
    public ClassState Total(int sizeClass)
    {
        ClassState total = _classes[sizeClass];
        for (int one = ArenaClasses.Next(sizeClass); one < ArenaClasses.Count; one = ArenaClasses.Next(one))
        {
            total.Runs += _classes[one].Runs;
            total.BlocksOut += _classes[one].BlocksOut;
            total.PeakBlocksOut += _classes[one].PeakBlocksOut;
        }

        return total;
    }

    /// <summary>Bytes of the blocks above 32 MiB that are out.</summary>
    public nuint HugeBytesOut()
    {
        NativeLock.Enter(&_classes[SizeClasses.Huge].Lock);
        nuint bytes = _hugeUse.BytesOut;
        NativeLock.Exit(&_classes[SizeClasses.Huge].Lock);
        return bytes;
    }

    /// <summary>Frees the tables. Only after <see cref="ReleaseAll"/>.</summary>
    public void FreeTables()
    {
        _heap.Free(_classes, ClassesBytes);
        _heap.Free(_spaceState, SlabSpace.StateBytes);
    }

    private (nuint Bytes, long Out, long Peak)[] HugeBlocks()
    {
        NativeLock.Enter(&_classes[SizeClasses.Huge].Lock);
        try
        {
            return _hugeUse.ToArray();
        }
        finally
        {
            NativeLock.Exit(&_classes[SizeClasses.Huge].Lock);
        }
    }
}

/// <summary>
/// One arena's blocks above the largest class, by their length in SuperSlabs, since they have no size in common: how many are out, and the
/// most there ever were. Under the lock of the class <see cref="SizeClasses.Huge"/>.
/// </summary>
internal sealed class HugeUse
{
    private readonly Dictionary<int, (long Out, long Peak)> _byLength = new(64);

    public nuint BytesOut
    {
        get
        {
            nuint bytes = 0;
            foreach ((int superSlabs, (long count, _)) in _byLength)
                bytes += (nuint)(superSlabs * count) << SlabGeometry.SuperSlabShift;

            return bytes;
        }
    }

    public void Count(int slabs, int change)
    {
        ref (long Out, long Peak) use = ref CollectionsMarshal.GetValueRefOrAddDefault(_byLength, slabs / SlabGeometry.SlabCount, out _);
        use.Out += change;
        use.Peak = Math.Max(use.Peak, use.Out);
    }

    /// <summary>No block is out any more; the peaks stay.</summary>
    public void Clear()
    {
        foreach (int superSlabs in _byLength.Keys)
            CollectionsMarshal.GetValueRefOrNullRef(_byLength, superSlabs).Out = 0;
    }

    public (nuint Bytes, long Out, long Peak)[] ToArray()
    {
        var uses = new (nuint Bytes, long Out, long Peak)[_byLength.Count];
        int index = 0;
        foreach ((int superSlabs, (long count, long peak)) in _byLength)
            uses[index++] = ((nuint)superSlabs << SlabGeometry.SuperSlabShift, count, peak);

        return uses;
    }
}
