using Engine.Arenas;
using Engine.Core;
using Engine.Scenes;

namespace Engine.Profiling;

/// <summary>What a scene's plan asked for beside what was used of it.</summary>
internal static class ProfilePlans
{
    public static ProfilePlan Of(Scene scene)
    {
        nuint used = 0;
        foreach (LongLivedArena arena in scene.Arenas)
        {
            foreach (BlockCount block in arena.PeakBlocks())
            {
                used += block.Bytes * (nuint)block.Count;
            }
        }

        if (scene.Plan.Frame is not null)
        {
            for (int lane = 0; lane < scene.Frame.Lanes; lane++)
            {
                used += scene.Frame.HighWaterBytes(lane) * (nuint)scene.Frame.Buffers;
            }
        }

        return new ProfilePlan(scene.Plan.Name, scene.Report.Bytes, used, SuggestedPlan(scene));
    }

    private static string SuggestedPlan(Scene scene)
    {
        SceneRecorder recorder = new();
        recorder.Add(scene);
        try
        {
            return recorder.Plan().ToJson();
        }
        catch (ScenePlanException)
        {
            // What was used does not fit the plan's own budget, so no plan with that budget can be suggested.
            return "";
        }
    }
}
