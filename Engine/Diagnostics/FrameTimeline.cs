using System.Runtime.InteropServices;

namespace SuperSlab.Diagnostics;

/// <summary>The last frames, in a ring. One thread writes; it is read between frames.</summary>
internal sealed class FrameTimeline(int capacity) : IDisposable
{
    private readonly NativeArray<FrameRecord> _ring = new(capacity);

    // Count modulo the length, without a division at each frame's end.
    private int _next;

    /// <summary>All frames so far.</summary>
    public long Count { get; private set; }

    /// <summary>The number of the first frame that is kept.</summary>
    public long First => Math.Max(0, Count - _ring.Length);

    /// <summary>A frame that is kept, by its number.</summary>
    public ref readonly FrameRecord this[long frame] => ref _ring[(int)(frame % _ring.Length)];

    public void Add(in FrameRecord frame)
    {
        _ring[_next] = frame;
        _next = _next + 1 == _ring.Length ? 0 : _next + 1;
        Count++;
    }

    public void Clear() => (Count, _next) = (0, 0);

    public void Dispose() => _ring.Dispose();
}

/// <summary>What one frame did; times in ticks of the system's clock.</summary>
internal struct FrameRecord
{
    public long Start;
    public long Ticks;
    public long Allocations;
    public long AllocatedBytes;
    public long PageFaults;
    public long Overflows;
    public long ManagedBytes;
    public long Collections;
}

/// <summary>
/// The profiler's own memory: taken from the system's allocator and not from the engine, which it measures, and written through once, so
/// that using it faults nothing. One thread.
/// </summary>
internal sealed unsafe class NativeArray<T> : IDisposable
    where T : unmanaged
{
    private const nuint Alignment = 64;
    private T* _first;

    public NativeArray(int length)
    {
        Length = length;
        nuint bytes = checked((nuint)length * (nuint)sizeof(T));
        _first = (T*)NativeMemory.AlignedAlloc(bytes, Alignment);
        NativeMemory.Fill(_first, bytes, 0xFF);
        NativeMemory.Clear(_first, bytes);
    }

    ~NativeArray() => Free();

    public int Length { get; }

    public Span<T> Span => new(_first, _first == null ? 0 : Length);

    public ref T this[int index] => ref Span[index];

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_first);
        _first = null;
    }
}
