using System.Text;
using System.Text.Json;
using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>Plans are read as they are written, with what they are based on, and written as they are read.</summary>
public class ValidPlanTests
{
    private static IEnumerable<string> Names => PlanFiles.ValidNames;

    [TestCaseSource(nameof(Names))]
    public void Written_plan_reads_back_as_it_was(string name)
    {
        ScenePlan plan = ScenePlan.Parse(PlanFiles.Valid(name), PlanFiles.Base);
        string json = plan.ToJson();
        ScenePlan again = PlanFiles.Parse(json);

        Assert.That(again.ToJson(), Is.EqualTo(json));
        Assert.That(again with { Arenas = plan.Arenas }, Is.EqualTo(plan));
        for (int index = 0; index < plan.Arenas.Count; index++)
        {
            Assert.That(again.Arenas[index].Blocks, Is.EqualTo(plan.Arenas[index].Blocks));
            Assert.That(
                again.Arenas[index] with { Blocks = plan.Arenas[index].Blocks }, Is.EqualTo(plan.Arenas[index]));
        }
    }

    [Test]
    public void Everything_a_plan_can_say_is_read()
    {
        ScenePlan plan = ScenePlan.Parse(PlanFiles.Valid("everything"));

        Assert.That(
            (plan.Name, plan.Prefault, plan.Pages),
            Is.EqualTo(("forest, 🌲 by night", PrefaultPolicy.PopulateWrite, PageKind.TransparentHuge)));
        Assert.That(
            (plan.Stay, plan.Granularity), Is.EqualTo((StayPolicy.Automatic, PrefaultGranularity.Slab)));
        Assert.That(
            plan.FrameArena,
            Is.EqualTo(
            new FrameArenaOptions
            {
                BytesPerLane = 1536 * 1024,
                LaneCount = 4,
                BufferCount = 3,
                OverflowSuperSlabs = 2
            }));
        Assert.That(string.Join(", ", plan.Arenas.Select(arena =>
            arena.Name)), Is.EqualTo("world, the sounds, scripts"));
        ArenaPlan world = plan.Arenas[0];
        Assert.That(
            world.Budget,
            Is.EqualTo(
            new ArenaBudget
            {
                SoftBytes = Size.MiB(96),
                HardBytes = Size.MiB(128),
                StockBytes = Size.MiB(8),
                Overflow = ArenaOverflow.Callback
            }));
        Assert.That(
            world.Blocks, Is.EqualTo(new BlockCount[] { new(64, 100_000), new(1024, 2000, 2), new(3 << 20, 4, 1) }));
        Assert.That(
            (world.SuperSlabCount, world.ThreadCount, world.Carve, world.RetainBytes),
            Is.EqualTo((4, 4, false, Size.MiB(16))));
        Assert.That(
            plan.Arenas[1].Budget,
            Is.EqualTo(new ArenaBudget { HardBytes = Size.MiB(8), Overflow = ArenaOverflow.Fail }));
        Assert.That(plan.Arenas[2], Is.EqualTo(new ArenaPlan { Name = "scripts", Blocks = plan.Arenas[2].Blocks }));
        Assert.That(plan.RetainBytes, Is.EqualTo(Size.MiB(16)));
        Assert.That(plan.HotLoop, Is.EqualTo(new HotLoopRules
        {
            WarmUpFrameCount = 60,
            PageFaults = new HotLoopRule(0, HotLoopAction.Throw),
            OsCalls = new HotLoopRule(0, HotLoopAction.Log),
            ManagedBytes = new HotLoopRule(1024, HotLoopAction.Callback),
            Collections = new HotLoopRule(1),
            FrameOverflow = new HotLoopRule(2),
            BudgetOverrun = new HotLoopRule(3, HotLoopAction.Log),
            TagOverrun = new HotLoopRule(0, HotLoopAction.Throw),
        }));
    }

    [Test]
    public void Absent_parts_are_at_their_defaults()
    {
        ScenePlan plan = ScenePlan.Parse(PlanFiles.Valid("smallest"));

        Assert.That(
            plan with { Arenas = [] },
            Is.EqualTo(new ScenePlan { Name = "forest", Arenas = [] }).Using<ScenePlan>((one, other) =>
            one.ToJson() == other.ToJson()));
        Assert.That(
            (plan.FrameArena, plan.Arenas.Count, plan.RetainBytes),
            Is.EqualTo(((FrameArenaOptions?)null, 0, (nuint)0)));
    }

    [TestCase("1", "1")]
    [TestCase("\"1 B\"", "1")]
    [TestCase("\"24 bytes\"", "24")]
    [TestCase("\"24bytes\"", "24")]
    [TestCase("\"8 KiB\"", "8192")]
    [TestCase("\"0.5KiB\"", "512")]
    [TestCase("\"3 GiB\"", "3221225472")]
    [TestCase("\"0.000976563 MiB\"", null)]
    [TestCase("\"0.0009765625 MiB\"", null)]
    [TestCase("\"1.001953125 MiB\"", "1050624")]
    [TestCase("\"16384 GiB\"", "17592186044416")]
    [TestCase("\"16384.000000001 GiB\"", null)]
    [TestCase("17592186044417", null)]
    [TestCase("\"999999999999999 GiB\"", null)]
    public void Sizes_are_exact_or_refused(string text, string? bytes)
    {
        string json = $$"""{ "name": "x", "arenas": { "a": { "retain": {{text}} } } }""";
        if (bytes is null)
            Assert.That(() => PlanFiles.Parse(json), Throws.TypeOf<ScenePlanException>());
        else
        {
            Assert.That(
                PlanFiles.Parse(json).RetainBytes.ToString(System.Globalization.CultureInfo.InvariantCulture),
                Is.EqualTo(bytes));
        }
    }

    /// <summary>JSON knows one kind of number; a schema's integer is any without a fraction.</summary>
    [TestCase("48.0", 48)]
    [TestCase("1e2", 100)]
    [TestCase("1E+2", 100)]
    [TestCase("1.2e1", 12)]
    [TestCase("4800e-2", 48)]
    [TestCase("2.5", null)]
    [TestCase("1e-1", null)]
    [TestCase("1e9", null)]
    [TestCase("1e999", null)]
    [TestCase("-1.0", null)]
    public void Whole_numbers_are_read_as_the_schema_has_them(string text, int? lanes)
    {
        string json = $$"""{ "name": "x", "frame": { "lanes": {{text}} } }""";
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.That(PlanSchemaTests.Checker().Check(document.RootElement), lanes is null ? Is.Not.Null : Is.Null);
        if (lanes is null)
            Assert.That(() => PlanFiles.Parse(json), Throws.TypeOf<ScenePlanException>());
        else
            Assert.That(PlanFiles.Parse(json).FrameArena!.LaneCount, Is.EqualTo(lanes));
    }

    [TestCase("8\u00A0MiB", "\"8\\u00A0MiB\"")]
    [TestCase("8\u200B MiB", "\"8\\u200B MiB\"")]
    [TestCase("\u202E8 MiB", "\"\\u202E8 MiB\"")]
    [TestCase("8\u3000MiB", "\"8\\u3000MiB\"")]
    [TestCase("8\uFEFF MiB", "\"8\\uFEFF MiB\"")]
    [TestCase("8 M\u0130B", "\"8 M\u0130B\"")]
    [TestCase("8 \U0001F332", "\"8 \U0001F332\"")]
    public void What_cannot_be_seen_is_quoted_visibly(string text, string quoted)
    {
        string json = $$"""{ "name": "x", "arenas": { "a": { "retain": {{JsonSerializer.Serialize(text)}} } } }""";
        Assert.That(
            () => PlanFiles.Parse(json), Throws.TypeOf<ScenePlanException>().With.Message.Contains($"found {quoted};"));
    }

    [Test]
    public void A_long_text_is_quoted_up_to_a_whole_character()
    {
        string text = new string('x', 59) + "\U0001F332 and more";
        string json = $$"""{ "name": "x", "arenas": { "a": { "retain": {{JsonSerializer.Serialize(text)}} } } }""";
        Assert.That(
            () => PlanFiles.Parse(json),
            Throws.TypeOf<ScenePlanException>().With.Message.Contains($"found \"{new string('x', 59)}...\";"));
    }

    [Test]
    public void Derived_plan_says_what_differs_from_its_bases()
    {
        ScenePlan plan = ScenePlan.Load(Path.Combine(PlanFiles.ValidFolder, "inheriting.json"));

        Assert.That((plan.Name, plan.Pages, plan.HotLoop.WarmUpFrameCount), Is.EqualTo(("cave", PageKind.Normal, 30)));
        Assert.That(plan.HotLoop.PageFaults, Is.EqualTo(new HotLoopRule(3, HotLoopAction.Throw)));
        Assert.That(plan.FrameArena, Is.EqualTo(new FrameArenaOptions { BytesPerLane = Size.MiB(2), LaneCount = 4 }));
        Assert.That(string.Join(", ", plan.Arenas.Select(arena => arena.Name)), Is.EqualTo("world, bats"));
        Assert.That(plan.Arenas[0].Blocks, Is.EqualTo(new BlockCount[] { new(32, 1000), new(64, 500), new(96, 50) }));
        Assert.That(
            plan.Arenas[0].Budget, Is.EqualTo(new ArenaBudget { SoftBytes = Size.MiB(32), HardBytes = Size.MiB(64) }));
        Assert.That(plan.Arenas[1].SuperSlabCount, Is.EqualTo(1));
    }

    [Test]
    public void Bases_are_files_beside_the_file_that_names_them()
    {
        string folder = Directory.CreateTempSubdirectory("scene-plans").FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(folder, "shared"));
            string top = Path.Combine(folder, "top.json");
            File.WriteAllText(top, "{ \"base\": \"shared/middle.json\" }");
            File.WriteAllText(
                Path.Combine(folder, "shared", "middle.json"),
                "{ \"base\": \"../root.json\", \"frame\": { \"lanes\": 3 } }");
            File.WriteAllText(Path.Combine(folder, "root.json"), "{ \"name\": \"root\" }");
            Assert.That(
                ScenePlan.Load(top),
                Is.EqualTo(new ScenePlan { Name = "root", FrameArena = new FrameArenaOptions { LaneCount = 3 } })
                .Using<ScenePlan>((one, other) => one.ToJson() == other.ToJson()));

            File.WriteAllText(Path.Combine(folder, "root.json"), "{ \"base\": \"shared/../top.json\" }");
            Assert.That(() => ScenePlan.Load(top), Throws.TypeOf<ScenePlanException>().With.Message.EqualTo(
                $"Scene plan '{top}' has an error. ../root.json: base: found \"shared/../top.json\"; allowed: a "
                    + "plan that is not based on this one."));

            foreach (string reference in new[] { "missing.json", "shared", "bad\\u0000name" })
            {
                File.WriteAllText(top, $$"""{ "name": "x", "base": "{{reference}}" }""");
                Assert.That(() =>
                    ScenePlan.Load(top), Throws.TypeOf<ScenePlanException>().With.Message.Contains("base: found"));
            }

            string rooted = Path.Combine(folder, "root.json").Replace('\\', '/');
            File.WriteAllText(top, $$"""{ "base": "{{rooted}}" }""");
            Assert.That(() =>
                ScenePlan.Load(top),
                Throws.TypeOf<ScenePlanException>().With.Message.EndsWith(
                "allowed: the path of a file, relative to this plan's."));
            Assert.That(() => ScenePlan.Load(Path.Combine(folder, "missing.json")), Throws.InstanceOf<IOException>());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Eight_plans_may_be_based_on_one_another_and_no_ninth()
    {
        static byte[]? Chain(int last, string name)
        {
            int index = int.Parse(name, System.Globalization.CultureInfo.InvariantCulture);
            return Encoding.UTF8.GetBytes(index == last ? $$"""{ "name": "n{{last}}" }""" : $$"""{ "base": "{{index + 1}}" }""");
        }

        Assert.That(ScenePlan.Parse(Chain(8, "1"), name => Chain(8, name)).Name, Is.EqualTo("n8"));
        Assert.That(() => ScenePlan.Parse(Chain(9, "1"), name => Chain(9, name)), Throws.TypeOf<ScenePlanException>());
    }
}
