namespace SuperSlab.Scenes;

/// <summary>The arenas whose overflows and overruns a guard counts, each with its count at the last violation.</summary>
internal sealed class WatchedArenas
{
    private readonly List<(FrameArena Arena, long Before)> _frames = [];
    private readonly List<(LongLivedArena Arena, long Before)> _arenas = [];

    public void Add(FrameArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        if (!_frames.Exists(entry => entry.Arena == arena))
            _frames.Add((arena, arena.OverflowCount));
    }

    public void Add(LongLivedArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        if (!_arenas.Exists(entry => entry.Arena == arena))
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
        long overruns = 0;
        long hard = 0;
        foreach ((FrameArena arena, _) in _frames)
            overflows += arena.OverflowCount;

        foreach ((LongLivedArena arena, _) in _arenas)
        {
            overruns += Overruns(arena);
            hard += arena.HardOverruns;
        }

        return new HotLoopCounts { FrameOverflows = overflows, BudgetOverruns = overruns, HardOverruns = hard };
    }

    /// <summary>The first frame arena that overflowed since <see cref="Settle"/>, or null.</summary>
    public FrameArena? Overflown() => _frames.Find(static entry => entry.Arena.OverflowCount > entry.Before).Arena;

    /// <summary>The first arena that overran its budget since <see cref="Settle"/>, or null.</summary>
    public LongLivedArena? Overrun() => _arenas.Find(static entry => Overruns(entry.Arena) > entry.Before).Arena;

    /// <summary>Takes the counts of now as known.</summary>
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
/// The tags whose budgets a guard checks, where its rules ask for that. A check reads the counters of all threads in all
/// arenas, without allocations and OS calls; its time grows with their number.
/// </summary>
internal sealed class WatchedTags
{
    private readonly EngineMemory _memory;
    private readonly long[] _liveBytes = new long[AllocationTag.MaximumCount + 1];

    /// <exception cref="EngineMemoryException">Memory counters are off.</exception>
    public WatchedTags(EngineMemory memory)
    {
        if (!MemoryCounters.AreOn)
        {
            throw new EngineMemoryException(
                "The rule 'tagOverrun' of the hot loop cannot be kept, because memory counters are off: "
                + "call MemoryCounters.Enable() before the first EngineMemory is made, or leave the rule out.");
        }

        _memory = memory;
    }

    /// <summary>The tag that was the most bytes over its budget at the last reading, or null.</summary>
    public AllocationTag? Worst { get; private set; }

    /// <summary>The live bytes of <see cref="Worst"/> at that time.</summary>
    public long WorstLiveBytes { get; private set; }

    /// <summary>The number of tags that are over their budgets now.</summary>
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
