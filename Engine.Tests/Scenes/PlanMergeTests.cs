using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>Several recordings of a scene become one plan that serves for each of them.</summary>
public class PlanMergeTests
{
    private static readonly ScenePlan s_first = new()
    {
        Name = "first",
        Pages = PageKind.Normal,
        FrameArena = new FrameArenaOptions { BytesPerLane = 100_000, LaneCount = 2, OverflowSuperSlabs = 1 },
        Arenas =
        [
            new ArenaPlan
            {
                Name = "world",
                Blocks = [new(64, 100, 1), new(60, 50, 2), new(4096, 10)],
                SuperSlabCount = 3,
                ThreadCount = 2,
                RetainBytes = 10,
                Budget =
                    new ArenaBudget { SoftBytes = Size.MiB(64), HardBytes = Size.MiB(100),
                    Overflow = ArenaOverflow.Fail },
            },
        ],
        HotLoop = new HotLoopRules { WarmUpFrameCount = 5, OsCalls = new HotLoopRule(1, HotLoopAction.Throw) },
    };

    private static readonly ScenePlan s_second = new()
    {
        Name = "second",
        FrameArena = new FrameArenaOptions { BytesPerLane = 50_000, LaneCount = 3, BufferCount = 3 },
        Arenas =
        [
            new ArenaPlan { Name = "sounds", SuperSlabCount = 1 },
            new ArenaPlan
            {
                Name = "world",
                Blocks = [new(64, 120), new(Size.MiB(40), 1), new(Size.MiB(48), 1)],
                ThreadCount = 1,
                RetainBytes = 20,
                Budget = new ArenaBudget { HardBytes = Size.MiB(200) },
            },
        ],
        HotLoop = new HotLoopRules { WarmUpFrameCount = 9, OsCalls = new HotLoopRule(7) },
    };

    [Test]
    public void Merged_plan_is_the_worst_case_of_each()
    {
        ScenePlan merged = ScenePlan.Merge([s_first, s_second]);

        Assert.That((merged.Name, merged.Pages, merged.HotLoop.WarmUpFrameCount, merged.HotLoop.OsCalls), Is.EqualTo(
            ("first", PageKind.Normal, 9, new HotLoopRule(1, HotLoopAction.Throw))));
        Assert.That(
            merged.FrameArena,
            Is.EqualTo(
            new FrameArenaOptions { BytesPerLane = 100_000, LaneCount = 3, BufferCount = 3, OverflowSuperSlabs = 1 }));
        Assert.That(string.Join(", ", merged.Arenas.Select(arena => arena.Name)), Is.EqualTo("world, sounds"));
        ArenaPlan world = merged.Arenas[0];
        Assert.That(
            world.Blocks,
            Is.EqualTo(
            new BlockCount[] { new(64, 150, 0), new(4096, 10), new(Size.MiB(40), 1), new(Size.MiB(48), 1) }));
        Assert.That((world.SuperSlabCount, world.ThreadCount, world.RetainBytes), Is.EqualTo((3, 2, (nuint)20)));
        Assert.That(
            world.Budget,
            Is.EqualTo(new ArenaBudget { SoftBytes = 0, HardBytes = Size.MiB(200), Overflow = ArenaOverflow.Fail }));
    }

    [Test]
    public void Headroom_is_added_to_what_is_prewarmed_and_to_nothing_else()
    {
        ScenePlan merged = ScenePlan.Merge([s_first], 1.1);

        Assert.That(
            merged.FrameArena, Is.EqualTo(s_first.FrameArena! with { BytesPerLane = 110_000, OverflowSuperSlabs = 2 }));
        ArenaPlan world = merged.Arenas[0];
        Assert.That(world.Blocks, Is.EqualTo(new BlockCount[] { new(64, 165, 2), new(4096, 11) }));
        Assert.That((world.SuperSlabCount, world.ThreadCount, world.RetainBytes), Is.EqualTo((4, 2, (nuint)10)));
        Assert.That(world.Budget, Is.EqualTo(s_first.Arenas[0].Budget));
    }

    [Test]
    public void Merging_with_itself_changes_nothing()
    {
        ScenePlan once = ScenePlan.Merge([s_second]);
        Assert.That(ScenePlan.Merge([s_second, once, s_second]).ToJson(), Is.EqualTo(once.ToJson()));
    }

    [Test]
    public void Merge_refuses_what_is_wrong()
    {
        ScenePlan full =
            new()
            {
                Arenas =
            [new ArenaPlan { SuperSlabCount = 4, Budget = new ArenaBudget { HardBytes = Size.MiB(8) } }]
            };

        Assert.That(() => ScenePlan.Merge([full], 1.5), Throws.TypeOf<ScenePlanException>().With.Message.EqualTo(
            "Scene plan 'scene' has an error. arenas.main.budget.hard: found 8 MiB; allowed: at least what is "
                + "prewarmed, 12 MiB."));
        Assert.That(() => ScenePlan.Merge([]), Throws.ArgumentException);
        Assert.That(() => ScenePlan.Merge([full], 0.9), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => ScenePlan.Merge([full], double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
    }
}
