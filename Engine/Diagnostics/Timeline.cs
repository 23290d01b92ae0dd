using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;

namespace SuperSlab.Diagnostics;

/// <summary>What one frame did. <see cref="ProfileTable.FrameColumns"/> has its columns.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FrameRecord
{
    public long StartNanoseconds;
    public long Nanoseconds;
    public long AllocationCount;
    public long AllocatedBytes;
    public long PageFaultCount;
    public long OverflowCount;
    public long ManagedBytes;
    public long Collections;

    /// <summary>Adds each count; the start stays.</summary>
    public void Add(in FrameRecord frame)
    {
        Nanoseconds += frame.Nanoseconds;
        AllocationCount += frame.AllocationCount;
        AllocatedBytes += frame.AllocatedBytes;
        PageFaultCount += frame.PageFaultCount;
        OverflowCount += frame.OverflowCount;
        ManagedBytes += frame.ManagedBytes;
        Collections += frame.Collections;
    }
}

/// <summary>
/// The last frames in a ring; a histogram and the totals of all. One thread writes; it is read between frames.
/// </summary>
internal sealed class FrameTimeline(int capacity, long budgetNanoseconds) : IDisposable
{
    private readonly ProfilerArray<FrameRecord> _ring = new(capacity);
    private readonly TimeHistogram _times = new();
    private FrameRecord _totals;
    private long _framesWithFaultCounts;
    private long _framesOverBudget;

    // Count modulo the length, without a division at each frame's end.
    private int _next;

    /// <summary>All frames so far.</summary>
    public long Count { get; private set; }

    /// <summary>The number of the first frame kept.</summary>
    public long First => Math.Max(0, Count - _ring.Length);

    /// <summary>A frame that is kept, by its number.</summary>
    public ref readonly FrameRecord this[long frame] => ref _ring[(int)(frame % _ring.Length)];

    /// <param name="frame">The frame.</param>
    /// <param name="hasFaultCount">Whether somebody counted its page faults; if not, they are 0 in it.</param>
    public void Add(in FrameRecord frame, bool hasFaultCount)
    {
        Debug.Assert(_next == Count % _ring.Length, "The next place follows the last frame's.");
        _ring[_next] = frame;
        _next = _next + 1 == _ring.Length ? 0 : _next + 1;
        Count++;
        _times.Add(frame.Nanoseconds);
        _totals.Add(frame);
        _framesWithFaultCounts += hasFaultCount ? 1 : 0;
        _framesOverBudget += budgetNanoseconds != 0 && frame.Nanoseconds > budgetNanoseconds ? 1 : 0;
    }

    public void Clear()
    {
        (Count, _next) = (0, 0);
        _totals = default;
        _framesWithFaultCounts = 0;
        _framesOverBudget = 0;
        _times.Clear();
    }

    public void Dispose()
    {
        _ring.Dispose();
        _times.Dispose();
    }

    /// <summary>The frames as columns. What no frame counted has no column.</summary>
    /// <param name="hasCounters">Whether allocations are counted.</param>
    public ProfileFrames ToFrames(bool hasCounters) => new()
    {
        Count = Count,
        First = First,
        Columns = Counted(hasCounters).ToDictionary(column => column.Name, Values),
        Totals = Counted(hasCounters).Where(column => column.IsSummed).ToDictionary(
            column => column.Name,
            column => new ProfileFrames.Total(column.Of(_totals), FramesThatCount(column, hasCounters))),
        BudgetNanoseconds = budgetNanoseconds,
        OverBudgetCount = _framesOverBudget,
        Percentiles = new ProfileFrames.TimePercentiles(
            _times.Percentile(50),
            _times.Percentile(90),
            _times.Percentile(99),
            _times.Percentile(99.9),
            _times.Maximum),
        Histogram = _times.Buckets(),
    };

    private IEnumerable<ProfileTable.FrameColumn> Counted(bool hasCounters) => ProfileTable.FrameColumns.Where(
        column => Count == 0 || FramesThatCount(column, hasCounters) != 0);

    private long FramesThatCount(ProfileTable.FrameColumn column, bool hasCounters) => column.Source switch
    {
        ProfileTable.FrameSource.FaultCounts => _framesWithFaultCounts,
        ProfileTable.FrameSource.Counters => hasCounters ? Count : 0,
        _ => Count,
    };

    private long[] Values(ProfileTable.FrameColumn column)
    {
        long[] values = new long[Count - First];
        for (int index = 0; index < values.Length; index++)
            values[index] = column.Of(this[First + index]);

        return values;
    }
}

/// <summary>
/// Counts times in buckets of a 32nd of their value, which gives percentiles of any number of frames to 3 % in fixed
/// memory: the log-linear buckets of HdrHistogram (G. Tene). One thread writes; it is read between frames.
/// </summary>
internal sealed class TimeHistogram : IDisposable
{
    private const int StepBits = 5;
    private const int Steps = 1 << StepBits;

    private readonly ProfilerArray<long> _counts = new((64 - StepBits) * Steps);
    private long _count;

    public long Maximum { get; private set; }

    public void Add(long nanoseconds)
    {
        int bucket = BucketOf(nanoseconds);
        Debug.Assert(FromOf(bucket) <= Math.Max(0, nanoseconds), "A bucket begins at or below its times.");
        _counts[bucket]++;
        _count++;
        Maximum = Math.Max(Maximum, nanoseconds);
    }

    public void Clear()
    {
        _counts.Span.Clear();
        _count = 0;
        Maximum = 0;
    }

    /// <summary>
    /// The shortest time that <paramref name="percent"/> per cent do not exceed, at most 3 % too high; 0 for none.
    /// </summary>
    public long Percentile(double percent)
    {
        long wanted = Math.Max(1, (long)Math.Ceiling(_count * percent / 100));
        long below = 0;
        for (int bucket = 0; bucket < _counts.Length && _count != 0; bucket++)
        {
            below += _counts[bucket];
            if (below >= wanted)
                return Math.Min(FromOf(bucket + 1) - 1, Maximum);
        }

        return 0;
    }

    /// <summary>The buckets that are not empty.</summary>
    public IReadOnlyList<ProfileFrames.Bucket> Buckets()
    {
        List<ProfileFrames.Bucket> buckets = [];
        for (int bucket = 0; bucket < _counts.Length; bucket++)
        {
            if (_counts[bucket] != 0)
                buckets.Add(new ProfileFrames.Bucket(FromOf(bucket), _counts[bucket]));
        }

        return buckets;
    }

    public void Dispose() => _counts.Dispose();

    private static int BucketOf(long nanoseconds)
    {
        if (nanoseconds < Steps)
            return (int)Math.Max(0, nanoseconds);

        int shift = BitOperations.Log2((ulong)nanoseconds) - StepBits;
        return ((shift + 1) * Steps) + (int)((nanoseconds >> shift) & (Steps - 1));
    }

    private static long FromOf(int bucket)
    {
        int shift = (bucket / Steps) - 1;
        return shift < 0 ? bucket : (long)(Steps + (bucket % Steps)) << shift;
    }
}

/// <summary>
/// What happened beside the frames: moments seen at the ends of frames, the last of them in a ring, and spans noted
/// between frames. One thread.
/// </summary>
internal sealed class ProfileEvents : IDisposable
{
    /// <summary>The track of SuperSlabs that come and go.</summary>
    public const string SuperSlabs = "SuperSlabs";

    private const int Capacity = 4096;

    private readonly ProfilerArray<Moment> _ring = new(Capacity);
    private readonly List<ProfileDocument.TrackEvent> _spans = [];
    private long _count;

    /// <summary>The kinds of moments.</summary>
    internal enum Kind
    {
        /// <summary>Arenas took or gave SuperSlabs. Subject: how many they own now; value: how many more.</summary>
        SuperSlabs,

        /// <summary>
        /// What a tag allocated less what it freed exceeds its budget for the first time. Subject: the tag; value: the
        /// difference.
        /// </summary>
        TagOverBudget,
    }

    /// <summary>Moments that the ring has lost.</summary>
    public long LostCount => Math.Max(0, _count - Capacity);

    /// <summary>Keeps a moment. Hot-loop safe.</summary>
    public void Add(long nanoseconds, Kind kind, long subject, long value) => _ring[(int)(_count++ % Capacity)] =
        new Moment { Nanoseconds = nanoseconds, Kind = kind, Subject = subject, Value = value };

    public void Add(ProfileDocument.TrackEvent span) => _spans.Add(span);

    /// <summary>Forgets the moments.</summary>
    public void Clear() => _count = 0;

    /// <summary>All of them by time.</summary>
    public IReadOnlyList<ProfileDocument.TrackEvent> ToEvents()
    {
        List<ProfileDocument.TrackEvent> events = [.. _spans];
        for (long moment = LostCount; moment < _count; moment++)
        {
            Moment kept = _ring[(int)(moment % Capacity)];
            string track = kept.Kind == Kind.SuperSlabs ? SuperSlabs : "tags";
            events.Add(new ProfileDocument.TrackEvent(track, TextOf(kept), kept.Nanoseconds, 0));
        }

        return [.. events.OrderBy(one => one.StartNanoseconds)];
    }

    public void Dispose() => _ring.Dispose();

    private static string TextOf(Moment moment) => moment.Kind == Kind.SuperSlabs
        ? string.Create(CultureInfo.InvariantCulture, $"{moment.Value:+#,0;-#,0;0}, {moment.Subject:N0} owned")
        : $"'{AllocationTag.Of((int)moment.Subject)?.Name}' over its budget: "
            + $"allocated {Sizes.Text((nuint)moment.Value)} more than it freed";

    private struct Moment
    {
        public long Nanoseconds;
        public Kind Kind;
        public long Subject;
        public long Value;
    }
}

/// <summary>Finds the frames that stand out, and those in which something happened. Cold.</summary>
internal static class HitchFinder
{
    /// <summary>How many frames of each kind a profile lists.</summary>
    internal const int MostListed = 500;

    /// <summary>How many frames before and after one are its neighbours.</summary>
    private const int Neighbours = 15;

    /// <summary>A frame is slow above this multiple of its neighbours' median.</summary>
    private const int SlowFactor = 3;

    /// <summary>
    /// Hitches are frames over the budget, and frames of the slowest hundredth that took much longer than their
    /// neighbours. Notes are of the other frames: what a hot loop must not do, and SuperSlabs that came or went.
    /// </summary>
    /// <returns>The profile with the longest hitches, with the broken rules and then the longest frames of the notes,
    /// by frame; and how many there are of each.</returns>
    public static ProfileDocument AddTo(ProfileDocument document)
    {
        ProfileFrames frames = document.Frames;
        ILookup<long, string> superSlabs = document.Events.Where(one => one.Track == ProfileEvents.SuperSlabs)
            .ToLookup(one => one.StartNanoseconds, one => $"SuperSlabs: {one.Name}");
        IReadOnlyList<long> times = frames.Nanoseconds;
        List<ProfileDocument.Hitch> hitches = [];
        List<(ProfileDocument.Hitch Note, bool IsBroken)> notes = [];
        for (int frame = 0; frame < times.Count; frame++)
        {
            long time = times[frame];
            string broken = BrokenRules(frames, frame);
            string happened = string.Join(
                ", ", superSlabs[frames.Starts[frame] + time].Prepend(broken).Where(text => text.Length != 0));
            bool isOver = frames.BudgetNanoseconds != 0 && time > frames.BudgetNanoseconds;
            if (isOver || (time >= frames.Percentiles.P99 && time > SlowFactor * MedianAround(times, frame)))
            {
                string reason = happened.Length == 0 ? WorkOf(frames["allocations"], frame) : happened;
                hitches.Add(new(frames.First + frame, time, isOver ? "over the frame budget: " + reason : reason));
            }
            else if (happened.Length != 0)
            {
                notes.Add((new(frames.First + frame, time, happened), broken.Length != 0));
            }
        }

        return document with
        {
            HitchCount = hitches.Count,
            Hitches = Listed(hitches.OrderByDescending(hitch => hitch.Nanoseconds)),
            NoteCount = notes.Count,
            Notes = Listed(notes.OrderByDescending(note => note.IsBroken)
                .ThenByDescending(note => note.Note.Nanoseconds).Select(note => note.Note)),
        };
    }

    private static IReadOnlyList<ProfileDocument.Hitch> Listed(IEnumerable<ProfileDocument.Hitch> ranked) =>
        [.. ranked.Take(MostListed).OrderBy(hitch => hitch.Frame)];

    private static string BrokenRules(ProfileFrames frames, int frame)
    {
        List<string> broken = [];
        foreach (ProfileTable.FrameColumn column in ProfileTable.FrameColumns)
        {
            bool isAlarm = column.Outputs.HasFlag(ProfileTable.Outputs.Alarm);
            if (isAlarm && frames[column.Name] is { Count: > 0 } counts && counts[frame] != 0)
                broken.Add(Sizes.Count(counts[frame], column.Title.TrimEnd('s'), column.Title));
        }

        return string.Join(", ", broken);
    }

    /// <summary>For a slow frame that broke no rule: perhaps it only had more to do.</summary>
    private static string WorkOf(IReadOnlyList<long> allocations, int frame)
    {
        if (allocations.Count == 0)
            return "nothing that is counted; allocations are not";

        long usual = MedianAround(allocations, frame);
        return allocations[frame] <= SlowFactor * usual ? "nothing that is counted" : string.Create(
            CultureInfo.InvariantCulture,
            $"much to do: {allocations[frame]:N0} allocations, where its neighbours have {usual:N0}");
    }

    private static long MedianAround(IReadOnlyList<long> values, int index)
    {
        int first = Math.Max(0, index - Neighbours);
        int end = Math.Min(values.Count, index + Neighbours + 1);
        Span<long> around = stackalloc long[(2 * Neighbours) + 1];
        for (int neighbour = first; neighbour < end; neighbour++)
            around[neighbour - first] = values[neighbour];

        around = around[..(end - first)];
        around.Sort();
        return around[around.Length / 2];
    }
}

/// <summary>
/// The profiler's own memory. It comes from the system's allocator, because the profiler measures the engine's, and is
/// written through at once, so that its use faults nothing. One thread.
/// </summary>
internal sealed unsafe class ProfilerArray<T> : IDisposable
    where T : unmanaged
{
    private const nuint Alignment = 64;
    private T* _first;

    public ProfilerArray(int length)
    {
        Length = length;
        nuint bytes = checked((nuint)length * (nuint)sizeof(T));
        _first = (T*)NativeMemory.AlignedAlloc(bytes, Alignment);
        NativeMemory.Fill(_first, bytes, 0xFF);
        NativeMemory.Clear(_first, bytes);
    }

    ~ProfilerArray() => Free();

    public int Length { get; }
    public Span<T> Span => new(_first, _first == null ? 0 : Length);

    public ref T this[int index] => ref Span[index];

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_first);
        _first = null;
    }
}
