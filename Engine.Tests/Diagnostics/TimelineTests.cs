namespace Engine.Tests.Diagnostics;

/// <summary>The parts that keep frames and bytes over time in fixed memory.</summary>
internal sealed class TimelineTests
{
    [Test]
    public void Percentiles_are_right_to_three_percent_and_never_below()
    {
        using TimeHistogram histogram = new();
        Random random = new(1);
        long[] times = [.. Enumerable.Range(0, 20_000).Select(_ => (long)Math.Exp(random.NextDouble() * 20))];
        foreach (long time in times)
            histogram.Add(time);

        Array.Sort(times);
        foreach (double percent in (double[])[1, 50, 90, 99, 99.9, 100])
        {
            long exact = times[(int)Math.Ceiling(times.Length * percent / 100) - 1];
            Assert.That(
                histogram.Percentile(percent), Is.InRange(exact, exact + (exact / 32) + 1), $"percentile {percent}");
        }

        IReadOnlyList<ProfileFrames.Bucket> buckets = histogram.Buckets();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(buckets.Sum(bucket => bucket.Count), Is.EqualTo(times.Length));
            Assert.That(histogram.Maximum, Is.EqualTo(times[^1]));
            Assert.That(buckets, Is.Ordered.Ascending.By(nameof(ProfileFrames.Bucket.FromNanoseconds)));
            foreach (ProfileFrames.Bucket bucket in buckets)
                Assert.That(times.Count(time => time >= bucket.FromNanoseconds), Is.GreaterThanOrEqualTo(bucket.Count));
        }
    }

    [TestCase(0L)]
    [TestCase(1L)]
    [TestCase(31L)]
    [TestCase(32L)]
    [TestCase(33L)]
    [TestCase(63L)]
    [TestCase(64L)]
    [TestCase(1_000_000_007L)]
    [TestCase(long.MaxValue)]
    public void A_time_is_in_the_bucket_that_begins_at_most_a_32nd_below_it(long time)
    {
        using TimeHistogram histogram = new();
        histogram.Add(time);
        ProfileFrames.Bucket bucket = histogram.Buckets().Single();
        Assert.That(bucket.FromNanoseconds, Is.InRange(time - (time / 32), time));
        Assert.That(histogram.Percentile(50), Is.EqualTo(time));
    }

    [Test]
    public void Of_more_frames_than_fit_the_last_are_kept()
    {
        using FrameTimeline timeline = new(8, budgetNanoseconds: 118);
        for (int frame = 0; frame < 21; frame++)
            timeline.Add(new FrameRecord { Nanoseconds = 100 + frame, PageFaultCount = frame < 3 ? 2 : 0 }, frame < 3);

        Assert.That((timeline.Count, timeline.First), Is.EqualTo((21L, 13L)));
        Assert.That(Enumerable.Range(13, 8).Select(frame =>
            timeline[frame].Nanoseconds), Is.EqualTo(Enumerable.Range(113, 8)));
        ProfileFrames frames = timeline.ToFrames(hasCounters: false);
        Assert.That(frames.Totals["nanoseconds"], Is.EqualTo(new ProfileFrames.Total(2310, 21)), "of all frames");
        Assert.That(frames.Totals["page_faults"], Is.EqualTo(new ProfileFrames.Total(6, 3)));
        Assert.That(frames.OverBudgetCount, Is.EqualTo(2), "119 and 120");
        Assert.That(frames.Columns.Keys, Has.None.EqualTo("allocations"), "nobody counted them");
    }

    [Test]
    public void Curves_reach_from_the_beginning_to_the_end_however_long_that_is()
    {
        using MemoryCurves curves = new(16, interval: 10);
        int taken = 0;
        for (long now = 1; now < 5000; now++)
        {
            if (curves.IsDue(now))
            {
                curves.Begin(now);
                curves.AddArena("world", now * 2);
                curves.AddArena("level", 5);
                curves.AddArena("level", 6);
                curves.SetTag(1, now * 3);
                taken++;
            }
        }

        ProfileSeries series = curves.ToSeries(["none", "terrain"]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(taken, Is.GreaterThan(32), "it was full several times");
            Assert.That(series.Times, Has.Count.InRange(8, 16).And.Ordered.Ascending);
            Assert.That(series.Times[0], Is.EqualTo(1));
            Assert.That(series.Times[^1], Is.GreaterThan(4000));
            Assert.That(series.Arenas.Select(curve => curve.Name), Is.EqualTo((string[])["world", "level"]));
            Assert.That(series.Arenas[0].Values, Is.EqualTo(series.Times.Select(time => time * 2)));
            Assert.That(series.Arenas[1].Values, Is.All.EqualTo(11), "arenas of one name share a curve");
            Assert.That(series.AllocatedByTag[1].Values, Is.EqualTo(series.Times.Select(time => time * 3)));
        }
    }
}
