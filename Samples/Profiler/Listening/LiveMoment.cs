using SuperSlab.Diagnostics;

namespace Samples.Profiler.Listening;

/// <summary>What is known of a process at one moment. Immutable.</summary>
internal sealed record LiveMoment
{
    /// <summary>Frames since the session began, and what they did together.</summary>
    public long Frames { get; init; }

    public long PageFaults { get; init; }

    public long ManagedBytes { get; init; }

    public long Overflows { get; init; }

    /// <summary>Collections since the session began, by generation.</summary>
    public IReadOnlyList<int> Collections { get; init; } = [0, 0, 0];

    /// <summary>The longest time that the collector stopped all threads for.</summary>
    public double LongestPauseMilliseconds { get; init; }

    /// <summary>The frames of the last <see cref="LiveState.Window"/> seconds.</summary>
    public IReadOnlyList<LiveFrame> LastFrames { get; init; } = [];

    public IReadOnlyList<LiveSpan> Spans { get; init; } = [];

    /// <summary>Totals, arenas and tags at the last reading; null until the first.</summary>
    public ProfileDocument? State { get; init; }

    /// <summary>Frames a second, over the frames that are kept.</summary>
    public double FramesPerSecond =>
        LastFrames.Count < 2 ? 0
            : (LastFrames.Count - 1) / Math.Max(1e-9, LastFrames[^1].Seconds - LastFrames[0].Seconds);

    /// <summary>The time in nanoseconds that a share of the last frames did not exceed; 0 where there are
    /// none.</summary>
    public long Percentile(double share)
    {
        long[] times = [.. LastFrames.Select(frame => frame.Nanoseconds).Order()];
        return times.Length == 0 ? 0 : times[(int)Math.Ceiling((times.Length - 1) * share)];
    }

    /// <summary>The longest frame of each of so many equal parts of the last ten seconds, in nanoseconds; 0 where there
    /// was none.</summary>
    public long[] Columns(int count)
    {
        long[] columns = new long[count];
        if (LastFrames.Count > 0)
        {
            double end = LastFrames[^1].Seconds;
            foreach (LiveFrame frame in LastFrames)
            {
                int column = count - 1 - (int)((end - frame.Seconds) / LiveState.Window * count);
                columns[Math.Max(0, column)] = Math.Max(columns[Math.Max(0, column)], frame.Nanoseconds);
            }
        }

        return columns;
    }
}
