using Engine.Arenas;
using Engine.Core;
using Engine.SuperSlabs;

namespace Engine.Scenes;

/// <summary>
/// Makes a scene's plan from what the scene used when it was played. The arenas keep their peaks anyway, so recording costs the hot loop
/// nothing: play a scene that was loaded by any plan, by a rough one or one that prewarms nothing, and add it here before it is unloaded.
/// <code>
/// SceneRecorder recorder = new();
/// using (Scene scene = Scene.Load(memory, rough)) { ... play ...; recorder.Add(scene); }
/// ScenePlan plan = recorder.Plan(headroom: 1.1);
/// </code>
/// Several recordings give the worst case of each number. The plan holds for the same use again, blocks in thread caches included; how
/// many those are depends on who freed what when, so a scene of several threads, like one that players play differently, wants headroom.
/// One thread; not for the hot loop.
/// </summary>
public sealed class SceneRecorder
{
    private readonly List<ScenePlan> _recordings = [];

    /// <summary>Adds what a scene used since it was loaded. Between two frames or after the last one.</summary>
    /// <exception cref="ObjectDisposedException">The scene is unloaded.</exception>
    public void Add(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        List<ArenaPlan> arenas = [];
        for (int index = 0; index < scene.Arenas.Length; index++)
        {
            List<BlockCount> blocks = Used(scene.Arenas[index].PeakBlocks(), out int threads);
            arenas.Add(scene.Plan.Arenas[index] with { Blocks = blocks, SuperSlabs = 0, Threads = threads, Carve = true });
        }

        _recordings.Add(scene.Plan with { Arenas = arenas, Frame = scene.Plan.Frame is null ? null : Recorded(scene.Frame) });
    }

    /// <summary>The worst case of all recordings; budgets, policies and rules are those of the plan that the first scene was loaded by.</summary>
    /// <param name="headroom">What blocks and bytes per lane are multiplied by, 1 to 16: 1.1 leaves ten percent.</param>
    /// <exception cref="InvalidOperationException">Nothing was recorded.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The headroom is out of its range.</exception>
    /// <exception cref="ScenePlanException">What was used, with the headroom, is more than a hard budget of the plan holds.</exception>
    public ScenePlan Plan(double headroom = 1.0) => _recordings.Count != 0
        ? ScenePlan.Merge(_recordings, headroom)
        : throw new InvalidOperationException("No scene was added to the recorder, so there is nothing to make a plan of.");

    private static FrameArenaOptions Recorded(FrameArena frame)
    {
        nuint bytes = (nuint)PlanRange.BytesPerLane.Minimum;
        for (int lane = 0; lane < frame.Lanes; lane++)
        {
            bytes = nuint.Max(bytes, frame.HighWaterBytes(lane));
        }

        nuint most = (nuint)PlanRange.BytesPerLane.Maximum;
        nuint beyond = bytes > most ? Sizes.DivideRoundingUp(bytes - most, SuperSlab.Bytes) * (nuint)(frame.Lanes * frame.Buffers) : 0;
        return new FrameArenaOptions
        {
            BytesPerLane = nuint.Min(Sizes.AlignUp(bytes, 4096), most),
            Lanes = frame.Lanes,
            Buffers = frame.Buffers,
            OverflowSuperSlabs = (int)nuint.Min(beyond, (nuint)PlanRange.OverflowSuperSlabs.Maximum),
        };
    }

    /// <summary>Peaks as a plan has them: each size once, none that was never used, and no number beyond its range.</summary>
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
                sizes[peak.Bytes] = new BlockCount(peak.Bytes, count, Math.Max(same.Threads, users));
                threads = Math.Max(threads, users);
            }
        }

        return [.. sizes.Values];
    }
}
