using System.Diagnostics;
using Engine.Arenas;
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
    public static Scene Load(EngineMemory memory, PrewarmPlan plan, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(plan);
        long osCalls = memory.OsCalls;
        long start = Stopwatch.GetTimestamp();
        FrameArena? frame = null;
        LongLivedArena? arena = null;
        try
        {
            frame = plan.Frame is null ? null : memory.CreateFrameArena($"{plan.Name}: frame", plan.Frame, progress, cancellation);
            arena = memory.CreateLongLivedArena(plan.Name);
            arena.Prewarm([.. plan.Blocks], plan.Threads, plan.Carve, progress, cancellation);
        }
        catch
        {
            arena?.Dispose();
            frame?.Dispose();
            throw;
        }

        int superSlabs = arena.SuperSlabCount + (frame?.SuperSlabCount ?? 0);
        long nanoseconds = (long)Stopwatch.GetElapsedTime(start).TotalNanoseconds;
        PrewarmReport report = new((nuint)superSlabs * SuperSlab.Bytes, nanoseconds, memory.OsCalls - osCalls, memory.Prefault);
        return new Scene(plan, arena, frame, report);
    }

    /// <summary>Unloads the scene: both arenas are disposed, whatever lives in them.</summary>
    public void Dispose()
    {
        Arena.Dispose();
        _frame?.Dispose();
    }
}
