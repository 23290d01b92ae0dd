using System.Text;
using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>Every invalid plan gets its exact message, which names all of its errors.</summary>
public class InvalidPlanTests
{
    private static IEnumerable<string> Names => PlanFiles.InvalidNames;

    [Test]
    public void There_are_at_least_sixty_invalid_plans() => Assert.That(Names.Count(), Is.GreaterThanOrEqualTo(60));

    [TestCaseSource(nameof(Names))]
    public void Invalid_plan_gets_its_exact_message(string name)
    {
        ScenePlanException refused = Assert.Throws<ScenePlanException>(() =>
            ScenePlan.Parse(PlanFiles.Invalid(name), PlanFiles.Base))!;

        Assert.That(refused.Message, Is.EqualTo(PlanFiles.Message(name)));
        Assert.That(refused.Errors, Is.Not.Empty);
        Assert.That(refused.Message, Does.EndWith(refused.Errors[^1].ToString()).Or.EndsWith(" more."));
    }

    /// <summary>
    /// The head of InvalidPlans.txt says how this writes all messages anew; nothing but messages may change by that.
    /// </summary>
    [Test]
    public void Invalid_plans_are_written_as_they_were_read()
    {
        string written = InvalidPlans.All.Written(plan => ActualMessage(plan.Plan));
        if (Environment.GetEnvironmentVariable("ENGINE_TESTS_WRITE_PLANS") is { Length: > 0 } file)
            File.WriteAllText(file, written);

        Assert.That(written, Is.EqualTo(InvalidPlans.FileText));
    }

    [Test]
    public void Document_of_more_than_a_mebibyte_is_refused_before_it_is_read()
    {
        byte[] text = Encoding.UTF8.GetBytes("{ \"name\": \"forest\" }" + new string(' ', ScenePlan.MaximumJsonBytes));

        Assert.That(() => ScenePlan.Parse(text), Throws.TypeOf<ScenePlanException>().With.Message.EqualTo(
            "The scene plan has an error. $: found 1048596 bytes; allowed: at most 1 MiB."));
        Assert.That(() => ScenePlan.Parse(text.AsSpan(0, ScenePlan.MaximumJsonBytes)), Throws.Nothing);
    }

    [Test]
    public void Byte_order_mark_is_skipped() =>
        Assert.That(PlanFiles.Parse("\uFEFF{ \"name\": \"forest\" }").Name, Is.EqualTo("forest"));

    [Test]
    public void Base_without_anything_that_finds_it_is_refused() => Assert.That(
        () => PlanFiles.Parse("{ \"base\": \"common.json\" }"),
        Throws.TypeOf<ScenePlanException>().With.Message.EqualTo(
            "The scene plan has an error. base: found \"common.json\"; allowed: no base, as there is nothing that "
                + "finds it."));

    [Test]
    public void Lists_that_are_too_long_are_refused_by_their_length()
    {
        ScenePlan manyArenas = new()
        {
            Arenas = [.. Enumerable.Range(0, 257).Select(number =>
            new ArenaPlan { Name = $"a{number}" })]
        };
        Assert.That(
            manyArenas.Validate,
            Throws.TypeOf<ScenePlanException>().With.Message.Contains(
            "arenas: found 257 arenas; allowed: at most 256"));
        ScenePlan manyBlocks =
            new() { Arenas = [new ArenaPlan { Blocks = [.. Enumerable.Repeat(new BlockCount(64, 1), 4097)] }] };
        Assert.That(
            manyBlocks.Validate,
            Throws.TypeOf<ScenePlanException>().With.Message.Contains("found a list of 4097; allowed: at most 4096"));
    }

    [Test]
    public void Plan_made_in_code_is_held_to_the_same_rules()
    {
        ScenePlan plan = new()
        {
            Name = "a\nb",
            Prefault = PrefaultPolicy.None,
            Pages = (PageKind)99,
            FrameArena = new FrameArenaOptions { LaneCount = 0, BytesPerLane = 1 },
            Arenas =
            [
                new ArenaPlan { Name = "world", ThreadCount = 0, SuperSlabCount = -1,
                    Blocks = [new(64, -1), new(64, 1), new(0, 1, 1000)] },
                new ArenaPlan { Name = "world", Budget =
                    new ArenaBudget { SoftBytes = 8 << 20, HardBytes = 4 << 20, Overflow = (ArenaOverflow)7 } },
                new ArenaPlan { Name = string.Empty },
            ],
            HotLoop = new HotLoopRules { WarmUpFrameCount = -1, OsCalls = new HotLoopRule(-2, (HotLoopAction)9) },
        };

        ScenePlanException refused = Assert.Throws<ScenePlanException>(plan.Validate)!;
        Assert.That(string.Join('\n', refused.Errors.Select(error => $"{error.Path}: {error.Found}")), Is.EqualTo("""
            name: "a\u000Ab"
            frame.bytesPerLane: 1
            frame.lanes: 0
            arenas.world.prewarm.blocks[0].count: -1
            arenas.world.prewarm.blocks[1].bytes: 64 bytes a second time
            arenas.world.prewarm.blocks[2].bytes: 0
            arenas.world.prewarm.blocks[2].threads: 1000
            arenas.world.prewarm.superSlabs: -1
            arenas.world.threads: 0
            arenas.world: the name a second time
            arenas.world.overflow: 7
            arenas.world.budget.soft: 8 MiB
            arenas: ""
            prefault: None
            pages: 99
            hotLoop.warmUpFrames: -1
            hotLoop.osCalls.allowed: -2
            hotLoop.osCalls.action: 9
            """));
        Assert.That(() => plan.ToJson(), Throws.TypeOf<ScenePlanException>());
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
        Assert.That(() => Scene.Load(memory, plan), Throws.TypeOf<ScenePlanException>());
    }

    [Test]
    public void Frame_ranges_are_those_of_the_frame_arena()
    {
        PlanRange[] ranges = [PlanRange.BytesPerLane, PlanRange.Lanes, PlanRange.Buffers, PlanRange.OverflowSuperSlabs];
        for (int which = 0; which < ranges.Length; which++)
        {
            foreach (int beyond in new[] { 0, 1 })
            {
                FrameArenaOptions least = Options(which, ranges[which].Minimum - beyond);
                FrameArenaOptions most = Options(which, ranges[which].Maximum + beyond);
                Assert.That(
                    least.Validate, beyond == 0 ? Throws.Nothing : Throws.TypeOf<ArgumentOutOfRangeException>());
                Assert.That(most.Validate, beyond == 0 ? Throws.Nothing : Throws.TypeOf<ArgumentOutOfRangeException>());
            }
        }
    }

    private static string ActualMessage(byte[] plan)
    {
        try
        {
            ScenePlan.Parse(plan, PlanFiles.Base);
            return "(It is not refused.)";
        }
        catch (ScenePlanException refused)
        {
            return refused.Message;
        }
    }

    private static FrameArenaOptions Options(int which, long value) => which switch
    {
        0 => new() { BytesPerLane = (nuint)value },
        1 => new() { LaneCount = (int)value },
        2 => new() { BufferCount = (int)value },
        _ => new() { OverflowSuperSlabs = (int)value },
    };
}
