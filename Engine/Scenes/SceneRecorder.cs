namespace SuperSlab.Scenes;

/// <summary>
/// Makes a scene's plan from what the scene used when it was played. The arenas keep their peaks anyway, so recording
/// costs the hot loop nothing: play a scene by any plan, even one that prewarms nothing, and add it before its unload.
/// <code>
/// SceneRecorder recorder = new();
/// using (Scene scene = Scene.Load(memory, rough)) { ... play ...; recorder.Add(scene); }
/// ScenePlan plan = recorder.Plan(headroom: 1.1);
/// </code>
/// An arena whose plan carves is recorded by sizes: the peak of each, certain for each. One that does not carve is
/// recorded together: the SuperSlabs in which all its blocks lay at the worst moment, which are fewer. An arena that
/// was prewarmed uses what it has before it tidies up, so for the smallest plan play one that prewarms nothing. It
/// moves pages to make room for large blocks, and a prewarmed one cannot: blocks above 2 MiB may need a few SuperSlabs
/// of headroom.
/// <para>
/// Several recordings give the worst case of each number. The plan holds for the same use again, blocks in thread
/// caches included. Their number depends on which thread freed what when, so scenes of several threads, and scenes that
/// players play differently, want headroom. One thread; not for the hot loop.
/// </para>
/// </summary>
public sealed class SceneRecorder
{
    private readonly List<ScenePlan> _recordings = [];

    /// <summary>Adds what a scene has used since its load. Between two frames or after the last one.</summary>
    /// <exception cref="ObjectDisposedException">The scene is unloaded.</exception>
    public void Add(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        List<ArenaPlan> arenas = [];
        for (int index = 0; index < scene.Arenas.Length; index++)
        {
            List<BlockCount> blocks = Used(scene.Arenas[index].PeakBlocks(), out int threads);
            ArenaPlan plan = scene.Plan.Arenas[index];
            nuint together = plan.Carve ? 0 : scene.Arenas[index].PeakUsedBytes;
            arenas.Add(plan with
            {
                Blocks = blocks,
                SuperSlabCount = 0,
                TogetherSuperSlabCount = (int)(together / SlabGeometry.SuperSlabBytes),
                ThreadCount = threads,
            });
        }

        FrameArenaOptions? frame = scene.Plan.FrameArena is null ? null : Recorded(scene.FrameArena);
        _recordings.Add(scene.Plan with { Arenas = arenas, FrameArena = frame });
    }

    /// <summary>The worst case of all recordings, with the budgets and policies of the first scene.</summary>
    /// <param name="headroom">The factor for blocks and bytes per lane, 1 to 16: 1.1 leaves ten percent.</param>
    /// <exception cref="InvalidOperationException">No scene was added.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The headroom is out of its range.</exception>
    /// <exception cref="ScenePlanException">The use with the headroom exceeds a hard budget.</exception>
    public ScenePlan Plan(double headroom = 1.0) => _recordings.Count != 0
        ? ScenePlan.Merge(_recordings, headroom)
        : throw new InvalidOperationException(
            "No scene was added to the recorder, so there is nothing to make a plan of.");

    private static FrameArenaOptions Recorded(FrameArena frame)
    {
        nuint bytes = (nuint)PlanRange.BytesPerLane.Minimum;
        for (int lane = 0; lane < frame.LaneCount; lane++)
            bytes = nuint.Max(bytes, frame.HighWaterBytes(lane));

        nuint most = (nuint)PlanRange.BytesPerLane.Maximum;
        nuint beyond = bytes <= most ? 0
            : Sizes.DivideRoundingUp(
                bytes - most, SlabGeometry.SuperSlabBytes) * (nuint)(frame.LaneCount * frame.BufferCount);
        return new FrameArenaOptions
        {
            BytesPerLane = nuint.Min(Sizes.AlignUp(bytes, 4096), most),
            LaneCount = frame.LaneCount,
            BufferCount = frame.BufferCount,
            OverflowSuperSlabs = (int)nuint.Min(beyond, (nuint)PlanRange.OverflowSuperSlabs.Maximum),
        };
    }

    /// <summary>Peaks for a plan: each size once, none without use, no number beyond its range.</summary>
    internal static List<BlockCount> Used(IReadOnlyList<BlockCount> peaks, out int threads)
    {
        SortedDictionary<nuint, BlockCount> sizes = [];
        threads = (int)PlanRange.Threads.Minimum;
        foreach (BlockCount peak in peaks)
        {
            if (peak.Count > 0)
            {
                int users = (int)Math.Min(peak.Threads, PlanRange.BlockThreads.Maximum);
                sizes.TryGetValue(peak.Bytes, out BlockCount same);
                long count = Math.Min(same.Count + peak.Count, PlanRange.BlockCount.Maximum);
                sizes[peak.Bytes] = peak with { Count = count, Threads = Math.Max(same.Threads, users) };
                threads = Math.Max(threads, users);
            }
        }

        return [.. sizes.Values];
    }
}
