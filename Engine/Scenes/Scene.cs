using System.Diagnostics;
using Engine.Arenas;
using Engine.Platform;
using Engine.SuperSlabs;

namespace Engine.Scenes;

/// <summary>
/// A loaded scene: its arenas, prewarmed as its plan says. Loading pays for every page and OS call, so that the frames between load and
/// <see cref="Dispose"/> do not. A load that fails or is cancelled leaves nothing behind.
/// </summary>
public sealed class Scene : IDisposable
{
    private readonly FrameArena? _frame;

    private Scene(PrewarmPlan plan, LongLivedArena arena, FrameArena? frame, PrewarmReport report)
    {
        Plan = plan;
        Arena = arena;
        _frame = frame;
        Report = report;
    }

    /// <summary>The plan that the scene was loaded by.</summary>
    public PrewarmPlan Plan { get; }

    /// <summary>Memory that lives until the scene is unloaded.</summary>
    public LongLivedArena Arena { get; }

    /// <summary>Memory that lives for a frame.</summary>
    /// <exception cref="InvalidOperationException">The plan has no frame arena.</exception>
    public FrameArena Frame => _frame ?? throw new InvalidOperationException($"The plan of scene '{Plan.Name}' has no frame arena.");

    /// <summary>What the load did.</summary>
    public PrewarmReport Report { get; }

    /// <summary>Loads a scene: makes its arenas, and reserves, commits, prefaults and carves what its plan asks for. Any thread; not in the hot loop.</summary>
    /// <param name="memory">Where the scene's memory comes from.</param>
    /// <param name="plan">What the scene needs.</param>
    /// <param name="progress">Told the share of a large prefault, 0 to 1, for the frame arena first, then for the long-lived one.</param>
    /// <param name="cancellation">Stops the load; nothing is left behind.</param>
    /// <exception cref="ArgumentOutOfRangeException">The plan asks for something out of range.</exception>
    /// <exception cref="Engine.Core.EngineOutOfMemoryException">There is not enough memory. Nothing is left behind.</exception>
    /// <exception cref="OperationCanceledException">The cancellation was asked for.</exception>
    public static Scene Load(EngineMemory memory, PrewarmPlan plan, IProgress<double>? progress = null, CancellationToken cancellation = default) =>
        Load(memory, plan, new SceneLoadOptions { Progress = progress, Cancellation = cancellation });

    /// <param name="memory">Where the scene's memory comes from.</param>
    /// <param name="plan">What the scene needs.</param>
    /// <param name="options">How it is loaded.</param>
    /// <inheritdoc cref="Load(EngineMemory, PrewarmPlan, IProgress{double}?, CancellationToken)"/>
    public static Scene Load(EngineMemory memory, PrewarmPlan plan, SceneLoadOptions options)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(options);
        PrefaultTask task = PrefaultTask.Of(options.PrefaultThreads, options.Progress, options.Cancellation);
        long osCalls = VirtualMemory.OsCallsOfThread;
        long start = Stopwatch.GetTimestamp();
        FrameArena? frame = null;
        LongLivedArena? arena = null;
        try
        {
            frame = plan.Frame is null ? null : memory.CreateFrameArena($"{plan.Name}: frame", plan.Frame, task);
            arena = memory.CreateLongLivedArena(plan.Name, options.Tracking);
            arena.PrewarmWith([.. plan.Blocks], plan.Threads, plan.Carve, task);
        }
        catch
        {
            arena?.Dispose();
            frame?.Dispose();
            throw;
        }

        int superSlabs = arena.SuperSlabCount + (frame?.SuperSlabCount ?? 0);
        long nanoseconds = (long)Stopwatch.GetElapsedTime(start).TotalNanoseconds;
        PrewarmReport report = new((nuint)superSlabs * SuperSlab.Bytes, nanoseconds, VirtualMemory.OsCallsOfThread - osCalls, memory.Prefault);
        return new Scene(plan, arena, frame, report);
    }

    /// <summary>
    /// Loads a scene on a thread of its own, while another scene's hot loop may run. For many loads, and to begin one without garbage, see
    /// <see cref="BackgroundLoader"/>.
    /// </summary>
    /// <param name="memory">Where the scene's memory comes from.</param>
    /// <param name="plan">What the scene needs.</param>
    /// <param name="options">How it is loaded. Null prefaults with one thread.</param>
    /// <returns>The scene, or what <see cref="Load(EngineMemory, PrewarmPlan, SceneLoadOptions)"/> would have thrown.</returns>
    public static Task<Scene> LoadAsync(EngineMemory memory, PrewarmPlan plan, SceneLoadOptions? options = null)
    {
        SceneLoadOptions chosen = options ?? new SceneLoadOptions { PrefaultThreads = 1 };
        return Task.Factory.StartNew(
            () => Load(memory, plan, chosen), chosen.Cancellation, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
    }

    /// <summary>Unloads the scene as <see cref="Dispose"/> does, and tells what was left in it. No other thread uses the scene any more.</summary>
    /// <exception cref="ObjectDisposedException">The scene is unloaded already.</exception>
    public UnloadReport Unload()
    {
        long start = Stopwatch.GetTimestamp();
        int superSlabs = Arena.SuperSlabCount + (_frame?.SuperSlabCount ?? 0);
        IReadOnlyList<BlockCount> blocks = Arena.LiveBlocks();
        List<ArenaLeaks> leaks = [];
        if (blocks.Count != 0)
        {
            leaks.Add(new ArenaLeaks(Arena.Name, blocks, Arena.LiveAllocations()));
        }

        Dispose();
        return new UnloadReport(
            Plan.Name, (nuint)superSlabs * SuperSlab.Bytes, (long)Stopwatch.GetElapsedTime(start).TotalNanoseconds, leaks);
    }

    /// <summary>Unloads the scene: both arenas are disposed, whatever lives in them.</summary>
    public void Dispose()
    {
        Arena.Dispose();
        _frame?.Dispose();
    }
}
