using System.Runtime.CompilerServices;
using System.Text;
using Engine.Tests.Support;

namespace Engine.Tests;

/// <summary>The README's first example, compiled, run, and compared with what the README shows.</summary>
public unsafe class ReadmeTests
{
    private struct Entity
    {
        public float X, Y;
    }

    [Test]
    public void First_example_runs_its_frames_without_a_page_fault_or_an_OS_call()
    {
        using EngineMemory memory = new();
        ScenePlan plan = new()
        {
            Name = "forest",
            Arenas = [new ArenaPlan { Blocks = [BlockCount.Of<Entity>(100_000), new(3 << 20, 4)] }],
            FrameArena = new FrameArenaOptions { BytesPerLane = 1 << 20, Lanes = 2 },
        };

        using Scene scene = Scene.Load(memory, plan);
        RunFrames(scene);
        HotLoopCost cost = HotLoopCost.Of(memory, () => RunFrames(scene));

        Assert.That(cost with { OtherFaults = 0 }, Is.EqualTo(HotLoopCost.Nothing));
    }

    [Test]
    public void First_example_stands_in_the_README_as_it_is_compiled_here()
    {
        string thisFile = ThisFile();
        string folder = Path.GetDirectoryName(thisFile)!;
        if (!File.Exists(thisFile))
        {
            Assert.Ignore("The sources are not on this machine.");
        }

        HashSet<string> shown = [.. File.ReadLines(Path.Combine(folder, "..", "README.md")).Select(Code)];
        string[] lines = File.ReadAllLines(thisFile);
        string[] compiled = [.. Between(lines, "ScenePlan plan = new()", "RunFrames(scene);"), .. Between(lines, "for (int frame", "    }")];
        Assert.That(compiled, Has.Length.GreaterThan(10));
        Assert.That(compiled.Where(line => !shown.Contains(line)), Is.Empty, "lines compiled here that the README does not show");
    }

    [Test]
    public void Scene_plan_in_the_README_is_valid()
    {
        string readme = Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "README.md");
        if (!File.Exists(readme))
        {
            Assert.Ignore("The sources are not on this machine.");
        }

        string json = string.Join('\n', File.ReadLines(readme).SkipWhile(line => line != "```json").Skip(1).TakeWhile(line => line != "```"));
        ScenePlan plan = ScenePlan.Parse(Encoding.UTF8.GetBytes(json), name => Encoding.UTF8.GetBytes("{ }"));
        Assert.That((plan.Name, plan.Arenas.Count), Is.EqualTo(("forest", 2)));
    }

    /// <summary>The code of the lines from one that begins like this up to one that is this.</summary>
    private static IEnumerable<string> Between(string[] lines, string first, string end) => lines
        .SkipWhile(line => !line.Trim().StartsWith(first, StringComparison.Ordinal))
        .TakeWhile(line => line != end && line.Trim() != end)
        .Select(Code)
        .Where(line => line.Length > 2);

    private static string ThisFile([CallerFilePath] string path = "") => path;

    private static string Code(string line) => line.Split("//")[0].Trim();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void RunFrames(Scene scene)
    {
        for (int frame = 0; frame < 1000; frame++)
        {
            scene.FrameArena.NextFrame();
            Span<float> distances = scene.FrameArena.Lane(0).AllocateSpan<float>(4096);
            ArenaHandle arena = scene.Arena.GetHandle();
            Entity* entity = arena.Allocate<Entity>();
            *entity = new Entity { X = distances.Length, Y = frame };
            arena.Free(entity);
        }
    }
}
