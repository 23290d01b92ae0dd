using System.Globalization;
using System.Numerics;

namespace SuperSlab.Diagnostics;

/// <summary>The frames as columns, and those among them that stand out.</summary>
internal static class ProfileTimes
{
    /// <summary>How many frames before and after one are its neighbours.</summary>
    private const int Neighbours = 15;

    /// <summary>A frame that took so many times its neighbours' median is a hitch.</summary>
    private const int HitchFactor = 3;

    private const int MaximumHitches = 500;

    public static ProfileFrames Frames(FrameTimeline timeline, TimeHistogram times, Func<long, long> nanosecondsAt, double nanosecondsPerTick)
    {
        List<FrameRecord> kept = [];
        for (long frame = timeline.First; frame < timeline.Count; frame++)
            kept.Add(timeline[frame]);

        return new ProfileFrames
        {
            Count = timeline.Count,
            First = timeline.First,
            Starts = [.. kept.Select(frame => nanosecondsAt(frame.Start))],
            Nanoseconds = [.. kept.Select(frame => (long)(frame.Ticks * nanosecondsPerTick))],
            Allocations = [.. kept.Select(frame => frame.Allocations)],
            AllocatedBytes = [.. kept.Select(frame => frame.AllocatedBytes)],
            PageFaults = [.. kept.Select(frame => frame.PageFaults)],
            Overflows = [.. kept.Select(frame => frame.Overflows)],
            ManagedBytes = [.. kept.Select(frame => frame.ManagedBytes)],
            Collections = [.. kept.Select(frame => frame.Collections)],
            Percentiles = new ProfilePercentiles(
                times.Percentile(50), times.Percentile(90), times.Percentile(99), times.Percentile(99.9), times.Maximum),
            Histogram = times.Buckets(),
        };
    }

    /// <summary>
    /// Frames of the slowest hundredth that took much longer than their neighbours, and those in which something happened that a hot loop
    /// should not do; the longest of them.
    /// </summary>
    public static IReadOnlyList<ProfileHitch> Hitches(ProfileFrames frames, IReadOnlyList<ProfileEvent> events)
    {
        ILookup<long, ProfileEvent> superSlabs = events.Where(one => one.Track == ProfileMoments.SuperSlabs).ToLookup(one => one.Start);
        List<ProfileHitch> hitches = [];
        for (int frame = 0; frame < frames.Nanoseconds.Count; frame++)
        {
            long nanoseconds = frames.Nanoseconds[frame];
            string reason = ReasonOf(frames, frame, superSlabs);
            bool isSlow = nanoseconds >= frames.Percentiles.P99 && nanoseconds > HitchFactor * MedianAround(frames.Nanoseconds, frame);
            if (isSlow || reason.Length != 0)
                hitches.Add(new ProfileHitch(frames.First + frame, nanoseconds, reason.Length != 0 ? reason : WorkOf(frames, frame)));
        }

        return [.. hitches.OrderByDescending(hitch => hitch.Nanoseconds).Take(MaximumHitches).OrderBy(hitch => hitch.Frame)];
    }

    private static string ReasonOf(ProfileFrames frames, int frame, ILookup<long, ProfileEvent> superSlabs)
    {
        List<string> reasons = [];
        Add(frames.Collections[frame], "garbage collections");
        Add(frames.PageFaults[frame], "page faults");
        Add(frames.Overflows[frame], "overflows of frame lanes");
        Add(frames.ManagedBytes[frame], "managed bytes");
        foreach (ProfileEvent one in superSlabs[frames.Starts[frame] + frames.Nanoseconds[frame]])
            reasons.Add($"SuperSlabs: {one.Name}");

        return string.Join(", ", reasons);

        void Add(long count, string what)
        {
            if (count != 0)
                reasons.Add($"{count} {what}");
        }
    }

    /// <summary>What a slow frame did in which nothing happened that should not: perhaps it just had more to do.</summary>
    private static string WorkOf(ProfileFrames frames, int frame)
    {
        long usual = MedianAround(frames.Allocations, frame);
        return frames.Allocations[frame] > HitchFactor * usual
            ? string.Create(CultureInfo.InvariantCulture, $"much to do: {frames.Allocations[frame]:N0} allocations, where its neighbours have {usual:N0}")
            : "nothing that is counted";
    }

    private static long MedianAround(IReadOnlyList<long> values, int index)
    {
        int first = Math.Max(0, index - Neighbours);
        int end = Math.Min(values.Count, index + Neighbours + 1);
        Span<long> around = stackalloc long[(2 * Neighbours) + 1];
        for (int neighbour = first; neighbour < end; neighbour++)
            around[neighbour - first] = values[neighbour];

        around = around[..(end - first)];
        around.Sort();
        return around[around.Length / 2];
    }
}

/// <summary>
/// Counts times in buckets whose width is a 32nd of their value, so that percentiles of any number of frames are known to 3 % in fixed
/// memory: the log-linear buckets of HdrHistogram (G. Tene). One thread writes; it is read between frames. Times in nanoseconds, from 0.
/// </summary>
internal sealed class TimeHistogram : IDisposable
{
    private const int StepBits = 5;
    private const int Steps = 1 << StepBits;

    private readonly NativeArray<long> _counts = new((64 - StepBits) * Steps);
    private long _count;

    public long Maximum { get; private set; }

    public void Add(long nanoseconds)
    {
        _counts[BucketOf(nanoseconds)]++;
        _count++;
        Maximum = Math.Max(Maximum, nanoseconds);
    }

    public void Clear()
    {
        _counts.Span.Clear();
        _count = 0;
        Maximum = 0;
    }

    /// <summary>The least time that at least <paramref name="percent"/> per cent do not exceed, at most 3 % too high; 0 of none.</summary>
    public long Percentile(double percent)
    {
        long wanted = Math.Max(1, (long)Math.Ceiling(_count * percent / 100));
        long below = 0;
        for (int bucket = 0; bucket < _counts.Length && _count != 0; bucket++)
        {
            below += _counts[bucket];
            if (below >= wanted)
                return Math.Min(FromOf(bucket + 1) - 1, Maximum);
        }

        return 0;
    }

    /// <summary>The buckets that are not empty.</summary>
    public IReadOnlyList<ProfileBucket> Buckets()
    {
        List<ProfileBucket> buckets = [];
        for (int bucket = 0; bucket < _counts.Length; bucket++)
        {
            if (_counts[bucket] != 0)
                buckets.Add(new ProfileBucket(FromOf(bucket), _counts[bucket]));
        }

        return buckets;
    }

    public void Dispose() => _counts.Dispose();

    private static int BucketOf(long nanoseconds)
    {
        if (nanoseconds < Steps)
            return (int)Math.Max(0, nanoseconds);

        int shift = BitOperations.Log2((ulong)nanoseconds) - StepBits;
        return ((shift + 1) * Steps) + (int)((nanoseconds >> shift) & (Steps - 1));
    }

    private static long FromOf(int bucket)
    {
        int shift = (bucket / Steps) - 1;
        return shift < 0 ? bucket : (long)(Steps + (bucket % Steps)) << shift;
    }
}

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
                high = middle - 1;
            else if (time > frame.End)
                low = middle + 1;
            else
                return frame.Number;
        }

        return -1;
    }

    private readonly record struct Frame(long Number, long Begin, long End);
}
