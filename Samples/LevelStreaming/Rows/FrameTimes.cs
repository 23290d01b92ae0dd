using System.Diagnostics;
using Samples.Common;

namespace Samples.LevelStreaming.Rows;

/// <summary>The times of frames of one kind. Made before the frames, so that keeping them costs nothing; beyond its room it keeps no more.</summary>
internal sealed class FrameTimes
{
    private const int Room = 1 << 17;
    private readonly long[] _ticks = new long[Room];

    public FrameTimes() => _ticks.AsSpan().Fill(-1);

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a frame.</summary>
    public void Add(long ticks)
    {
        if (Count < Room)
        {
            _ticks[Count++] = ticks;
        }
    }

    /// <summary>Forgets them.</summary>
    public void Clear() => Count = 0;

    /// <summary>Their percentiles.</summary>
    public BesideFrames Figures()
    {
        Span<long> sorted = _ticks.AsSpan(0, Count);
        sorted.Sort();
        return new BesideFrames(Count, Microseconds(sorted, 50), Microseconds(sorted, 99), Microseconds(sorted, 100));
    }

    private static double Microseconds(ReadOnlySpan<long> sorted, int percent) =>
        Math.Round(Statistics.Percentile(sorted, percent) * 1e6 / Stopwatch.Frequency, 1);
}
