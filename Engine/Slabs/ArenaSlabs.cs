using System.Numerics;
using System.Runtime.CompilerServices;
using Engine.Core;
using Engine.SuperSlabs;

namespace Engine.Slabs;

/// <summary>
/// One arena's slab runs by size class: where magazines are filled and emptied. A thread comes here once a magazine, so a lock for each
/// class is cheap, and blocks freed by any thread end in the run they came from without anybody owning a run. No class's lock is held
/// while another is taken, while SuperSlabs are taken, or while anything of the caller's runs.
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
        for (int index = 0; index < SizeClasses.Count; index++)
        {
            nuint block = SizeClasses.BlockBytes(index);
            ref ClassState state = ref _classes[index];
            state.FirstRun = SuperSlab.None;
            state.BlockBytes = (uint)block;
            state.MagazineBlocks = (ushort)(cached ? Magazine.BlocksOf(index) : 0);
            state.StockLimit = cached ? Magazine.StockLimit(index) : 0;
            state.SlabsPerRun = index <= SizeClasses.LastWithinSuperSlab ? SizeClasses.SlabsPerRun(index) : 0;
            state.Capacity = (ushort)nuint.Max(1, block == 0 ? 1 : ((nuint)state.SlabsPerRun << SuperSlab.SlabShift) / block);
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

    private static nuint ClassesBytes => (nuint)(SizeClasses.Count * sizeof(ClassState));

    public ClassState* ClassOf(int sizeClass) => _classes + sizeClass;

    public int StockLimit(int sizeClass) => _classes[sizeClass].StockLimit;

    public int MagazineBlocks(int sizeClass) => _classes[sizeClass].MagazineBlocks;

    /// <summary>Writes up to <paramref name="want"/> free blocks, the lowest address last, where a stack's top will be.</summary>
    /// <returns>How many; 0 only where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory. Nothing has changed.</exception>
    public int Fill(int sizeClass, nuint* blocks, int want)
    {
        ClassState* state = _classes + sizeClass;
        int got = TakeFree(state, blocks, want);
        if (got == 0)
        {
            Relieve?.Invoke(sizeClass);
            got = TakeFree(state, blocks, want);
        }

        return got != 0 ? got : FillFromNewRun(sizeClass, state, blocks, want);
    }

    /// <summary>Takes blocks from runs that have free ones.</summary>
    private int TakeFree(ClassState* state, nuint* blocks, int want)
    {
        int got = 0;
        if (Volatile.Read(ref state->FirstRun) >= 0)
        {
            NativeLock.Enter(&state->Lock);
            while (got < want && state->FirstRun >= 0)
            {
                got += _runs.TakeBlocks(state, state->FirstRun, blocks + got, want - got);
            }

            NativeLock.Exit(&state->Lock);
            new Span<nuint>(blocks, got).Reverse();
        }

        return got;
    }

    private int FillFromNewRun(int sizeClass, ClassState* state, nuint* blocks, int want)
    {
        int slab = _runs.NewRun(sizeClass, state, out ulong* bitmap);
        if (slab < 0)
        {
            // The reclaim may have returned blocks of this very class.
            return TakeFree(state, blocks, want);
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
        int superSlabs = checked((int)Sizes.DivideRoundingUp(bytes, SuperSlab.Bytes));
        ClassState* state = _classes + SizeClasses.Huge;
        NativeLock.Enter(&state->Lock);
        int slab = _runs.BestIdleHuge(state, superSlabs);
        nuint block = slab < 0 ? 0 : TakeHuge(state, slab);
        NativeLock.Exit(&state->Lock);
        if (slab >= 0)
        {
            return block;
        }

        slab = Space.TakeExtent(superSlabs, SizeClasses.Huge);
        if (slab < 0)
        {
            return 0;
        }

        NativeLock.Enter(&state->Lock);
        _runs.Begin(SizeClasses.Huge, state, slab, superSlabs * SuperSlab.SlabCount, bitmap: null);
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
        : (nuint)_runs[_runs.SlabOf(block)]->SlabCount << SuperSlab.SlabShift;

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
            ? checked((int)Sizes.DivideRoundingUp(bytes, SuperSlab.Bytes)) * SuperSlab.SlabCount
            : _classes[newClass].SlabsPerRun;
        int grown = -1;
        try
        {
            grown = isExtent ? Space.GrowExtent(slab, slabs / SuperSlab.SlabCount, newClass)
                : Space.TryGrowSlabs(slab, oldSlabs, slabs) ? slab
                : -1;
        }
        finally
        {
            if (grown < 0)
            {
                EnterClass(sizeClass, oldSlabs);
            }
        }

        if (grown < 0)
        {
            return 0;
        }

        // First what describes the block moves, then its old SuperSlabs go: whoever takes them may describe them at once.
        _runs.Move(slab, grown, newClass, slabs);
        EnterClass(newClass, slabs);
        if (grown != slab)
        {
            Space.GiveMoved(slab);
        }

        return (nuint)_reservation.AddressOfSlab(grown);
    }

    private nuint ReturnBlocks(int sizeClass, ClassState* state, nuint* blocks, int count)
    {
        nuint wrong = 0;
        for (int index = 0; index < count; index++)
        {
            int slabs = _runs[_runs.SlabOf((nint)blocks[index])]->SlabCount;
            if (!_runs.ReturnBlock(sizeClass, state, (nint)blocks[index]))
            {
                wrong = blocks[index];
            }
            else if (sizeClass == SizeClasses.Huge)
            {
                _hugeUse.Count(slabs, -1);
            }
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
            {
                _hugeUse.Count(_runs[slab]->SlabCount, -1);
            }
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
        {
            _hugeUse.Count(slabs, 1);
        }

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
        ? checked((int)Sizes.DivideRoundingUp(bytes, SuperSlab.Bytes) * SuperSlab.SlabCount)
        : SlabsPerRun(bytes);

    public int SlabsPerRun(nuint bytes) => _classes[SizeClasses.IndexOf(bytes)].SlabsPerRun;

    /// <summary>Metadata of the runs of so many blocks, in bytes.</summary>
    public nuint BitmapBytesFor(nuint bytes, long count)
    {
        int capacity = _classes[SizeClasses.IndexOf(bytes)].Capacity;
        return capacity <= SlabRun.InlineBlocks ? 0 : MetadataHeap.BytesFor(SlabRun.BitmapBytes(capacity), (count + capacity - 1) / capacity);
    }

    /// <summary>SuperSlabs that <paramref name="count"/> more blocks of a size would take if they stood alone, in slabs.</summary>
    public long SlabsFor(nuint bytes, long count)
    {
        int sizeClass = SizeClasses.IndexOf(bytes);
        ClassState* state = _classes + sizeClass;
        return sizeClass > SizeClasses.LastWithinSuperSlab
            ? checked((long)Sizes.DivideRoundingUp(bytes, SuperSlab.Bytes) * SuperSlab.SlabCount * count)
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
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            ClassState* state = _classes + sizeClass;
            if (Volatile.Read(ref state->EmptyRuns) == 0)
            {
                continue;
            }

            NativeLock.Enter(&state->Lock);
            for (int slab = state->FirstRun; slab != SuperSlab.None;)
            {
                int next = _runs[slab]->Next;
                if (_runs[slab]->IsEmpty && _runs.IsSpare(state, slab))
                {
                    _runs.ReleaseRun(state, slab);
                }

                slab = next;
            }

            NativeLock.Exit(&state->Lock);
        }
    }

    /// <summary>Every block becomes free at once; prewarmed runs stay with their classes, all others go. No other thread uses the arena.</summary>
    public void Reset()
    {
        for (int superSlab = Space.FirstOwned; superSlab != SuperSlab.None; superSlab = _reservation.SuperSlabs[superSlab].NextOwned)
        {
            _runs.ForEachRun(superSlab, (run, slab) =>
            {
                ClassState* state = _classes + run->SizeClass;
                if (run->FreeBlocks == 0)
                {
                    _runs.LinkFirst(state, slab);
                }

                if (!run->IsEmpty)
                {
                    SlabRuns.FillBitmap(run);
                    state->EmptyRuns++;
                }
            });
        }

        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            _classes[sizeClass].BlocksOut = 0;
        }

        _hugeUse.Clear();
        ReleaseEmptyRuns();
    }

    /// <summary>Gives everything back to the pool at once, however many blocks are out. No other thread uses the arena.</summary>
    public void ReleaseAll()
    {
        Space.ReleaseAll(superSlab => _runs.ForEachRun(superSlab, (_, slab) => _runs.ForgetRun(slab)));
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            ref ClassState state = ref _classes[sizeClass];
            state.FirstRun = SuperSlab.None;
            state.Runs = state.EmptyRuns = state.PrewarmedRuns = 0;
            state.BlocksOut = 0;
        }
    }

    /// <summary>Calls back for each block size with the most blocks that were out at once.</summary>
    public void CollectPeaks(Action<nuint, long, int> collect)
    {
        for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
        {
            if (_classes[sizeClass].PeakBlocksOut != 0)
            {
                collect(_classes[sizeClass].BlockBytes, _classes[sizeClass].PeakBlocksOut, sizeClass);
            }
        }

        foreach ((nuint bytes, _, long peak) in HugeBlocks())
        {
            if (peak != 0)
            {
                collect(bytes, peak, SizeClasses.Huge);
            }
        }
    }

    /// <summary>Calls back for each block size with the blocks that callers and thread caches hold.</summary>
    public void CollectLive(Action<nuint, long, int> collect)
    {
        for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
        {
            ref ClassState state = ref _classes[sizeClass];
            collect(state.BlockBytes, state.BlocksOut, sizeClass);
        }

        foreach ((nuint bytes, long count, _) in HugeBlocks())
        {
            collect(bytes, count, SizeClasses.Huge);
        }
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
