// Plays the game, records its plans, or compares its kinds of memory.
using System.Globalization;
using System.Text.Json.Serialization;
using Samples.Common;
using Samples.Game.Libraries;
using Samples.Game.Playing;
using Samples.Game.Showing;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.Game;

internal static class Program
{
    private const int Workers = 2;

    private static int Main(string[] arguments) =>
        SampleHost.Run(GameCommand.Create(Run), arguments, saysVerdict: false);

    private static int Run(GameOptions options)
    {
        if (options.Compares)
            return Comparison.Run(options);

        JsonDestination json = new(options.Json);
        if (options.RecordPlans is not null)
            OutputFile.CheckFolder("--record-plans", options.RecordPlans);

        if (options.Screenshot is not null)
            OutputFile.Check("--screenshot", options.Screenshot);

        if (options.Record is not null)
            GameCommand.CheckRecord(options);

        if (!options.IsHeadless)
            EnableCounters();

        string? problem;
        RunDocument? run;
        using (EngineMemory memory = new())
        {
            run = Play(memory, options);
            memory.Validate();
            problem = memory.OwnedSuperSlabCount == 0 ? null : "SuperSlabs are left in arenas";
        }

        if (run is null)
            return ExitCodes.Success;

        json.Tables.Write(RunTable.Print([run]));
        json.Write(run, GameJson.Default.RunDocument);
        problem ??= options.Memory == MemoryKind.Engine ? run.Problem() : null;
        string held = options.Memory == MemoryKind.Engine
            ? "no frame broke the rules of the scene plans, and nothing was left behind"
            : $"{FigureText.Count(run.Violations, "frame")} broke the rules, which only --memory engine must keep";
        int code = RowRunner.Judge([problem]);
        json.Tables.WriteLine(problem is null ? $"PASS: {held}." : $"FAIL: {problem}");
        return code;
    }

    /// <summary>The overlay shows tags where memory is counted; compiled ahead of time it may not be.</summary>
    private static void EnableCounters()
    {
        try
        {
            MemoryCounters.Enable();
        }
        catch (InvalidOperationException error)
        {
            Console.Error.WriteLine("warning: " + error.Message);
        }
    }

    /// <returns>Null where nobody counted.</returns>
    private static RunDocument? Play(EngineMemory memory, GameOptions options)
    {
        bool usesVulkan = !options.IsHeadless && options.Graphics == GraphicsApi.Vulkan;
        ScenePlan? plan = options.Memory switch
        {
            MemoryKind.Engine => Plans.OfLibraries(usesVulkan),
            MemoryKind.Cold => Plans.EmptyLibraries(usesVulkan),
            _ => null,
        };
        using GameLibraries libraries = new(memory, plan, options.Save);
        LevelKind[] ring = Ring(options, libraries.HasPhysics);
        using HotLoopGuard guard = new(memory);
        using WorkerPool pool = new(new WorkerPoolOptions { WorkerCount = Workers, Guard = guard });
        GameFrames frames = new(guard);
        if (plan is null)
        {
            using GcSource garbage = new();
            RunDocument? byGc = Play<GcStore>(options, memory, libraries, garbage, frames, pool, ring);
            libraries.End();
            return byGc;
        }

        guard.Watch(libraries.Scene!);
        bool isPrewarmed = options.Memory == MemoryKind.Engine;
        ScenePlan[] plans = Array.ConvertAll(ring, kind => isPrewarmed ? Plans.Of(kind) : Plans.Empty(kind, Workers));
        SceneRecorder[]? recorders =
            options.RecordPlans is null ? null : Array.ConvertAll(ring, _ => new SceneRecorder());
        using EngineSource source = new(memory, frames, pool, plans, recorders);
        RunDocument? run = Play<EngineStore>(options, memory, libraries, source, frames, pool, ring);
        guard.Unwatch(libraries.Scene!);
        if (recorders is not null)
        {
            SceneRecorder ofLibraries = new();
            ofLibraries.Add(libraries.Scene!);
            foreach (SceneRecorder recorder in recorders.Append(ofLibraries))
                Plans.Write(options.RecordPlans!, recorder);
        }

        libraries.End();
        return recorders is null ? run : null;
    }

    private static RunDocument? Play<TStore>(
        GameOptions options, EngineMemory memory, GameLibraries libraries, IStoreSource<TStore> source,
        GameFrames frames, WorkerPool pool, LevelKind[] ring)
        where TStore : struct, IStore
    {
        HotLoopGuard guard = frames.Guard!;
        using IScreen screen =
            options.IsHeadless ? new NoScreen() : new GameWindow(memory, libraries, options);
        using LevelStream<TStore> stream = new(source, libraries, ring, options.Seed, Workers);
        Session<TStore> session = new(options, libraries, stream, pool, guard, screen, ring);
        GameLoop loop = new(new GameLoopOptions
        {
            Frames = frames,
            BeforeFrame = session.BeforeFrame,
            AfterFrame = session.AfterFrame,
            Clock = options.IsUnattended ? new StepClock() : TimeProvider.System,
            FrameDuration = options.IsUnattended ? TimeSpan.Zero : TimeSpan.FromSeconds(1 / 60.0),
        });

        // A rehearsal of each level: all code is compiled, and all memory of libraries is met for the first time.
        guard.WarmUp(int.MaxValue);
        for (int frame = 0; options.IsUnattended && frame < ring.Length * options.LevelFrames; frame++)
            loop.RunFrame(ref session);

        guard.WarmUp(0);
        HotLoopCounts driverBefore = DriverCounts(guard);
        if (options.IsUnattended)
            session.Count(options.Unattended);

        loop.Run(ref session);
        RunDocument? run = !options.IsUnattended ? null : RunDocument.Make(
            options, ring, session.Times.Microseconds(), session.LevelOfFrame, guard,
            DriverCounts(guard) - driverBefore, session.LongestWaitMicroseconds);
        if (screen is GameWindow window)
            TellOfWindow(window, guard, options);

        session.End();
        return run is null ? null : run with { Hash = session.Hash };
    }

    /// <summary>What the driver's calls did since the beginning, which the frames do not count.</summary>
    private static HotLoopCounts DriverCounts(HotLoopGuard guard) =>
        guard.Parts.FirstOrDefault(part => part.Name == GameWindow.DriverPart)?.Total ?? default;

    private static void TellOfWindow(GameWindow window, HotLoopGuard guard, GameOptions options)
    {
        window.SaveScreenshot();
        long[] cost = window.OverlayCost;
        Array.Sort(cost);
        if (options.Json == "-")
            return;

        Console.Out.WriteLine($"drawn with {window.Renderer}");
        if (cost.Length != 0)
        {
            Console.Out.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"the overlay took {FigureText.Time(1000 * Statistics.Percentile(cost, 50))} a frame in the middle, "
                + $"{FigureText.Time(1000 * Statistics.Percentile(cost, 99))} at p99, in "
                + $"{FigureText.Count(cost.Length, "frame")}"));
        }

        foreach (FramePart part in guard.Parts)
            Console.Out.WriteLine($"  {part}");
    }

    /// <summary>A ring needs two levels: one is played while the other is made.</summary>
    private static LevelKind[] Ring(GameOptions options, bool hasPhysics)
    {
        if (options.Level is { } only)
        {
            return only != LevelKind.Towers || hasPhysics
                ? [only, only]
                : throw new RunFailedException($"The towers need a physics library: {Physics.Missing}.");
        }

        if (hasPhysics)
            return [LevelKind.Towers, LevelKind.Swarm, LevelKind.City];

        Console.Error.WriteLine($"warning: without the level of towers, as {Physics.Missing}");
        return [LevelKind.Swarm, LevelKind.City];
    }
}

/// <summary>
/// Reads and writes this sample's JSON without reflection. The names are read by other programs: they stay.
/// </summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = false)]
[JsonSerializable(typeof(RunDocument))]
[JsonSerializable(typeof(ComparisonDocument))]
internal sealed partial class GameJson : JsonSerializerContext;
