using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// One arena's slab runs: their birth from slabs or SuperSlabs, the bitmaps of their blocks, their class's list of runs with free
/// blocks, and their death. What it changes of a class is guarded by that class's lock, which the caller holds.
/// </summary>
internal sealed unsafe class SlabRuns
{
    public const int ReciprocalShift = 43;

    private readonly Reservation _reservation;
    private readonly MetadataHeap _heap;
    private readonly MetadataPromise _promise;
    private readonly SlabSpace _space;
    private readonly SlabRun* _runs;
    private readonly uint* _tags;
    private readonly uint _arenaTag;

    public SlabRuns(Reservation reservation, MetadataHeap heap, MetadataPromise promise, SlabSpace space, uint arenaTag)
    {
        _reservation = reservation;
        _heap = heap;
        _promise = promise;
        _space = space;
        _arenaTag = arenaTag;
        _runs = (SlabRun*)reservation.SlabDescriptors;
        _tags = reservation.Tags;
    }

    public delegate void RunVisitor(SlabRun* run, int slab);

    /// <summary>What <see cref="ClassState.Reciprocal"/> is for blocks of this size; 0 for blocks without a common size.</summary>
    public static ulong ReciprocalOf(nuint blockBytes) => blockBytes == 0 ? 0 : ((1UL << ReciprocalShift) + blockBytes - 1) / blockBytes;

    public SlabRun* this[int slab] => _runs + slab;

    /// <summary>Calls back for each run of a SuperSlab, which may be the first of an extent.</summary>
    public void ForEachRun(int superSlab, RunVisitor visit)
    {
        int first = superSlab * SlabGeometry.SlabCount;
        int step;
        for (int slab = first; slab < first + SlabGeometry.SlabCount; slab += step)
        {
            step = 1;
            if (_tags[slab] != 0)
            {
                step = _runs[slab].SlabCount;
                visit(_runs + slab, slab);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int SlabOf(nint address) => (int)((nuint)(address - _reservation.Base) >> SlabGeometry.SlabShift);

    /// <summary>Takes slabs, or SuperSlabs, and a bitmap for a run of a class, which <see cref="Begin"/> then begins. Under no lock.</summary>
    /// <returns>Its first slab, or -1 where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory. Nothing has changed.</exception>
    public int NewRun(int sizeClass, ClassState* state, out ulong* bitmap)
    {
        bitmap = null;
        if (state->SlabsPerRun == 0)
            return _space.TakeExtent(SizeClasses.SuperSlabsOf(sizeClass), sizeClass);

        if (state->Capacity > SlabRun.InlineBlocks)
            bitmap = (ulong*)_heap.Allocate(SlabRun.BitmapBytes(state->Capacity), _promise);

        int slab = -1;
        try
        {
            slab = _space.TakeSlabs(state->SlabsPerRun, ArenaClasses.SizeClassOf(sizeClass));
        }
        finally
        {
            if (slab < 0 && bitmap != null)
            {
                _heap.Free(bitmap, SlabRun.BitmapBytes(state->Capacity));
                bitmap = null;
            }
        }

        return slab;
    }

    /// <summary>The length of a run of a class with a size, which begins at a slab that was just taken.</summary>
    public int SlabsOf(int slab, ClassState* state) =>
        state->SlabsPerRun != 0 ? state->SlabsPerRun : _reservation.SuperSlabs[slab / SlabGeometry.SlabCount].RunLength * SlabGeometry.SlabCount;

    /// <summary>Whether a run may leave its class when no block of it is out: no prewarm promised it. Under the class's lock.</summary>
    public bool IsSpare(ClassState* state, int slab) =>
        _runs[slab].SizeClass == SizeClasses.Huge ? !_runs[slab].IsPromised : state->Runs > state->PrewarmedRuns;

    public nint[] AllocateBitmaps(ClassState* state, int runs)
    {
        nint[] bitmaps = new nint[state->Capacity > SlabRun.InlineBlocks ? runs : 0];
        int made = 0;
        try
        {
            for (; made < bitmaps.Length; made++)
                bitmaps[made] = (nint)_heap.Allocate(SlabRun.BitmapBytes(state->Capacity), _promise);
        }
        finally
        {
            if (made < bitmaps.Length)
                FreeBitmaps(state, bitmaps[..made]);
        }

        return bitmaps;
    }

    public void FreeBitmaps(ClassState* state, nint[] bitmaps)
    {
        foreach (nint bitmap in bitmaps)
            _heap.Free((void*)bitmap, SlabRun.BitmapBytes(state->Capacity));
    }

    /// <summary>Describes a run in slabs that are the arena's and nobody else's. Under the class's lock. Cannot fail.</summary>
    public void Begin(int sizeClass, ClassState* state, int slab, int slabs, ulong* bitmap)
    {
        SlabRun* run = _runs + slab;
        *run = new SlabRun { SizeClass = (byte)sizeClass, Capacity = state->Capacity, SlabCount = slabs };
        run->Bitmap = bitmap == null ? run->Inline : bitmap;
        FillBitmap(run);
        // Every free reads the tags without a lock. No block of the run is out yet: whoever gets one, gets it by way of this class's lock, or
        // from a thread that did and handed the address over in an ordered way, and so sees them; also where the CPU reorders (ARM64).
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

    /// <summary>Gives a run of one block, which is out, another place, class and length.</summary>
    public void Move(int from, int to, int sizeClass, int slabs)
    {
        SlabRun run = _runs[from];
        run.SizeClass = (byte)sizeClass;
        run.SlabCount = slabs;
        _tags[from] = 0;
        _runs[to] = run;
        _runs[to].Bitmap = _runs[to].Inline;
        _runs[to].IsPromised = false;
        _tags[to] = _arenaTag | (uint)sizeClass;
    }

    /// <summary>A run without a block out, or -1. Under the class's lock.</summary>
    public int FirstEmpty(ClassState* state)
    {
        int slab = state->EmptyRuns == 0 ? -1 : state->FirstRun;
        while (slab >= 0 && !_runs[slab].IsEmpty)
            slab = _runs[slab].Next;

        return slab;
    }

    /// <summary>
    /// A run of a single slab without a block out goes to another class of blocks of the same size, and with it the promise of a run where
    /// the class it leaves has not more than were promised. Under both classes' locks.
    /// </summary>
    public void MoveRun(ClassState* from, ClassState* to, int toClass, int slab)
    {
        Unlink(from, slab);
        int promised = from->Runs == from->PrewarmedRuns ? 1 : 0;
        from->Runs--;
        from->EmptyRuns--;
        from->PrewarmedRuns -= promised;
        _runs[slab].SizeClass = (byte)toClass;
        _tags[slab] = _arenaTag | (uint)toClass;
        to->Runs++;
        to->EmptyRuns++;
        to->PrewarmedRuns += promised;
        LinkFirst(to, slab);
    }

    /// <summary>All blocks of the run become free.</summary>
    public static void FillBitmap(SlabRun* run)
    {
        new Span<ulong>(run->Bitmap, run->BitmapWords).Fill(ulong.MaxValue);
        int rest = run->Capacity & 63;
        if (rest != 0)
            run->Bitmap[run->BitmapWords - 1] = (1UL << rest) - 1;

        run->FreeBlocks = run->Capacity;
        run->FirstWord = 0;
    }

    /// <summary>Takes blocks of one run in the order of their addresses, and unlinks the run when it has none left.</summary>
    public int TakeBlocks(ClassState* state, int slab, nuint* blocks, int want)
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
        state->BlocksOut += got;
        state->PeakBlocksOut = Math.Max(state->PeakBlocksOut, state->BlocksOut);
        if (run->FreeBlocks == 0)
            Unlink(state, slab);

        return got;
    }

    /// <summary>Sets the bits of blocks, up to the first one that lies in another run than the first, or is no block of the class that is out.</summary>
    /// <param name="sizeClass">The class whose lock is held.</param>
    /// <param name="state">The same.</param>
    /// <param name="blocks">The blocks.</param>
    /// <param name="count">How many there are, at least one.</param>
    /// <param name="unneeded">The run, where its last block was among them and the class has enough empty runs; else -1.</param>
    /// <returns>How many; 0 where the first address is no block of the class that is out.</returns>
    public int ReturnBlocks(int sizeClass, ClassState* state, nuint* blocks, int count, out int unneeded)
    {
        unneeded = -1;
        int slab = SlabOf((nint)(*blocks));
        if (_tags[slab] != (_arenaTag | (uint)sizeClass))
            return 0;

        slab -= _runs[slab].Offset;
        SlabRun* run = _runs + slab;
        int returned = SetBits(run, state, (nuint)_reservation.AddressOfSlab(slab), blocks, count);
        if (returned == 0)
            return 0;

        state->BlocksOut -= returned;
        bool wasFull = run->FreeBlocks == 0;
        run->FreeBlocks += returned;
        if (wasFull)
            LinkFirst(state, slab);

        if (run->IsEmpty)
        {
            // One empty run of a slab is kept for the next block; larger ones, and extents, go at once unless they were prewarmed.
            int keep = run->SlabCount == 1 ? 1 : 0;
            state->EmptyRuns++;
            unneeded = state->EmptyRuns > keep ? slab : -1;
        }

        return returned;
    }

    private static int SetBits(SlabRun* run, ClassState* state, nuint start, nuint* blocks, int count)
    {
        ulong* bitmap = run->Bitmap;
        ulong bytes = (ulong)run->SlabCount << SlabGeometry.SlabShift;
        ulong reciprocal = run->Capacity == 1 ? 0 : state->Reciprocal; // a single block may be too large for one
        int firstWord = run->FirstWord;
        int word = 0;
        ulong bits = bitmap[0];
        int set = 0;
        for (; set < count; set++)
        {
            ulong offset = blocks[set] - start;
            int index = offset < bytes ? (int)((offset * reciprocal) >> ReciprocalShift) : run->Capacity;
            if (index >= run->Capacity || offset != (ulong)index * state->BlockBytes)
                break;

            if (index >> 6 != word)
            {
                bitmap[word] = bits;
                word = index >> 6;
                bits = bitmap[word];
            }

            ulong bit = 1UL << (index & 63);
            if ((bits & bit) != 0)
                break;

            bits |= bit;
            firstWord = Math.Min(firstWord, word);
        }

        bitmap[word] = bits;
        run->FirstWord = (ushort)firstWord;
        return set;
    }

    /// <summary>Gives an empty run's slabs back.</summary>
    public void ReleaseRun(ClassState* state, int slab)
    {
        int slabs = _runs[slab].SlabCount;
        bool isExtent = state->SlabsPerRun == 0;
        Unlink(state, slab);
        state->Runs--;
        state->EmptyRuns--;
        ForgetRun(slab);
        if (isExtent)
            _space.GiveExtent(slab);
        else
            _space.GiveSlabs(slab, slabs);
    }

    /// <summary>Clears a run's tags and frees its bitmap; what its slabs then belong to is the caller's business.</summary>
    public void ForgetRun(int slab)
    {
        SlabRun* run = _runs + slab;
        if (run->Capacity > SlabRun.InlineBlocks)
            _heap.Free(run->Bitmap, SlabRun.BitmapBytes(run->Capacity));

        int tagged = run->Capacity > 1 ? run->SlabCount : 1;
        for (int offset = 0; offset < tagged; offset++)
            _tags[slab + offset] = 0;
    }

    /// <summary>
    /// The smallest run without a block out that has so many SuperSlabs, or -1. A promised run is lent only to blocks of more than half
    /// its length, so that a small one that stays does not keep it from the large one it was promised to.
    /// </summary>
    public int BestIdleHuge(ClassState* state, int superSlabs)
    {
        int best = -1;
        int wanted = superSlabs * SlabGeometry.SlabCount;
        for (int slab = state->FirstRun; slab != SlabGeometry.None; slab = _runs[slab].Next)
        {
            int length = _runs[slab].SlabCount;
            if (length >= wanted && (length < 2 * wanted || !_runs[slab].IsPromised) && (best < 0 || length < _runs[best].SlabCount))
                best = slab;
        }

        return best;
    }

    public void LinkFirst(ClassState* state, int slab)
    {
        SlabRun* run = _runs + slab;
        run->Previous = SlabGeometry.None;
        run->Next = state->FirstRun;
        if (state->FirstRun != SlabGeometry.None)
            _runs[state->FirstRun].Previous = slab;

        state->FirstRun = slab;
    }

    private void Unlink(ClassState* state, int slab)
    {
        SlabRun* run = _runs + slab;
        if (run->Previous == SlabGeometry.None)
            state->FirstRun = run->Next;
        else
            _runs[run->Previous].Next = run->Next;

        if (run->Next != SlabGeometry.None)
            _runs[run->Next].Previous = run->Previous;
    }
}

/// <summary>
/// A run of neighbouring slabs that holds blocks of one size class; for most classes a single slab. An extent is a run with one block.
/// Each slab has such a descriptor in the reservation's table; the first slab's is the run's, the others only say how far back it is.
/// Which blocks are free stands in a bitmap (1 = free), never in the blocks: a fresh run costs no page touch and nothing a caller
/// writes after freeing can harm the allocator.
///
/// Equations:
///   FreeBlocks            =  number of ones in the bitmap
///   FreeBlocks &gt; 0       &lt;=&gt; the run is in its class's list of runs with free blocks
///   blocks out            =  Capacity - FreeBlocks: with callers, or in thread caches
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = Reservation.SlabDescriptorBytes)]
internal unsafe struct SlabRun
{
    /// <summary>Bitmaps of up to this many blocks stand in the descriptor itself.</summary>
    public const int InlineBlocks = 192;

    public ulong* Bitmap;
    public fixed ulong Inline[InlineBlocks / 64];
    public int FreeBlocks;

    /// <summary>Neighbours (slab numbers) in the class's list.</summary>
    public int Previous;
    public int Next;
    public ushort Capacity;
    public byte SizeClass;

    /// <summary>How many slabs back the run begins; 0 in the first.</summary>
    public byte Offset;
    public ushort FirstWord;

    /// <summary>A prewarm promised this very run, one of the class <see cref="SizeClasses.Huge"/>: it stays when its block is free.</summary>
    public bool IsPromised;
    public int SlabCount;

    public readonly int BitmapWords => (Capacity + 63) / 64;

    public readonly bool IsEmpty => FreeBlocks == Capacity;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint BitmapBytes(int capacity) => (nuint)((capacity + 63) / 64 * sizeof(ulong));
}
