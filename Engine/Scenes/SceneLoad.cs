using System.Diagnostics.CodeAnalysis;
using System.Diagnostics;

namespace SuperSlab.Scenes;

/// <summary>One load of a scene: the frame arena, then the long-lived arenas one after the other. Whatever fails, nothing is left behind.</summary>
internal sealed class SceneLoad(EngineMemory memory, ScenePlan plan, SceneLoadOptions options)
{
    private readonly Prefaulter _prefaulter = memory.PrefaulterFor(plan.Prefault, plan.Pages);
    private readonly double _totalBytes = (double)FrameBytes(plan) + ArenaBytes(plan);
    private double _doneBytes;

    public Scene Run()
    {
        long osCalls = memory.OsCalls;
        long start = Stopwatch.GetTimestamp();
        FrameArena? frame = null;
        LongLivedArena[] arenas = new LongLivedArena[plan.Arenas.Count];
        int superSlabs = 0;
        try
        {
            if (plan.Frame is not null)
            {
                frame = memory.CreateFrameArena($"{plan.Name}: frame", plan.Frame, NextTask(FrameBytes(plan)));
                superSlabs += frame.SuperSlabCount;
            }

            for (int made = 0; made < arenas.Length; made++)
            {
                ArenaPlan part = plan.Arenas[made];
                options.Cancellation.ThrowIfCancellationRequested();
                arenas[made] = memory.CreateLongLivedArena($"{plan.Name}: {part.Name}", options.Tracking);
                Prewarm(arenas[made], part);
                superSlabs += arenas[made].SuperSlabCount;
            }

            // The caller's code may throw here as anywhere: it is a part of what is undone.
            options.Progress?.Report(1);
            long nanoseconds = (long)Stopwatch.GetElapsedTime(start).TotalNanoseconds;
            PrewarmReport report = new((nuint)superSlabs * SlabGeometry.SuperSlabBytes, nanoseconds, memory.OsCalls - osCalls, _prefaulter.Describe());
            return new Scene(memory, plan, frame, arenas, report);
        }
        catch
        {
            Undo(arenas, frame);
            throw;
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "Why the load failed says more than that the undo was refused; what was refused stays free for others.")]
    private static void Undo(LongLivedArena[] arenas, FrameArena? frame)
    {
        try
        {
            Scene.DisposeAll([.. arenas, frame]);
        }
        catch (Exception)
        {
            // All are disposed that can be.
        }
    }

    private static double FrameBytes(ScenePlan plan) =>
        plan.Frame is null ? 0 : ((double)plan.Frame.BytesPerLane * plan.Frame.LaneCount * plan.Frame.BufferCount) + ((double)plan.Frame.OverflowSuperSlabs * SlabGeometry.SuperSlabBytes);

    private static double ArenaBytes(ScenePlan plan)
    {
        double bytes = 0;
        foreach (ArenaPlan arena in plan.Arenas)
            bytes += (double)PlanRules.PrewarmBytes(arena);

        return bytes;
    }

    private void Prewarm(LongLivedArena arena, ArenaPlan part)
    {
        bool lacksFunction = part.Budget.Overflow == ArenaOverflow.Callback && part.Budget.OnOverflow is null;
        arena.Budget = lacksFunction ? part.Budget with { OnOverflow = options.OnOverflow } : part.Budget;
        arena.PrewarmPlanned([.. part.Blocks], part.SuperSlabs, part.Threads, part.Carve, NextTask((double)PlanRules.PrewarmBytes(part)));
    }

    /// <summary>The prefault of the next part, which is told about as its share of the load.</summary>
    private PrefaultTask NextTask(double bytes)
    {
        double start = _totalBytes == 0 ? 0 : _doneBytes / _totalBytes;
        _doneBytes += bytes;
        PartProgress? part = options.Progress is null ? null : new PartProgress(options.Progress, start, _totalBytes == 0 ? 0 : bytes / _totalBytes);
        int threads = options.PrefaultThreads == 0 ? Environment.ProcessorCount : options.PrefaultThreads;
        return new PrefaultTask(threads, part, options.Cancellation, _prefaulter);
    }
}

/// <summary>How a scene is loaded, as opposed to what it needs, which its plan says. Immutable.</summary>
public sealed record SceneLoadOptions
{
    /// <summary>
    /// Told the share of the load that is done, 0 to 1, by whichever thread did it, several at the same time where several prefault; the last report is 1. Null, the
    /// default, is nobody. It is called under no lock and may do anything except wait for its own load: what it throws, the load throws, and nothing is left behind;
    /// while it runs, its part of the load waits.
    /// </summary>
    public IProgress<double>? Progress { get; init; }

    /// <summary>
    /// Decides for arenas whose plan says so (<see cref="ArenaOverflow.Callback"/>) and has no function of its own; see <see cref="ArenaBudget.OnOverflow"/>.
    /// </summary>
    public Func<ArenaOverflowRequest, bool>? OnOverflow { get; init; }

    /// <summary>Stops the load; nothing is left behind.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>
    /// Threads that may prefault at the same time. 0, the default, is as many as there are processors: fastest while nothing else runs.
    /// Beside a running hot loop it is 1, which leaves the other processors to the loop.
    /// </summary>
    public int PrefaultThreads { get; init; }

    /// <summary>What the long-lived arenas remember of each block, for the report at unload. Default nothing.</summary>
    public ArenaTracking Tracking { get; init; }
}
