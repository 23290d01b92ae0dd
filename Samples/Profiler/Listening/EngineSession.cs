using System.Diagnostics.Tracing;
using System.Text.Json;
using Microsoft.Diagnostics.NETCore.Client;
using Microsoft.Diagnostics.Tracing;
using Microsoft.Diagnostics.Tracing.Parsers;
using SuperSlab.Diagnostics;

namespace Samples.Profiler.Listening;

/// <summary>
/// Listens to a process's engine and to its collector, on a thread of its own, and keeps what was heard in a
/// <see cref="LiveState"/>.
/// </summary>
internal sealed class EngineSession : IDisposable
{
    private readonly Target _target;
    private readonly EventPipeSession _session;
    private readonly EventPipeEventSource _source;
    private readonly Task _reading;
    private readonly DocumentParts _parts = new();

    /// <exception cref="Samples.Common.BadInputException">The process cannot be listened to.</exception>
    /// <exception cref="OperationCanceledException">Somebody stopped the viewer first.</exception>
    public EngineSession(Target target, CancellationToken stop)
    {
        _target = target;
        const EventKeywords EngineKeywords =
            MemoryEventSource.Keywords.Frames | MemoryEventSource.Keywords.Spans | MemoryEventSource.Keywords.State;
        _session = target.Open(
            stop,
            new EventPipeProvider(MemoryEventSource.SourceName, EventLevel.Informational, (long)EngineKeywords),
            new EventPipeProvider(
                ClrTraceEventParser.ProviderName, EventLevel.Informational, (long)ClrTraceEventParser.Keywords.GC));
        _source = new EventPipeEventSource(_session.EventStream);
        _source.Dynamic.All += OnEvent;
        _source.Clr.GCStart += data => State.AddCollection(data.Depth);
        _source.Clr.GCSuspendEEStart += data => State.BeginPause(data.TimeStampRelativeMSec);
        _source.Clr.GCRestartEEStop += data => State.EndPause(data.TimeStampRelativeMSec);
        _reading =
            Task.Factory.StartNew(Read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>What was heard so far.</summary>
    public LiveState State { get; } = new();

    /// <summary>Why its profile cannot be read, as of a newer library; null where it can.</summary>
    public string? Unreadable { get; private set; }

    /// <summary>The process has ended, or the session.</summary>
    public bool HasEnded => _reading.IsCompleted;

    public void Dispose()
    {
        if (!HasEnded && _target.Stop(_session))
            _reading.Wait(Target.StopPatience);

        // Reading blocks for as long as a stopped process says nothing; closing its stream ends it.
        _session.Dispose();
        if (_reading.Wait(Target.StopPatience))
            _source.Dispose();
    }

    private void Read()
    {
        try
        {
            _source.Process();
        }
        catch (Exception error) when (error is IOException or FormatException or ObjectDisposedException)
        {
            // The stream of a process that is killed ends in the middle of an event.
        }
    }

    private void OnEvent(TraceEvent data)
    {
        if (data.ProviderName != MemoryEventSource.SourceName)
        {
            return;
        }

        long Number(string name) => (long)data.PayloadByName(name);
        string Text(string name) => (string)data.PayloadByName(name);
        switch (data.EventName)
        {
            case "Frame":
                State.Add(new LiveFrame(
                    data.TimeStampRelativeMSec / 1000, Number("number"), Number("nanoseconds"), Number("allocations"),
                        Number("allocatedBytes"), Number("pageFaults"),
                    Number("overflows"), Number("managedBytes"), Number("collections")));
                break;
            case "Span":
                State.Add(new LiveSpan(Text("track"), Text("name"), Number("nanoseconds")));
                break;
            case "StatePart":
                AddPart(data);
                break;
        }
    }

    private void AddPart(TraceEvent data)
    {
        try
        {
            if (_parts.Add(data) is { } state)
                State.Complete(state);
        }
        catch (JsonException error)
        {
            Unreadable = error.Message;
        }
    }
}
