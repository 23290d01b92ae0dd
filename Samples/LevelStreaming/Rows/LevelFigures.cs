using System.Diagnostics;
using Samples.Common;
using SuperSlab.Scenes;

namespace Samples.LevelStreaming.Rows;

/// <summary>What the frames of one level took. Made before the frames, so that keeping it costs them nothing.</summary>
internal sealed class LevelFigures
{
    private readonly long[] _ticks;
    private int _frames;
    private long _violations;
    private HotLoopCounts _counts;

    public LevelFigures(int frames)
    {
        _ticks = new long[frames];
        _ticks.AsSpan().Fill(-1);
    }

    /// <summary>Animals born.</summary>
    public long Born { get; set; }

    /// <summary>Animals and remains at the end of a visit, the most of all visits.</summary>
    public int MostAnimals { get; set; }

    /// <summary>Adds a frame.</summary>
    public void Add(long ticks, HotLoopCounts counts, bool isViolation)
    {
        _ticks[_frames++] = ticks;
        _counts += counts;
        _violations += isViolation ? 1 : 0;
    }

    /// <summary>The figures as they are published.</summary>
    public LevelDocument Document(string name, (double Milliseconds, long Bytes) load)
    {
        Span<long> sorted = _ticks.AsSpan(0, _frames);
        sorted.Sort();
        return new LevelDocument
        {
            Level = name,
            PrewarmMilliseconds = load.Milliseconds,
            Bytes = load.Bytes,
            Frames = _frames,
            Born = Born,
            Animals = MostAnimals,
            P50Microseconds = Microseconds(Statistics.Percentile(sorted, 50)),
            P99Microseconds = Microseconds(Statistics.Percentile(sorted, 99)),
            MaxMicroseconds = Microseconds(Statistics.Percentile(sorted, 100)),
            PageFaults = _counts.PageFaults,
            OsCalls = _counts.OsCalls,
            ManagedBytes = _counts.ManagedBytes,
            Collections = _counts.Collections,
            FrameOverflows = _counts.FrameOverflows,
            Violations = _violations,
        };
    }

    private static double Microseconds(long ticks) => Math.Round(ticks * 1e6 / Stopwatch.Frequency, 1);
}
