namespace Engine.Profiling;

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
