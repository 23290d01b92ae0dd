using Samples.GameReplay.Learning;
using Samples.GameReplay.Tracing;

namespace Engine.Tests.Samples;

/// <summary>The first pass counts for every order in which the threads may run, not just for the recorded
/// one.</summary>
[TestFixture]
internal sealed class TraceLearnerTests
{
    [Test]
    public void Threads_of_a_step_may_hold_their_peaks_at_the_same_time()
    {
        // In the recorded order at most 10 blocks are live at once; run the other way round, 20 are.
        var trace = new TraceWriter();
        trace.Frame();
        for (int thread = 0; thread < 2; thread++)
        {
            if (thread > 0)
                trace.Thread(thread);

            ulong first = trace.Alloc(48);
            for (int block = 1; block < 10; block++)
                trace.Alloc(48);

            for (ulong block = 0; block < 10; block++)
                trace.Free(first + block);
        }

        trace.Frame();
        TraceProfile profile = Learn(trace);
        int[] capacities = [20, 20];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(profile.Peaks, Is.EqualTo(new[] { new BlockPeak(48, 20) }));
            Assert.That(profile.PeakLiveBytes, Is.EqualTo(480));
            Assert.That(profile.Frames, Is.EqualTo(1));
            Assert.That(profile.FrameAllocations, Is.EqualTo(20));
            Assert.That(profile.Slots, Is.EqualTo(20), "slots are used again only after a meeting");
            Assert.That(profile.OperationCapacities, Is.EqualTo(capacities));
        }
    }

    [Test]
    public void A_resize_to_another_class_has_both_blocks_for_a_moment()
    {
        var trace = new TraceWriter();
        ulong block = trace.Alloc(40);
        trace.Realloc(block, 44);
        trace.Realloc(block, 100);
        trace.Free(block);
        Assert.That(Learn(trace).Peaks, Is.EqualTo(new[] { new BlockPeak(48, 1), new BlockPeak(112, 1) }));
    }

    [Test]
    public void Blocks_beyond_the_classes_are_counted_by_their_own_sizes()
    {
        const long MiB = 1 << 20;
        var trace = new TraceWriter();
        trace.Alloc(40 * MiB);
        trace.Alloc((40 * MiB) - 1);
        trace.Alloc(50 * MiB);
        Assert.That(Learn(trace).Peaks, Is.EqualTo(new[] { new BlockPeak(40 * MiB, 2), new BlockPeak(50 * MiB, 1) }));
    }

    [Test]
    public void Frees_count_for_the_thread_that_makes_them()
    {
        var trace = new TraceWriter();
        ulong first = trace.Alloc(16);
        trace.Alloc(16);
        trace.Thread(1);
        trace.Free(first);
        Assert.That(Learn(trace).Uses, Is.EqualTo(new[] { new ThreadUse(0, 16, 2, 0), new ThreadUse(1, 16, 0, 1) }));
    }

    private static TraceProfile Learn(TraceWriter trace) => TraceLearner.Learn(new MemoryStream(trace.ToFile()), "t");
}
