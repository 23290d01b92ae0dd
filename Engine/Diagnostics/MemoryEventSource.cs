using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Tracing;
using System.Globalization;
using System.Text;

namespace SuperSlab.Diagnostics;

/// <summary>
/// The events of every <see cref="Profiler"/>, for other processes that listen through the runtime's event pipe:
/// dotnet-trace, PerfView, and Samples/Profiler.
/// <code>
/// Frame        keyword 1: each frame's time and counts
/// Span         keyword 2: level loads and what else was noted
/// StatePart    keyword 4: totals, arenas and tags, once a second (argument IntervalSeconds)
/// ReportPart   keyword 8: the whole profile, once for each session that asks; the next frame to end pays for it
/// </code>
/// </summary>
/// <remarks>
/// Without a listener a frame pays for one test of a flag, and nothing is allocated. With one, a frame writes one
/// event, and a thread of the pool writes the state. State and report are the JSON of a <see cref="ProfileDocument"/>,
/// in parts. Programs compiled ahead of time need <c>EventSourceSupport</c> in their project.
/// </remarks>
[EventSource(Name = SourceName)]
public sealed unsafe class MemoryEventSource : EventSource
{
    /// <summary>The provider's name.</summary>
    public const string SourceName = "SuperSlab";

    private const string IntervalArgument = "IntervalSeconds";
    private const int PartLength = 16 * 1024;
    private const int FrameId = 1;
    private const int SpanId = 2;
    private const int StatePartId = 3;
    private const int ReportPartId = 4;

    private readonly Lock _lock = new();
    private readonly List<Profiler> _profilers = [];
    private byte[] _room = [];
    private TimeSpan? _interval;
    private ITimer? _timer;
    private volatile bool _isReportWanted;
    private int _documents;

    private MemoryEventSource()
    {
    }

    internal static MemoryEventSource Log { get; } = new();

    /// <summary>Whether a session waits for a report.</summary>
    internal bool IsReportWanted => _isReportWanted;

    /// <summary>From now on listeners see this profiler's memory; of several profilers, that of the last.</summary>
    [NonEvent]
    internal void Publish(Profiler profiler)
    {
        lock (_lock)
        {
            _profilers.Add(profiler);
            try
            {
                RestartTimer();
            }
            catch
            {
                // A clock of the caller's that gives no timer: the profiler is not made.
                _profilers.Remove(profiler);
                throw;
            }
        }
    }

    /// <summary>After this, nothing reads the profiler's memory. A second call does nothing.</summary>
    [NonEvent]
    internal void Unpublish(Profiler profiler)
    {
        lock (_lock)
        {
            _profilers.Remove(profiler);
            RestartTimer();
        }
    }

    /// <summary>A frame has ended. Hot-loop safe.</summary>
    [Event(FrameId, Level = EventLevel.Informational, Keywords = Keywords.Frames)]
    internal void Frame(
        long number,
        long nanoseconds,
        long allocations,
        long allocatedBytes,
        long pageFaults,
        long overflows,
        long managedBytes,
        long collections)
    {
        if (IsEnabled(EventLevel.Informational, Keywords.Frames))
        {
            Write(FrameId, null, null, [
                number, nanoseconds, allocations, allocatedBytes, pageFaults, overflows, managedBytes, collections]);
        }
    }

    /// <summary>A span was noted.</summary>
    [Event(SpanId, Level = EventLevel.Informational, Keywords = Keywords.Spans)]
    internal void Span(string track, string name, long nanoseconds)
    {
        if (IsEnabled(EventLevel.Informational, Keywords.Spans))
            Write(SpanId, track, name, [nanoseconds]);
    }

    /// <summary>Gives the profile to the sessions that wait for it; a thread of the pool writes it.</summary>
    [NonEvent]
    internal void Report(ProfileDocument document)
    {
        _isReportWanted = false;
        ThreadPool.QueueUserWorkItem(_ => WriteDocument(document, isState: false));
    }

    /// <inheritdoc/>
    protected override void OnEventCommand(EventCommandEventArgs command)
    {
        if (command.Command is not (EventCommand.Enable or EventCommand.Update))
            return;

        _isReportWanted |= IsEnabled(EventLevel.Informational, Keywords.Report);
        if (!IsEnabled(EventLevel.Informational, Keywords.State))
            return;

        lock (_lock)
        {
            _interval = Interval(command.Arguments);
            RestartTimer();
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
        arguments is not null
        && arguments.TryGetValue(IntervalArgument, out string? text)
        && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds)
        && seconds is >= 0.1 and <= 3600
            ? TimeSpan.FromSeconds(seconds)
            : TimeSpan.FromSeconds(1);

    /// <summary>The timer runs by the last profiler's clock, while a session wants the state.</summary>
    [NonEvent]
    private void RestartTimer()
    {
        _timer?.Dispose();
        _timer = null;
        if (_interval is { } interval && _profilers.Count > 0)
        {
            // A lambda that captures this would be a method of this class, and so an event.
            _timer = _profilers[^1].TimeProvider.CreateTimer(
                static source => ((MemoryEventSource)source!).WriteState(), this, TimeSpan.Zero, interval);
        }
    }

    [NonEvent]
    private void WriteState()
    {
        lock (_lock)
        {
            if (!IsEnabled(EventLevel.Informational, Keywords.State))
            {
                _interval = null;
                RestartTimer();
            }
            else if (_profilers.Count > 0 && _profilers[^1].Memory.Work.TryEnter(out WorkGate.Entry work, marks: false))
            {
                using (work)
                {
                    MemorySnapshot snapshot = MemorySnapshot.Take(_profilers[^1].Memory, ref _room, asksSystem: true);
                    WriteDocument(ProfileDocument.OfState(snapshot), isState: true);
                }
            }
        }
    }

    [NonEvent]
    private void WriteDocument(ProfileDocument document, bool isState)
    {
        using MemoryStream stream = new();
        document.Write(stream);
        string json = Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
        int number = Interlocked.Increment(ref _documents);
        int count = (json.Length + PartLength - 1) / PartLength;
        for (int part = 0; part < count; part++)
        {
            string text = json.Substring(part * PartLength, Math.Min(PartLength, json.Length - (part * PartLength)));
            if (isState)
                StatePart(text, number, part, count);
            else
                ReportPart(text, number, part, count);
        }
    }

    [Event(StatePartId, Level = EventLevel.Informational, Keywords = Keywords.State)]
    private void StatePart(string json, long document, long part, long count) =>
        Write(StatePartId, json, null, [document, part, count]);

    [Event(ReportPartId, Level = EventLevel.Informational, Keywords = Keywords.Report)]
    private void ReportPart(string json, long document, long part, long count) =>
        Write(ReportPartId, json, null, [document, part, count]);

    /// <summary>Writes up to two strings and then numbers from the stack; the ready-made overloads box them.</summary>
    [NonEvent]
    [UnconditionalSuppressMessage(
        "Trimming", "IL2026", Justification = "Numbers and strings only, which need no reflection.")]
    private void Write(int id, string? first, string? second, ReadOnlySpan<long> numbers)
    {
        EventData* fields = stackalloc EventData[2 + numbers.Length];
        int count = 0;
        fixed (char* firstText = first, secondText = second)
        fixed (long* values = numbers)
        {
            if (first is not null)
                fields[count++] = Field(firstText, (first.Length + 1) * sizeof(char));

            if (second is not null)
                fields[count++] = Field(secondText, (second.Length + 1) * sizeof(char));

            for (int number = 0; number < numbers.Length; number++)
                fields[count++] = Field(values + number, sizeof(long));

            WriteEventCore(id, count, fields);
        }
    }

    private static EventData Field(void* data, int bytes) => new() { DataPointer = (nint)data, Size = bytes };

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
