// The scene plans: those in the program, and how they are recorded.
using System.Text;
using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.Game.Playing;

/// <summary>Plans of levels, and of the scene of the libraries that live as long as the game.</summary>
internal static class Plans
{
    private const string Libraries = "libraries";
    private const string Vulkan = "vulkan";
    private const int SuperSlabBytes = 2 << 20;

    /// <summary>What recorded plans are multiplied by: threads hold back blocks as their timing wants.</summary>
    private const double Headroom = 1.1;

    public static ScenePlan Of(LevelKind kind) => Read(Resource.NameOf(kind, ".json"));

    /// <param name="usesVulkan">Whether Vulkan is among them, which has a plan of its own.</param>
    public static ScenePlan OfLibraries(bool usesVulkan)
    {
        ScenePlan plan = Read(Libraries + ".json");
        return usesVulkan ? ScenePlan.Merge([plan, Read(Vulkan + ".json")]) : plan;
    }

    /// <summary>A plan that prewarms nothing but the smallest lanes.</summary>
    public static ScenePlan Empty(LevelKind kind, int workers) => new()
    {
        Name = EnumNames<LevelKind>.Of(kind),
        Arenas = [Arena("world"), Arena("script")],
        FrameArena = new FrameArenaOptions { BytesPerLane = 4096, LaneCount = workers },
    };

    /// <inheritdoc cref="OfLibraries"/>
    public static ScenePlan EmptyLibraries(bool usesVulkan) => new()
    {
        Name = Libraries,
        Arenas =
        [
            Arena("physics"), Arena("saves"), Arena("window"), .. usesVulkan ? [Arena(Vulkan)] : Array.Empty<ArenaPlan>(),
        ],
    };

    /// <summary>Writes a recorded plan, with soft budgets of what is prewarmed. Vulkan gets a file of its own.</summary>
    public static void Write(string folder, SceneRecorder recorder)
    {
        ScenePlan recorded = recorder.Plan(Headroom);
        ILookup<bool, ArenaPlan> arenas = recorded.Arenas.Select(WithBudget).ToLookup(arena => arena.Name == Vulkan);
        Write(folder, recorded with { Arenas = [.. arenas[false]] });
        if (arenas[true].Any())
            Write(folder, new ScenePlan { Name = Vulkan, Arenas = [.. arenas[true]] });
    }

    private static void Write(string folder, ScenePlan plan) =>
        OutputFile.Write(Path.Combine(folder, plan.Name + ".json"), plan.ToJson() + "\n");

    private static ScenePlan Read(string name) => ScenePlan.Parse(Encoding.UTF8.GetBytes(Resource.Text(name)));

    private static ArenaPlan Arena(string name) => new() { Name = name, Carve = false };

    private static ArenaPlan WithBudget(ArenaPlan arena)
    {
        int superSlabs = Math.Max(arena.TogetherSuperSlabCount, 1);
        return arena with
        {
            TogetherSuperSlabCount = superSlabs,
            Budget = new ArenaBudget { SoftBytes = (nuint)superSlabs * SuperSlabBytes },
        };
    }
}
