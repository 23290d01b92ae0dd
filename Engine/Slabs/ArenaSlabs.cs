using System.Numerics;
using System.Runtime.CompilerServices;
using Engine.Core;
using Engine.SuperSlabs;

namespace Engine.Slabs;

/// <summary>
/// One arena's slab runs by size class: where magazines are filled and emptied. A thread comes here once a magazine, so a lock for each
/// class is cheap, and blocks freed by any thread end in the run they came from without anybody owning a run.
///
///   magazine empty:  a full one from <see cref="Depots"/>  ->  else blocks from runs with free ones  ->  else a new run  ->  SlabSpace
///   magazine full:   into <see cref="Depots"/>  ->  else its blocks back to their runs  ->  a run without blocks out, back to SlabSpace
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
        Depots = new Depots(_classes, heap);
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
        _runs = new SlabRuns(reservation, heap, Space, arenaTag);
        for (int index = 0; index < SizeClasses.Count; index++)
        {
            nuint block = SizeClasses.BlockBytes(index);
            ref ClassState state = ref _classes[index];
            state.FirstRun = SuperSlab.None;
            state.BlockBytes = (uint)block;
            state.MagazineBlocks = (ushort)(cached ? Magazine.BlocksOf(index) : 0);
            state.DepotLimit = cached ? Magazine.DepotLimit(index) : 0;
            state.SlabsPerRun = index <= SizeClasses.LastWithinSuperSlab ? SizeClasses.SlabsPerRun(index) : 0;
            state.Capacity = (ushort)nuint.Max(1, block == 0 ? 1 : ((nuint)state.SlabsPerRun << SuperSlab.SlabShift) / block);
            state.Reciprocal = SlabRuns.ReciprocalOf(block);
        }
    }

    public SlabSpace Space { get; }

    public SlabRuns Runs => _runs;

    public Depots Depots { get; }

    private static nuint ClassesBytes => (nuint)(SizeClasses.Count * sizeof(ClassState));

    public ClassState* ClassOf(int sizeClass) => _classes + sizeClass;

    /// <summary>Whether the class has a free block in one of its runs. Another thread may be faster.</summary>
    public bool HasFreeBlock(int sizeClass) => _classes[sizeClass].FirstRun >= 0;

    public int MagazineBlocks(int sizeClass) => _classes[sizeClass].MagazineBlocks;

    /// <summary>Writes up to <paramref name="want"/> free blocks, the lowest address last, where a stack's top will be.</summary>
    /// <returns>How many; 0 only where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory. Nothing has changed.</exception>
    public int Fill(int sizeClass, nuint* blocks, int want)
    {
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        try
        {
            int got = 0;
            while (got < want)
            {
                int slab = state->FirstRun;
                if (slab < 0)
                {
                    if (got != 0)
                    {
                        break;
                    }

                    ReclaimDepots(state->SlabsPerRun, isLarge: sizeClass >= Magazine.FirstOfOne);
                    slab = _runs.NewRun(sizeClass, state);
                    if (slab < 0)
                    {
                        break;
                    }
                }

                got += _runs.TakeBlocks(state, slab, blocks + got, want - got);
            }

            new Span<nuint>(blocks, got).Reverse();
            return got;
        }
        finally
        {
            NativeLock.Exit(&state->Lock);
        }
    }

    /// <summary>Gives blocks back to the runs they came from.</summary>
    /// <exception cref="EngineMemoryException">An address is no block, or is free already. The others have been returned.</exception>
    public void Return(int sizeClass, nuint* blocks, int count)
    {
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        nuint wrong = ReturnBlocks(sizeClass, state, blocks, count);
        NativeLock.Exit(&state->Lock);
        ThrowIfWrong(wrong, state);
    }

    /// <summary>An extent above the largest class.</summary>
    /// <returns>Its address, or 0 where the reservation has no such run.</returns>
    public nuint AllocateHuge(nuint bytes)
    {
        int superSlabs = checked((int)Sizes.DivideRoundingUp(bytes, SuperSlab.Bytes));
        ClassState* state = _classes + SizeClasses.Huge;
        NativeLock.Enter(&state->Lock);
        try
        {
            int slab = _runs.BestIdleHuge(state, superSlabs);
            if (slab < 0)
            {
                slab = _runs.NewExtent(SizeClasses.Huge, state, superSlabs);
                if (slab < 0)
                {
                    return 0;
                }
            }

            nuint block;
            _runs.TakeBlocks(state, slab, &block, 1);
            _hugeUse.Count(_runs[slab]->SlabCount, 1);
            return block;
        }
        finally
        {
            NativeLock.Exit(&state->Lock);
        }
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
            || isExtent != newClass > SizeClasses.LastWithinSuperSlab || !TryLeaveClass(state))
        {
            return 0;
        }

        int slabs = isExtent
            ? checked((int)Sizes.DivideRoundingUp(bytes, SuperSlab.Bytes)) * SuperSlab.SlabCount
            : _classes[newClass].SlabsPerRun;
        int grown = -1;
        try
        {
            grown = isExtent ? Space.GrowExtent(slab, slabs / SuperSlab.SlabCount, newClass)
                : Space.TryGrowSlabs(slab, _runs[slab]->SlabCount, slabs) ? slab
                : -1;
        }
        finally
        {
            EnterClass(grown < 0 ? state : _classes + newClass);
        }

        if (grown < 0)
        {
            return 0;
        }

        int oldSlabs = _runs[slab]->SlabCount;
        _runs.Move(slab, grown, newClass, slabs);
        if (newClass == SizeClasses.Huge)
        {
            NativeLock.Enter(&_classes[SizeClasses.Huge].Lock);
            _hugeUse.Count(oldSlabs, sizeClass == SizeClasses.Huge ? -1 : 0);
            _hugeUse.Count(slabs, 1);
            NativeLock.Exit(&_classes[SizeClasses.Huge].Lock);
        }

        return (nuint)_reservation.AddressOfSlab(grown);
    }

    /// <summary>
    /// Before a class takes another run: returns the full magazines of the depots, the largest blocks first, until so many neighbouring
    /// slabs are free; for a block that fills a magazine by itself those of all such blocks, whose slabs it can have. Under one class's
    /// lock; of the others' it takes those that are free, since waiting could be for ever.
    /// </summary>
    /// <exception cref="EngineMemoryException">A block in a depot is no free-able block. The others have been returned.</exception>
    private void ReclaimDepots(int slabs, bool isLarge)
    {
        int last = isLarge ? Magazine.FirstOfOne : SizeClasses.LastWithinSuperSlab + 1;
        for (int sizeClass = SizeClasses.LastWithinSuperSlab; sizeClass >= 0 && slabs != 0 && (sizeClass >= last || !Space.HasRun(slabs)); sizeClass--)
        {
            ClassState* state = _classes + sizeClass;
            if (state->FullCount != 0 && NativeLock.TryEnter(&state->Lock))
            {
                nuint wrong = UnloadDepot(sizeClass, state);
                NativeLock.Exit(&state->Lock);
                ThrowIfWrong(wrong, state);
            }
        }
    }

    /// <summary>Returns the blocks of a class's full magazines to their runs. Under the class's lock.</summary>
    /// <returns>A block that could not be returned, or 0.</returns>
    private nuint UnloadDepot(int sizeClass, ClassState* state)
    {
        nuint wrong = 0;
        for (Magazine* full = Depots.Unload(state); full != null; full = Depots.Unload(state))
        {
            nuint found = ReturnBlocks(sizeClass, state, Magazine.FullTop(full) - state->MagazineBlocks, state->MagazineBlocks);
            wrong = found == 0 ? wrong : found;
        }

        return wrong;
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

    private static void ThrowIfWrong(nuint wrong, ClassState* state)
    {
        if (wrong != 0)
        {
            throw new EngineMemoryException(
                $"0x{wrong:x} was freed twice, or is not the beginning of a block of {state->BlockBytes} bytes; it was found when a thread's freed blocks were returned.");
        }
    }

    private static bool TryLeaveClass(ClassState* state)
    {
        NativeLock.Enter(&state->Lock);
        bool spare = state->Runs > state->PrewarmedRuns;
        state->Runs -= spare ? 1 : 0;
        state->BlocksOut -= spare ? 1 : 0;
        NativeLock.Exit(&state->Lock);
        return spare;
    }

    private static void EnterClass(ClassState* state)
    {
        NativeLock.Enter(&state->Lock);
        state->Runs++;
        state->BlocksOut++;
        state->PeakBlocksOut = Math.Max(state->PeakBlocksOut, state->BlocksOut);
        NativeLock.Exit(&state->Lock);
    }

    /// <summary>
    /// Whether a prewarm makes the runs of a size in any case: extents, and runs so long that SuperSlabs divided as needed would leave
    /// much unused between them.
    /// </summary>
    public bool IsCarvedAlways(nuint bytes) =>
        SizeClasses.IndexOf(bytes) > SizeClasses.LastWithinSuperSlab || SlabsPerRun(bytes) > LongestDividedRun;

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

    /// <summary>Makes runs for that many blocks, and promises them to their class.</summary>
    /// <exception cref="EngineOutOfMemoryException">Memory ran out; what was made is left as ordinary empty runs, see <see cref="ReleaseEmptyRuns"/>.</exception>
    public void Prewarm(nuint bytes, long count)
    {
        int sizeClass = SizeClasses.IndexOf(bytes);
        ClassState* state = _classes + sizeClass;
        long runs = (count + state->Capacity - 1) / state->Capacity;
        NativeLock.Enter(&state->Lock);
        try
        {
            for (long made = 0; made < runs; made++)
            {
                int slab = sizeClass == SizeClasses.Huge
                    ? _runs.NewExtent(sizeClass, state, checked((int)Sizes.DivideRoundingUp(bytes, SuperSlab.Bytes)))
                    : _runs.NewRun(sizeClass, state);
                if (slab < 0)
                {
                    throw new EngineOutOfMemoryException(
                        $"The reservation has no room left for {count} blocks of {Sizes.Text(bytes)}; {made * state->Capacity} fitted.");
                }
            }

            state->PrewarmedRuns += (int)runs;
        }
        finally
        {
            NativeLock.Exit(&state->Lock);
        }
    }

    /// <summary>Forgets what a prewarm promised, so that empty runs may be released.</summary>
    public void ForgetPrewarm(nuint bytes, long count)
    {
        ClassState* state = _classes + SizeClasses.IndexOf(bytes);
        state->PrewarmedRuns -= (int)((count + state->Capacity - 1) / state->Capacity);
    }

    /// <summary>Gives the depots' blocks and all runs without a block out, above what was prewarmed, back to the SuperSlabs.</summary>
    public void ReleaseEmptyRuns()
    {
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            ClassState* state = _classes + sizeClass;
            NativeLock.Enter(&state->Lock);
            nuint wrong = UnloadDepot(sizeClass, state);
            Depots.FreeEmpty(state);
            for (int slab = state->FirstRun; slab != SuperSlab.None;)
            {
                int next = _runs[slab]->Next;
                if (_runs[slab]->IsEmpty && state->Runs > state->PrewarmedRuns)
                {
                    _runs.ReleaseRun(state, slab);
                }

                slab = next;
            }

            NativeLock.Exit(&state->Lock);
            ThrowIfWrong(wrong, state);
        }
    }

    /// <summary>Every block becomes free at once; prewarmed runs stay with their classes, all others go. No other thread uses the arena.</summary>
    public void Reset()
    {
        DropDepots();
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
        DropDepots();
        Space.PrewarmedSuperSlabs = 0;
        Space.ReleaseDownTo(0, superSlab => _runs.ForEachRun(superSlab, (_, slab) => _runs.ForgetRun(slab)));
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
            collect(bytes, peak, SizeClasses.Huge);
        }
    }

    /// <summary>Calls back for each block size with the blocks that callers and thread caches hold.</summary>
    public void CollectLive(Action<nuint, long, int> collect)
    {
        for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
        {
            ref ClassState state = ref _classes[sizeClass];
            collect(state.BlockBytes, state.BlocksOut - ((long)state.FullCount * state.MagazineBlocks), sizeClass);
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

    private void DropDepots()
    {
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            Depots.Drop(sizeClass);
        }
    }
}
