using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Tracing;
using System.Globalization;
using System.Text;

namespace SuperSlab.Diagnostics;

/// <summary>
/// What a <see cref="Profiler"/> sees, as events that other processes listen to through the runtime's event pipe: dotnet-trace, PerfView,
/// and Samples/Profiler. While nobody listens a frame pays for one test of a flag and nothing is allocated; while somebody does, a frame
/// writes one event, and once a second a thread of the pool writes what the memory holds.
/// <code>
/// Frame      keyword 1: each frame's time and counts
/// Span       keyword 2: level loads and what else was noted
/// Arena, Tag, Totals   keyword 4: the state of the memory, once a second (argument IntervalSeconds); Totals comes last
/// ReportPart keyword 8: the whole profile as JSON, in parts, once for each session that asks; the next frame to end pays for it
/// </code>
/// Programs that are compiled ahead of time need <c>EventSourceSupport</c> in their project.
/// </summary>
[EventSource(Name = SourceName)]
public sealed unsafe class MemoryEventSource : EventSource
{
    /// <summary>The provider's name.</summary>
    public const string SourceName = "SuperSlab";

    private const string IntervalArgument = "IntervalSeconds";
    private const int PartLength = 16 * 1024;
    private const int FrameId = 1;
    private const int SpanId = 2;
    private const int ArenaId = 3;
    private const int TagId = 4;
    private const int TotalsId = 5;
    private const int ReportPartId = 6;
    private const string OnlyPrimitives = "Numbers and strings only, which need no reflection.";

    private readonly Lock _lock = new();
    private readonly SnapshotRoom _room = new();
    private readonly List<Profiler> _profilers = [];
    private Timer? _timer;
    private volatile bool _isReportWanted;
    private int _reports;

    private MemoryEventSource()
    {
    }

    internal static MemoryEventSource Log { get; } = new();

    /// <summary>Whether a session asked for a report that no frame has given yet.</summary>
    internal bool IsReportWanted => _isReportWanted;

    /// <summary>From now on listeners are told of this profiler's memory; where there are several, of the one that came last.</summary>
    [NonEvent]
    internal void Publish(Profiler profiler)
    {
        lock (_lock)
            _profilers.Add(profiler);
    }

    /// <summary>The profiler's memory is not looked at any more once this returns. A second call does nothing.</summary>
    [NonEvent]
    internal void Unpublish(Profiler profiler)
    {
        lock (_lock)
            _profilers.Remove(profiler);
    }

    /// <summary>A frame has ended. Hot-loop safe.</summary>
    [NonEvent]
    internal void Frame(long number, long nanoseconds, in FrameRecord frame)
    {
        if (IsEnabled(EventLevel.Informational, Keywords.Frames))
            Frame(number, nanoseconds, frame.Allocations, frame.AllocatedBytes, frame.PageFaults, frame.Overflows, frame.ManagedBytes, frame.Collections);
    }

    /// <summary>A span was noted.</summary>
    [Event(SpanId, Level = EventLevel.Informational, Keywords = Keywords.Spans)]
    internal void Span(string track, string name, long nanoseconds)
    {
        if (IsEnabled(EventLevel.Informational, Keywords.Spans))
            Write(SpanId, track, name, [nanoseconds]);
    }

    /// <summary>Gives the profile to whoever asked for it; the writing is done by a thread of the pool.</summary>
    [NonEvent]
    internal void Report(ProfileDocument document)
    {
        _isReportWanted = false;
        int report = Interlocked.Increment(ref _reports);
        ThreadPool.QueueUserWorkItem(_ => WriteReport(report, document));
    }

    /// <inheritdoc/>
    protected override void OnEventCommand(EventCommandEventArgs command)
    {
        if (command.Command is not (EventCommand.Enable or EventCommand.Update))
            return;

        _isReportWanted |= IsEnabled(EventLevel.Informational, Keywords.Report);
        if (IsEnabled(EventLevel.Informational, Keywords.State))
        {
            TimeSpan interval = Interval(command.Arguments);
            lock (_lock)
            {
                // A lambda that captures this would become a method of this class, and every method here is taken for an event.
                _timer ??= new Timer(static source => ((MemoryEventSource)source!).WriteState(), this, Timeout.Infinite, Timeout.Infinite);
                _timer.Change(TimeSpan.Zero, interval);
            }
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _timer?.Dispose();

        base.Dispose(disposing);
    }

    private static TimeSpan Interval(IDictionary<string, string?>? arguments) =>
        arguments is not null && arguments.TryGetValue(IntervalArgument, out string? text)
        && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) && seconds is >= 0.1 and <= 3600
            ? TimeSpan.FromSeconds(seconds)
            : TimeSpan.FromSeconds(1);

    [NonEvent]
    private void WriteState()
    {
        lock (_lock)
        {
            if (!IsEnabled(EventLevel.Informational, Keywords.State))
                _timer?.Change(Timeout.Infinite, Timeout.Infinite);
            else if (_profilers.Count > 0)
                WriteState(_room.Take(_profilers[^1].Memory, asksSystem: true));
        }
    }

    [NonEvent]
    private void WriteState(MemorySnapshot snapshot)
    {
        foreach (ref readonly SnapshotArena arena in snapshot.Arenas)
        {
            Arena(
                arena.Name.ToString(), arena.IsFrame ? "frame" : "long-lived", arena.SuperSlabs, (long)arena.LiveBytes, (long)arena.CachedBytes,
                (long)arena.PeakBytes, (long)arena.SoftBudget, (long)arena.HardBudget, arena.Overflows);
        }

        foreach (ref readonly SnapshotTag tag in snapshot.Tags)
            Tag(tag.Name.ToString(), tag.Number, (long)tag.BudgetBytes, tag.LiveBytes, tag.Allocations, tag.Frees);

        SnapshotTotals totals = snapshot.Totals;
        Totals(
            (long)totals.MappedBytes, totals.ResidentBytes, totals.OwnedSuperSlabs, totals.ReadySuperSlabs, (long)totals.MetadataBytes, totals.OsCalls,
            totals.PrefaultNanoseconds);
    }

    [NonEvent]
    private void WriteReport(int report, ProfileDocument document)
    {
        using MemoryStream stream = new();
        document.Write(stream);
        string json = Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
        int count = (json.Length + PartLength - 1) / PartLength;
        for (int part = 0; part < count; part++)
            ReportPart(json.Substring(part * PartLength, Math.Min(PartLength, json.Length - (part * PartLength))), report, part, count);
    }

    [Event(FrameId, Level = EventLevel.Informational, Keywords = Keywords.Frames)]
    private void Frame(
        long number, long nanoseconds, long allocations, long allocatedBytes, long pageFaults, long overflows, long managedBytes, long collections) =>
        Write(FrameId, null, null, [number, nanoseconds, allocations, allocatedBytes, pageFaults, overflows, managedBytes, collections]);

    [Event(ArenaId, Level = EventLevel.Informational, Keywords = Keywords.State)]
    private void Arena(
        string name, string kind, long superSlabs, long liveBytes, long cachedBytes, long peakBytes, long softBudget, long hardBudget, long overflows) =>
        Write(ArenaId, name, kind, [superSlabs, liveBytes, cachedBytes, peakBytes, softBudget, hardBudget, overflows]);

    [Event(TagId, Level = EventLevel.Informational, Keywords = Keywords.State)]
    private void Tag(string name, long number, long budgetBytes, long liveBytes, long allocations, long frees) =>
        Write(TagId, name, null, [number, budgetBytes, liveBytes, allocations, frees]);

    [Event(TotalsId, Level = EventLevel.Informational, Keywords = Keywords.State)]
    private void Totals(
        long mappedBytes, long residentBytes, long ownedSuperSlabs, long readySuperSlabs, long metadataBytes, long osCalls, long prefaultNanoseconds) =>
        Write(TotalsId, null, null, [mappedBytes, residentBytes, ownedSuperSlabs, readySuperSlabs, metadataBytes, osCalls, prefaultNanoseconds]);

    [Event(ReportPartId, Level = EventLevel.Informational, Keywords = Keywords.Report)]
    private void ReportPart(string json, long report, long part, long count) => Write(ReportPartId, json, null, [report, part, count]);

    /// <summary>Writes an event whose fields are up to two strings and then numbers, from the stack: the ready-made overloads box them.</summary>
    [NonEvent]
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = OnlyPrimitives)]
    private void Write(int id, string? first, string? second, ReadOnlySpan<long> numbers)
    {
        EventData* fields = stackalloc EventData[2 + numbers.Length];
        int count = 0;
        fixed (char* firstText = first, secondText = second)
        fixed (long* values = numbers)
        {
            if (first is not null)
                fields[count++] = new EventData { DataPointer = (nint)firstText, Size = (first.Length + 1) * sizeof(char) };

            if (second is not null)
                fields[count++] = new EventData { DataPointer = (nint)secondText, Size = (second.Length + 1) * sizeof(char) };

            for (int number = 0; number < numbers.Length; number++)
                fields[count++] = new EventData { DataPointer = (nint)(values + number), Size = sizeof(long) };

            WriteEventCore(id, count, fields);
        }
    }

    /// <summary>What listeners can ask for.</summary>
    public static class Keywords
    {
        /// <summary>Each frame.</summary>
        public const EventKeywords Frames = (EventKeywords)1;

        /// <summary>Level loads and what else was noted.</summary>
        public const EventKeywords Spans = (EventKeywords)2;

        /// <summary>The state of the memory, once a second.</summary>
        public const EventKeywords State = (EventKeywords)4;

        /// <summary>The whole profile, once.</summary>
        public const EventKeywords Report = (EventKeywords)8;
    }
}
