using Samples.Common;
using SuperSlab.Scenes;

namespace Samples.GameReplay;

/// <summary>The scene plan of <c>--plan</c> and <c>--record-plan</c>.</summary>
internal static class PlanFile
{
    /// <summary>Reads a plan to replay by.</summary>
    /// <exception cref="BadInputException">The file cannot be read, is no plan, or has no arena to replay in.</exception>
    public static ScenePlan Read(string path)
    {
        try
        {
            ScenePlan plan = ScenePlan.Load(path);
            return plan.Arenas.Count != 0 ? plan : throw new BadInputException($"--plan: '{path}' has no long-lived arena to replay in.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or ScenePlanException)
        {
            throw new BadInputException($"--plan: '{path}' could not be read: {error.Message}", error);
        }
    }

    /// <summary>Writes a recorded plan.</summary>
    public static void Write(string path, ScenePlan plan) => File.WriteAllText(path, plan.ToJson() + "\n");
}
