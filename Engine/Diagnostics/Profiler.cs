using System.Diagnostics;
using System.Runtime.CompilerServices;
using Silk.NET.Core.Contexts;
using SuperSlab.Scenes;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Records a game's frames, and makes a <see cref="ProfileDocument"/> of them and of the state of all layers.
/// <code>
/// MemoryCounters.Enable();                              // first thing in the program: counts allocations and tags
/// using EngineMemory memory = new();
/// using Profiler profiler = new(memory);
/// using Scene scene = Scene.Load(memory, plan);
/// profiler.NoteLoad(scene);
/// ... each frame: profiler.BeginFrame(); ... profiler.EndFrame(); ...
/// profiler.NoteUnload(scene);                           // after the last frame, before the scene is unloaded
/// profiler.ToDocument("my game").Write("profile.json");
/// </code>
/// </summary>
/// <remarks>
/// Made at level load by the thread that runs the frames, which makes all calls; other threads need none. The
/// profiler's memory is its own and resident from the start: it adds no allocation, fault or OS call to a frame. A
/// frame pays for two readings of the clock and, for each thread and arena, of each tag's counter; sometimes also for
/// a sample of what the arenas hold, some microseconds.
/// </remarks>
public sealed class Profiler : IFrameObserver, IDisposable
{
    private readonly ProfilerOptions _options;
    private readonly FrameTimeline _timeline;
    private readonly MemoryCurves _curves;
    private readonly TagCounters _counters;
    private readonly ProfileEvents _events = new();
    private readonly Dictionary<(string Scene, long PlannedBytes), ProfileDocument.PlanUse> _plans = [];
    private readonly DateTimeOffset _began;

    private readonly TimeProvider? _clock; // null for the system's, which is read without a virtual call
    private readonly double _nanosecondsPerTick;
    private readonly long _beganTicks;
    private FaultAttribution? _faults;
    private FrameRecord _frame;
    private HotLoopCounts _begun;
    private long _overflows;
    private int _ownedSuperSlabs;
    private bool _countsAreOld = true;
    private bool _isInFrame;

    /// <summary>Whether this profiler has allocations sampled.</summary>
    private bool _samples;

    /// <summary>Makes the profiler's memory resident and runs its code once.</summary>
    /// <param name="memory">The memory to profile; disposed after the last call here.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="InvalidOperationException">It is to sample allocations, and another profiler of the memory
    /// does.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public Profiler(EngineMemory memory, ProfilerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ObjectDisposedException.ThrowIf(memory.Work.IsClosed, memory);
        _options = options ?? new ProfilerOptions();
        _options.Validate();
        Memory = memory;
        _clock = _options.TimeProvider == TimeProvider.System ? null : _options.TimeProvider;
        _nanosecondsPerTick = 1e9 / _options.TimeProvider.TimestampFrequency;
        _began = _options.TimeProvider.GetLocalNow();
        _beganTicks = Timestamp();
        _timeline = new FrameTimeline(
            _options.FrameCapacity, (long)_options.FrameBudget.TotalNanoseconds);
        _counters = new TagCounters(memory, _events);
        _curves = new MemoryCurves(_options.SampleCapacity, (long)_options.SampleInterval.TotalNanoseconds);
        try
        {
            WarmUp();
            BeginSampling();
            MemoryEventSource.Log.Publish(this);
        }
        catch
        {
            // The caller's clock runs in both, and may throw.
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// Gives the profile its page faults, with the profiler's frames: they need not be added to a
    /// <see cref="GameFrames"/>. Set before the first frame; the caller disposes
    /// it after the last one. Null, the default, leaves faults out.
    /// </summary>
    /// <exception cref="InvalidOperationException">A frame has begun.</exception>
    public FaultAttribution? Faults
    {
        get => _faults;
        set
        {
            if (FrameCount != 0 || _isInFrame)
                throw new InvalidOperationException("Faults are set before the first frame begins.");

            _faults = value;
            if (value is not null)
                value.FollowsProfiler = true;
        }
    }

    /// <summary>Frames that have ended.</summary>
    public long FrameCount => _timeline.Count;
    internal EngineMemory Memory { get; }
    internal TimeProvider TimeProvider => _options.TimeProvider;

    /// <summary>
    /// A frame begins. Allocations before the first one, and before a note between frames, have no frame. Hot-loop
    /// safe.
    /// </summary>
    /// <exception cref="InvalidOperationException">The last frame has not ended.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void BeginFrame()
    {
        TurnTo(isInFrame: true);
        if (_countsAreOld)
        {
            long now = NanosecondsAt(Timestamp());
            ReadCounters(now);
            NoteSuperSlabs(now);
            _countsAreOld = false;
        }

        _begun = Counts();
        long ticks = Timestamp();
        _frame.StartNanoseconds = NanosecondsAt(ticks);
        _faults?.BeginFrame(FrameCount, KernelTime(ticks));
    }

    /// <summary>
    /// The frame ends, after the workers' parts of it. Counts this thread's managed bytes, and its page faults if the
    /// options ask for them. Hot-loop safe.
    /// </summary>
    /// <exception cref="InvalidOperationException">No frame has begun.</exception>
    public void EndFrame()
    {
        long now = Timestamp();
        EndFrame(Counts() - _begun, now, _options.CountsPageFaults);
    }

    /// <summary>The frame ends, with counts of all threads that the caller has.</summary>
    /// <param name="counts">As in <see cref="HotLoopGuard.LastFrame"/>, after the guard's own EndFrame.</param>
    /// <exception cref="InvalidOperationException">No frame has begun.</exception>
    public void EndFrame(HotLoopCounts counts) => EndFrame(counts, Timestamp(), hasFaultCount: true);

    /// <summary>Samples what arenas and tags hold, between frames that are far apart, as around a load.</summary>
    public void Sample() => Sample(NanosecondsAt(Timestamp()));

    /// <summary>Notes a span that is no frame. Allocates, so not in a frame.</summary>
    /// <param name="track">Where it is drawn: a thread, or a kind of work such as "loads".</param>
    /// <param name="name">Its text.</param>
    /// <param name="start">Its begin, by <see cref="Stopwatch.GetTimestamp"/> or the options' clock.</param>
    /// <param name="end">Its end, by the same clock.</param>
    public void NoteSpan(string track, string name, long start, long end)
    {
        ArgumentException.ThrowIfNullOrEmpty(track);
        ArgumentException.ThrowIfNullOrEmpty(name);
        long startNanoseconds = NanosecondsAt(start);
        AddSpan(track, name, startNanoseconds, NanosecondsAt(end) - startNanoseconds);
    }

    void IFrameObserver.BeginFrame(long frame) => BeginFrame();

    void IFrameObserver.EndFrame(in HotLoopCounts? counts)
    {
        if (counts is { } guarded)
            EndFrame(guarded);
        else
            EndFrame();
    }

    /// <summary>Notes a scene's load, which has just ended. Not in a frame.</summary>
    public void NoteLoad(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        long now = NanosecondsAt(Timestamp());
        long took = (long)scene.Report.Duration.TotalNanoseconds;
        AddSpan("loads", $"load '{scene.Plan.Name}'", now - took, took);
        Sample(now);
    }

    /// <summary>
    /// Notes a load in the background that has ended or failed, with the times of the loader's thread, on its own
    /// track. Call it before the scene unloads or loads again; not in a frame.
    /// </summary>
    /// <exception cref="InvalidOperationException">The load has not ended, or the scene unloads.</exception>
    public void NoteLoad(StreamedScene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        StreamState state = scene.State;
        if (state is not (StreamState.Loaded or StreamState.Failed))
        {
            throw new InvalidOperationException(
                $"The load of scene '{scene.Plan.Name}' cannot be noted now; "
                + $"its state is {state}, and must be {StreamState.Loaded} or {StreamState.Failed}.");
        }

        string outcome = state == StreamState.Failed ? ", failed" : "";
        NoteSpan("background loads", $"load '{scene.Plan.Name}'{outcome}", scene.WorkBegan, scene.WorkEnded);
    }

    /// <summary>
    /// Notes what a scene used of its plan before it unloads, and a plan that would have fitted; of several loads of
    /// one plan, the one that took the most. Not in a frame, nor while other threads use the scene.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The scene is unloaded.</exception>
    public void NoteUnload(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        long now = NanosecondsAt(Timestamp());
        Sample(now);
        AddSpan("loads", $"unload '{scene.Plan.Name}'", now, 0);
        ProfileDocument.PlanUse use = ProfileDocument.PlanUse.Of(scene);
        ProfileDocument.PlanUse? most = _plans.GetValueOrDefault((use.Scene, use.PlannedBytes));
        if (most is null || (use.TakenBytes, use.UsedBytes).CompareTo((most.TakenBytes, most.UsedBytes)) > 0)
            _plans[(use.Scene, use.PlannedBytes)] = use;
    }

    /// <summary>The profile so far, with the memory as it is now. After the hot loop: it allocates.</summary>
    /// <param name="application">Names the program in the profile, with its arguments.</param>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public ProfileDocument ToDocument(string application)
    {
        ArgumentNullException.ThrowIfNull(application);
        ProfileDocument document = ProfileDocument.OfMemory(Memory);
        ProfileFrames frames = _timeline.ToFrames(CounterSwitch.IsOn);
        IReadOnlyList<ProfileDocument.TrackEvent> events = _events.ToEvents();
        return HitchFinder.AddTo(document with
        {
            Application = application,
            Began = _began,
            Nanoseconds = NanosecondsAt(Timestamp()),
            Tags = [.. document.Tags.Select(_counters.WithPeak)],
            Frames = frames,
            Memory = _curves.ToSeries([.. document.Tags.Select(tag => tag.Text)]),
            Events = events,
            LostEventCount = _events.LostCount,
            Plans = [.. _plans.Values],
            Faults = Faults?.Collect() ?? document.Faults,
            CallSites = ReadCallSites(),
        });
    }

    /// <summary>Frees the profiler's memory, and takes no more samples. A second call does nothing.</summary>
    public void Dispose()
    {
        if (_samples)
            Memory.Counters!.EndSampling();

        _samples = false;
        MemoryEventSource.Log.Unpublish(this);
        _timeline.Dispose();
        _curves.Dispose();
        _counters.Dispose();
        _events.Dispose();
    }

    private void BeginSampling()
    {
        if (_options.SampleAllocationsEvery == 0 || Memory.Counters is not { } counters)
            return;

        _samples = counters.TryBeginSampling(
            _options.SampleAllocationsEvery, _options.SampleSeed, _options.SampleLimits, NewContext());
        if (!_samples)
        {
            throw new InvalidOperationException(
                "Another profiler samples the allocations of this memory; dispose it before this one is made.");
        }
    }

    /// <summary>Where the system's functions are found.</summary>
    private INativeContext NewContext() => Memory.Options.NativeContext ?? ThisPlatform.CreateContext();

    private ProfileCallSites ReadCallSites()
    {
        if (_options.SampleAllocationsEvery == 0)
            return new ProfileCallSites();

        if (Memory.Counters?.ReadSamples() is not { } samples)
            return new ProfileCallSites { Unavailable = $"counters are off (the switch {CounterSwitch.Name})" };

        INativeContext context = NewContext();
        CallSites callSites = new(new LinuxFiles(context), context);
        return new CallSiteTable(samples, callSites, Memory.Counters.NoStacks).Make();
    }

    private void WarmUp()
    {
        // Static constructors run before the frames' methods compile; else each frame checks for them.
        RuntimeHelpers.RunClassConstructor(typeof(AllocationTag).TypeHandle);
        RuntimeHelpers.RunClassConstructor(typeof(MemoryEventSource).TypeHandle);
        for (int round = 0; round < 3; round++)
        {
            BeginFrame();
            Sample();
            _counters.NotePeak(0, 0, 0);
            _events.Add(0, ProfileEvents.Kind.SuperSlabs, 0, 0);
            EndFrame();
            BeginFrame();
            EndFrame(default);
        }

        _timeline.Clear();
        _curves.Clear();
        _events.Clear();
        _counters.ClearPeaks();
        _countsAreOld = true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TurnTo(bool isInFrame)
    {
        if (_isInFrame == isInFrame)
            ThrowWrongTurn();

        _isInFrame = isInFrame;
    }

    private void ThrowWrongTurn() => throw new InvalidOperationException(
        _isInFrame ? "A frame begins before the last one has ended." : "A frame ends that has not begun.");

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long Timestamp() => _clock is null ? Stopwatch.GetTimestamp() : _clock.GetTimestamp();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long NanosecondsAt(long ticks) => (long)((ticks - _beganTicks) * _nanosecondsPerTick);

    /// <summary>Faults carry the kernel's time, which only the system's clock has.</summary>
    private long KernelTime(long ticks) => _clock is null ? ticks : Stopwatch.GetTimestamp();

    // Compiled fully at once, like what it calls: a game's first frames count too.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void EndFrame(HotLoopCounts counts, long ticks, bool hasFaultCount)
    {
        TurnTo(isInFrame: false);
        _faults?.EndFrame(KernelTime(ticks));
        long now = NanosecondsAt(ticks);
        Debug.Assert(now >= _frame.StartNanoseconds, "The clock does not go back.");
        _frame.Nanoseconds = now - _frame.StartNanoseconds;
        _frame.PageFaultCount = counts.PageFaults;
        _frame.ManagedBytes = counts.ManagedBytes;
        _frame.Collections = counts.Collections;
        CounterCell before = _counters.Sum;
        long overflowsBefore = _overflows;
        ReadCounters(now);
        if (_curves.IsDue(now))
            AddSample(now);

        _frame.AllocationCount = _counters.Sum.Allocations - before.Allocations;
        _frame.AllocatedBytes = _counters.Sum.AllocatedBytes - before.AllocatedBytes;
        _frame.OverflowCount = _overflows - overflowsBefore;
        _timeline.Add(_frame, hasFaultCount);
        NoteSuperSlabs(now);
        if (MemoryEventSource.Log.IsEnabled())
            PublishFrame();
    }

    /// <summary>Sends the frame to the listeners; it pays for the report that one of them may have asked for.</summary>
    private void PublishFrame()
    {
        FrameRecord frame = _frame;
        MemoryEventSource.Log.Frame(
            FrameCount - 1,
            frame.Nanoseconds,
            frame.AllocationCount,
            frame.AllocatedBytes,
            frame.PageFaultCount,
            frame.OverflowCount,
            frame.ManagedBytes,
            frame.Collections);
        if (MemoryEventSource.Log.IsReportWanted && !Memory.Work.IsClosed)
            MemoryEventSource.Log.Report(ToDocument(ProfileDocument.CommandText(Environment.GetCommandLineArgs())));
    }

    private HotLoopCounts Counts() => new()
    {
        PageFaults = _options.CountsPageFaults ? PageFaults.OfThread() : 0,
        ManagedBytes = GC.GetAllocatedBytesForCurrentThread(),
        Collections = GC.CollectionCount(0),
    };

    private void AddSpan(string track, string name, long startNanoseconds, long nanoseconds)
    {
        _events.Add(new ProfileDocument.TrackEvent(track, name, startNanoseconds, nanoseconds));
        MemoryEventSource.Log.Span(track, name, nanoseconds);
    }

    private void Sample(long now)
    {
        ReadCounters(now);
        AddSample(now);
        NoteSuperSlabs(now);
        _countsAreOld = true;
    }

    private void NoteSuperSlabs(long now)
    {
        int owned = Memory.OwnedSuperSlabCount;
        if (owned != _ownedSuperSlabs)
        {
            _events.Add(now, ProfileEvents.Kind.SuperSlabs, owned, owned - _ownedSuperSlabs);
            _ownedSuperSlabs = owned;
        }
    }

    private void ReadCounters(long now)
    {
        _overflows = Memory.Arenas.Overflows;
        _counters.Read(now);
    }

    /// <summary>Adds what memory is used for, and the tags by the counters read last, to the curves.</summary>
    private void AddSample(long now)
    {
        _curves.Begin(now);
        var reader = new CurveReader(_curves);
        Memory.Arenas.Read(ref reader);
        long ready = (long)Memory.ReadySuperSlabCount << SlabGeometry.SuperSlabShift;
        _curves.SetShared(ready, (long)Memory.MetadataBytes);
        _counters.AddTo(_curves);
    }
}
