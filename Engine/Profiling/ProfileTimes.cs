using System.Globalization;

namespace Engine.Profiling;

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
        {
            kept.Add(timeline[frame]);
        }

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
            {
                hitches.Add(new ProfileHitch(frames.First + frame, nanoseconds, reason.Length != 0 ? reason : WorkOf(frames, frame)));
            }
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
        {
            reasons.Add($"SuperSlabs: {one.Name}");
        }

        return string.Join(", ", reasons);

        void Add(long count, string what)
        {
            if (count != 0)
            {
                reasons.Add($"{count} {what}");
            }
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
        {
            around[neighbour - first] = values[neighbour];
        }

        around = around[..(end - first)];
        around.Sort();
        return around[around.Length / 2];
    }
}
