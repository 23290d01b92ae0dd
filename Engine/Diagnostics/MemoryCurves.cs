namespace SuperSlab.Diagnostics;

/// <summary>
/// Bytes over time, by arena and by tag: samples from the beginning to the end in fixed memory. When it is full, every other sample is
/// given up and they are taken half as often from then on. One thread writes; it is read between frames.
/// </summary>
internal sealed class MemoryCurves : IDisposable
{
    /// <summary>Names of arenas that get a curve; arenas of one name share one, and what comes after has none.</summary>
    private const int ArenaColumns = 32;
    private const int Columns = 1 + ArenaColumns + AllocationTag.MaximumCount + 1;

    private readonly int _capacity;
    private readonly NativeArray<long> _values;
    private readonly string?[] _arenas = new string?[ArenaColumns];
    private readonly int[] _order;
    private readonly int[] _spare;
    private readonly long _firstInterval;
    private long _interval;
    private long _next;

    /// <param name="capacity">How many samples are kept, an even number.</param>
    /// <param name="interval">The least time between two of them at first, in ticks.</param>
    public MemoryCurves(int capacity, long interval)
    {
        _capacity = capacity;
        _values = new NativeArray<long>(capacity * Columns);
        _order = new int[capacity];
        _spare = new int[capacity];
        _firstInterval = interval;

        // What it does when it is full must not be compiled in a frame.
        GiveUpEveryOther();
        Clear();
    }

    public int Count { get; private set; }

    public bool IsDue(long now) => now >= _next;

    /// <summary>Begins a sample; its values are 0 until they are added.</summary>
    public void Begin(long now)
    {
        if (Count == _capacity)
            GiveUpEveryOther();

        _next = now + _interval;
        Count++;
        Current.Clear();
        Current[0] = now;
    }

    public void AddArena(string name, long bytes)
    {
        for (int column = 0; column < ArenaColumns; column++)
        {
            if (_arenas[column] is null || _arenas[column] == name)
            {
                _arenas[column] = name;
                Current[1 + column] += bytes;
                return;
            }
        }
    }

    public void SetTag(int tag, long bytes) => Current[1 + ArenaColumns + tag] = bytes;

    public void Clear()
    {
        Count = 0;
        _next = 0;
        _interval = _firstInterval;
        Array.Clear(_arenas);
        for (int sample = 0; sample < _capacity; sample++)
            _order[sample] = sample;
    }

    /// <summary>All samples as series.</summary>
    /// <param name="nanosecondsOf">What a time in ticks is in the profile.</param>
    /// <param name="tags">The names of the tags by number; none where they are not counted.</param>
    public ProfileSeries ToSeries(Func<long, long> nanosecondsOf, IReadOnlyList<string> tags)
    {
        List<ProfileCurve> arenas = [];
        for (int column = 0; column < ArenaColumns && _arenas[column] is { } name; column++)
            arenas.Add(new ProfileCurve(name, Column(1 + column)));

        return new ProfileSeries
        {
            Times = [.. Column(0).Select(nanosecondsOf)],
            Arenas = arenas,
            Tags = [.. tags.Select((name, tag) => new ProfileCurve(name, Column(1 + ArenaColumns + tag)))],
        };
    }

    public void Dispose() => _values.Dispose();

    private Span<long> Current => Sample(Count - 1);

    private Span<long> Sample(int index) => _values.Span.Slice(_order[index] * Columns, Columns);

    private long[] Column(int column)
    {
        long[] values = new long[Count];
        for (int sample = 0; sample < Count; sample++)
            values[sample] = Sample(sample)[column];

        return values;
    }

    /// <summary>Only numbers of samples change places: the samples stay where they are.</summary>
    private void GiveUpEveryOther()
    {
        int half = _capacity / 2;
        for (int sample = 0; sample < half; sample++)
        {
            _spare[sample] = _order[2 * sample];
            _spare[half + sample] = _order[(2 * sample) + 1];
        }

        _spare.CopyTo(_order, 0);
        Count = half;
        _interval *= 2;
    }
}

/// <summary>Adds what each arena holds to the sample that was begun.</summary>
internal readonly struct CurveReader(MemoryCurves curves) : IArenaReader
{
    public void Read(IArena arena, int number)
    {
        if (arena is FrameArena frame)
        {
            long used = 0;
            foreach (ref readonly LaneState lane in frame.LaneStates)
                used += (long)lane.UsedBytes;

            curves.AddArena(arena.Name, used);
        }
        else if (arena is LongLivedArena longLived)
        {
            curves.AddArena(arena.Name, CounterSwitch.IsOn ? longLived.Caches.CountedLiveBytes(AllocationTag.Count) : BytesOut(longLived));
        }
    }

    /// <summary>Blocks that callers and thread caches hold: what is known where nothing is counted.</summary>
    private static unsafe long BytesOut(LongLivedArena arena)
    {
        long bytes = (long)arena.Slabs.HugeBytesOut();
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
        {
            ClassState* state = arena.Slabs.ClassOf(sizeClass);
            bytes += state->BlocksOut * state->BlockBytes;
        }

        return bytes;
    }
}
