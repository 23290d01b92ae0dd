using System.Diagnostics;

namespace SuperSlab;

/// <summary>
/// One arena's slab runs by class: where magazines are filled and emptied.
///
///   magazine empty:  a full one of a thread's stock,  else blocks from runs,  else a new run from SlabSpace
///   magazine full:   into the thread's stock,  else its blocks to their runs;  a run without blocks out to SlabSpace
/// </summary>
/// <remarks>
/// A thread comes here once a magazine, so a lock for each class is cheap. Blocks freed by any thread return to their
/// run, which no thread owns. Under a class's lock nothing of the caller's runs, no SuperSlab is taken, and no other
/// class's lock is taken except, under a home's, its size class's.
/// </remarks>
internal sealed unsafe partial class ArenaSlabs
{
    /// <summary>Slabs of the longest runs for which SuperSlabs are divided as needed.</summary>
    private const int LongestDividedRun = 4;

    private readonly Reservation _reservation;
    private readonly MetadataHeap _heap;
    private readonly ClassState* _classes;
    private readonly SlabRuns _runs;
    private readonly HugeUse _hugeUse = new();

    /// <remarks>If not <paramref name="cached"/>, threads keep no free blocks: all calls take the slow path.</remarks>
    public ArenaSlabs(Reservation reservation, SuperSlabPool pool, MetadataHeap heap, uint arenaTag, bool cached = true)
    {
        _reservation = reservation;
        _heap = heap;
        _classes = (ClassState*)heap.Allocate(TableBytes);
        Space = new SlabSpace(reservation, pool, arenaTag, _classes + ArenaClasses.Count);
        _runs = new SlabRuns(reservation, heap, Promise, Space, arenaTag);
        Debug.Assert(sizeof(ClassState) == 128, "two cache lines a class");
        for (int index = 0; index < ArenaClasses.Count; index++)
        {
            int sizeClass = ArenaClasses.SizeClassOf(index);
            nuint block = SizeClasses.BlockBytes(sizeClass);
            ref ClassState state = ref _classes[index];
            state.FirstRun = SlabGeometry.None;
            state.BlockBytes = (uint)block;
            state.MagazineBlocks = (ushort)(cached ? Magazine.BlocksOf(sizeClass) : 0);
            state.StockLimit = cached ? Magazine.StockLimit(sizeClass) : 0;
            state.SlabsPerRun = SizeClasses.SlabsPerRun(sizeClass);
            nuint runBytes = (nuint)state.SlabsPerRun << SlabGeometry.SlabShift;
            state.Capacity = (ushort)nuint.Max(1, block == 0 ? 1 : runBytes / block);
            state.Reciprocal = SlabRuns.ReciprocalOf(block);
        }
    }

    public SlabSpace Space { get; }

    /// <summary>Metadata that prewarms promised to the arena.</summary>
    public MetadataPromise Promise { get; } = new();

    public SlabRuns Runs => _runs;

    /// <summary>Has caches return free blocks before a class takes a new run. Called under no lock.</summary>
    public Action<int>? Relieve { get; set; }

    /// <summary>The classes, and behind them the state of the space.</summary>
    private static nuint TableBytes => (nuint)(ArenaClasses.Count * sizeof(ClassState)) + SlabSpace.StateBytes;

    public ClassState* ClassOf(int sizeClass) => _classes + sizeClass;

    public int StockLimit(int sizeClass) => _classes[sizeClass].StockLimit;

    /// <summary>Whether a thread has the class's lock now.</summary>
    public bool IsBusy(int sizeClass) => Volatile.Read(ref _classes[sizeClass].Lock) != 0;

    public int MagazineBlocks(int sizeClass) => _classes[sizeClass].MagazineBlocks;

    /// <summary>The bytes of the blocks in a full magazine.</summary>
    public long MagazineBytes(int sizeClass) =>
        (long)_classes[sizeClass].MagazineBlocks * _classes[sizeClass].BlockBytes;

    /// <summary>Writes up to <paramref name="want"/> free blocks, the lowest address last: pops begin there.</summary>
    /// <returns>How many; 0 only where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory.</exception>
    public int Fill(int sizeClass, nuint* blocks, int want)
    {
        int got = TakeFree(sizeClass, blocks, want);
        if (got != 0)
            return got;

        Relieve?.Invoke(sizeClass);
        got = TakeFree(sizeClass, blocks, want);
        if (got != 0)
            return got;

        ClassState* state = _classes + sizeClass;
        int slab = _runs.NewRun(sizeClass, state, out ulong* bitmap);
        if (slab < 0)
        {
            // The reclaim may have returned blocks of this class.
            return TakeFree(sizeClass, blocks, want);
        }

        NativeLock.Enter(&state->Lock);
        _runs.Begin(sizeClass, state, slab, state->SlabsPerRun, bitmap);
        got = _runs.TakeBlocks(state, slab, blocks, want, out _);
        NativeLock.Exit(&state->Lock);
        new Span<nuint>(blocks, got).Reverse();
        return got;
    }

    /// <summary>A free block of a small size class from any home, or 0.</summary>
    public nuint TakeOfAnyHome(int sizeClass)
    {
        nuint block = 0;
        int one = ArenaClasses.SizeClassOf(sizeClass);
        for (; block == 0 && one < ArenaClasses.Count; one = ArenaClasses.Next(one))
            _ = TakeFree(one, &block, 1);

        return block;
    }

    /// <summary>Takes blocks from runs with free ones; for a home also from a run that no home needs.</summary>
    /// <exception cref="EngineOutOfMemoryException">A block had no memory, and the system gave none.</exception>
    private int TakeFree(int sizeClass, nuint* blocks, int want)
    {
        ClassState* state = _classes + sizeClass;
        ClassState* shared = _classes + ArenaClasses.SizeClassOf(sizeClass);
        bool isHome = shared != state;
        int got = 0;
        PageRange absent = default;
        if (Volatile.Read(ref state->FirstRun) >= 0 || (isHome && Volatile.Read(ref shared->EmptyRuns) != 0))
        {
            NativeLock.Enter(&state->Lock);
            while (got < want && absent.Count == 0
                && (state->FirstRun >= 0 || (got == 0 && isHome && TryMoveRun(shared, state, sizeClass))))
            {
                got += _runs.TakeBlocks(state, NearRun(state), blocks + got, want - got, out absent);
            }

            NativeLock.Exit(&state->Lock);
            if (absent.Count != 0)
                got -= Provide(sizeClass, blocks + got - 1, absent, isOnly: got == 1);

            new Span<nuint>(blocks, got).Reverse();
        }

        return got;
    }

    /// <summary>The first run with free blocks; where memory belongs to nodes, of the thread's own, if one of the first
    /// runs is. Under the class's lock.</summary>
    private int NearRun(ClassState* state)
    {
        const int MostLooks = 256;
        int run = state->FirstRun;
        for (int look = 0; Space.HasNodes && run >= 0 && look < MostLooks; look++)
        {
            if (Space.IsNear(run))
                return run;

            run = _runs[run]->Next;
        }

        return state->FirstRun;
    }

    /// <summary>Gives a run that no home needs to a home, whose lock is held.</summary>
    private bool TryMoveRun(ClassState* shared, ClassState* home, int sizeClass)
    {
        NativeLock.Enter(&shared->Lock);
        int slab = _runs.FirstEmpty(shared);
        if (slab >= 0)
            _runs.MoveRun(shared, home, sizeClass, slab);

        NativeLock.Exit(&shared->Lock);
        return slab >= 0;
    }

    /// <summary>Moves a run from a class to itself, which changes nothing.</summary>
    public void RehearseMove(int sizeClass) => TryMoveRun(_classes + sizeClass, _classes + sizeClass, sizeClass);

    /// <summary>Gives a size class's runs without a block out back to the SuperSlabs, those of its homes first: what
    /// was promised goes from there to the size class, for any home.</summary>
    public void GatherRuns(int sizeClass)
    {
        for (int one = ArenaClasses.Next(sizeClass); one < ArenaClasses.Count; one = ArenaClasses.Next(one))
            ReleaseEmptyRuns(one);

        ReleaseEmptyRuns(sizeClass);
    }

    /// <summary>Gives blocks back to their runs.</summary>
    /// <exception cref="EngineMemoryException">An address is no block, or is free. The others are returned.</exception>
    public void Return(int sizeClass, nuint* blocks, int count) =>
        ThrowIfWrong(sizeClass, ReturnAll(sizeClass, blocks, count));

    /// <summary>Gives blocks back to their runs.</summary>
    /// <returns>An address that is no block, or is free already; 0 where there is none.</returns>
    public nuint ReturnAll(int sizeClass, nuint* blocks, int count)
    {
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        nuint wrong = 0;
        int returned;
        for (int index = 0; index < count; index += Math.Max(1, returned))
        {
            nuint* block = blocks + index;
            int slabs = _runs[_runs.SlabOf((nint)(*block))]->SlabCount;
            returned = _runs.ReturnBlocks(sizeClass, state, block, count - index, out int unneeded);
            if (returned == 0)
                wrong = *block;
            else
                CountHuge(sizeClass, slabs, -1);

            if (unneeded >= 0)
                LetGo(sizeClass, state, unneeded);
        }

        NativeLock.Exit(&state->Lock);
        return wrong;
    }

    /// <exception cref="EngineMemoryException">There is a wrong address.</exception>
    public void ThrowIfWrong(int sizeClass, nuint wrong)
    {
        if (wrong != 0)
        {
            throw new EngineMemoryException(
                $"0x{wrong:x} was freed twice, or is not the beginning of a block of {_classes[sizeClass].BlockBytes} "
                + "bytes; it was found when a thread's freed blocks were returned.");
        }
    }

    /// <summary>An extent above the largest class.</summary>
    /// <returns>Its address, or 0 where the reservation has no such run.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory.</exception>
    public nuint AllocateHuge(nuint bytes)
    {
        int superSlabs = checked((int)Sizes.DivideRoundingUp(bytes, SlabGeometry.SuperSlabBytes));
        ClassState* state = _classes + SizeClasses.Huge;
        NativeLock.Enter(&state->Lock);
        int slab = _runs.BestIdleHuge(state, superSlabs);
        if (slab < 0)
        {
            NativeLock.Exit(&state->Lock);
            slab = Space.TakeExtent(superSlabs * SlabGeometry.SlabCount, SizeClasses.Huge);
            if (slab < 0)
                return 0;

            NativeLock.Enter(&state->Lock);
            _runs.Begin(SizeClasses.Huge, state, slab, superSlabs * SlabGeometry.SlabCount, bitmap: null);
        }

        nuint block;
        _runs.TakeBlocks(state, slab, &block, 1, out _);
        CountHuge(SizeClasses.Huge, _runs[slab]->SlabCount, 1);
        NativeLock.Exit(&state->Lock);
        return block;
    }

    public nuint UsableBytes(nint block, int sizeClass) => sizeClass != SizeClasses.Huge
        ? _classes[sizeClass].BlockBytes
        : (nuint)_runs[_runs.SlabOf(block)]->SlabCount << SlabGeometry.SlabShift;

    /// <summary>Makes a block alone in its run larger: in place, or for whole SuperSlabs by moving pages.</summary>
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
            grown = isExtent ? Space.GrowExtent(slab, oldSlabs, slabs / SlabGeometry.SlabCount, newClass)
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

        // The description moves first, then the old SuperSlabs go: their taker may describe them at once.
        _runs.Move(slab, grown, newClass, slabs);
        EnterClass(newClass, slabs);
        if (grown != slab)
            Space.GiveMoved(slab);

        return (nuint)_reservation.AddressOfSlab(grown);
    }

    /// <summary>Lets nobody settle behind an extent that will grow again, so that it grows without a copy.</summary>
    public void KeepRoom(nint block)
    {
        int slab = _runs.SlabOf(block);
        if (_runs[slab]->SlabCount > SlabGeometry.SlabCount)
            Space.TryMakeWhole(slab, _runs[slab]->SlabCount);
    }

    /// <summary>Under the class's lock.</summary>
    private void CountHuge(int sizeClass, int slabs, int change)
    {
        if (sizeClass == SizeClasses.Huge)
            _hugeUse.Count(slabs, change);
    }

    /// <summary>Takes a block's run out of its class, unless a prewarm promised it.</summary>
    private bool TryLeaveClass(int sizeClass, int slab)
    {
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        bool isSpare = _runs.IsSpare(state, slab);
        if (isSpare)
        {
            state->Runs--;
            state->BlocksOut--;
            CountHuge(sizeClass, _runs[slab]->SlabCount, -1);
            ClassState.AssertHolds(state);
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
        CountHuge(sizeClass, slabs, 1);
        ClassState.AssertHolds(state);
        NativeLock.Exit(&state->Lock);
    }

    /// <summary>Gives all runs without a block out, except prewarmed ones, back to the SuperSlabs.</summary>
    public void ReleaseEmptyRuns()
    {
        // Homes first: they give promised runs to their size classes.
        for (int sizeClass = ArenaClasses.Count - 1; sizeClass >= 0; sizeClass--)
            ReleaseEmptyRuns(sizeClass);
    }

    public void ReleaseEmptyRuns(int sizeClass)
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

    /// <summary>Drops a run without a block out, unless a prewarm promised it. Under the class's lock.</summary>
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

    /// <summary>Frees every block; runs that were not prewarmed go. No other thread uses the arena.</summary>
    public void Reset()
    {
        int superSlab = Space.FirstOwned;
        for (; superSlab != SlabGeometry.None; superSlab = _reservation.SuperSlabs[superSlab].NextOwned)
            _runs.ForEachRun(superSlab, ResetRun);

        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
            _classes[sizeClass].BlocksOut = 0;

        _hugeUse.Clear();
        _rangeSuperSlabs = 0;
        ReleaseEmptyRuns();
    }

    private void ResetRun(SlabRun* run, int slab)
    {
        ClassState* state = _classes + run->SizeClass;
        if (run->FreeBlocks == 0)
            _runs.LinkFirst(state, slab);

        if (!run->IsEmpty)
        {
            SlabRuns.FillBitmap(run);
            state->EmptyRuns++;
        }
    }

    /// <summary>Gives all back to the pool, blocks that are out included. No other thread uses the arena.</summary>
    public void ReleaseAll()
    {
        SlabRuns.RunVisitor forget = (_, slab) =>
            Space.NoteAbsent(slab / SlabGeometry.SlabCount, _runs.ForgetRun(slab).Absent);
        Space.ReleaseAll(superSlab => _runs.ForEachRun(superSlab, forget));
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
        {
            ref ClassState state = ref _classes[sizeClass];
            state.FirstRun = SlabGeometry.None;
            state.Runs = state.EmptyRuns = state.PrewarmedRuns = 0;
            state.BlocksOut = 0;
        }
    }

    /// <summary>Frees the tables. Only after <see cref="ReleaseAll"/>.</summary>
    public void FreeTables() => _heap.Free(_classes, TableBytes);
}
