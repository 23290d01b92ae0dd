namespace SuperSlab.Scenes;

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
        for (int lane = 0; lane < frame.LaneCount; lane++)
            bytes = nuint.Max(bytes, frame.HighWaterBytes(lane));

        nuint most = (nuint)PlanRange.BytesPerLane.Maximum;
        nuint beyond = bytes > most ? Sizes.DivideRoundingUp(bytes - most, SlabGeometry.SuperSlabBytes) * (nuint)(frame.LaneCount * frame.BufferCount) : 0;
        return new FrameArenaOptions
        {
            BytesPerLane = nuint.Min(Sizes.AlignUp(bytes, 4096), most),
            LaneCount = frame.LaneCount,
            BufferCount = frame.BufferCount,
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

/// <summary>The arenas whose overflows and overruns a guard counts, and what is known of each already.</summary>
internal sealed class WatchedArenas
{
    private readonly List<(FrameArena Arena, long Before)> _frames = [];
    private readonly List<(LongLivedArena Arena, long Before)> _arenas = [];

    public void Add(FrameArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        _frames.Add((arena, arena.OverflowCount));
    }

    public void Add(LongLivedArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        _arenas.Add((arena, Overruns(arena)));
    }

    public void Remove(IArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        _frames.RemoveAll(entry => entry.Arena == arena);
        _arenas.RemoveAll(entry => entry.Arena == arena);
    }

    /// <summary>The sums of all counts.</summary>
    public HotLoopCounts Read()
    {
        long overflows = 0;
        long soft = 0;
        long hard = 0;
        foreach ((FrameArena arena, _) in _frames)
            overflows += arena.OverflowCount;

        foreach ((LongLivedArena arena, _) in _arenas)
        {
            soft += arena.SoftOverruns;
            hard += arena.HardOverruns;
        }

        return new HotLoopCounts(0, 0, 0, 0, overflows, soft, hard);
    }

    /// <summary>The first frame arena that overflowed since <see cref="Settle"/>, or null.</summary>
    public FrameArena? Overflown() => _frames.Find(static entry => entry.Arena.OverflowCount > entry.Before).Arena;

    /// <summary>The first arena that overran its budget since <see cref="Settle"/>, or null.</summary>
    public LongLivedArena? Overrun() => _arenas.Find(static entry => Overruns(entry.Arena) > entry.Before).Arena;

    /// <summary>What happened so far is known.</summary>
    public void Settle()
    {
        for (int index = 0; index < _frames.Count; index++)
            _frames[index] = (_frames[index].Arena, _frames[index].Arena.OverflowCount);

        for (int index = 0; index < _arenas.Count; index++)
            _arenas[index] = (_arenas[index].Arena, Overruns(_arenas[index].Arena));
    }

    private static long Overruns(LongLivedArena arena) => arena.SoftOverruns + arena.HardOverruns;
}

/// <summary>
/// The tags whose budgets a guard looks at, where its rules ask for that: it reads the counters of all threads in all arenas, which
/// allocates nothing and asks the system for nothing, and takes the longer the more of them there are.
/// </summary>
internal sealed class WatchedTags
{
    private readonly EngineMemory _memory;
    private readonly long[] _liveBytes = new long[AllocationTag.MaximumCount + 1];

    /// <exception cref="EngineMemoryException">Nothing is counted in this process.</exception>
    public WatchedTags(EngineMemory memory)
    {
        if (!MemoryCounters.AreOn)
        {
            throw new EngineMemoryException(
                "The rule 'tagOverrun' of the hot loop cannot be kept, because memory counters are off: call MemoryCounters.Enable() before the "
                + "first EngineMemory is made, or leave the rule out.");
        }

        _memory = memory;
    }

    /// <summary>The tag that was the most bytes over its budget at the last reading, or null.</summary>
    public AllocationTag? Worst { get; private set; }

    /// <summary>What lived under it then.</summary>
    public long WorstLiveBytes { get; private set; }

    /// <summary>How many tags are over their budgets now.</summary>
    public int Read()
    {
        Worst = null;
        int over = 0;
        long worst = 0;
        int count = _memory.ReadTags(_liveBytes);
        for (int index = 1; index < count; index++)
        {
            AllocationTag tag = AllocationTag.Of(index)!;
            long budget = (long)tag.BudgetBytes;
            long excess = _liveBytes[index] - budget;
            if (budget == 0 || excess <= 0)
                continue;

            over++;
            if (excess > worst)
            {
                worst = excess;
                Worst = tag;
                WorstLiveBytes = _liveBytes[index];
            }
        }

        return over;
    }
}
