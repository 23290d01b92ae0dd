using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace SuperSlab.Scenes;

/// <summary>One load of a scene: the frame arena, then the long-lived arenas. A failure undoes all.</summary>
internal sealed class SceneLoad(EngineMemory memory, ScenePlan plan, SceneLoadOptions options)
{
    private readonly Prefaulter _prefaulter = memory.PrefaulterFor(plan.Choice);
    private readonly double _totalBytes = (double)FrameBytes(plan) + ArenaBytes(plan);
    private double _doneBytes;

    public Scene Run()
    {
        long osCalls = memory.OsCalls;
        long start = Stopwatch.GetTimestamp();
        FrameArena? frame = null;
        LongLivedArena[] arenas = new LongLivedArena[plan.Arenas.Count];
        int superSlabs = 0;
        memory.KeepTables(_prefaulter);
        try
        {
            if (plan.FrameArena is not null)
            {
                frame = memory.CreateFrameArena($"{plan.Name}: frame", plan.FrameArena, NextTask(FrameBytes(plan)));
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

            // The caller's code may throw here, too, and then all is undone.
            options.Progress?.Report(1);
            nuint bytes = (nuint)superSlabs * SlabGeometry.SuperSlabBytes;
            TimeSpan duration = Stopwatch.GetElapsedTime(start);
            PrewarmReport report = new(bytes, duration, memory.OsCalls - osCalls, _prefaulter.Describe());
            return new Scene(memory, plan, frame, arenas, report);
        }
        catch
        {
            Undo(arenas, frame);
            memory.LetTablesGo(_prefaulter);
            throw;
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "Why the load failed says more.")]
    private static void Undo(LongLivedArena[] arenas, FrameArena? frame)
    {
        try
        {
            Scene.DisposeAll([.. arenas, frame]);
        }
        catch (Exception)
        {
            // What was refused stays free for others.
        }
    }

    private static double FrameBytes(ScenePlan plan) => plan.FrameArena is not { } frame ? 0
        : ((double)frame.BytesPerLane * frame.LaneCount * frame.BufferCount)
            + ((double)frame.OverflowSuperSlabs * SlabGeometry.SuperSlabBytes);

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
        PrefaultTask task = NextTask((double)PlanRules.PrewarmBytes(part));
        arena.PrewarmPlanned(
            [.. part.Blocks], part.SuperSlabCount, part.TogetherSuperSlabCount, part.ThreadCount, part.Carve, task);
    }

    /// <summary>The prefault of the next part, which reports its share of the load.</summary>
    private PrefaultTask NextTask(double bytes)
    {
        double start = _totalBytes == 0 ? 0 : _doneBytes / _totalBytes;
        double share = _totalBytes == 0 ? 0 : bytes / _totalBytes;
        _doneBytes += bytes;
        PartProgress? part = options.Progress is null ? null : new PartProgress(options.Progress, start, share);
        int threads = options.PrefaultThreadCount == 0 ? Environment.ProcessorCount : options.PrefaultThreadCount;
        return new PrefaultTask(threads, part, options.Cancellation, _prefaulter);
    }
}

/// <summary>How a scene is loaded; what it needs stands in its plan. Immutable.</summary>
public sealed record SceneLoadOptions
{
    /// <summary>
    /// Takes the share of the load that is done, 0 to 1, from the threads that do it, at the same time where they are
    /// several. The last report is 1. Called under no lock; its part of the load waits for it. It may do anything
    /// except wait for its own load. What it throws, the load throws. Default null.
    /// </summary>
    public IProgress<double>? Progress { get; init; }

    /// <summary>
    /// Decides for arenas with <see cref="ArenaOverflow.Callback"/> in their plan and no function of their own
    /// (<see cref="ArenaBudget.OnOverflow"/>).
    /// </summary>
    public Func<ArenaOverflowRequest, bool>? OnOverflow { get; init; }

    /// <summary>Stops the load; nothing is left behind.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>
    /// Threads that may prefault at the same time. 0, the default, is one a processor: fastest while nothing else runs.
    /// 1 leaves the other processors to a running hot loop.
    /// </summary>
    public int PrefaultThreadCount { get; init; }

    /// <summary>What the long-lived arenas remember of each block, for the report at unload. Default nothing.</summary>
    public ArenaTracking Tracking { get; init; }
}
