using Engine.Checking;
using Engine.Core;
using Engine.SuperSlabs;

namespace Engine.Arenas;

/// <summary>
/// Memory for one frame: each worker bumps a pointer in its own lane, and the whole of it is taken back by setting one pointer a lane.
/// Made by <c>EngineMemory.CreateFrameArena</c>, which prefaults it.
///
///   buffer 0   | lane 0 | lane 1 | lane 2 |      frames 0, 2, 4, ...
///   buffer 1   | lane 0 | lane 1 | lane 2 |      frames 1, 3, 5, ...     (with the default of two buffers)
///
/// <see cref="NextFrame"/> turns to the next buffer and resets it; what the last frame allocated stays readable while this one runs.
/// A lane that needs more than its share overflows into SuperSlabs that stay with it; memory is given back by <see cref="Trim"/> and
/// <see cref="Dispose"/> only. NextFrame, Trim and Dispose are called while no lane is in use; lanes by one thread each.
/// </summary>
public sealed unsafe class FrameArena : IArena
{
    private readonly Reservation _reservation;
    private readonly SuperSlabPool _pool;
    private readonly MetadataHeap _heap;
    private readonly ArenaRegistry _registry;
    private readonly FrameArenaOptions _options;
    private readonly uint _tag;
    private readonly Lock _overflow = new();
    private readonly Lock _disposing = new();
    private readonly int _ownSuperSlab;
    private readonly int _ownSuperSlabCount;
    private readonly bool _isChecked;

    /// <summary>Those that take turns; checked mode has one more, whose frame is over and which nobody may write.</summary>
    private readonly int _buffers;
    private LaneState* _lanes;
    private FrameChunk* _spares;
    private int _spareCount;
    private int _overflowSuperSlabs;
    private bool _disposed;

    internal FrameArena(
        string name, FrameArenaOptions options, Reservation reservation, SuperSlabPool pool, MetadataHeap heap, ArenaRegistry registry, PrefaultTask? task, bool isChecked = false)
    {
        options.Validate();
        Name = name;
        _options = options;
        _isChecked = isChecked;
        _buffers = options.Buffers + (isChecked ? 1 : 0);
        _reservation = reservation;
        _pool = pool;
        _heap = heap;
        _registry = registry;
        LaneBytes = Sizes.AlignUp(options.BytesPerLane, 4 * Sizes.KiB);
        _ownSuperSlabCount = (int)Sizes.DivideRoundingUp(LaneBytes * (nuint)(options.Lanes * _buffers), SuperSlab.Bytes);
        _ownSuperSlab = -1;
        _tag = registry.Add(this);
        try
        {
            _ownSuperSlab = TakeOrThrow(_ownSuperSlabCount, task);
            while (_spareCount < options.OverflowSuperSlabs)
            {
                PushSpare(MakeChunk(1, task));
            }

            _lanes = (LaneState*)heap.Allocate(LanesBytes);
            LayOut();
            registry.Show(_tag);
        }
        catch
        {
            DisposeCore();
            _pool.Trim();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>The lanes of each buffer.</summary>
    public int Lanes => _options.Lanes;

    /// <summary>The buffers that take turns.</summary>
    public int Buffers => _options.Buffers;

    /// <summary>Bytes of each lane before it overflows.</summary>
    public nuint LaneBytes { get; }

    /// <summary>How many frames have begun since the arena was made.</summary>
    public long Frame { get; private set; }

    /// <inheritdoc/>
    public int SuperSlabCount => _disposed ? 0 : _ownSuperSlabCount + _spareCount + _overflowSuperSlabs;

    /// <summary>How often a lane needed memory beyond its chunks since the arena was made.</summary>
    public long OverflowCount
    {
        get
        {
            long count = 0;
            for (int lane = 0; !_disposed && lane < Lanes; lane++)
            {
                count += _lanes[lane].Overflows;
            }

            return count;
        }
    }

    /// <summary>What the lanes' owners write, for readers that see the arena in the registry.</summary>
    internal ReadOnlySpan<LaneState> LaneStates => _lanes == null ? [] : new(_lanes, Lanes);

    private nuint LanesBytes => (nuint)(Lanes * sizeof(LaneState));

    private nuint FirstChunksBytes => (nuint)(_buffers * sizeof(FrameChunk));

    /// <summary>A worker's lane in the current frame. Take it anew each frame or job.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such lane.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public FrameLane Lane(int index)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if ((uint)index >= (uint)Lanes)
        {
            throw new ArgumentOutOfRangeException(nameof(index), index, $"Frame arena '{Name}' has the lanes 0 to {Lanes - 1}.");
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
    /// Begins a frame: turns to the next buffer and resets its lanes, each by setting its pointer, whatever was allocated. Hot-loop safe.
    /// </summary>
    /// <exception cref="EngineMemoryException">
    /// With full checks: memory of a frame was written after it had ended. The new frame has begun.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void NextFrame()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Frame++;
        int buffer = (int)(Frame % _buffers);
        for (int index = 0; index < Lanes; index++)
        {
            LaneState* lane = _lanes + index;
            lane->HighWaterBytes = nuint.Max(lane->HighWaterBytes, lane->UsedBytes);
            lane->BytesBefore = 0;
            lane->Frame = Frame;
            Enter(lane, lane->First + buffer);
        }

        if (_isChecked)
        {
            string? damage = DamageAfterFrame(buffer);
            Retire((int)((Frame + 1) % _buffers));
            EngineMemoryException.ThrowIf(damage);
        }
    }

    /// <summary>
    /// Gives the overflow memory of all buffers back: what was prewarmed to the arena's spares, the rest to the retained reserve. What
    /// earlier frames allocated in it is gone.
    /// </summary>
    /// <exception cref="EngineMemoryException">A lane is using overflow memory in this frame; call it right after <see cref="NextFrame"/>.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void Trim()
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        ObjectDisposedException.ThrowIf(_disposed, this);
        for (int lane = 0; lane < Lanes; lane++)
        {
            if (_lanes[lane].Chunk->SuperSlabCount != 0)
            {
                throw new EngineMemoryException($"Lane {lane} of frame arena '{Name}' is using overflow memory in this frame, so it cannot be given back.");
            }
        }

        FreeOverflow();
    }

    /// <inheritdoc/>
    public void Validate()
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        ObjectDisposedException.ThrowIf(_disposed, this);
        int overflow = 0;
        for (int lane = 0; lane < Lanes; lane++)
        {
            LaneState state = _lanes[lane];
            for (int buffer = 0; buffer < _buffers; buffer++)
            {
                for (FrameChunk* chunk = state.First[buffer].Next; chunk != null; chunk = chunk->Next)
                {
                    overflow += chunk->SuperSlabCount;
                }
            }

            if (state.Cursor < state.Chunk->Start || state.Cursor > state.End || state.End != state.Chunk->Start + state.Chunk->Bytes
                || ((nuint)state.Cursor & (FrameLane.DefaultAlignment - 1)) != 0)
            {
                throw new EngineMemoryException($"Lane {lane} of frame arena '{Name}' is damaged: its pointer lies outside its chunk or is not a multiple of 16.");
            }
        }

        if (overflow != _overflowSuperSlabs)
        {
            throw new EngineMemoryException($"Frame arena '{Name}' counts {_overflowSuperSlabs} overflow SuperSlabs and has {overflow}.");
        }

        if (_isChecked)
        {
            EngineMemoryException.ThrowIf(DamageAfterFrame((int)((Frame + 1) % _buffers)));
        }
    }

    /// <summary>
    /// Gives all memory back. A second call does nothing; any other call afterwards, of lanes too, throws <see cref="ObjectDisposedException"/>.
    /// </summary>
    public void Dispose()
    {
        // A memory that is being disposed takes its arenas along.
        if (!_registry.Work.TryEnter(out WorkGate.Entry memory))
        {
            return;
        }

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
        _registry.Hide(_tag);
        if (_lanes != null)
        {
            FreeOverflow();
            for (int lane = 0; lane < Lanes && _lanes[lane].First != null; lane++)
            {
                _heap.Free(_lanes[lane].First, FirstChunksBytes);
            }

            // A lane that outlives its arena reads 0, has no room, and finds out on its next call.
            _heap.Retire(_lanes, LanesBytes);
        }

        _disposed = true;
        if (_ownSuperSlab >= 0)
        {
            _pool.Give(_ownSuperSlab, _ownSuperSlabCount);
        }

        while (_spares != null)
        {
            DropChunk(PopSpare());
        }

        _registry.Remove(_tag);
    }

    /// <summary>The lane that memory of the arena belongs to, in whichever buffer; -1 where it is no lane's. Any thread, also while frames run.</summary>
    internal int LaneOf(nint address)
    {
        nuint offset = (nuint)(address - _reservation.AddressOf(_ownSuperSlab));
        if (offset < LaneBytes * (nuint)(Lanes * _buffers))
        {
            return (int)(offset / LaneBytes % (nuint)Lanes);
        }

        for (int lane = 0; !_disposed && lane < Lanes; lane++)
        {
            for (int buffer = 0; buffer < _buffers; buffer++)
            {
                for (FrameChunk* chunk = _lanes[lane].First[buffer].Next; chunk != null; chunk = chunk->Next)
                {
                    if ((nuint)((byte*)address - chunk->Start) < chunk->Bytes)
                    {
                        return lane;
                    }
                }
            }
        }

        return -1;
    }

    /// <summary>Allocates from the lane's next chunk, or from a new one.</summary>
    internal void* AllocateOverflow(LaneState* lane, nuint bytes, nuint alignment)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        nuint limit = _reservation.BlockBytes;
        if (bytes > limit)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes), bytes, $"{bytes} bytes were asked for in a frame; frame arena '{Name}' can hold at most {Sizes.Text(limit)}.");
        }

        FrameChunk* current = lane->Chunk;
        FrameChunk* next = current->Next;
        if (next == null || Fitting(next, bytes, alignment) == null)
        {
            next = NewChunk(bytes);
            next->Next = current->Next;
            current->Next = next;
            lane->Overflows++;
            _registry.CountOverflow();
        }

        lane->BytesBefore = lane->UsedBytes;
        Enter(lane, next);
        byte* start = Fitting(next, bytes, alignment);
        lane->Cursor = start + Sizes.AlignUp(bytes, FrameLane.DefaultAlignment);
        return start;
    }

    internal void Rewind(LaneState* lane, in FrameMark mark)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (mark.Lane != lane || mark.Frame != lane->Frame)
        {
            throw new EngineMemoryException($"A mark of another lane or frame was used to rewind a lane of frame arena '{Name}' in frame {Frame}.");
        }

        if (mark.BytesBefore + (nuint)(mark.Cursor - mark.Chunk->Start) > lane->UsedBytes)
        {
            throw new EngineMemoryException($"A lane of frame arena '{Name}' was rewound to a mark that lies ahead of it: it was rewound further back before.");
        }

        lane->HighWaterBytes = nuint.Max(lane->HighWaterBytes, lane->UsedBytes);
        Enter(lane, mark.Chunk);
        lane->Cursor = mark.Cursor;
        lane->BytesBefore = mark.BytesBefore;
    }

    private static void Enter(LaneState* lane, FrameChunk* chunk)
    {
        lane->Chunk = chunk;
        lane->Cursor = chunk->Start;
        lane->End = chunk->Start + chunk->Bytes;
    }

    /// <summary>Where in a chunk's beginning the block would stand, or null where it does not fit.</summary>
    private static byte* Fitting(FrameChunk* chunk, nuint bytes, nuint alignment)
    {
        nuint gap = (nuint)(-(nint)chunk->Start) & (alignment - 1);
        return gap <= chunk->Bytes && bytes <= chunk->Bytes - gap ? chunk->Start + gap : null;
    }

    private void LayOut()
    {
        byte* memory = (byte*)_reservation.AddressOf(_ownSuperSlab);
        for (int index = 0; index < Lanes; index++)
        {
            LaneState* lane = _lanes + index;
            lane->First = (FrameChunk*)_heap.Allocate(FirstChunksBytes);
            for (int buffer = 0; buffer < _buffers; buffer++)
            {
                lane->First[buffer] = new FrameChunk { Start = memory + ((nuint)((buffer * Lanes) + index) * LaneBytes), Bytes = LaneBytes };
            }

            Enter(lane, lane->First);
        }

        for (int buffer = 1; _isChecked && buffer < _buffers; buffer++)
        {
            Retire(buffer);
        }
    }

    /// <summary>Fills a buffer whose frame is over, so that a later write to it is seen.</summary>
    private void Retire(int buffer)
    {
        for (int lane = 0; lane < Lanes; lane++)
        {
            for (FrameChunk* chunk = _lanes[lane].First + buffer; chunk != null; chunk = chunk->Next)
            {
                new NativeSpan((nuint)chunk->Start, chunk->Bytes).Fill(CheckedBlocks.Freed);
            }
        }
    }

    /// <returns>A write to a retired buffer, as a sentence, or null.</returns>
    private string? DamageAfterFrame(int buffer)
    {
        for (int lane = 0; lane < Lanes; lane++)
        {
            for (FrameChunk* chunk = _lanes[lane].First + buffer; chunk != null; chunk = chunk->Next)
            {
                nuint wrong = new NativeSpan((nuint)chunk->Start, chunk->Bytes).FirstOtherThan(CheckedBlocks.Freed);
                if (wrong != 0)
                {
                    return $"Memory of lane {lane} of frame arena '{Name}' was written after its frame: 0x{*(byte*)wrong:x2} stands at 0x{wrong:x}, "
                        + $"{wrong - (nuint)chunk->Start} bytes from the beginning of its chunk. What a frame allocates may be used for {Buffers} frames, its own included.";
                }
            }
        }

        return null;
    }

    private int TakeOrThrow(int superSlabs, PrefaultTask? task)
    {
        int start = _pool.Take(superSlabs, new Demand(_tag, Demand.NoClass), task);
        return start >= 0 ? start : throw new EngineOutOfMemoryException(
            $"Frame arena '{Name}' needs {superSlabs} neighbouring SuperSlabs of 2 MiB, and the reservation of {Sizes.Text(_reservation.BlockBytes)} has no room for them.");
    }

    /// <summary>A chunk for an overflow of so many bytes: a spare one if that is enough.</summary>
    private FrameChunk* NewChunk(nuint bytes)
    {
        int superSlabs = (int)Sizes.DivideRoundingUp(nuint.Max(bytes, 1), SuperSlab.Bytes);
        lock (_overflow)
        {
            FrameChunk* chunk = superSlabs == 1 && _spares != null ? PopSpare() : MakeChunk(superSlabs, task: null);
            _overflowSuperSlabs += superSlabs;
            return chunk;
        }
    }

    /// <summary>A chunk of whole SuperSlabs, which are aligned to 2 MiB, so any alignment fits at their beginning.</summary>
    private FrameChunk* MakeChunk(int superSlabs, PrefaultTask? task)
    {
        FrameChunk* chunk = (FrameChunk*)_heap.Allocate((nuint)sizeof(FrameChunk));
        try
        {
            int start = TakeOrThrow(superSlabs, task);
            *chunk = new FrameChunk
            {
                Start = (byte*)_reservation.AddressOf(start),
                Bytes = (nuint)superSlabs << SuperSlab.Shift,
                SuperSlab = start,
                SuperSlabCount = superSlabs,
            };
        }
        catch
        {
            _heap.Free(chunk, (nuint)sizeof(FrameChunk));
            throw;
        }

        return chunk;
    }

    private void DropChunk(FrameChunk* chunk)
    {
        _pool.Give(chunk->SuperSlab, chunk->SuperSlabCount);
        _heap.Free(chunk, (nuint)sizeof(FrameChunk));
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
        return chunk;
    }

    private void FreeOverflow()
    {
        for (int lane = 0; lane < Lanes && _lanes[lane].First != null; lane++)
        {
            for (int buffer = 0; buffer < _buffers; buffer++)
            {
                FrameChunk* first = _lanes[lane].First + buffer;
                FreeChunks(first->Next);
                first->Next = null;
            }
        }
    }

    private void FreeChunks(FrameChunk* chunk)
    {
        while (chunk != null)
        {
            FrameChunk* next = chunk->Next;
            _overflowSuperSlabs -= chunk->SuperSlabCount;
            if (chunk->SuperSlabCount == 1 && _spareCount < _options.OverflowSuperSlabs)
            {
                PushSpare(chunk);
            }
            else
            {
                DropChunk(chunk);
            }

            chunk = next;
        }
    }
}
