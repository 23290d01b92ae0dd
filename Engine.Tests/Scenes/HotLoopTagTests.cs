using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>Frames that end with more under a tag than its budget. Blocks of 4096 bytes are counted as just
/// that.</summary>
internal sealed unsafe class HotLoopTagTests
{
    private const int BlockBytes = 4096;

    [Test]
    public void A_tag_that_is_over_its_budget_is_named_with_both_as_long_as_it_is() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        AllocationTag terrain = AllocationTag.Register("terrain", 3 * BlockBytes);
        AllocationTag.Register("no budget");
        using HotLoopGuard guard = Guard(memory);
        List<nint> blocks = [.. AllocateIn(guard, arena, terrain, 3)];
        Assert.That(guard.LastFrame.TagOverruns, Is.Zero, "a budget may be used up");

        blocks.AddRange(AllocateIn(guard, arena, terrain, 1));
        Assert.That(guard.LastFrame.TagOverruns, Is.EqualTo(1));
        Assert.That(guard.FirstViolation!.Broken, Is.EqualTo(new[] { HotLoopMetric.TagOverrun }));
        Assert.That(guard.FirstViolation.Tag, Is.EqualTo("terrain"));
        Assert.That(
            guard.FirstViolation.ToString(),
            Does.Contain("tag 'terrain' has 16 KiB live, and its budget is 12 KiB").And.Contains(
            "1 tag over its budget"));

        Frame(guard, () => { });
        Assert.That(guard.ViolationCount, Is.EqualTo(2), "it still is");
        Frame(guard, () => FreeUnder(terrain, arena, blocks[0]));
        Assert.That(
            (guard.ViolationCount, guard.LastFrame.TagOverruns, guard.Total.TagOverruns), Is.EqualTo((2, 0, 2)));
    });

    [Test]
    public void Of_several_tags_the_one_that_is_the_most_over_is_named() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        AllocationTag little = AllocationTag.Register("little", 10 * BlockBytes);
        AllocationTag much = AllocationTag.Register("much", BlockBytes);
        List<HotLoopViolation> told = [];
        using HotLoopGuard guard = Guard(memory, new HotLoopRule(1, HotLoopAction.Callback), told.Add);
        AllocateIn(guard, arena, little, 11);
        Assert.That(told, Is.Empty, "one is allowed");
        AllocateIn(guard, arena, much, 3);
        Assert.That(told.Select(violation =>
            (violation.Tag, violation.Counts.TagOverruns)), Is.EqualTo(new[] { ("much", 2L) }));
    });

    [Test]
    public void What_other_threads_hold_counts_and_what_went_with_its_arena_does_not() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory();
        AllocationTag sounds = AllocationTag.Register("sounds", BlockBytes);
        using HotLoopGuard guard = Guard(memory);
        LongLivedArena arena = memory.CreateLongLivedArena("arena");
        Frame(guard, () => Workers.Run(() => Allocate(arena, sounds, 2)));
        Assert.That(guard.LastFrame.TagOverruns, Is.EqualTo(1));
        arena.Dispose();
        Frame(guard, () => { });
        Assert.That(guard.LastFrame.TagOverruns, Is.Zero);
    });

    [Test]
    public void The_frame_throws_where_the_rule_says_so_and_is_not_looked_at_without_a_rule() =>
        WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        AllocationTag physics = AllocationTag.Register("physics", BlockBytes);
        using HotLoopGuard guard = Guard(memory, rule: null);
        AllocateIn(guard, arena, physics, 2);
        Assert.That((guard.ViolationCount, guard.LastFrame.TagOverruns), Is.EqualTo((0, 0)));
        guard.Rules = guard.Rules with { TagOverrun = new HotLoopRule(0, HotLoopAction.Throw) };
        guard.BeginFrame();
        Assert.That(
            guard.EndFrame,
            Throws.TypeOf<HotLoopViolationException>().With.Message.Contains("tag 'physics' has 8 KiB live"));
    });

    [Test]
    public void Looking_costs_the_frame_no_fault_no_OS_call_and_no_managed_byte() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        AllocationTag ground = AllocationTag.Register("ground", 1 << 20);
        using HotLoopGuard guard = Guard(memory);
        nint block = AllocateIn(guard, arena, ground, 2)[0];
        Action work = () =>
        {
            using (ground.Begin())
            {
                arena.Free((void*)block);
                block = (nint)arena.Allocate(BlockBytes);
            }
        };
        HotLoopCost cost = HotLoopCost.BestOf(5, () => HotLoopCost.Of(memory, () =>
        {
            for (int frame = 0; frame < 200; frame++)
                Frame(guard, work);
        }));
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
        Assert.That(guard.ViolationCount, Is.Zero, guard.FirstViolation?.ToString());
    });

    [Test]
    public void Without_counters_the_rule_is_refused_and_the_guard_goes_on()
    {
        using EngineMemory memory = Memory();
        Assert.That(() =>
            Guard(memory),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("tagOverrun").And.Message.Contains(
            "MemoryCounters.Enable()"));
        using HotLoopGuard guard = Guard(memory, rule: null);
        Assert.That(() =>
            guard.Rules = new HotLoopRules { TagOverrun = default(HotLoopRule) },
            Throws.TypeOf<EngineMemoryException>());
        Assert.That(guard.Rules.TagOverrun, Is.Null);
        Frame(guard, () => { });
        Assert.That(guard.LastFrame.TagOverruns, Is.Zero);
    }

    private static EngineMemory Memory() => new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });

    private static HotLoopGuard Guard(EngineMemory memory) => Guard(memory, default(HotLoopRule));

    /// <summary>A guard that does not mind anything but tags.</summary>
    private static HotLoopGuard Guard(
        EngineMemory memory, HotLoopRule? rule, Action<HotLoopViolation>? onViolation = null)
    {
        HotLoopRule any = new(long.MaxValue);
        HotLoopRules rules =
            new() { PageFaults = any, OsCalls = any, ManagedBytes = any, Collections = any, TagOverrun = rule };
        return new HotLoopGuard(memory, rules, new HotLoopGuardOptions { OnViolation = onViolation });
    }

    private static void Frame(HotLoopGuard guard, Action work)
    {
        guard.BeginFrame();
        work();
        guard.EndFrame();
    }

    private static nint[] AllocateIn(HotLoopGuard guard, LongLivedArena arena, AllocationTag tag, int count)
    {
        nint[] blocks = [];
        Frame(guard, () => blocks = Allocate(arena, tag, count));
        return blocks;
    }

    private static nint[] Allocate(LongLivedArena arena, AllocationTag tag, int count)
    {
        nint[] blocks = new nint[count];
        using (tag.Begin())
        {
            for (int block = 0; block < count; block++)
                blocks[block] = (nint)arena.Allocate(BlockBytes);
        }

        return blocks;
    }

    private static void FreeUnder(AllocationTag tag, LongLivedArena arena, nint block)
    {
        using (tag.Begin())
        {
            arena.Free((void*)block);
        }
    }
}
