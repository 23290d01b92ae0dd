namespace Engine.Tests.Api;

internal sealed class AllocationTrackerTests
{
    [Test]
    public void A_block_that_changed_its_size_is_listed_with_the_new_one_wherever_it_stands(
        [Values(0x1000u, 0x2000u)] uint to)
    {
        AllocationTracker tracker = new(ArenaTracking.Tags);
        using (AllocationTag.Register("terrain").Begin())
        {
            tracker.Add(0x1000, 100);
        }

        tracker.Add(0x3000, 100);
        tracker.Move(0x1000, to, 300);
        Assert.That(
            tracker.Live(),
            Is.EqualTo(new[] { new LiveAllocation(300, 1, "terrain", null), new LiveAllocation(100, 1, null, null) }),
                "with the tag that it was allocated under");
        tracker.Move(to, to, 50);
        Assert.That(tracker.Live().Select(live => live.Bytes), Is.EqualTo(new nuint[] { 100, 50 }), "smaller, too");
        tracker.Remove(to);
        Assert.That(tracker.Live().Select(live => live.Bytes), Is.EqualTo(new nuint[] { 100 }));
    }

    [Test]
    public void A_block_that_is_not_known_is_not_made_known_by_a_change_of_its_size()
    {
        AllocationTracker tracker = new(ArenaTracking.Tags);
        tracker.Move(0x1000, 0x1000, 300);
        Assert.That(tracker.Live(), Is.Empty);
    }
}
