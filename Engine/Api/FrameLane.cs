using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CommunityToolkit.HighPerformance;

namespace SuperSlab;

/// <summary>
/// One worker's lane of a <see cref="FrameArena"/>: allocating is adding to a pointer, and nothing is freed before the
/// frame's turn comes again. One thread at a time uses a lane. Hot-loop safe: no fault, no OS call and no garbage
/// unless the lane overflows what was prewarmed.
/// </summary>
public readonly unsafe ref struct FrameLane
{
    /// <summary>The alignment of what is allocated without one: 16 bytes.</summary>
    public const nuint DefaultAlignment = 16;

    /// <summary>The largest alignment that can be asked for: 2 MiB.</summary>
    public const nuint MaximumAlignment = LongLivedArena.MaximumAlignment;

    private readonly FrameArena _arena;
    private readonly LaneState* _state;

    internal FrameLane(FrameArena arena, LaneState* state)
    {
        _arena = arena;
        _state = state;
    }

    /// <summary>Bytes allocated in the lane since the frame began, gaps for alignment included.</summary>
    public nuint UsedBytes => _state->UsedBytes;

    internal LaneState* State => _state;

    internal ArenaRef Reference => _arena.ReferenceTo(_state);

    /// <summary>Allocates memory for this frame, aligned to 16 bytes, undefined. The address of 0 bytes must not be
    /// used.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is above what the reservation can hold.</exception>
    /// <exception cref="EngineOutOfMemoryException">The lane overflowed and there is no memory. Nothing has
    /// changed.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void* Allocate(nuint bytes)
    {
        // Cursor and End are multiples of 16, so what fits before rounding up fits after it.
        byte* start = _state->Cursor;
        if (bytes <= (nuint)(_state->End - start))
        {
            _state->Cursor = start + Sizes.AlignUp(bytes, DefaultAlignment);
            return start;
        }

        return _arena.AllocateOverflow(_state, bytes, DefaultAlignment);
    }

    /// <summary>Allocates memory for this frame that begins at a multiple of <paramref name="alignment"/>.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="alignment">A power of two up to <see cref="MaximumAlignment"/>.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number.</exception>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public void* Allocate(nuint bytes, nuint alignment)
    {
        Sizes.CheckAlignment(alignment, MaximumAlignment);
        if (alignment <= DefaultAlignment)
            return Allocate(bytes);

        nuint gap = (nuint)(-(nint)_state->Cursor) & (alignment - 1);
        nuint room = (nuint)(_state->End - _state->Cursor);
        if (gap <= room && bytes <= room - gap)
        {
            byte* start = _state->Cursor + gap;
            _state->Cursor = start + Sizes.AlignUp(bytes, DefaultAlignment);
            return start;
        }

        return _arena.AllocateOverflow(_state, bytes, alignment);
    }

    /// <summary>Allocates memory for this frame whose bytes are 0.</summary>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public void* AllocateZeroed(nuint bytes)
    {
        void* start = Allocate(bytes);
        NativeMemory.Clear(start, bytes);
        return start;
    }

    /// <summary>Allocates room for one <typeparamref name="T"/> for this frame, its contents undefined.</summary>
    /// <inheritdoc cref="Allocate(nuint)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T* Allocate<T>()
        where T : unmanaged => (T*)Allocate((nuint)sizeof(T));

    /// <summary>Allocates elements for this frame as a span, their contents undefined.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative, or the bytes do not fit.</exception>
    /// <inheritdoc cref="Allocate(nuint)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<T> AllocateSpan<T>(int count)
        where T : unmanaged => new(Allocate(Sizes.Of<T>(count)), count);

    /// <summary>Allocates a height by width grid for this frame, row by row without gaps, undefined.</summary>
    /// <inheritdoc cref="AllocateSpan{T}(int)"/>
    public Span2D<T> AllocateSpan2D<T>(int height, int width)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(height);
        ArgumentOutOfRangeException.ThrowIfNegative(width);
        return new(Allocate(Sizes.Of<T>((long)height * width)), height, width, pitch: 0);
    }

    /// <summary>Makes a block larger: in place where it is the lane's last and there is room, else by a copy.</summary>
    internal void* Reallocate(void* block, nuint oldBytes, nuint bytes)
    {
        nuint held = Sizes.AlignUp(oldBytes, DefaultAlignment);
        if (block != null && bytes <= held)
            return block;

        if (block != null && (byte*)block + held == _state->Cursor && bytes <= (nuint)(_state->End - (byte*)block))
        {
            _state->Cursor = (byte*)block + Sizes.AlignUp(bytes, DefaultAlignment);
            return block;
        }

        void* moved = Allocate(bytes);
        if (block != null)
            Buffer.MemoryCopy(block, moved, bytes, oldBytes);

        return moved;
    }

    /// <summary>Whether an address lies in the lane's chunk where nothing is allocated.</summary>
    internal bool IsAhead(void* address) => address >= _state->Cursor && address < _state->End;

    /// <summary>Remembers how far the lane has come in this frame.</summary>
    /// <exception cref="EngineOutOfMemoryException">Metadata ran out after thousands of nested marks in the frame.
    /// Nothing has changed.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public FrameMark Mark() => _arena.Mark(_state);

    /// <summary>
    /// Forgets what was allocated since the mark. Overflow memory stays with the lane. The mark, and those taken before
    /// it, can be used again.
    /// </summary>
    /// <exception cref="EngineMemoryException">
    /// The mark is another lane's or another frame's, or the lane was rewound to before it since it was taken. Nothing
    /// has changed.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void Rewind(FrameMark mark) => _arena.Rewind(_state, mark);

    /// <summary>A mark that rewinds itself when disposed.</summary>
    public FrameScope BeginScope() => new(this);
}

/// <summary>Rewinds a lane to where it was when the scope began: <c>using FrameScope scope =
/// lane.BeginScope();</c>.</summary>
public readonly ref struct FrameScope
{
    private readonly FrameLane _lane;
    private readonly FrameMark _mark;

    internal FrameScope(FrameLane lane)
    {
        _lane = lane;
        _mark = lane.Mark();
    }

    /// <summary>Ends the scope: what was allocated in it is gone. Hot-loop safe.</summary>
    /// <exception cref="EngineMemoryException">The frame has ended meanwhile, or the lane was rewound to before the
    /// scope.</exception>
    /// <exception cref="ObjectDisposedException">The arena was disposed meanwhile.</exception>
    public void Dispose() => _lane.Rewind(_mark);
}
