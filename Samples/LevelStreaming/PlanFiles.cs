using System.Text.Json;
using Engine.Arenas;
using Engine.Scenes;
using Samples.Common;
using Samples.LevelStreaming.Rows;
using Samples.LevelStreaming.World;

namespace Samples.LevelStreaming;

/// <summary>The levels' plans as files, one for each level of the ring.</summary>
internal static class PlanFiles
{
    /// <summary>Reads the plans of all levels.</summary>
    /// <exception cref="BadInputException">A file is missing or is no plan.</exception>
    public static PrewarmPlan[] Read(string folder)
    {
        PrewarmPlan[] plans = new PrewarmPlan[LevelSpec.Ring.Length];
        for (int ring = 0; ring < plans.Length; ring++)
        {
            string path = PathOf(folder, ring);
            try
            {
                plans[ring] = Parse(File.ReadAllText(path), LevelSpec.Ring[ring].Name);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or NotSupportedException)
            {
                throw new BadInputException($"--plans: '{path}' could not be read: {error.Message}", error);
            }
        }

        return plans;
    }

    /// <summary>Writes a level's plan.</summary>
    /// <exception cref="BadInputException">The file cannot be written.</exception>
    public static void Write(string folder, int ring, PrewarmPlan plan)
    {
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(PathOf(folder, ring), Text(plan));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"--record: no plan can be written to '{folder}': {error.Message}", error);
        }
    }

    private static string PathOf(string folder, int ring) => Path.Combine(folder, LevelSpec.Ring[ring].Name + ".json");

    private static PrewarmPlan Parse(string text, string name)
    {
        PlanDocument document = JsonSerializer.Deserialize(text, StreamingJson.Default.PlanDocument) ?? throw new JsonException("it is empty");
        return new PrewarmPlan
        {
            Name = name,
            Threads = document.Threads,
            Blocks = document.Blocks.ConvertAll(block => new BlockCount((nuint)block[0], block[1], (int)block[2])),
            Frame = new FrameArenaOptions { BytesPerLane = (nuint)document.BytesPerLane, Lanes = document.Lanes, Buffers = document.Buffers },
        };
    }

    private static string Text(PrewarmPlan plan)
    {
        PlanDocument document = new()
        {
            Threads = plan.Threads,
            BytesPerLane = (long)plan.Frame!.BytesPerLane,
            Lanes = plan.Frame.Lanes,
            Buffers = plan.Frame.Buffers,
            Blocks = [],
        };
        foreach (BlockCount block in plan.Blocks)
        {
            document.Blocks.Add([(long)block.Bytes, block.Count, block.Threads]);
        }

        return JsonSerializer.Serialize(document, StreamingJson.Default.PlanDocument);
    }
}
