namespace SuperSlab.Scenes;

/// <summary>The arenas whose overflows and overruns a guard counts.</summary>
internal sealed class WatchedArenas
{
    /// <summary>Each arena with its overflows and overruns at the last violation.</summary>
    private readonly List<(IArena Arena, long Before)> _arenas = [];

    public void Add(IArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        if (IndexOf(arena) < 0)
            _arenas.Add((arena, CountOf(arena)));
    }

    public void Remove(IArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        if (IndexOf(arena) is >= 0 and var index)
            _arenas.RemoveAt(index);
    }

    /// <summary>The sums of all counts.</summary>
    public WatchedCounts Read()
    {
        long overflows = 0;
        long soft = 0;
        long hard = 0;
        foreach ((IArena arena, _) in _arenas)
        {
            overflows += (arena as FrameArena)?.OverflowCount ?? 0;
            soft += (arena as LongLivedArena)?.SoftOverruns ?? 0;
            hard += (arena as LongLivedArena)?.HardOverruns ?? 0;
        }

        return new WatchedCounts(overflows, soft + hard, hard, GC.CollectionCount(0));
    }

    /// <summary>The first arena of a kind that overflowed or overran since <see cref="Settle"/>, or null.</summary>
    public TArena? First<TArena>()
        where TArena : class, IArena =>
        _arenas.Find(static entry => entry.Arena is TArena && CountOf(entry.Arena) > entry.Before).Arena as TArena;

    /// <summary>Takes the counts of now as known.</summary>
    public void Settle()
    {
        for (int index = 0; index < _arenas.Count; index++)
            _arenas[index] = (_arenas[index].Arena, CountOf(_arenas[index].Arena));
    }

    /// <summary>-1 where it is not watched. Allocates nothing, as levels come and go between frames.</summary>
    private int IndexOf(IArena arena)
    {
        for (int index = 0; index < _arenas.Count; index++)
        {
            if (_arenas[index].Arena == arena)
                return index;
        }

        return -1;
    }

    private static long CountOf(IArena arena) => arena switch
    {
        FrameArena frame => frame.OverflowCount,
        LongLivedArena longLived => longLived.SoftOverruns + longLived.HardOverruns,
        _ => 0,
    };
}

/// <summary>What is counted for the whole frame, not by thread, since the beginning.</summary>
internal readonly record struct WatchedCounts(
    long FrameOverflows, long BudgetOverruns, long HardOverruns, long Collections)
{
    /// <summary>What has been added since.</summary>
    public HotLoopCounts Since(in WatchedCounts before) => new()
    {
        FrameOverflows = FrameOverflows - before.FrameOverflows,
        BudgetOverruns = BudgetOverruns - before.BudgetOverruns,
        HardOverruns = HardOverruns - before.HardOverruns,
        Collections = Collections - before.Collections,
    };
}

/// <summary>
/// The tags whose budgets a guard checks, where its rules ask for that. A check reads the counters of all threads in
/// all arenas, without allocations and OS calls; its time grows with their number.
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
