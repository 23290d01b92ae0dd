// What is known of a process.
namespace Samples.Profiler;

/// <summary>
/// What was heard of a process so far: the frames of the last ten seconds one by one, sums since the session began, and
/// the memory at its last reading. The session's thread adds, another looks.
/// </summary>
internal sealed class LiveState
{
    /// <summary>How long frames are kept, in seconds.</summary>
    public const double Window = 10;

    private const int SpansKept = 4;

    private readonly Lock _lock = new();
    private readonly Queue<LiveFrame> _frames = new();
    private readonly Queue<LiveSpan> _spans = new();
    private readonly int[] _collections = new int[3];
    private List<LiveArena> _comingArenas = [];
    private List<LiveTag> _comingTags = [];
    private LiveMoment _moment = new();
    private double _pauseBegan = double.NaN;

    public void Add(LiveFrame frame)
    {
        lock (_lock)
        {
            _frames.Enqueue(frame);
            while (_frames.Peek().Seconds < frame.Seconds - Window)
                _frames.Dequeue();

            _moment = _moment with
            {
                Frames = _moment.Frames + 1,
                PageFaults = _moment.PageFaults + frame.PageFaults,
                ManagedBytes = _moment.ManagedBytes + frame.ManagedBytes,
                Overflows = _moment.Overflows + frame.Overflows,
            };
        }
    }

    public void Add(LiveSpan span)
    {
        lock (_lock)
        {
            _spans.Enqueue(span);
            if (_spans.Count > SpansKept)
                _spans.Dequeue();
        }
    }

    public void Add(LiveArena arena) => _comingArenas.Add(arena);
    public void Add(LiveTag tag) => _comingTags.Add(tag);

    /// <summary>A reading is complete: its arenas and tags came before.</summary>
    public void Complete(LiveTotals totals)
    {
        lock (_lock)
            _moment = _moment with { Totals = totals, Arenas = _comingArenas, Tags = _comingTags };

        _comingArenas = [];
        _comingTags = [];
    }

    public void AddCollection(int generation)
    {
        lock (_lock)
            _collections[Math.Clamp(generation, 0, 2)]++;
    }

    public void BeginPause(double milliseconds) => _pauseBegan = milliseconds;

    public void EndPause(double milliseconds)
    {
        if (double.IsNaN(_pauseBegan))
            return;

        lock (_lock)
            _moment = _moment with
            {
                LongestPauseMilliseconds = Math.Max(_moment.LongestPauseMilliseconds, milliseconds - _pauseBegan),
            };
    }

    public LiveMoment Now()
    {
        lock (_lock)
            return _moment with { LastFrames = [.. _frames], Spans = [.. _spans], Collections = [.. _collections] };
    }
}

/// <summary>What is known of a process at one moment. Immutable.</summary>
internal sealed record LiveMoment
{
    /// <summary>Frames since the session began, and what they did together.</summary>
    public long Frames { get; init; }

    public long PageFaults { get; init; }
    public long ManagedBytes { get; init; }
    public long Overflows { get; init; }

    /// <summary>Collections since the session began, by generation.</summary>
    public IReadOnlyList<int> Collections { get; init; } = [0, 0, 0];

    /// <summary>The longest time that the collector stopped all threads for.</summary>
    public double LongestPauseMilliseconds { get; init; }

    /// <summary>The frames of the last <see cref="LiveState.Window"/> seconds.</summary>
    public IReadOnlyList<LiveFrame> LastFrames { get; init; } = [];

    public IReadOnlyList<LiveSpan> Spans { get; init; } = [];
    public IReadOnlyList<LiveArena> Arenas { get; init; } = [];
    public IReadOnlyList<LiveTag> Tags { get; init; } = [];

    /// <summary>Null until the first reading.</summary>
    public LiveTotals? Totals { get; init; }

    /// <summary>Frames a second, over the frames that are kept.</summary>
    public double FramesPerSecond =>
        LastFrames.Count < 2
            ? 0
            : (LastFrames.Count - 1) / Math.Max(1e-9, LastFrames[^1].Seconds - LastFrames[0].Seconds);

    /// <summary>
    /// The time in nanoseconds that a share of the last frames did not exceed; 0 where there are none.
    /// </summary>
    public long Percentile(double share)
    {
        long[] times = [.. LastFrames.Select(frame => frame.Nanoseconds).Order()];
        return times.Length == 0 ? 0 : times[(int)Math.Ceiling((times.Length - 1) * share)];
    }

    /// <summary>
    /// The longest frame of each of some equal parts of the last ten seconds, in nanoseconds; 0 where there was
    /// none.
    /// </summary>
    public long[] Columns(int count)
    {
        long[] columns = new long[count];
        if (LastFrames.Count > 0)
        {
            double end = LastFrames[^1].Seconds;
            foreach (LiveFrame frame in LastFrames)
            {
                int column = count - 1 - (int)((end - frame.Seconds) / LiveState.Window * count);
                columns[Math.Max(0, column)] = Math.Max(columns[Math.Max(0, column)], frame.Nanoseconds);
            }
        }

        return columns;
    }
}

/// <summary>A frame as it was heard of; sizes in bytes.</summary>
/// <param name="Seconds">When it ended, since the session began.</param>
internal sealed record LiveFrame(
    double Seconds, long Number, long Nanoseconds, long Allocations, long AllocatedBytes, long PageFaults,
    long Overflows, long ManagedBytes, long Collections);

/// <summary>A level load or what else was noted.</summary>
internal sealed record LiveSpan(string Track, string Name, long Nanoseconds);

/// <summary>An arena as it was at the last reading.</summary>
internal sealed record LiveArena(
    string Name, string Kind, long SuperSlabs, long LiveBytes, long CachedBytes, long PeakBytes, long SoftBudget,
    long HardBudget, long Overflows);

/// <summary>A tag as it was at the last reading.</summary>
internal sealed record LiveTag(string Name, long BudgetBytes, long LiveBytes, long Allocations, long Frees);

/// <summary>All the memory as it was at the last reading.</summary>
internal sealed record LiveTotals(
    long MappedBytes, long ResidentBytes, long OwnedSuperSlabs, long ReadySuperSlabs, long MetadataBytes, long OsCalls,
    long PrefaultNanoseconds);
