namespace Engine.Profiling;

/// <summary>When the last frames began and ended, to find by a time the frame that it lies in. One thread writes; none reads meanwhile.</summary>
internal sealed class FrameTimes
{
    private readonly Frame[] _frames;
    private long _count;

    // The count modulo the length, without a division at each frame's end.
    private int _next;
    private Frame _current;

    public FrameTimes(int capacity)
    {
        // Written once, so that a frame's end is not the first to touch the memory.
        _frames = new Frame[capacity];
        Array.Fill(_frames, new Frame(-1, 1, 1));
    }

    public void Begin(long number, long now) => _current = new Frame(number, now, long.MaxValue);

    public void End(long now)
    {
        _current = _current with { End = now };
        _frames[_next] = _current;
        _next = _next + 1 == _frames.Length ? 0 : _next + 1;
        _count++;
    }

    public void Clear() => (_count, _next) = (0, 0);

    /// <summary>The number of the frame that a time lies in; -1 where it lies in none that is known.</summary>
    public long Find(long time)
    {
        long low = Math.Max(0, _count - _frames.Length);
        long high = _count - 1;
        while (low <= high)
        {
            long middle = (low + high) >>> 1;
            Frame frame = _frames[middle % _frames.Length];
            if (time < frame.Begin)
            {
                high = middle - 1;
            }
            else if (time > frame.End)
            {
                low = middle + 1;
            }
            else
            {
                return frame.Number;
            }
        }

        return -1;
    }

    private readonly record struct Frame(long Number, long Begin, long End);
}
