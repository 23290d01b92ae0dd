using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Tracing;
using System.Text;
using Engine.Tests.Support;

namespace Engine.Tests.Diagnostics;

/// <summary>The events as a listener gets them, and what they cost while there is none.</summary>
[NonParallelizable]
internal sealed class MemoryEventSourceTests
{
    [Test]
    public void Frames_and_spans_arrive_with_the_profilers_numbers()
    {
        using EngineMemory memory = new();
        using Profiler profiler = new(memory);
        using Listener listener = new(MemoryEventSource.Keywords.Frames | MemoryEventSource.Keywords.Spans);
        Run(profiler, 5);
        profiler.NoteSpan("loads", "load 'forest'", 0, Stopwatch.Frequency);
        ProfileFrames frames = profiler.ToDocument("test").Frames;

        Assert.Multiple(() =>
        {
            Assert.That(listener.Of("Frame").Select(item => (long)item[0]), Is.EqualTo(Enumerable.Range(0, 5)));
            Assert.That(
                listener.Of("Frame").Select(item => item[1..]),
                Is.EqualTo(Enumerable.Range(0, 5).Select(index => ProfileTable.FrameColumns.Skip(1).Select(column =>
                    frames[column.Name].ElementAtOrDefault(index)))),
                "the columns in their order, but for the start; 0 for what is not counted");
            Assert.That(string.Join('|', listener.Of("Span").Single()), Is.EqualTo("loads|load 'forest'|1000000000"));
            Assert.That(listener.Of("StatePart"), Is.Empty, "nobody asked for the state");
        });
    }

    [Test]
    public void The_state_arrives_again_and_again_and_its_end_is_marked()
    {
        using EngineMemory memory = new();
        using LongLivedArena world = memory.CreateLongLivedArena("world");
        ManualTime clock = new();
        using Profiler profiler = new(memory, new ProfilerOptions { TimeProvider = clock });
        using Listener listener = new(MemoryEventSource.Keywords.State, ("IntervalSeconds", "0.5"));
        clock.Advance(TimeSpan.FromSeconds(1));
        ProfileDocument[] states = [.. listener.States()];
        Assert.That(states, Has.Length.EqualTo(3), "at once, and each half of a second");
        Assert.That(states[0].Arenas.Single().Name.ToString(), Is.EqualTo("world"));
        Assert.That(states[0].Totals.OwnedSuperSlabCount, Is.EqualTo(memory.OwnedSuperSlabCount));
    }

    [Test]
    public void The_whole_profile_arrives_in_parts_with_the_next_frame()
    {
        using EngineMemory memory = new();
        using LongLivedArena world = memory.CreateLongLivedArena("world");
        using Profiler profiler = new(memory);
        Run(profiler, 2000);
        using Listener listener = new(MemoryEventSource.Keywords.Report);
        Assert.That(listener.Of("ReportPart"), Is.Empty, "it waits for the frame's end");
        Run(profiler, 1);
        Assert.That(() => listener.Of("ReportPart").Count(), Is.Positive.After(20_000, 50));
        long count = (long)listener.Of("ReportPart").First()[3];
        Assert.That(() => listener.Of("ReportPart").Count(), Is.EqualTo(count).After(20_000, 50));
        Run(profiler, 1);

        string json = string.Concat(listener.Of("ReportPart").Select(item => item[0]));
        ProfileDocument document = ProfileDocument.Read(new MemoryStream(Encoding.UTF8.GetBytes(json)));
        Assert.Multiple(() =>
        {
            Assert.That(count, Is.GreaterThan(1), "the test sends more than one part");
            Assert.That(document.Frames.Count, Is.EqualTo(2001));
            Assert.That(document.Arenas.Single().Name, Is.EqualTo(new RowName("world")));
            Assert.That(listener.Of("ReportPart").Count(), Is.EqualTo(count), "once for each time it is asked for");
        });
    }

    [Test]
    public void Frames_allocate_nothing_while_nobody_listens()
    {
        using EngineMemory memory = new();
        using Profiler profiler = new(memory);
        Run(profiler, 100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run(profiler, 10_000);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void A_profiler_that_is_gone_is_not_looked_at()
    {
        ManualTime clock = new();
        using Listener listener = new(MemoryEventSource.Keywords.State);
        using (EngineMemory memory = new())
        using (Profiler profiler = new(memory, new ProfilerOptions { TimeProvider = clock }))
        {
            clock.Advance(TimeSpan.FromSeconds(10));
            Assert.That(listener.States(), Is.Not.Empty);
        }

        int seen = listener.States().Count();
        clock.Advance(TimeSpan.FromSeconds(10));
        Assert.That((listener.States().Count(), clock.TimerCount), Is.EqualTo((seen, 0)));
    }

    private static void Run(Profiler profiler, int frames)
    {
        for (int frame = 0; frame < frames; frame++)
        {
            profiler.BeginFrame();
            profiler.EndFrame();
        }
    }

    /// <summary>Keeps the events of the source; listening ends with it.</summary>
    private sealed class Listener : EventListener
    {
        private readonly ConcurrentQueue<(string Name, object[] Values)> _events = new();

        public Listener(EventKeywords keywords, params (string Name, string Value)[] arguments) =>
            EnableEvents(MemoryEventSource.Log, EventLevel.Informational, keywords, arguments.ToDictionary(one =>
                one.Name, one => (string?)one.Value));

        public IEnumerable<ProfileDocument> States() => Of("StatePart").GroupBy(item => item[1]).Select(parts =>
            ProfileDocument.Read(new MemoryStream(Encoding.UTF8.GetBytes(string.Concat(parts.Select(item =>
                item[0]))))));

        public IEnumerable<object[]> Of(string name) => _events.Where(item => item.Name == name).Select(item =>
            item.Values);

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (eventData.EventSource.Name == MemoryEventSource.SourceName)
                _events.Enqueue((eventData.EventName!, [.. eventData.Payload!.Select(value => value!)]));
        }
    }
}
