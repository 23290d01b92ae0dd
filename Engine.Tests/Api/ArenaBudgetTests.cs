using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>A budget holds to the byte: what fits exactly is had, one SuperSlab more is not.</summary>
internal sealed unsafe class ArenaBudgetTests : ArenaFixture
{
    [Test]
    public void A_hard_budget_is_used_up_to_its_last_byte_and_no_further()
    {
        Arena.Budget = new ArenaBudget { HardBytes = Size.MiB(4), Overflow = ArenaOverflow.Fail };
        void* first = Arena.Allocate(Size.MiB(2));
        Arena.Allocate(Size.MiB(2));
        Assert.That(Arena.HardOverruns, Is.Zero);
        Assert.That(() =>
            Arena.Allocate(Size.MiB(2)),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("hard budget of 4 MiB"));
        Assert.That(Arena.HardOverruns, Is.EqualTo(1));
        Arena.Free(first);
        Assert.That((nint)Arena.Allocate(Size.MiB(2)), Is.EqualTo((nint)first), "what was freed may be had again");
    }

    [Test]
    public void A_soft_budget_above_the_hard_one_is_refused_and_the_old_one_stays()
    {
        ArenaBudget old = new() { SoftBytes = Size.MiB(2), HardBytes = Size.MiB(4) };
        Arena.Budget = old;
        Assert.That(
            () => Arena.Budget = new ArenaBudget { SoftBytes = Size.MiB(6), HardBytes = Size.MiB(4) },
            Throws.ArgumentException.With.Message.StartsWith(
                "The soft budget of 6 MiB is above the hard one of 4 MiB"));
        Assert.That(Arena.Budget, Is.EqualTo(old));
    }

    [Test]
    public void Blocks_above_the_largest_class_are_counted_by_their_length()
    {
        void* first = Arena.Allocate(Size.MiB(40));
        Arena.Free(Arena.Allocate(Size.MiB(50)));
        Assert.That(Arena.LiveBlocks(), Is.EquivalentTo(new[] { new BlockCount(Size.MiB(40), 1) }));
        Assert.That(Arena.PeakBlocks().Select(peak =>
            (peak.Bytes, peak.Count)), Is.EquivalentTo(new[] { (Size.MiB(40), 1L), (Size.MiB(50), 1L) }));
        Arena.Free(first);
    }

    [Test]
    public void A_soft_budget_is_used_up_to_its_last_byte_before_it_counts()
    {
        Arena.Budget = new ArenaBudget { SoftBytes = Size.MiB(4) };
        Arena.Allocate(Size.MiB(2));
        Arena.Allocate(Size.MiB(2));
        Assert.That(Arena.SoftOverruns, Is.Zero);
        Arena.Allocate(Size.MiB(2));
        Assert.That(Arena.SoftOverruns, Is.EqualTo(1));
    }

    [Test]
    public void A_block_that_grows_where_it_is_stays_one_live_allocation_of_its_new_size()
    {
        using LongLivedArena tracked = Memory.CreateLongLivedArena("tracked", ArenaTracking.Tags);
        void* block = tracked.Allocate(Size.MiB(5));
        Assert.That((nint)tracked.Reallocate(block, Size.MiB(9)), Is.EqualTo((nint)block), "there is room behind it");
        Assert.That(tracked.LiveAllocations().Select(live =>
            (live.Bytes, live.Count)), Is.EqualTo(new[] { (Size.MiB(9), 1L) }));
        tracked.Free(block);
        Assert.That(tracked.LiveAllocations(), Is.Empty);
    }

    [Test]
    public void Threads_together_stay_within_a_hard_budget()
    {
        for (int round = 0; round < 20; round++)
        {
            using LongLivedArena arena = Memory.CreateLongLivedArena("shared budget");
            arena.Budget = new ArenaBudget { HardBytes = Size.MiB(32), Overflow = ArenaOverflow.Fail };
            using Barrier together = new(6);
            Workers.Run(6, thread =>
            {
                together.SignalAndWait();
                try
                {
                    arena.Allocate(Size.MiB(2 + (3 * thread)));
                    arena.Allocate(40_000);
                }
                catch (EngineOutOfMemoryException)
                {
                    // Not all of them fit.
                }
            });
            Assert.That(arena.SuperSlabCount, Is.LessThanOrEqualTo(16));
        }
    }

    [Test]
    public void What_is_refused_is_no_overrun_of_the_soft_budget()
    {
        Arena.Budget =
            new ArenaBudget { SoftBytes = Size.MiB(2), HardBytes = Size.MiB(4), Overflow = ArenaOverflow.Fail };
        Assert.That(() => Arena.Allocate(Size.MiB(6)), Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That((Arena.SoftOverruns, Arena.HardOverruns), Is.EqualTo((0L, 1L)));
        Arena.Allocate(Size.MiB(4));
        Assert.That((Arena.SoftOverruns, Arena.HardOverruns), Is.EqualTo((1L, 1L)));
    }

    [Test]
    public void A_reset_keeps_the_peaks_of_all_sizes_and_a_growth_adds_none_that_was_not_there()
    {
        void* block = Arena.Allocate(Size.MiB(32));
        block = Arena.Reallocate(block, Size.MiB(40));
        Arena.Allocate(Size.MiB(50));
        Arena.Reset();
        Assert.That(
            Arena.PeakBlocks().Select(peak => (peak.Bytes, peak.Count)),
            Is.EquivalentTo(new[] { (Size.MiB(32), 1L), (Size.MiB(40), 1L), (Size.MiB(50), 1L) }));
        Assert.That(Arena.LiveBlocks(), Is.Empty);
    }

    [Test]
    public void A_budgets_function_cannot_dispose_the_arena_or_the_memory_that_asks_it([Values] bool memory)
    {
        using LongLivedArena arena = Memory.CreateLongLivedArena("asks");
        void* live = arena.Allocate(64);
        *(long*)live = 42;
        arena.Budget = new ArenaBudget
        {
            HardBytes = Size.MiB(4),
            Overflow = ArenaOverflow.Callback,
            OnOverflow = _ =>
            {
                (memory ? (IDisposable)Memory : arena).Dispose();
                return true;
            },
        };
        Assert.That(() =>
            arena.Allocate(Size.MiB(8)),
            Throws.InvalidOperationException.With.Message.Contains("cannot be disposed by what it has called itself"));
        Assert.That(*(long*)live, Is.EqualTo(42));
        arena.Budget = new ArenaBudget();
        arena.Free(arena.Allocate(Size.MiB(8)));
        arena.Free(live);
        Memory.Validate();
    }
}
