using System.Diagnostics;
using System.Diagnostics.Tracing;

namespace Engine.Tests.Reports.Target;

/// <summary>
/// What this assembly is when it is started as a program: a process for the profiler to watch. "game" plays frames with
/// the engine's memory, "idle" has no engine, "newer" tells of it as a later library might. It says "ready", and ends
/// when its standard input does.
/// </summary>
internal static class Program
{
    private static void Main(string[] arguments)
    {
        using CancellationTokenSource stop = new();
        new Thread(() =>
        {
            Console.In.ReadToEnd();
            stop.Cancel();
        })
        { IsBackground = true }.Start();
        if (arguments is ["game"])
        {
            Play(stop.Token);
        }
        else
        {
            using Timer? newer = arguments is ["newer"]
                ? new Timer(_ => NewerLibrary.Log.Tell(), null, TimeSpan.Zero, TimeSpan.FromSeconds(0.1))
                : null;
            Console.Out.WriteLine("ready");
            stop.Token.WaitHandle.WaitOne();
        }
    }

    private static unsafe void Play(CancellationToken stop)
    {
        MemoryCounters.Enable();
        AllocationTag physics = AllocationTag.Register("physics", budgetBytes: 1 << 20);
        using EngineMemory memory = new();
        using Profiler profiler = new(memory, new ProfilerOptions { CountsPageFaults = true });
        using LongLivedArena world = memory.CreateLongLivedArena("world");
        using FrameArena scratch = memory.CreateFrameArena("scratch", cancellation: stop);
        long began = Stopwatch.GetTimestamp();
        world.Prewarm([new BlockCount(256, 20_000)], threads: 1, cancellation: stop);
        profiler.NoteSpan("loads", "load 'meadow'", began, Stopwatch.GetTimestamp());
        Queue<nint> blocks = new(capacity: 20_000);
        for (int frame = 0; !stop.IsCancellationRequested; frame++)
        {
            profiler.BeginFrame();
            scratch.NextFrame();
            scratch.Lane(0).AllocateSpan<float>(4096);
            using (physics.Begin())
            {
                for (int block = 0; block < 50 && blocks.Count < 10_000; block++)
                    blocks.Enqueue((nint)world.Allocate(256));
            }

            profiler.EndFrame();
            if (frame == 100)
                Console.Out.WriteLine("ready");

            Thread.Sleep(2);
        }
    }
}

/// <summary>The events of a library whose profiles have a later version.</summary>
[EventSource(Name = MemoryEventSource.SourceName)]
internal sealed class NewerLibrary : EventSource
{
    public static readonly NewerLibrary Log = new();

    private const string Profile = "{\"version\":3}";

    private int _document;

    [NonEvent]
    public void Tell()
    {
        _document++;
        StatePart(Profile, _document, 0, 1);
        ReportPart(Profile, _document, 0, 1);
    }

    [Event(3, Keywords = Keywords.State)]
    private void StatePart(string json, long document, long part, long count) =>
        WriteEvent(3, json, document, part, count);

    [Event(4, Keywords = Keywords.Report)]
    private void ReportPart(string json, long document, long part, long count) =>
        WriteEvent(4, json, document, part, count);

    /// <summary>An event source knows its own keywords only.</summary>
    public static class Keywords
    {
        public const EventKeywords State = MemoryEventSource.Keywords.State;

        public const EventKeywords Report = MemoryEventSource.Keywords.Report;
    }
}
