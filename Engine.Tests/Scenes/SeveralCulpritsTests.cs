using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>A frame that broke several rules: each culprit is named, and none twice.</summary>
internal sealed unsafe class SeveralCulpritsTests : ArenaFixture
{
    private static object? s_garbage;

    protected override EngineMemoryOptions Options => new() { ReservationBytes = Size.GiB(1) };

    [Test]
    public void Each_broken_rule_has_its_culprit()
    {
        LongLivedArena arena = Memory.CreateLongLivedArena("world");
        HotLoopRules rules = new() { PageFaults = new(long.MaxValue) };
        MakeGarbage();
        using HotLoopGuard guard = new(Memory, rules);
        guard.BeginFrame();
        arena.Free(arena.Allocate(3 << 20));
        MakeGarbage();
        guard.EndFrame();
        HotLoopViolation violation = guard.FirstViolation!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(violation.Broken, Is.EqualTo(new[] { HotLoopMetric.OsCalls, HotLoopMetric.ManagedBytes }));
            Assert.That(violation.Culprit, Does.StartWith("arena 'world' wanted 2 SuperSlabs more than were ready"));
            Assert.That(
                violation.OtherCulprits.Single(), Does.Match(@"^thread 'main' allocated [1-9]\d* managed bytes$"));
            Assert.That(
                violation.ToString(),
                Does.Contain($"{violation.Culprit}; besides, {violation.OtherCulprits[0]}. In all: "));
        }
    }

    [Test]
    public void All_SuperSlabs_that_were_wanted_for_one_kind_of_block_are_told()
    {
        using HotLoopGuard guard = new(Memory, new HotLoopRules { PageFaults = new(long.MaxValue) });
        guard.BeginFrame();
        for (int block = 0; block < 100; block++)
            Arena.Allocate(65536);

        guard.EndFrame();
        Assert.That(Arena.SuperSlabCount, Is.GreaterThan(2));
        Assert.That(
            guard.FirstViolation!.Culprit,
            Does.Contain($"wanted {Arena.SuperSlabCount} SuperSlabs more than were ready, for blocks of 64 KiB"));
    }

    [TestCase(MemoryChecks.Full, 1)]
    [TestCase(MemoryChecks.Off, 0)]
    public void A_memory_that_checks_each_use_is_told_before_its_frames_break_rules(MemoryChecks checks, int lines)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), Checks = checks });
        List<string> log = [];
        using HotLoopGuard guard = new(memory, options: new HotLoopGuardOptions { Log = log.Add });
        Assert.That(log.Count(line => line.Contains("MemoryChecks.Full", StringComparison.Ordinal)), Is.EqualTo(lines));
    }

    [Test]
    public void A_block_beyond_a_hard_budget_is_named_with_its_arena()
    {
        using LongLivedArena arena = Memory.CreateLongLivedArena("sounds");
        arena.Budget = new ArenaBudget { HardBytes = Size.MiB(2) };
        Assert.That(
            () => (nint)arena.Allocate(3 << 20),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.EqualTo(
                "Arena 'sounds' holds 0 bytes and asked for 4 MiB more, for a block of 3 MiB, over its hard budget "
                + "of 2 MiB."));
    }

    [Test]
    public void One_culprit_stands_alone()
    {
        using HotLoopGuard guard = new(Memory, new HotLoopRules { PageFaults = new(long.MaxValue) });
        guard.BeginFrame();
        MakeGarbage();
        guard.EndFrame();
        HotLoopViolation violation = guard.FirstViolation!;
        Assert.That(violation.OtherCulprits, Is.Empty);
        Assert.That(violation.ToString(), Does.Not.Contain("besides"));
    }

    [TestCase(1, "1 page fault, 1 OS call, 1 managed byte, 1 collection,")]
    [TestCase(2, "2 page faults, 2 OS calls, 2 managed bytes, 2 collections,")]
    public void One_of_a_kind_is_not_several(int number, string expected)
    {
        HotLoopCounts counts = new()
        {
            PageFaults = number,
            OsCalls = number,
            ManagedBytes = number,
            Collections = number,
        };
        Assert.That(counts.ToString(), Does.StartWith(expected));
    }

    private static void MakeGarbage() => s_garbage = new byte[100];
}
