namespace SuperSlab;

/// <content>
/// The chunks that lanes overflow into. A chunk is in one place at a time: in a lane's chain, among the spares that the
/// options asked for, or, without memory, among the idle ones. Spares and idle chunks are shared and change under a
/// lock, under which no OS call is made.
/// </content>
public sealed unsafe partial class FrameArena
{
    /// <summary>Allocates from the first chunk ahead that is large enough. Where none is, those ahead go, and the
    /// current chunk grows, or else a new one follows it.</summary>
    internal void* AllocateOverflow(LaneState* lane, nuint bytes, nuint alignment)
    {
        Disposed.ThrowIf(_disposed, this);
        nuint limit = _reservation.BlockBytes;
        if (bytes > limit)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes), bytes,
                    $"{Sizes.Exact(bytes)} were asked for in a frame; frame arena '{Name}' can hold at most "
                    + $"{Sizes.Text(limit)}.");
        }

        // An empty block takes space too: else a position could mean the end of a chunk and the beginning of the next.
        bytes = nuint.Max(bytes, 1);
        FrameChunk* current = lane->Chunk;
        FrameChunk* next = BringNext(current, bytes, alignment);
        if (next == null)
        {
            // Dropped first: the new one can have their memory, with what lies behind it.
            FrameChunk* tooSmall = current->Next;
            current->Next = null;
            FreeChunks(tooSmall);
            if (!TryExtend(lane, bytes, alignment))
                current->Next = next = NewChunk(bytes);

            lane->Overflows++;
            _registry.CountOverflow();
        }

        if (next != null)
        {
            lane->BytesBefore = lane->UsedBytes;
            Enter(lane, next);
        }

        byte* start = lane->Cursor + GapBefore(lane->Cursor, alignment);
        lane->Cursor = start + Sizes.AlignUp(bytes, FrameLane.DefaultAlignment);
        return start;
    }

    private static nuint GapBefore(byte* position, nuint alignment) => (nuint)(-(nint)position) & (alignment - 1);

    private static bool Fits(FrameChunk* chunk, nuint bytes, nuint alignment)
    {
        nuint gap = GapBefore(chunk->Start, alignment);
        return gap <= chunk->Bytes && bytes <= chunk->Bytes - gap;
    }

    /// <summary>Moves the first chunk ahead that fits the block right behind the current one.</summary>
    /// <returns>The chunk, or null where there is none.</returns>
    private static FrameChunk* BringNext(FrameChunk* current, nuint bytes, nuint alignment)
    {
        FrameChunk* before = current;
        FrameChunk* chunk = current->Next;
        while (chunk != null && !Fits(chunk, bytes, alignment))
        {
            before = chunk;
            chunk = chunk->Next;
        }

        if (chunk != null && before != current)
        {
            before->Next = chunk->Next;
            chunk->Next = current->Next;
            current->Next = chunk;
        }

        return chunk;
    }

    /// <summary>
    /// Makes the lane's chunk longer, so that the block fits behind what is there and nothing is left unused before it.
    /// Not where memory that is ready serves; and not a spare, nor the lane's share of the arena's own.
    /// </summary>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory.</exception>
    private bool TryExtend(LaneState* lane, nuint bytes, nuint alignment)
    {
        FrameChunk* chunk = lane->Chunk;
        nuint room = (nuint)(lane->End - lane->Cursor);
        nuint missing = GapBefore(lane->Cursor, alignment) + bytes - room;
        int more = (int)Sizes.DivideRoundingUp(missing, SlabGeometry.SuperSlabBytes);
        int behind = chunk->SuperSlab + chunk->SuperSlabCount;
        if (chunk->SuperSlabCount == 0 || chunk->IsSpare || HasReady(SuperSlabsFor(bytes))
            || !_pool.TryTakeAt(behind, more, new Demand(_tag, Demand.NoClass), usesReserve: true))
        {
            return false;
        }

        chunk->SuperSlabCount += more;
        chunk->Bytes += (nuint)more << SlabGeometry.SuperSlabShift;
        lane->End = chunk->Start + chunk->Bytes;
        lock (_overflow)
            _overflowSuperSlabs += more;

        return true;
    }

    private bool HasReady(int superSlabs) =>
        (superSlabs == 1 && Volatile.Read(ref _spareCount) != 0) || _pool.HasReady(superSlabs);

    private static int SuperSlabsFor(nuint bytes) =>
        (int)Sizes.DivideRoundingUp(bytes, SlabGeometry.SuperSlabBytes);

    private int TakeOrThrow(int superSlabs, PrefaultTask? task, bool mayGrow = false)
    {
        int start = _pool.Take(superSlabs, new Demand(_tag, Demand.NoClass), task, mayGrow);
        return start >= 0 ? start : throw new EngineOutOfMemoryException(
            $"Frame arena '{Name}' needs {superSlabs} neighbouring SuperSlabs of 2 MiB, and the reservation of "
                + $"{Sizes.Text(_reservation.BlockBytes)} has no room for them.");
    }

    /// <summary>A chunk for an overflow block: a spare one where the block fits in it.</summary>
    private FrameChunk* NewChunk(nuint bytes)
    {
        int superSlabs = SuperSlabsFor(bytes);
        lock (_overflow)
        {
            if (superSlabs == 1 && _spares != null)
            {
                _overflowSuperSlabs++;
                return PopSpare();
            }
        }

        // The system may take its time, and whom it asks may take locks: other lanes go on meanwhile.
        FrameChunk* chunk = MakeChunk(superSlabs, task: null, mayGrow: true);
        lock (_overflow)
            _overflowSuperSlabs += superSlabs;

        return chunk;
    }

    /// <summary>A chunk of whole SuperSlabs. They are aligned to 2 MiB, so any alignment fits at their
    /// beginning.</summary>
    private FrameChunk* MakeChunk(int superSlabs, PrefaultTask? task, bool mayGrow = false)
    {
        FrameChunk* chunk = NewIdle();
        try
        {
            int start = TakeOrThrow(superSlabs, task, mayGrow);
            *chunk = new FrameChunk
            {
                Start = (byte*)_reservation.AddressOf(start),
                Bytes = (nuint)superSlabs << SlabGeometry.SuperSlabShift,
                SuperSlab = start,
                SuperSlabCount = superSlabs,
            };
        }
        catch
        {
            lock (_overflow)
                PushIdle(chunk);

            throw;
        }

        return chunk;
    }

    private FrameChunk* NewIdle()
    {
        lock (_overflow)
        {
            if (_idle != null)
                return PopIdle();
        }

        return (FrameChunk*)_heap.Allocate((nuint)sizeof(FrameChunk));
    }

    private void DropChunk(FrameChunk* chunk)
    {
        int superSlab = chunk->SuperSlab;
        int count = chunk->SuperSlabCount;
        PushIdle(chunk);
        _pool.Give(superSlab, count);
    }

    private void PushIdle(FrameChunk* chunk)
    {
        *chunk = new FrameChunk { Next = _idle };
        _idle = chunk;
    }

    private FrameChunk* PopIdle()
    {
        FrameChunk* chunk = _idle;
        _idle = chunk->Next;
        return chunk;
    }

    private void PushSpare(FrameChunk* chunk)
    {
        chunk->Next = _spares;
        _spares = chunk;
        _spareCount++;
    }

    private FrameChunk* PopSpare()
    {
        FrameChunk* chunk = _spares;
        _spares = chunk->Next;
        _spareCount--;
        chunk->Next = null;
        chunk->IsSpare = true;
        return chunk;
    }

    private void FreeOverflow()
    {
        for (int lane = 0; lane < LaneCount && _lanes[lane].First != null; lane++)
        {
            for (int buffer = 0; buffer < _buffers; buffer++)
            {
                FrameChunk* first = _lanes[lane].First + buffer;
                FreeChunks(first->Next);
                first->Next = null;
            }
        }
    }

    /// <summary>Returns unlinked chunks to the spares, up to the plan's count, and the rest to the pool. Makes no OS
    /// call.</summary>
    private void FreeChunks(FrameChunk* chunk)
    {
        if (chunk == null)
            return;

        lock (_overflow)
        {
            while (chunk != null)
            {
                FrameChunk* next = chunk->Next;
                _overflowSuperSlabs -= chunk->SuperSlabCount;
                if (chunk->SuperSlabCount == 1 && _spareCount < _options.OverflowSuperSlabs)
                    PushSpare(chunk);
                else
                    DropChunk(chunk);

                chunk = next;
            }
        }
    }
}
