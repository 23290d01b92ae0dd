using Samples.Common;
using Samples.LevelStreaming.World;
using SuperSlab.Scenes;

namespace Samples.LevelStreaming;

/// <summary>The levels' plans as files, one for each level of the ring.</summary>
internal static class PlanFiles
{
    /// <summary>Reads the plans of all levels.</summary>
    /// <exception cref="BadInputException">A file is missing or is no plan.</exception>
    public static ScenePlan[] Read(string folder)
    {
        ScenePlan[] plans = new ScenePlan[LevelSpec.Ring.Length];
        for (int ring = 0; ring < plans.Length; ring++)
        {
            string path = PathOf(folder, ring);
            try
            {
                plans[ring] = ScenePlan.Load(path);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or ScenePlanException)
            {
                throw new BadInputException($"--plans: '{path}' could not be read: {error.Message}", error);
            }
        }

        return plans;
    }

    /// <summary>Writes a level's plan.</summary>
    /// <exception cref="BadInputException">The file cannot be written.</exception>
    public static void Write(string folder, int ring, ScenePlan plan)
    {
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(PathOf(folder, ring), plan.ToJson());
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"--record: no plan can be written to '{folder}': {error.Message}", error);
        }
    }

    private static string PathOf(string folder, int ring) => Path.Combine(folder, LevelSpec.Ring[ring].Name + ".json");
}
