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
                violation.ToString(), Does.Contain($"{violation.Culprit}; besides, {violation.OtherCulprits[0]}. In all: "));
        }
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
