using Engine.Arenas;

namespace Engine.Scenes;

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
        {
            overflows += arena.OverflowCount;
        }

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
        {
            _frames[index] = (_frames[index].Arena, _frames[index].Arena.OverflowCount);
        }

        for (int index = 0; index < _arenas.Count; index++)
        {
            _arenas[index] = (_arenas[index].Arena, Overruns(_arenas[index].Arena));
        }
    }

    private static long Overruns(LongLivedArena arena) => arena.SoftOverruns + arena.HardOverruns;
}
