// Runs one row in this process.
using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.LevelStreaming;

/// <summary>Who serves the walk.</summary>
internal enum RowKind
{
    /// <summary>The engine, each level prewarmed by its recorded plan.</summary>
    Prewarmed,

    /// <summary>The engine without plans: memory comes when it is asked for.</summary>
    Cold,

    /// <summary>Garbage-collected objects.</summary>
    Gc,
}

/// <summary>Runs one row in this process.</summary>
internal static class RowRuns
{
    private const int Workers = 2;

    /// <summary>
    /// What a plan is multiplied by after it was recorded: how many blocks threads hold back depends on their timing.
    /// </summary>
    private const double Headroom = 1.1;

    /// <summary>Does the walk.</summary>
    /// <param name="plansFolder">Where the plans are, for the prewarmed row.</param>
    /// <param name="profileFolder">Where the profile of an engine row is written to; null makes none.</param>
    public static RowDocument Measure(
        RowKind row, WalkOptions options, string? plansFolder, string? profileFolder = null)
    {
        ScenePlan[] plans = row == RowKind.Prewarmed ? PlanFiles.Read(plansFolder!) : NoPlans();
        return Run(row, options, plans, recorders: null, profileFolder);
    }

    /// <summary>Does the walk without plans and writes the plans that it should have had.</summary>
    public static void Record(WalkOptions options, string folder)
    {
        SceneRecorder[] recorders = new SceneRecorder[LevelSpec.Ring.Length];
        for (int ring = 0; ring < recorders.Length; ring++)
            recorders[ring] = new SceneRecorder();

        Run(RowKind.Cold, options, NoPlans(), recorders);
        for (int ring = 0; ring < recorders.Length; ring++)
            PlanFiles.Write(folder, ring, recorders[ring].Plan(Headroom));
    }

    private static RowDocument Run(
        RowKind row, WalkOptions options, ScenePlan[] plans, SceneRecorder[]? recorders, string? profileFolder = null)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { Stay = options.Stay });
        using HotLoopGuard guard = new(memory);
        using WorkerPool pool = new(new WorkerPoolOptions { WorkerCount = Workers, Guard = guard });
        string name = EnumNames<RowKind>.Of(row);
        if (row == RowKind.Gc)
        {
            using GcSource garbage = new();
            return new Walk<GcStore, GcStore.Animal>(garbage, guard, pool, options).Run(name, "");
        }

        using EngineSource source = new(memory, guard, pool, plans, recorders);
        using SampleProfile? profile = SampleProfile.Begin(profileFolder, memory);
        profile?.FrameMeaning =
            "The sample's table has the calls of the guard and the profiler in its times besides, and gives them by "
            + "level.";
        RowDocument result = new Walk<EngineStore, nint>(source, guard, pool, options, profile)
            .Run(name, memory.PrefaultDescription);
        memory.Validate();
        return result;
    }

    // They prewarm nothing but the smallest lanes.
    private static ScenePlan[] NoPlans() => Array.ConvertAll(LevelSpec.Ring, level => new ScenePlan
    {
        Name = level.Name,
        Arenas = [new ArenaPlan()],
        FrameArena = new FrameArenaOptions { BytesPerLane = 4096, LaneCount = Workers },
    });
}
