namespace SuperSlab;

/// <summary>
/// Memory for one frame: each worker bumps a pointer in its own lane, and a frame's end resets one pointer a lane.
/// Made by <c>EngineMemory.CreateFrameArena</c>, which prefaults it.
///
///   buffer 0   | lane 0 | lane 1 | lane 2 |      frames 0, 2, 4, ...
///   buffer 1   | lane 0 | lane 1 | lane 2 |      frames 1, 3, 5, ...     (with the default of two buffers)
///
/// <see cref="NextFrame"/> turns to the next buffer and resets it; the last frame's memory stays readable meanwhile. A
/// lane that needs more than its share overflows into chunks of SuperSlabs that stay with it. It takes the first chunk
/// ahead that is large enough. If there is none, all that are ahead go, and the lane's chunk grows in place where the
/// addresses behind it are free; else a new chunk follows, with room to grow, to which the pages of those that went are
/// moved. So a frame like the one before it in its buffer finds its chunks in place, and frames that grow own what the
/// largest needs, neither the sum of the sizes before it nor what stood in the places it grew out of. Each overflowed lane
/// satisfies
///
///   LaneBytes + bytes of its overflow chunks  &lt;=  2 x HighWaterBytes + 2 MiB x its chunks, the first included
///
/// since the block that did not fit in the rest of a chunk stands in the next, and a chunk is made, and grows, by what
/// its block needs, rounded up to 2 MiB. <see cref="Trim"/> takes overflow memory back. Call NextFrame, Trim and Dispose while no lane is in use;
/// one thread at a time uses a lane.
/// </summary>
public sealed unsafe partial class FrameArena : IArena
{
    private readonly Reservation _reservation;
    private readonly SuperSlabPool _pool;
    private readonly MetadataHeap _heap;
    private readonly ArenaRegistry _registry;
    private readonly FrameArenaOptions _options;
    private readonly uint _tag;
    private readonly Lock _overflow = new(); // of what the lanes share; no OS call is made under it

    private static long s_laneIds;
    private readonly Lock _disposing = new();
    private readonly int _ownSuperSlab;
    private readonly int _ownSuperSlabCount;
    private readonly bool _isChecked;

    /// <summary>Checked mode has one more than take turns: its frame is over, and a write to it is an error.</summary>
    private readonly int _buffers;
    private readonly ArenaSlot?[] _slots;
    private LaneState* _lanes;
    private FrameChunk* _spares;
    private int _spareCount;
    private int _overflowSuperSlabs;

    /// <summary>Chunks without memory.</summary>
    private FrameChunk* _idle;
    private bool _disposed;

    internal FrameArena(
        string name, FrameArenaOptions options, Reservation reservation, SuperSlabPool pool, MetadataHeap heap,
            ArenaRegistry registry, PrefaultTask? task, bool isChecked = false)
    {
        options.Validate();
        Name = name;
        _options = options;
        _isChecked = isChecked;
        _buffers = options.BufferCount + (isChecked ? 1 : 0);
        _slots = new ArenaSlot?[options.LaneCount];
        _reservation = reservation;
        _pool = pool;
        _heap = heap;
        _registry = registry;
        LaneBytes = Sizes.AlignUp(options.BytesPerLane, 4 * Sizes.KiB);
        _ownSuperSlabCount = (int)Sizes
            .DivideRoundingUp(LaneBytes * (nuint)(options.LaneCount * _buffers), SlabGeometry.SuperSlabBytes);
        _ownSuperSlab = -1;
        _tag = registry.Add(this);
        try
        {
            _ownSuperSlab = TakeOrThrow(_ownSuperSlabCount, task);
            while (_spareCount < options.OverflowSuperSlabs)
                PushSpare(MakeChunk(1, task));

            _lanes = (LaneState*)heap.Allocate(LanesBytes);
            LayOut();
            for (int lane = 0; lane < _slots.Length; lane++)
                _slots[lane] = ArenaSlots.Add(this, lane);

            registry.Show(_tag);
        }
        catch
        {
            DisposeCore();
            _pool.TryTrim();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>How closely containers in the arena look for wrong use.</summary>
    internal MemoryChecks Checks { get; init; }

    /// <summary>The arena as messages name it: "Frame arena 'frames'".</summary>
    public override string ToString() => $"Frame arena '{Name}'";

    /// <summary>The lanes of each buffer.</summary>
    public int LaneCount => _options.LaneCount;

    /// <summary>The buffers that take turns.</summary>
    public int BufferCount => _options.BufferCount;

    /// <summary>Bytes of each lane before it overflows.</summary>
    public nuint LaneBytes { get; }

    /// <summary>How many frames have begun since the arena was made.</summary>
    public long FrameNumber { get; private set; }

    /// <inheritdoc/>
    public int SuperSlabCount => _disposed ? 0 : _ownSuperSlabCount + _spareCount + _overflowSuperSlabs;

    /// <summary>How often a lane needed memory beyond its chunks since the arena was made.</summary>
    public long OverflowCount
    {
        get
        {
            long count = 0;
            for (int lane = 0; !_disposed && lane < LaneCount; lane++)
                count += _lanes[lane].Overflows;

            return count;
        }
    }

    /// <summary>What the lanes' owners write, for readers that see the arena in the registry.</summary>
    internal ReadOnlySpan<LaneState> LaneStates => _lanes == null ? [] : new(_lanes, LaneCount);

    private nuint LanesBytes => (nuint)(LaneCount * sizeof(LaneState));

    private nuint FirstChunksBytes => (nuint)(_buffers * sizeof(FrameChunk));

    /// <summary>A worker's lane in the current frame. Take it anew each frame or job.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such lane.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public FrameLane Lane(int index)
    {
        Disposed.ThrowIf(_disposed, this);
        if ((uint)index >= (uint)LaneCount)
        {
            throw new ArgumentOutOfRangeException(
                nameof(index), index, $"Frame arena '{Name}' has the lanes 0 to {LaneCount - 1}.");
        }

        return new FrameLane(this, _lanes + index);
    }

    /// <summary>The most bytes that a lane used in one frame so far.</summary>
    /// <inheritdoc cref="Lane"/>
    public nuint HighWaterBytes(int lane)
    {
        FrameLane checkedLane = Lane(lane);
        return nuint.Max(_lanes[lane].HighWaterBytes, checkedLane.UsedBytes);
    }

    /// <summary>
    /// Begins a frame: turns to the next buffer and resets the pointer of each lane. Hot-loop safe.
    /// </summary>
    /// <exception cref="EngineMemoryException">
    /// With full checks: memory of a frame was written after it had ended. The new frame has begun.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void NextFrame()
    {
        Disposed.ThrowIf(_disposed, this);
        FrameNumber++;
        int buffer = (int)(FrameNumber % _buffers);
        for (int index = 0; index < LaneCount; index++)
        {
            LaneState* lane = _lanes + index;
            lane->HighWaterBytes = nuint.Max(lane->HighWaterBytes, lane->UsedBytes);
            lane->BytesBefore = 0;
            lane->Frame = FrameNumber;
            LaneMarks.Clear(lane);
            Enter(lane, lane->First + buffer);
        }

        if (_isChecked)
        {
            string? damage = DamageAfterFrame(buffer);
            Retire((int)((FrameNumber + 1) % _buffers));
            EngineMemoryException.ThrowIf(damage);
        }
    }

    /// <summary>
    /// Returns the overflow memory of all buffers: prewarmed SuperSlabs to the arena's spares, the rest to the retained
    /// reserve. Allocations of earlier frames in it are gone.
    /// </summary>
    /// <exception cref="InvalidOperationException">A lane uses overflow memory in this frame; call it right after
    /// <see cref="NextFrame"/>.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void Trim()
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        Disposed.ThrowIf(_disposed, this);
        for (int lane = 0; lane < LaneCount; lane++)
        {
            if (_lanes[lane].Chunk->SuperSlabCount != 0)
            {
                throw new InvalidOperationException(
                    $"Lane {lane} of frame arena '{Name}' uses overflow memory in this frame, so it cannot be given "
                        + "back; call Trim right after NextFrame.");
            }
        }

        FreeOverflow();
    }

    /// <inheritdoc/>
    public void Validate()
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        Disposed.ThrowIf(_disposed, this);
        int overflow = 0;
        for (int lane = 0; lane < LaneCount; lane++)
        {
            LaneState state = _lanes[lane];
            for (int buffer = 0; buffer < _buffers; buffer++)
                overflow += ValidateChunks(lane, buffer);

            if (LaneMarks.Fault(_lanes + lane) is { } fault)
                throw new EngineMemoryException($"Lane {lane} of frame arena '{Name}' is damaged: {fault}.");

            if (state.Cursor < state.Chunk->Start || state.Cursor > state.End || state.End != state.Chunk->Start
                + state.Chunk->Bytes
                || ((nuint)state.Cursor & (FrameLane.DefaultAlignment - 1)) != 0)
            {
                throw new EngineMemoryException(
                    $"Lane {lane} of frame arena '{Name}' is damaged: its pointer lies outside its chunk or is not "
                    + "a multiple of 16.");
            }
        }

        if (overflow != _overflowSuperSlabs)
        {
            throw new EngineMemoryException(
                $"Frame arena '{Name}' counts {_overflowSuperSlabs} overflow SuperSlabs and has {overflow}.");
        }

        int spares = 0;
        for (FrameChunk* spare = _spares; spare != null; spare = spare->Next)
        {
            ThrowIfNotOurs(spare, "A spare chunk");
            spares++;
        }

        if (spares != _spareCount || spares > _options.OverflowSuperSlabs)
        {
            throw new EngineMemoryException(
                $"Frame arena '{Name}' counts {_spareCount} spare SuperSlabs and has {spares}; the plan says "
                    + $"{_options.OverflowSuperSlabs}.");
        }

        if (_isChecked)
            EngineMemoryException.ThrowIf(DamageAfterFrame((int)((FrameNumber + 1) % _buffers)));
    }

    /// <summary>
    /// Gives all memory back. A second call does nothing; any other call, of lanes too, throws
    /// <see cref="ObjectDisposedException"/> afterwards.
    /// </summary>
    public void Dispose()
    {
        // A memory that is being disposed takes its arenas along.
        if (!_registry.Work.TryEnter(out WorkGate.Entry memory))
            return;

        using WorkGate.Entry inside = memory;
        lock (_disposing)
        {
            if (!_disposed)
            {
                DisposeCore();
                _pool.Trim();
            }
        }
    }

    private void DisposeCore()
    {
        foreach (ArenaSlot? slot in _slots)
            ArenaSlots.Remove(slot);

        _registry.Hide(_tag);
        if (_lanes != null)
        {
            FreeOverflow();
            for (int lane = 0; lane < LaneCount && _lanes[lane].First != null; lane++)
            {
                _heap.Free(_lanes[lane].First, FirstChunksBytes);
                LaneMarks.End(_lanes + lane, _heap);
            }

            // A lane that outlives its arena reads 0, has no room, and finds out on its next call.
            _heap.Retire(_lanes, LanesBytes);
        }

        _disposed = true;
        if (_ownSuperSlab >= 0)
            _pool.Give(_ownSuperSlab, _ownSuperSlabCount);

        while (_spares != null)
            DropChunk(PopSpare());

        while (_idle != null)
            _heap.Free(PopIdle(), (nuint)sizeof(FrameChunk));

        _registry.Remove(_tag);
    }

    /// <summary>The lane that an address belongs to, in any buffer; -1 where it is no lane's. Any thread, also while
    /// frames run.</summary>
    internal int LaneOf(nint address)
    {
        nuint offset = (nuint)(address - _reservation.AddressOf(_ownSuperSlab));
        if (offset < LaneBytes * (nuint)(LaneCount * _buffers))
            return (int)(offset / LaneBytes % (nuint)LaneCount);

        for (int lane = 0; !_disposed && lane < LaneCount; lane++)
        {
            for (int buffer = 0; buffer < _buffers; buffer++)
            {
                for (FrameChunk* chunk = _lanes[lane].First[buffer].Next; chunk != null; chunk = chunk->Next)
                {
                    if ((nuint)((byte*)address - chunk->Start) < chunk->Bytes)
                        return lane;
                }
            }
        }

        return -1;
    }

    internal ArenaRef ReferenceTo(LaneState* lane)
    {
        Disposed.ThrowIf(_disposed, this);
        return _slots[(int)(lane - _lanes)]!.Reference(this, isDisposed: false);
    }

    internal FrameMark Mark(LaneState* lane)
    {
        Disposed.ThrowIf(_disposed, this);
        return LaneMarks.Take(lane, _heap);
    }

    internal void Rewind(LaneState* lane, in FrameMark mark)
    {
        Disposed.ThrowIf(_disposed, this);
        if (mark.Lane != lane->Id || mark.Frame != lane->Frame)
        {
            throw new EngineMemoryException(
                $"A mark of another lane or frame was used to rewind a lane of frame arena '{Name}' in frame "
                + $"{FrameNumber}.");
        }

        if (LaneMarks.IsStale(lane, mark))
        {
            throw new EngineMemoryException(
                $"A lane of frame arena '{Name}' was to be rewound to a mark that is stale: after the mark was "
                    + "taken the lane was rewound to a place further back, "
                + "so the mark lies ahead of the lane or in memory that was allocated anew.");
        }

        lane->HighWaterBytes = nuint.Max(lane->HighWaterBytes, lane->UsedBytes);
        Enter(lane, mark.Chunk);
        lane->Cursor = mark.Cursor;
        lane->BytesBefore = mark.Position - (nuint)(mark.Cursor - mark.Chunk->Start);
        LaneMarks.NoteRewind(lane, mark.Position);
    }

    private static void Enter(LaneState* lane, FrameChunk* chunk)
    {
        lane->Chunk = chunk;
        lane->Cursor = chunk->Start;
        lane->End = chunk->Start + chunk->Bytes;
    }

    /// <returns>The SuperSlabs of the overflow chunks of a lane in a buffer.</returns>
    private int ValidateChunks(int lane, int buffer)
    {
        FrameChunk* first = _lanes[lane].First + buffer;
        int superSlabs = 0;
        int chunks = 1;
        for (FrameChunk* chunk = first->Next; chunk != null; chunk = chunk->Next)
        {
            ThrowIfNotOurs(chunk, $"A chunk of lane {lane}");
            superSlabs += chunk->SuperSlabCount;
            chunks++;
        }

        nuint bytes = LaneBytes + ((nuint)superSlabs << SlabGeometry.SuperSlabShift);
        nuint most = (2 * nuint.Max(_lanes[lane].HighWaterBytes, _lanes[lane].UsedBytes))
            + ((nuint)chunks << SlabGeometry.SuperSlabShift);
        return chunks == 1 || bytes <= most ? superSlabs : throw new EngineMemoryException(
            $"Lane {lane} of frame arena '{Name}' holds {Sizes.Text(bytes)} in {chunks} chunks of buffer {buffer}, "
                + $"and its largest frame explains {Sizes.Text(most)}.");
    }

    private void ThrowIfNotOurs(FrameChunk* chunk, string which)
    {
        bool isWhole = chunk->SuperSlabCount > 0
            && chunk->Bytes == (nuint)chunk->SuperSlabCount << SlabGeometry.SuperSlabShift
            && (nint)chunk->Start == _reservation.AddressOf(chunk->SuperSlab);
        for (int index = 0; index < chunk->SuperSlabCount; index++)
            isWhole &= _pool.OwnerTagOf(chunk->SuperSlab + index) == _tag;

        if (!isWhole)
        {
            throw new EngineMemoryException(
                $"{which} of frame arena '{Name}' is damaged, or its SuperSlabs are not the arena's.");
        }
    }

    private void LayOut()
    {
        long id = Interlocked.Add(ref s_laneIds, LaneCount) - LaneCount;
        byte* memory = (byte*)_reservation.AddressOf(_ownSuperSlab);
        for (int index = 0; index < LaneCount; index++)
        {
            LaneState* lane = _lanes + index;
            lane->First = (FrameChunk*)_heap.Allocate(FirstChunksBytes);
            for (int buffer = 0; buffer < _buffers; buffer++)
            {
                lane->First[buffer] =
                    new FrameChunk
                    {
                        Start = memory + ((nuint)((buffer * LaneCount) + index) * LaneBytes),
                        Bytes = LaneBytes
                    };
            }

            LaneMarks.Begin(lane, _heap);
            lane->Id = ++id;
            Enter(lane, lane->First);
        }

        for (int buffer = 1; _isChecked && buffer < _buffers; buffer++)
            Retire(buffer);
    }

    /// <summary>Fills a buffer whose frame is over, so that a later write to it is seen.</summary>
    private void Retire(int buffer)
    {
        for (int lane = 0; lane < LaneCount; lane++)
        {
            for (FrameChunk* chunk = _lanes[lane].First + buffer; chunk != null; chunk = chunk->Next)
                new NativeSpan((nuint)chunk->Start, chunk->Bytes).Fill(CheckedBlocks.Freed);
        }
    }

    /// <returns>A write to a retired buffer, as a sentence, or null.</returns>
    private string? DamageAfterFrame(int buffer)
    {
        for (int lane = 0; lane < LaneCount; lane++)
        {
            for (FrameChunk* chunk = _lanes[lane].First + buffer; chunk != null; chunk = chunk->Next)
            {
                nuint wrong = new NativeSpan((nuint)chunk->Start, chunk->Bytes).FirstOtherThan(CheckedBlocks.Freed);
                if (wrong != 0)
                {
                    return $"Memory of lane {lane} of frame arena '{Name}' was written after its frame: "
                        + $"0x{*(byte*)wrong:x2} stands at 0x{wrong:x}, "
                        + $"{Sizes.Exact(wrong - (nuint)chunk->Start)} from the beginning of its chunk. What a frame "
                            + $"allocates may be used for {BufferCount} frames, its own included.";
                }
            }
        }

        return null;
    }
}
