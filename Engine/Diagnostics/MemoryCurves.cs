using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Bytes over time, by use, live by arena, and allocated by tag: samples of the whole run in fixed memory. When it is
/// full it drops every other sample and samples half as often. One thread writes; it is read between frames.
/// </summary>
internal sealed class MemoryCurves : IDisposable
{
    /// <summary>Names of arenas that get a curve; later names have none.</summary>
    private const int ArenaColumns = 32;
    private const int FirstUse = 1;
    private const int FirstArena = FirstUse + UseParts;
    private const int FirstTag = FirstArena + ArenaColumns;
    private const int Columns = FirstTag + AllocationTag.MaximumCount + 1;

    /// <summary>The parts of <see cref="MemoryUse"/>, in its order.</summary>
    private const int UseParts = 6;

    private readonly int _capacity;
    private readonly ProfilerArray<long> _values;
    private readonly string?[] _arenas = new string?[ArenaColumns];
    private readonly int[] _order;
    private readonly int[] _spare;
    private readonly long _firstInterval;
    private long _interval;
    private long _next;

    /// <param name="capacity">Samples kept, an even number.</param>
    /// <param name="interval">Least time between two of them at first, in nanoseconds.</param>
    public MemoryCurves(int capacity, long interval)
    {
        Debug.Assert(capacity % 2 == 0, "Half of the samples are dropped at a time.");
        _capacity = capacity;
        _values = new ProfilerArray<long>(capacity * Columns);
        _order = new int[capacity];
        _spare = new int[capacity];
        _firstInterval = interval;

        // Run once, so that no frame compiles it.
        DropEveryOther();
        Clear();
    }

    public int Count { get; private set; }

    private Span<long> Current => Sample(Count - 1);

    public bool IsDue(long now) => now >= _next;

    /// <summary>Begins a sample, in which all values are 0.</summary>
    public void Begin(long now)
    {
        if (Count == _capacity)
            DropEveryOther();

        Debug.Assert(Count < _capacity, "There is room for a sample.");
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
                Current[FirstArena + column] += bytes;
                return;
            }
        }
    }

    /// <summary>Adds what an arena's SuperSlabs are used for.</summary>
    public void AddUse(long heldBytes, long liveBytes, long cachedBytes, long freeBlockBytes)
    {
        Span<long> use = Current.Slice(FirstUse, UseParts);
        use[0] += liveBytes;
        use[1] += cachedBytes;
        use[2] += freeBlockBytes;
        use[3] += Math.Max(0, heldBytes - liveBytes - cachedBytes - freeBlockBytes);
    }

    /// <summary>Sets what no arena uses.</summary>
    public void SetShared(long readyBytes, long tableBytes)
    {
        Current[FirstUse + 4] = readyBytes;
        Current[FirstUse + 5] = tableBytes;
    }

    public void SetTag(int tag, long bytes) => Current[FirstTag + tag] = bytes;

    public void Clear()
    {
        Count = 0;
        _next = 0;
        _interval = _firstInterval;
        Array.Clear(_arenas);
        for (int sample = 0; sample < _capacity; sample++)
            _order[sample] = sample;
    }

    /// <summary>All samples as curves.</summary>
    /// <param name="tags">The names of the tags by number; empty while they are not counted.</param>
    public ProfileSeries ToSeries(IReadOnlyList<string> tags) => new()
    {
        Times = Column(0),
        Use =
        [
            .. ProfileSeries.UseNames.Select((name, part) => new ProfileSeries.Curve(name, Column(FirstUse + part))),
        ],
        Arenas =
        [
            .. _arenas.TakeWhile(name => name is not null)
                .Select((name, arena) => new ProfileSeries.Curve(name!, Column(FirstArena + arena))),
        ],
        AllocatedByTag = [.. tags.Select((name, tag) => new ProfileSeries.Curve(name, Column(FirstTag + tag)))],
    };

    public void Dispose() => _values.Dispose();

    private Span<long> Sample(int index) => _values.Span.Slice(_order[index] * Columns, Columns);

    private long[] Column(int column)
    {
        long[] values = new long[Count];
        for (int sample = 0; sample < Count; sample++)
            values[sample] = Sample(sample)[column];

        return values;
    }

    /// <summary>Reorders numbers of samples; the samples stay in place.</summary>
    private void DropEveryOther()
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

/// <summary>Adds the bytes of each arena to the current sample. Its parts are those of a snapshot's row.</summary>
internal readonly struct CurveReader(MemoryCurves curves) : IArenaReader
{
    public void Read(IArena arena, int number)
    {
        long held = (long)arena.SuperSlabCount << SlabGeometry.SuperSlabShift;
        if (arena is FrameArena frame)
        {
            long used = UsedBytes(frame);
            curves.AddArena(arena.Name, used);
            curves.AddUse(held, used, 0, 0);
        }
        else if (arena is LongLivedArena longLived)
        {
            AddLongLived(longLived, held);
        }
    }

    private static long UsedBytes(FrameArena arena)
    {
        long used = 0;
        foreach (ref readonly LaneState lane in arena.LaneStates)
            used += (long)lane.UsedBytes;

        return used;
    }

    /// <remarks>Its curve has the live blocks; without counters, those in thread caches too.</remarks>
    private unsafe void AddLongLived(LongLivedArena arena, long held)
    {
        long inRuns = 0;
        long outside = 0;
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
        {
            ClassState* state = arena.Slabs.ClassOf(sizeClass);
            if (state->Runs != 0)
            {
                outside += state->BlocksOut * state->BlockBytes;
                inRuns += ((long)state->Runs * state->SlabsPerRun) << SlabGeometry.SlabShift;
            }
        }

        // Threads go on between the readings, so differences may come out below 0.
        long absent = arena.Slabs.Runs.AbsentBytes;
        long free = Math.Max(0, inRuns - outside - absent);
        long cached = arena.Caches.CachedBytes();
        outside += (long)arena.Slabs.HugeBytesOut();
        curves.AddUse(held - arena.Slabs.Space.AbsentBytes - absent, Math.Max(0, outside - cached), cached, free);
        long live = CounterSwitch.IsOn ? arena.Caches.CountedLiveBytes(AllocationTag.Count) : outside;
        curves.AddArena(arena.Name, live);
    }
}

/// <summary>What was allocated and freed so far, in all and by tag, and each tag's peak. One thread.</summary>
internal sealed class TagCounters(EngineMemory memory, ProfileEvents events) : IDisposable
{
    private readonly ProfilerArray<CounterCell> _sums = new(ThreadCounters.Tags);
    private readonly ProfilerArray<long> _peaks = new(ThreadCounters.Tags);
    private CounterCell _sum;

    /// <summary>All tags together at the last reading.</summary>
    public ref readonly CounterCell Sum => ref _sum;

    /// <summary>Reads the counters of all threads. Hot-loop safe.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Read(long now)
    {
        Span<CounterCell> sums = _sums.Span[..AllocationTag.Count];
        if (!memory.TryReadCounters(sums))
            return;

        _sum = default;
        for (int tag = 0; tag < sums.Length; tag++)
        {
            _sum.Add(sums[tag]);
            long live = sums[tag].LiveBytes;
            if (live > _peaks[tag])
                NotePeak(tag, live, now);
        }
    }

    // Not inlined: the profiler's warm-up compiles it for the frames.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void NotePeak(int tag, long live, long now)
    {
        long budget = (long)(AllocationTag.Of(tag)?.BudgetBytes ?? 0);
        if (budget != 0 && live > budget && _peaks[tag] <= budget)
            events.Add(now, ProfileEvents.Kind.TagOverBudget, tag, live);

        _peaks[tag] = live;
    }

    public void AddTo(MemoryCurves curves)
    {
        for (int tag = 0; CounterSwitch.IsOn && tag < AllocationTag.Count; tag++)
            curves.SetTag(tag, _sums[tag].AllocatedBytes);
    }

    public TagRow WithPeak(TagRow tag) => tag with { PeakBytes = Math.Max(_peaks[tag.Number], tag.LiveBytes) };

    public void ClearPeaks() => _peaks.Span.Clear();

    public void Dispose()
    {
        _sums.Dispose();
        _peaks.Dispose();
    }
}
