using System.Numerics;
using System.Runtime.CompilerServices;
using Engine.Core;
using Engine.SuperSlabs;

namespace Engine.Slabs;

/// <summary>
/// One arena's slab runs by size class: where magazines are filled and emptied. A thread comes here once a magazine, so a lock for each
/// class is cheap, and blocks freed by any thread end in the run they came from without anybody owning a run.
///
///   magazine empty:  a full one from the class's depot  ->  else blocks from runs with free ones  ->  else a new run  ->  SlabSpace
///   magazine full:   into the depot  ->  else its blocks back to their runs  ->  a run without blocks out, back to SlabSpace
/// </summary>
internal sealed unsafe class ArenaSlabs
{
    private const int ReciprocalShift = 43;

    private readonly Reservation _reservation;
    private readonly MetadataHeap _heap;
    private readonly ClassState* _classes;
    private readonly SlabRun* _runs;
    private readonly uint* _tags;
    private readonly uint _arenaTag;
    private readonly void* _spaceState;

    public ArenaSlabs(Reservation reservation, SuperSlabPool pool, MetadataHeap heap, uint arenaTag)
    {
        _reservation = reservation;
        _heap = heap;
        _arenaTag = arenaTag;
        _runs = (SlabRun*)reservation.SlabDescriptors;
        _tags = reservation.Tags;
        _classes = (ClassState*)heap.Allocate(ClassesBytes);
        _spaceState = heap.Allocate(SlabSpace.StateBytes);
        Space = new SlabSpace(reservation, pool, arenaTag, _spaceState);
        for (int index = 0; index < SizeClasses.Count; index++)
        {
            nuint block = SizeClasses.BlockBytes(index);
            ref ClassState state = ref _classes[index];
            state.FirstRun = SuperSlab.None;
            state.BlockBytes = (uint)block;
            state.MagazineBlocks = (ushort)Magazine.BlocksOf(index);
            state.DepotLimit = Magazine.DepotLimit(index);
            state.SlabsPerRun = index <= SizeClasses.LastWithinSuperSlab ? SizeClasses.SlabsPerRun(index) : 0;
            state.Capacity = (ushort)nuint.Max(1, block == 0 ? 1 : ((nuint)state.SlabsPerRun << SuperSlab.SlabShift) / block);
            state.Reciprocal = block == 0 ? 0 : ((1UL << ReciprocalShift) + block - 1) / block;
        }
    }

    /// <summary>Metadata that one arena's classes take.</summary>
    public static nuint MetadataBytes => ClassesBytes + SlabSpace.StateBytes;

    public SlabSpace Space { get; }

    private static nuint ClassesBytes => (nuint)(SizeClasses.Count * sizeof(ClassState));

    public int MagazineBlocks(int sizeClass) => _classes[sizeClass].MagazineBlocks;

    /// <summary>A full magazine from the depot, in exchange for nothing, or null.</summary>
    public Magazine* TakeFull(int sizeClass)
    {
        ClassState* state = _classes + sizeClass;
        if (state->DepotCount == 0)
        {
            return null;
        }

        NativeLock.Enter(&state->Lock);
        Magazine* magazine = state->Depot;
        if (magazine != null)
        {
            state->Depot = magazine->Next;
            state->DepotCount--;
        }

        NativeLock.Exit(&state->Lock);
        return magazine;
    }

    /// <summary>Puts a full magazine in the depot. False where the depot is full: then the caller keeps it, and may <see cref="Return"/> its blocks.</summary>
    public bool TryDeposit(int sizeClass, Magazine* full)
    {
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        bool room = state->DepotCount < state->DepotLimit;
        if (room)
        {
            full->Next = state->Depot;
            state->Depot = full;
            state->DepotCount++;
        }

        NativeLock.Exit(&state->Lock);
        return room;
    }

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

                    slab = NewRun(sizeClass, state);
                    if (slab < 0)
                    {
                        break;
                    }
                }

                got += TakeBlocks(state, slab, blocks + got, want - got);
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
        nuint wrong = 0;
        NativeLock.Enter(&state->Lock);
        for (int index = 0; index < count; index++)
        {
            if (!ReturnBlock(sizeClass, state, (nint)blocks[index]))
            {
                wrong = blocks[index];
            }
        }

        NativeLock.Exit(&state->Lock);
        if (wrong != 0)
        {
            throw new EngineMemoryException(
                $"0x{wrong:x} was freed twice, or is not the beginning of a block of {state->BlockBytes} bytes; it was found when a thread's freed blocks were returned.");
        }
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
            int slab = BestIdleHuge(state, superSlabs);
            if (slab < 0)
            {
                slab = NewExtent(SizeClasses.Huge, state, superSlabs);
                if (slab < 0)
                {
                    return 0;
                }
            }

            nuint block;
            TakeBlocks(state, slab, &block, 1);
            return block;
        }
        finally
        {
            NativeLock.Exit(&state->Lock);
        }
    }

    public nuint UsableBytes(nint block, int sizeClass) => sizeClass != SizeClasses.Huge
        ? _classes[sizeClass].BlockBytes
        : (nuint)_runs[SlabOf(block)].SlabCount << SuperSlab.SlabShift;

    /// <summary>
    /// Makes a block that stands alone in its run larger where it is, if what lies behind it is free. No byte moves.
    /// </summary>
    /// <returns>The block's class afterwards, or -1 where it could not grow.</returns>
    public int TryGrow(nint block, int sizeClass, nuint bytes)
    {
        int newClass = SizeClasses.IndexOf(bytes);
        ClassState* state = _classes + sizeClass;
        ClassState* newState = _classes + newClass;
        int slab = SlabOf(block);
        SlabRun* run = _runs + slab;
        if (state->Capacity != 1 || newState->Capacity != 1 || block != _reservation.AddressOfSlab(slab))
        {
            return -1;
        }

        bool isExtent = sizeClass > SizeClasses.LastWithinSuperSlab;
        int slabs = newClass > SizeClasses.LastWithinSuperSlab
            ? checked((int)Sizes.DivideRoundingUp(bytes, SuperSlab.Bytes)) * SuperSlab.SlabCount
            : newState->SlabsPerRun;
        if (isExtent != newClass > SizeClasses.LastWithinSuperSlab || !TryLeaveClass(state))
        {
            return -1;
        }

        bool grown = isExtent
            ? Space.TryGrowExtent(slab, slabs / SuperSlab.SlabCount)
            : Space.TryGrowSlabs(slab, run->SlabCount, slabs);
        EnterClass(grown ? newState : state);
        if (!grown)
        {
            return -1;
        }

        run->SizeClass = (byte)newClass;
        run->SlabCount = slabs;
        _tags[slab] = _arenaTag | (uint)newClass;
        return newClass;
    }

    private static bool TryLeaveClass(ClassState* state)
    {
        NativeLock.Enter(&state->Lock);
        bool spare = state->Runs > state->PrewarmedRuns;
        state->Runs -= spare ? 1 : 0;
        NativeLock.Exit(&state->Lock);
        return spare;
    }

    private static void EnterClass(ClassState* state)
    {
        NativeLock.Enter(&state->Lock);
        state->Runs++;
        NativeLock.Exit(&state->Lock);
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
                    ? NewExtent(sizeClass, state, checked((int)Sizes.DivideRoundingUp(bytes, SuperSlab.Bytes)))
                    : NewRun(sizeClass, state);
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
            for (Magazine* full = TakeFull(sizeClass); full != null; full = TakeFull(sizeClass))
            {
                Return(sizeClass, Magazine.FullTop(full) - state->MagazineBlocks, state->MagazineBlocks);
                _heap.Free(full, Magazine.Bytes);
            }

            NativeLock.Enter(&state->Lock);
            for (int slab = state->FirstRun; slab != SuperSlab.None;)
            {
                int next = _runs[slab].Next;
                if (_runs[slab].IsEmpty && state->Runs > state->PrewarmedRuns)
                {
                    ReleaseRun(state, slab);
                }

                slab = next;
            }

            NativeLock.Exit(&state->Lock);
        }
    }

    /// <summary>Every block becomes free at once; prewarmed runs stay with their classes, all others go. No other thread uses the arena.</summary>
    public void Reset()
    {
        DropDepots();
        for (int superSlab = Space.FirstOwned; superSlab != SuperSlab.None; superSlab = _reservation.SuperSlabs[superSlab].NextOwned)
        {
            ForEachRun(superSlab, (state, slab) =>
            {
                SlabRun* run = _runs + slab;
                if (run->FreeBlocks == 0)
                {
                    LinkFirst(state, slab);
                }

                if (!run->IsEmpty)
                {
                    FillBitmap(run);
                    state->EmptyRuns++;
                }
            });
        }

        ReleaseEmptyRuns();
    }

    /// <summary>Gives everything back to the pool at once, however many blocks are out. No other thread uses the arena.</summary>
    public void ReleaseAll()
    {
        DropDepots();
        Space.PrewarmedSuperSlabs = 0;
        Space.ReleaseDownTo(0, superSlab => ForEachRun(superSlab, (_, slab) => ForgetRun(slab)));
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            ref ClassState state = ref _classes[sizeClass];
            state.FirstRun = SuperSlab.None;
            state.Runs = state.EmptyRuns = state.PrewarmedRuns = 0;
        }
    }

    /// <summary>Frees the tables. Only after <see cref="ReleaseAll"/>.</summary>
    public void FreeTables()
    {
        _heap.Free(_classes, ClassesBytes);
        _heap.Free(_spaceState, SlabSpace.StateBytes);
    }

    /// <summary>Calls back for each run of a SuperSlab, which may be the first of an extent.</summary>
    internal void ForEachRun(int superSlab, RunVisitor visit)
    {
        int first = superSlab * SuperSlab.SlabCount;
        int step;
        for (int slab = first; slab < first + SuperSlab.SlabCount; slab += step)
        {
            step = 1;
            if (_tags[slab] != 0)
            {
                step = _runs[slab].SlabCount;
                visit(_classes + _runs[slab].SizeClass, slab);
            }
        }
    }

    internal delegate void RunVisitor(ClassState* state, int slab);

    internal ClassState* ClassOf(int sizeClass) => _classes + sizeClass;

    internal SlabRun* RunOf(int slab) => _runs + slab;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int SlabOf(nint address) => (int)((nuint)(address - _reservation.Base) >> SuperSlab.SlabShift);

    private int NewRun(int sizeClass, ClassState* state)
    {
        if (sizeClass > SizeClasses.LastWithinSuperSlab)
        {
            return NewExtent(sizeClass, state, SizeClasses.SuperSlabsOf(sizeClass));
        }

        ulong* bitmap = null;
        if (state->Capacity > SlabRun.InlineBlocks)
        {
            bitmap = (ulong*)_heap.Allocate(SlabRun.BitmapBytes(state->Capacity));
        }

        int slab = -1;
        try
        {
            slab = Space.TakeSlabs(state->SlabsPerRun);
        }
        finally
        {
            if (slab < 0 && bitmap != null)
            {
                _heap.Free(bitmap, SlabRun.BitmapBytes(state->Capacity));
            }
        }

        if (slab >= 0)
        {
            Begin(sizeClass, state, slab, state->SlabsPerRun, bitmap);
        }

        return slab;
    }

    private int NewExtent(int sizeClass, ClassState* state, int superSlabs)
    {
        int slab = Space.TakeExtent(superSlabs);
        if (slab >= 0)
        {
            Begin(sizeClass, state, slab, superSlabs * SuperSlab.SlabCount, bitmap: null);
        }

        return slab;
    }

    private void Begin(int sizeClass, ClassState* state, int slab, int slabs, ulong* bitmap)
    {
        SlabRun* run = _runs + slab;
        *run = new SlabRun { SizeClass = (byte)sizeClass, Capacity = state->Capacity, SlabCount = slabs };
        run->Bitmap = bitmap == null ? run->Inline : bitmap;
        FillBitmap(run);
        uint tag = _arenaTag | (uint)sizeClass;
        _tags[slab] = tag;
        if (state->Capacity > 1)
        {
            for (int offset = 1; offset < slabs; offset++)
            {
                _runs[slab + offset].Offset = (byte)offset;
                _tags[slab + offset] = tag;
            }
        }

        state->Runs++;
        state->EmptyRuns++;
        LinkFirst(state, slab);
    }

    private static void FillBitmap(SlabRun* run)
    {
        new Span<ulong>(run->Bitmap, run->BitmapWords).Fill(ulong.MaxValue);
        int rest = run->Capacity & 63;
        if (rest != 0)
        {
            run->Bitmap[run->BitmapWords - 1] = (1UL << rest) - 1;
        }

        run->FreeBlocks = run->Capacity;
        run->FirstWord = 0;
    }

    /// <summary>Takes blocks of one run in the order of their addresses, and unlinks the run when it has none left.</summary>
    private int TakeBlocks(ClassState* state, int slab, nuint* blocks, int want)
    {
        SlabRun* run = _runs + slab;
        state->EmptyRuns -= run->IsEmpty ? 1 : 0;
        nuint start = (nuint)_reservation.AddressOfSlab(slab);
        int take = Math.Min(want, run->FreeBlocks);
        int got = 0;
        int word = run->FirstWord;
        while (got < take)
        {
            ulong bits = run->Bitmap[word];
            while (bits != 0 && got < take)
            {
                nuint index = (nuint)((word << 6) + BitOperations.TrailingZeroCount(bits));
                bits &= bits - 1;
                blocks[got++] = start + (index * state->BlockBytes);
            }

            run->Bitmap[word] = bits;
            word += bits == 0 ? 1 : 0;
        }

        run->FirstWord = (ushort)word;
        run->FreeBlocks -= got;
        if (run->FreeBlocks == 0)
        {
            Unlink(state, slab);
        }

        return got;
    }

    private bool ReturnBlock(int sizeClass, ClassState* state, nint block)
    {
        int slab = SlabOf(block);
        if (_tags[slab] != (_arenaTag | (uint)sizeClass))
        {
            return false;
        }

        slab -= _runs[slab].Offset;
        SlabRun* run = _runs + slab;
        ulong offset = (ulong)(block - _reservation.AddressOfSlab(slab));
        int index = run->Capacity == 1 ? 0 : (int)((offset * state->Reciprocal) >> ReciprocalShift);
        ulong bit = 1UL << (index & 63);
        int word = index >> 6;
        if (offset != (ulong)index * state->BlockBytes || index >= run->Capacity || (run->Bitmap[word] & bit) != 0)
        {
            return false;
        }

        run->Bitmap[word] |= bit;
        run->FirstWord = Math.Min(run->FirstWord, (ushort)word);
        if (run->FreeBlocks++ == 0)
        {
            LinkFirst(state, slab);
        }

        if (run->IsEmpty)
        {
            // One empty run of a slab is kept for the next block; larger ones, and extents, go at once unless they were prewarmed.
            int keep = run->SlabCount == 1 ? 1 : 0;
            state->EmptyRuns++;
            if (state->EmptyRuns > keep && state->Runs > state->PrewarmedRuns)
            {
                ReleaseRun(state, slab);
            }
        }

        return true;
    }

    private void ReleaseRun(ClassState* state, int slab)
    {
        int slabs = _runs[slab].SlabCount;
        bool isExtent = slabs >= SuperSlab.SlabCount && _runs[slab].SizeClass > SizeClasses.LastWithinSuperSlab;
        Unlink(state, slab);
        state->Runs--;
        state->EmptyRuns--;
        ForgetRun(slab);
        if (isExtent)
        {
            Space.GiveExtent(slab);
        }
        else
        {
            Space.GiveSlabs(slab, slabs);
        }
    }

    private void ForgetRun(int slab)
    {
        SlabRun* run = _runs + slab;
        if (run->Capacity > SlabRun.InlineBlocks)
        {
            _heap.Free(run->Bitmap, SlabRun.BitmapBytes(run->Capacity));
        }

        int tagged = run->Capacity > 1 ? run->SlabCount : 1;
        for (int offset = 0; offset < tagged; offset++)
        {
            _tags[slab + offset] = 0;
        }
    }

    private int BestIdleHuge(ClassState* state, int superSlabs)
    {
        int best = -1;
        for (int slab = state->FirstRun; slab != SuperSlab.None; slab = _runs[slab].Next)
        {
            int length = _runs[slab].SlabCount;
            if (length >= superSlabs * SuperSlab.SlabCount && (best < 0 || length < _runs[best].SlabCount))
            {
                best = slab;
            }
        }

        return best;
    }

    private void DropDepots()
    {
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            for (Magazine* full = TakeFull(sizeClass); full != null; full = TakeFull(sizeClass))
            {
                _heap.Free(full, Magazine.Bytes);
            }
        }
    }

    private void LinkFirst(ClassState* state, int slab)
    {
        SlabRun* run = _runs + slab;
        run->Previous = SuperSlab.None;
        run->Next = state->FirstRun;
        if (state->FirstRun != SuperSlab.None)
        {
            _runs[state->FirstRun].Previous = slab;
        }

        state->FirstRun = slab;
    }

    private void Unlink(ClassState* state, int slab)
    {
        SlabRun* run = _runs + slab;
        if (run->Previous == SuperSlab.None)
        {
            state->FirstRun = run->Next;
        }
        else
        {
            _runs[run->Previous].Next = run->Next;
        }

        if (run->Next != SuperSlab.None)
        {
            _runs[run->Next].Previous = run->Previous;
        }
    }
}
