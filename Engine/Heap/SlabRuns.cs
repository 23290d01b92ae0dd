using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// One arena's slab runs: how they begin in slabs or SuperSlabs, the bitmaps of their blocks, their classes' lists of
/// runs with free blocks, and how they end. The caller holds the lock of the class that changes.
/// </summary>
internal sealed unsafe partial class SlabRuns(
    Reservation reservation, MetadataHeap heap, MetadataPromise promise, SlabSpace space, uint arenaTag)
{
    public const int ReciprocalShift = 43;

    private readonly SlabRun* _runs = (SlabRun*)reservation.SlabDescriptors;
    private readonly uint* _tags = reservation.Tags;

    public delegate void RunVisitor(SlabRun* run, int slab);

    /// <summary>A block size's <see cref="ClassState.Reciprocal"/>; 0 for blocks without a common size.</summary>
    public static ulong ReciprocalOf(nuint blockBytes) =>
        blockBytes == 0 ? 0 : ((1UL << ReciprocalShift) + blockBytes - 1) / blockBytes;

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

    /// <summary>The SuperSlab where the extent begins that has the first slabs of another one, or -1.</summary>
    /// <param name="reservation">Where both lie.</param>
    /// <param name="superSlab">A divided SuperSlab.</param>
    /// <param name="slabs">How many of its slabs the extent has.</param>
    public static int ExtentInto(Reservation reservation, int superSlab, out int slabs)
    {
        int first = superSlab - 1;
        while (first > 0 && reservation.SuperSlabs[first].RunLength == 0)
            first--;

        int slab = first * SlabGeometry.SlabCount;
        bool isBlock = first >= 0 && reservation.Tags[slab] != 0
            && reservation.SuperSlabs[first].OwnerTag == reservation.SuperSlabs[superSlab].OwnerTag;
        SlabRun* run = (SlabRun*)reservation.SlabDescriptors + slab;
        slabs = isBlock ? run->SlabCount - ((superSlab - first) * SlabGeometry.SlabCount) : 0;
        return slabs > 0 ? first : -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int SlabOf(nint address) => (int)((nuint)(address - reservation.Base) >> SlabGeometry.SlabShift);

    /// <summary>Takes memory and a bitmap for a run of a class, for <see cref="Begin"/>. Under no lock.</summary>
    /// <returns>The first slab, or -1 where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory.</exception>
    public int NewRun(int sizeClass, ClassState* state, out ulong* bitmap)
    {
        bitmap = null;
        if (state->SlabsPerRun > SlabGeometry.SlabCount)
            return space.TakeExtent(state->SlabsPerRun, sizeClass);

        if (state->Capacity > SlabRun.InlineBlocks)
            bitmap = (ulong*)heap.Allocate(SlabRun.BitmapBytes(state->Capacity), promise);

        int slab = -1;
        try
        {
            slab = space.TakeSlabs(state->SlabsPerRun, ArenaClasses.SizeClassOf(sizeClass));
        }
        finally
        {
            if (slab < 0 && bitmap != null)
            {
                heap.Free(bitmap, SlabRun.BitmapBytes(state->Capacity));
                bitmap = null;
            }
        }

        return slab;
    }

    /// <summary>Whether a run may leave its class once no block of it is out: no prewarm promised it.</summary>
    public bool IsSpare(ClassState* state, int slab) =>
        _runs[slab].SizeClass == SizeClasses.Huge ? !_runs[slab].IsPromised : state->Runs > state->PrewarmedRuns;

    public nint[] AllocateBitmaps(ClassState* state, int runs)
    {
        nint[] bitmaps = new nint[state->Capacity > SlabRun.InlineBlocks ? runs : 0];
        int made = 0;
        try
        {
            for (; made < bitmaps.Length; made++)
                bitmaps[made] = (nint)heap.Allocate(SlabRun.BitmapBytes(state->Capacity), promise);
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
            heap.Free((void*)bitmap, SlabRun.BitmapBytes(state->Capacity));
    }

    /// <summary>Describes a run in slabs that the arena just took. Cannot fail.</summary>
    public void Begin(int sizeClass, ClassState* state, int slab, int slabs, ulong* bitmap)
    {
        Debug.Assert(sizeof(SlabRun) == Reservation.SlabDescriptorBytes, "one descriptor a slab");
        Debug.Assert(_tags[slab] == 0, "slabs have no tag between two runs");
        SlabRun* run = _runs + slab;
        Debug.Assert(run->AbsentPages == 0, "pages of a run's slabs are there when it begins");
        *run = new SlabRun { SizeClass = (byte)sizeClass, Capacity = state->Capacity, SlabCount = slabs };
        run->Bitmap = bitmap == null ? run->Inline : bitmap;
        FillBitmap(run);
        // Every free reads the tags without a lock. No block of the run is out yet: a thread gets one under this
        // class's lock, or from a thread that did, in an ordered way. So it sees the tags, also on CPUs that reorder
        // writes (ARM64).
        uint tag = arenaTag | (uint)sizeClass;
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
        ClassState.AssertHolds(state);
    }

    /// <summary>Gives a run whose only block is out another place, class and length.</summary>
    public void Move(int from, int to, int sizeClass, int slabs)
    {
        Debug.Assert(_runs[from].Capacity == 1 && _runs[from].FreeBlocks == 0, "the block is out");
        Debug.Assert(from == to || _tags[to] == 0, "no block is described where this one goes");
        SlabRun run = _runs[from];
        run.SizeClass = (byte)sizeClass;
        run.SlabCount = slabs;
        _tags[from] = 0;
        _runs[to] = run;
        _runs[to].Bitmap = _runs[to].Inline;
        _runs[to].Kind = ExtentKind.Plain;
        _tags[to] = arenaTag | (uint)sizeClass;
    }

    /// <summary>A run without a block out, or -1.</summary>
    public int FirstEmpty(ClassState* state)
    {
        int slab = state->EmptyRuns == 0 ? -1 : state->FirstRun;
        while (slab >= 0 && !_runs[slab].IsEmpty)
            slab = _runs[slab].Next;

        return slab;
    }

    /// <summary>
    /// Moves a run of one slab without a block out to another class of the same block size, under both classes' locks.
    /// A promise goes with it where the class has no more runs than it was promised.
    /// </summary>
    public void MoveRun(ClassState* from, ClassState* to, int toClass, int slab)
    {
        Debug.Assert(_runs[slab].IsEmpty && _runs[slab].SlabCount == 1, "only an empty run of one slab moves");
        Unlink(from, slab);
        int promised = from->Runs == from->PrewarmedRuns ? 1 : 0;
        from->Runs--;
        from->EmptyRuns--;
        from->PrewarmedRuns -= promised;
        _runs[slab].SizeClass = (byte)toClass;
        _tags[slab] = arenaTag | (uint)toClass;
        to->Runs++;
        to->EmptyRuns++;
        to->PrewarmedRuns += promised;
        LinkFirst(to, slab);
        ClassState.AssertHolds(from);
        ClassState.AssertHolds(to);
    }

    /// <summary>Makes all blocks of a run free.</summary>
    public static void FillBitmap(SlabRun* run)
    {
        new Span<ulong>(run->Bitmap, run->BitmapWords).Fill(ulong.MaxValue);
        int rest = run->Capacity & 63;
        if (rest != 0)
            run->Bitmap[run->BitmapWords - 1] = (1UL << rest) - 1;

        run->FreeBlocks = run->Capacity;
        run->FirstWord = 0;
    }

    /// <summary>Takes blocks of a run in the order of their addresses; unlinks the run when none is left.</summary>
    /// <param name="state">The run's class.</param>
    /// <param name="slab">The run's first slab.</param>
    /// <param name="blocks">Where the blocks' addresses go.</param>
    /// <param name="want">How many at most.</param>
    /// <param name="absent">
    /// Pages without memory of the last block taken; empty where all blocks have memory. Such a block comes alone.
    /// </param>
    public int TakeBlocks(ClassState* state, int slab, nuint* blocks, int want, out PageRange absent)
    {
        absent = default;
        SlabRun* run = _runs + slab;
        if (HasAbsentPages(run))
            want = LimitToPresent(state, slab, want, out absent);

        state->EmptyRuns -= run->IsEmpty ? 1 : 0;
        nuint start = (nuint)reservation.AddressOfSlab(slab);
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

        run->FirstWord = (byte)word;
        run->FreeBlocks -= got;
        state->BlocksOut += got;
        state->PeakBlocksOut = Math.Max(state->PeakBlocksOut, state->BlocksOut);
        if (run->FreeBlocks == 0)
            Unlink(state, slab);

        ClassState.AssertHolds(state);
        return got;
    }

    /// <summary>Frees blocks of one run: those before the first that is not of the run, or is not out.</summary>
    /// <remarks>The first block decides on the run. It is unneeded, else -1, if empty while others are.</remarks>
    /// <returns>How many; 0 where the first address is no block of the class that is out.</returns>
    public int ReturnBlocks(int sizeClass, ClassState* state, nuint* blocks, int count, out int unneeded)
    {
        unneeded = -1;
        int slab = SlabOf((nint)(*blocks));
        if (_tags[slab] != (arenaTag | (uint)sizeClass))
            return 0;

        slab -= _runs[slab].Offset;
        SlabRun* run = _runs + slab;
        int returned = SetBits(run, state, (nuint)reservation.AddressOfSlab(slab), blocks, count);
        if (returned == 0)
            return 0;

        state->BlocksOut -= returned;
        bool wasFull = run->FreeBlocks == 0;
        run->FreeBlocks += returned;
        if (wasFull)
            LinkFirst(state, slab);

        if (run->IsEmpty)
        {
            // One empty run of a slab stays for the next block; longer ones and extents go unless they were prewarmed.
            int keep = run->SlabCount == 1 ? 1 : 0;
            state->EmptyRuns++;
            unneeded = state->EmptyRuns > keep ? slab : -1;
        }

        ClassState.AssertHolds(state);
        return returned;
    }

    private static int SetBits(SlabRun* run, ClassState* state, nuint start, nuint* blocks, int count)
    {
        ulong* bitmap = run->Bitmap;
        ulong bytes = (ulong)run->SlabCount << SlabGeometry.SlabShift;
        ulong reciprocal = run->Capacity == 1 ? 0 : state->Reciprocal; // A single block may be too large for it.
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
        run->FirstWord = (byte)firstWord;
        return set;
    }

    /// <summary>Gives an empty run's slabs back.</summary>
    public void ReleaseRun(ClassState* state, int slab)
    {
        Debug.Assert(_runs[slab].IsEmpty, "no block of a run that goes is out");
        int slabs = _runs[slab].SlabCount;
        Unlink(state, slab);
        state->Runs--;
        state->EmptyRuns--;
        (uint absent, uint partial) = ForgetRun(slab);
        space.GiveSlabs(slab, slabs, absent, partial);
    }

    /// <summary>Clears a run's tags and frees its bitmap; the caller then disposes of its slabs.</summary>
    /// <returns>As bits of the slabs' SuperSlab: those with pages without memory, and of these those with others.
    /// </returns>
    public (uint Absent, uint Partial) ForgetRun(int slab)
    {
        SlabRun* run = _runs + slab;
        if (run->Capacity > SlabRun.InlineBlocks)
            heap.Free(run->Bitmap, SlabRun.BitmapBytes(run->Capacity));

        int tagged = run->Capacity > 1 ? run->SlabCount : 1;
        for (int offset = 0; offset < tagged; offset++)
            _tags[slab + offset] = 0;

        return HasAbsentPages(run) ? ForgetAbsentPages(slab) : default;
    }

    /// <summary>
    /// The shortest run without a block out that has this many SuperSlabs, or -1. A promised run is lent only to blocks
    /// of more than half its length: a small block that stays must not keep it from the large one it was promised to.
    /// </summary>
    public int BestIdleHuge(ClassState* state, int superSlabs)
    {
        int best = -1;
        int wanted = superSlabs * SlabGeometry.SlabCount;
        for (int slab = state->FirstRun; slab != SlabGeometry.None; slab = _runs[slab].Next)
        {
            int length = _runs[slab].SlabCount;
            bool isLent = length < 2 * wanted || !_runs[slab].IsPromised;
            if (length >= wanted && isLent && (best < 0 || length < _runs[best].SlabCount))
                best = slab;
        }

        return best;
    }

    public void LinkFirst(ClassState* state, int slab) =>
        DescriptorList.Push(&_runs->Previous, ref state->FirstRun, slab);

    private void Unlink(ClassState* state, int slab) =>
        DescriptorList.Remove(&_runs->Previous, ref state->FirstRun, slab);
}

/// <summary>
/// A run of neighbouring slabs with blocks of one class; in most classes a single slab. An extent is a run of one
/// block. Each slab has a descriptor in the reservation's table: the first slab's describes the run, the others say how
/// far back that is. A bitmap says which blocks are free (1 = free), not the blocks: a fresh run touches no page, and
/// nothing that a caller writes after a free can harm the allocator.
///
/// Equations:
///   FreeBlocks            =  number of ones in the bitmap;  words before FirstWord have none
///   FreeBlocks &gt; 0       &lt;=&gt; the run is in its class's list of runs with free blocks
///   Capacity - FreeBlocks =  blocks out: with callers, in thread caches, or set aside by a trim
///   a page in AbsentPages  =&gt; all blocks that it has bytes of are free
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = Reservation.SlabDescriptorBytes)]
internal unsafe struct SlabRun
{
    /// <summary>Bitmaps of up to this many blocks stand in the descriptor itself.</summary>
    public const int InlineBlocks = 192;

    public ulong* Bitmap;
    public fixed ulong Inline[InlineBlocks / 64];
    public int FreeBlocks;

    /// <summary>Neighbours (slab numbers) in the class's list; side by side for <see cref="DescriptorList"/>.</summary>
    public int Previous;
    public int Next;
    public ushort Capacity;
    public byte SizeClass;

    /// <summary>Slabs from the run's first one to this one.</summary>
    public byte Offset;
    public byte FirstWord;
    public ExtentKind Kind;

    /// <summary>Each slab's own: bits of its pages of 4 KiB that have no memory.</summary>
    public ushort AbsentPages;
    public int SlabCount;

    /// <summary>The small arena's description of the run's only block, where a group lent that; else null.</summary>
    public SmallSlab* LentTo;

    public readonly bool IsPromised => Kind == ExtentKind.Promised;

    public readonly bool IsRange => Kind == ExtentKind.Range;

    public readonly int BitmapWords => (Capacity + 63) / 64;

    public readonly bool IsEmpty => FreeBlocks == Capacity;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint BitmapBytes(int capacity) => (nuint)((capacity + 63) / 64 * sizeof(ulong));
}

/// <summary>What an extent of the class <see cref="SizeClasses.Huge"/> is for.</summary>
internal enum ExtentKind : byte
{
    Plain,

    /// <summary>A prewarm promised it: it stays.</summary>
    Promised,

    /// <summary>A reserved range's block, which the range alone frees and makes longer.</summary>
    Range,
}
