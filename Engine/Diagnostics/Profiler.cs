using System.Diagnostics;
using System.Runtime.CompilerServices;
using SuperSlab.Scenes;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Keeps what the frames of a game did, and makes a <see cref="ProfileDocument"/> of that and of what all layers know.
/// <code>
/// MemoryCounters.Enable();                              // first thing in the program: allocations and tags are counted
/// using EngineMemory memory = new();
/// using Profiler profiler = new(memory);
/// using Scene scene = Scene.Load(memory, plan);
/// profiler.NoteLoad(scene);
/// ... each frame:
/// profiler.BeginFrame();
/// ... the frame ...
/// profiler.EndFrame();
/// ... before the scene is unloaded, after the last frame:
/// profiler.NoteUnload(scene);
/// profiler.ToDocument("my game").Write("profile.json");
/// </code>
/// Made at level load, by the thread that begins and ends the frames and makes all calls here; other threads of the game need not know of
/// it. Its memory is its own, and written through when it is made: a frame allocates nothing, faults nothing and makes no OS call for its
/// sake. A frame's two calls cost two readings of the clock and, for each thread and arena, the reading of a counter for each tag; now and then a
/// sample of what the arenas hold is taken, some microseconds.
/// </summary>
public sealed class Profiler : IFrameObserver, IDisposable
{
    private readonly EngineMemory _memory;
    private readonly ProfilerOptions _options;
    private readonly FrameTimeline _timeline;
    private readonly TimeHistogram _times = new();
    private readonly MemoryCurves _curves;
    private readonly NativeArray<CounterCell> _sums = new(ThreadCounters.Tags);
    private readonly NativeArray<long> _tagPeaks = new(ThreadCounters.Tags);
    private readonly ProfileMoments _moments = new();
    private readonly List<ProfilePlan> _plans = [];
    private readonly double _nanosecondsPerTick = 1e9 / Stopwatch.Frequency;
    private readonly DateTimeOffset _began;
    private readonly long _beganTicks;
    private FrameRecord _frame;
    private HotLoopCounts _begun;
    private CounterCell _counted;
    private long _overflows;
    private int _ownedSuperSlabs;
    private bool _countsAreOld = true;

    /// <summary>Makes the profiler's memory resident and runs its code once.</summary>
    /// <param name="memory">Whose arenas are looked at. The profile must be made before it is disposed.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public Profiler(EngineMemory memory, ProfilerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ObjectDisposedException.ThrowIf(memory.Work.IsClosed, memory);
        _options = options ?? new ProfilerOptions();
        _options.Validate();
        _memory = memory;
        _timeline = new FrameTimeline(_options.FrameCapacity);
        _curves = new MemoryCurves(_options.SampleCapacity, (long)(_options.SampleSeconds * Stopwatch.Frequency));
        _began = DateTimeOffset.Now;
        _beganTicks = Stopwatch.GetTimestamp();

        // The frames' code is compiled once: what it reads of other classes must be there by then, or it looks each time.
        RuntimeHelpers.RunClassConstructor(typeof(AllocationTag).TypeHandle);
        RuntimeHelpers.RunClassConstructor(typeof(MemoryEventSource).TypeHandle);
        for (int round = 0; round < 3; round++)
        {
            BeginFrame();
            Sample();
            NotePeak(0, 0);
            _moments.Add(_beganTicks, MomentKind.SuperSlabs, 0, 0);
            EndFrame();
            BeginFrame();
            EndFrame(default);
        }

        _timeline.Clear();
        _times.Clear();
        _curves.Clear();
        _moments.Clear();
        _tagPeaks.Span.Clear();
        _countsAreOld = true;
        MemoryEventSource.Log.Publish(this);
    }

    /// <summary>
    /// Whose page faults the profile tells: the frames begin and end there too, and the threads to be observed say so there themselves. Set
    /// before the first frame; whoever made it disposes it, after the last. Null, the default, leaves faults out.
    /// </summary>
    public FaultAttribution? Faults { get; set; }

    /// <summary>Frames that have ended.</summary>
    public long Frames => _timeline.Count;

    internal EngineMemory Memory => _memory;

    /// <summary>A frame begins. What was allocated before the first frame, and before what is noted here between frames, is no frame's. Hot-loop safe.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void BeginFrame()
    {
        if (_countsAreOld)
        {
            ReadCounters();
            NoteSuperSlabs(Stopwatch.GetTimestamp());
            _countsAreOld = false;
        }

        _begun = Counts();
        _frame.Start = Stopwatch.GetTimestamp();
        Faults?.BeginFrame(Frames, _frame.Start);
    }

    /// <summary>
    /// The frame ends; workers have ended their parts before. Managed bytes are those of this thread, and page faults, where the options
    /// ask for them. Hot-loop safe.
    /// </summary>
    public void EndFrame()
    {
        long now = Stopwatch.GetTimestamp();
        EndFrame(Counts() - _begun, now);
    }

    /// <summary>The same where somebody counted all threads' faults, bytes and collections already.</summary>
    /// <param name="counts">What the frame did: <see cref="HotLoopGuard.LastFrame"/>, after the guard's own EndFrame.</param>
    public void EndFrame(HotLoopCounts counts) => EndFrame(counts, Stopwatch.GetTimestamp());

    void IFrameObserver.BeginFrame(long frame) => BeginFrame();

    void IFrameObserver.EndFrame(in HotLoopCounts? counts)
    {
        if (counts is { } guarded)
            EndFrame(guarded);
        else
            EndFrame();
    }

    /// <summary>Takes a sample of what the arenas and tags hold: between frames, where there are none for long, as before and after a load.</summary>
    public void Sample() => Sample(Stopwatch.GetTimestamp());

    /// <summary>Notes a span that is no frame. Not in a frame: it allocates.</summary>
    /// <param name="track">Where it is drawn: a thread, or a kind of work such as "loads".</param>
    /// <param name="name">What it was.</param>
    /// <param name="start">When it began, as <see cref="Stopwatch.GetTimestamp"/> told.</param>
    /// <param name="end">When it ended.</param>
    public void NoteSpan(string track, string name, long start, long end)
    {
        ArgumentException.ThrowIfNullOrEmpty(track);
        ArgumentException.ThrowIfNullOrEmpty(name);
        long nanoseconds = (long)((end - start) * _nanosecondsPerTick);
        _moments.AddSpan(new ProfileEvent(track, name, NanosecondsAt(start), nanoseconds));
        MemoryEventSource.Log.Span(track, name, nanoseconds);
    }

    /// <summary>Notes a scene's load, which has just ended. Not in a frame.</summary>
    public void NoteLoad(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        long now = Stopwatch.GetTimestamp();
        NoteSpan("loads", $"load '{scene.Plan.Name}'", now - (long)(scene.Report.Duration.TotalSeconds * Stopwatch.Frequency), now);
        Sample(now);
    }

    /// <summary>
    /// Notes a load in the background, which has ended, well or not, with the times of the loader's thread: on a track of its own, because
    /// frames went on beside it. Before the scene is told to unload or to load again; not in a frame.
    /// </summary>
    /// <exception cref="InvalidOperationException">The load has not ended, or the scene was told to unload.</exception>
    public void NoteLoad(StreamedScene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        StreamState state = scene.State;
        if (state is not (StreamState.Loaded or StreamState.Failed))
        {
            throw new InvalidOperationException(
                $"The load of scene '{scene.Plan.Name}' cannot be noted now; its state is {state}, and must be {StreamState.Loaded} or {StreamState.Failed}.");
        }

        string outcome = state == StreamState.Failed ? ", failed" : "";
        NoteSpan("background loads", $"load '{scene.Plan.Name}'{outcome}", scene.WorkBegan, scene.WorkEnded);
    }

    /// <summary>
    /// Notes what a scene used of its plan, which is about to be unloaded, and a plan that would have fitted. Not in a frame; nobody uses
    /// the scene meanwhile.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The scene is unloaded.</exception>
    public void NoteUnload(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        long now = Stopwatch.GetTimestamp();
        Sample(now);
        NoteSpan("loads", $"unload '{scene.Plan.Name}'", now, now);
        _plans.Add(ProfilePlans.Of(scene));
    }

    /// <summary>
    /// Everything so far, with a snapshot of the memory as it is now. After the hot loop: it allocates, and asks the system what is
    /// resident.
    /// </summary>
    /// <param name="application">What the profile says it is of: the program, with its arguments.</param>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public ProfileDocument ToDocument(string application)
    {
        ArgumentNullException.ThrowIfNull(application);
        ProfileDocument document = ProfileLayers.Read(_memory, _tagPeaks.Span);
        ProfileFrames frames = ProfileTimes.Frames(_timeline, _times, NanosecondsAt, _nanosecondsPerTick);
        IReadOnlyList<ProfileEvent> events = _moments.ToEvents(NanosecondsAt);
        return document with
        {
            Application = application,
            Began = _began,
            Nanoseconds = NanosecondsAt(Stopwatch.GetTimestamp()),
            Frames = frames,
            Hitches = ProfileTimes.Hitches(frames, events),
            Memory = _curves.ToSeries(NanosecondsAt, [.. document.Tags.Select(tag => tag.Name)]),
            Events = events,
            Plans = [.. _plans],
            Faults = Faults?.Collect() ?? document.Faults,
        };
    }

    /// <summary>Gives the profiler's memory back. A second call does nothing.</summary>
    public void Dispose()
    {
        MemoryEventSource.Log.Unpublish(this);
        _timeline.Dispose();
        _times.Dispose();
        _curves.Dispose();
        _sums.Dispose();
        _tagPeaks.Dispose();
        _moments.Dispose();
    }

    // Compiled fully at once, like what it calls: a game's first frames count too.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void EndFrame(HotLoopCounts counts, long now)
    {
        Faults?.EndFrame(now);
        _frame.Ticks = now - _frame.Start;
        (_frame.PageFaults, _frame.ManagedBytes, _frame.Collections) = (counts.PageFaults, counts.ManagedBytes, counts.Collections);
        CounterCell before = _counted;
        long overflowsBefore = _overflows;
        ReadCounters();
        if (_curves.IsDue(now))
            AddSample(now);

        _frame.Allocations = _counted.Allocations - before.Allocations;
        _frame.AllocatedBytes = _counted.AllocatedBytes - before.AllocatedBytes;
        _frame.Overflows = _overflows - overflowsBefore;
        long nanoseconds = (long)(_frame.Ticks * _nanosecondsPerTick);
        _timeline.Add(_frame);
        _times.Add(nanoseconds);
        NoteSuperSlabs(now);
        if (MemoryEventSource.Log.IsEnabled())
            Publish(nanoseconds);
    }

    /// <summary>Tells the listeners of the frame that has ended; it pays for the report that one of them may have asked for.</summary>
    private void Publish(long nanoseconds)
    {
        MemoryEventSource.Log.Frame(_timeline.Count - 1, nanoseconds, _frame);
        if (MemoryEventSource.Log.IsReportWanted && !_memory.Work.IsClosed)
            MemoryEventSource.Log.Report(ToDocument(Environment.CommandLine));
    }

    private HotLoopCounts Counts() => new()
    {
        PageFaults = _options.CountsPageFaults ? PageFaults.OfThread() : 0,
        ManagedBytes = GC.GetAllocatedBytesForCurrentThread(),
        Collections = GC.CollectionCount(0),
    };

    private long NanosecondsAt(long ticks) => (long)((ticks - _beganTicks) * _nanosecondsPerTick);

    private void Sample(long now)
    {
        ReadCounters();
        AddSample(now);
        NoteSuperSlabs(now);
        _countsAreOld = true;
    }

    private void NoteSuperSlabs(long now)
    {
        int owned = _memory.OwnedSuperSlabCount;
        if (owned != _ownedSuperSlabs)
        {
            _moments.Add(now, MomentKind.SuperSlabs, owned, owned - _ownedSuperSlabs);
            _ownedSuperSlabs = owned;
        }
    }

    /// <summary>Reads what was allocated so far, and how much lives under each tag.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ReadCounters()
    {
        _overflows = _memory.Arenas.Overflows;
        Span<CounterCell> sums = _sums.Span[..AllocationTag.Count];
        if (!_memory.TryReadCounters(sums))
            return;

        _counted = default;
        for (int tag = 0; tag < sums.Length; tag++)
        {
            _counted.Add(sums[tag]);
            long live = sums[tag].LiveBytes;
            if (live > _tagPeaks[tag])
                NotePeak(tag, live);
        }
    }

    // A method of its own also to the compiler, or the constructor's call would not compile it for the frames.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void NotePeak(int tag, long live)
    {
        long budget = (long)(AllocationTag.Of(tag)?.BudgetBytes ?? 0);
        if (budget != 0 && live > budget && _tagPeaks[tag] <= budget)
            _moments.Add(Stopwatch.GetTimestamp(), MomentKind.TagOverBudget, tag, live);

        _tagPeaks[tag] = live;
    }

    /// <summary>Adds what the arenas hold, and the tags by the counters read last, to the curves.</summary>
    private void AddSample(long now)
    {
        _curves.Begin(now);
        var reader = new CurveReader(_curves);
        _memory.Arenas.Read(ref reader);
        for (int tag = 0; CounterSwitch.IsOn && tag < AllocationTag.Count; tag++)
            _curves.SetTag(tag, _sums[tag].LiveBytes);
    }
}

/// <summary>What a <see cref="Profiler"/> keeps and asks. Immutable.</summary>
public sealed record ProfilerOptions
{
    /// <summary>How many frames are kept one by one, 64 bytes each; percentiles are those of all frames. 2 to 16 million. Default 16,384.</summary>
    public int FrameCapacity { get; init; } = 16_384;

    /// <summary>How many samples of memory over time are kept, about 800 bytes each: an even number from 2 to 1 million. Default 2,048.</summary>
    public int SampleCapacity { get; init; } = 2048;

    /// <summary>The least time between two samples in seconds, from 0 to 3,600; it doubles each time that the samples are full. Default 0.01.</summary>
    public double SampleSeconds { get; init; } = 0.01;

    /// <summary>
    /// Whether the page faults of the profiler's thread are counted: two calls to the system in each frame, about 0.4 microseconds. Default
    /// false; there is no need where a <see cref="Scenes.HotLoopGuard"/> counts them, see <see cref="Profiler.EndFrame(Scenes.HotLoopCounts)"/>.
    /// </summary>
    public bool CountsPageFaults { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    internal void Validate()
    {
        Check(FrameCapacity is >= 2 and <= 1 << 24, nameof(FrameCapacity), FrameCapacity, "from 2 to 16,777,216");
        Check(SampleCapacity is >= 2 and <= 1_000_000 && SampleCapacity % 2 == 0, nameof(SampleCapacity), SampleCapacity, "an even number from 2 to 1,000,000");
        Check(SampleSeconds is >= 0 and <= 3600, nameof(SampleSeconds), SampleSeconds, "from 0 to 3,600");
    }

    private static void Check(bool holds, string name, object value, string allowed)
    {
        if (!holds)
            throw new ArgumentOutOfRangeException(name, value, $"ProfilerOptions.{name} is {value}; it must be {allowed}.");
    }
}
