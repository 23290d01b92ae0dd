namespace SuperSlab.Scenes;

/// <summary>
/// Counts what a frame must not do, between <see cref="BeginFrame"/> and <see cref="EndFrame"/>, and names who did it.
/// <code>
/// using HotLoopGuard guard = new(memory, plan.HotLoop, new() { Log = Console.Error.WriteLine });
/// guard.Watch(scene);
/// ... each frame:
/// guard.BeginFrame();
/// ... the frame, on this thread and on workers that registered, each between its own Begin and End ...
/// guard.EndFrame();
/// </code>
/// The thread that makes the guard begins and ends the frames. It makes all calls here except
/// <see cref="RegisterThread"/>, which other threads call for themselves. <see cref="GameFrames"/> makes the calls of a
/// frame together with those of profilers and frame arenas.
/// </summary>
/// <remarks>
/// Threads that are not registered, such as one that loads the next level, do not count, and neither do parts that end
/// before the frame begins, such as jobs at a change of levels; only collections do, as they stop all threads. A frame without a violation allocates nothing and costs well under a microsecond a thread.
/// </remarks>
public sealed class HotLoopGuard : IDisposable
{
    private readonly EngineMemory _memory;
    private readonly HotLoopGuardOptions _options;
    private readonly Lock _lock = new();
    private readonly WatchedArenas _watched = new();
    private readonly GuardedThread _main;
    private GuardedThread[] _threads = [];
    private FramePart[] _parts = [];
    private FaultPlaces? _places;
    private bool _arePartsBooked;
    private bool _holdsKinds;
    private HotLoopRules _rules = new();
    private WatchedTags? _tags;
    private WatchedCounts _begun;
    private int _callStacksLeft;
    private int _warmUpLeft;
    private long _lastLog;
    private long _quietFrames;
    private bool _disposed;

    /// <summary>Registers the calling thread as the one that runs the frames. At level load.</summary>
    /// <param name="memory">The memory whose OS calls and arenas count.</param>
    /// <param name="rules">What is allowed, what is done about more, and the warm-up. Null takes the defaults.</param>
    /// <param name="options">How the guard reports. Null takes the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is negative.</exception>
    /// <exception cref="EngineMemoryException">The rules have one for tags, and memory counters are off.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public HotLoopGuard(EngineMemory memory, HotLoopRules? rules = null, HotLoopGuardOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ObjectDisposedException.ThrowIf(memory.Work.IsClosed, memory);
        _memory = memory;
        _options = options ?? new HotLoopGuardOptions();
        _options.Validate();
        Rules = rules ?? _rules;
        if (memory.Options.Checks == MemoryChecks.Full)
        {
            _options.Log?.Invoke(
                "The memory checks each use (MemoryChecks.Full, which Debug builds have by default): that allocates "
                    + "and calls the system, so frames break rules that they keep in Release.");
        }

        _callStacksLeft = _options.CallStackCount;
        _main = RegisterThread("main");
        _ = PartOf(WorkerPool.WaitName, isExcluded: true);
        _memory.Pool.Observer += OnDemand;
        _warmUpLeft = int.MaxValue;
        for (int round = 0; round < 3; round++)
        {
            BeginFrame();
            EndFrame();
        }

        FrameCount = 0;
        WarmUpTotal = default;
        _warmUpLeft = _rules.WarmUpFrameCount;
    }

    /// <summary>Frames that have begun.</summary>
    public long FrameCount { get; private set; }

    /// <summary>Whether the rules hold for the next frame: the warm-up is over.</summary>
    public bool IsArmed => _warmUpLeft == 0;

    /// <summary>What the last frame did.</summary>
    public HotLoopCounts LastFrame { get; private set; }

    /// <summary>What all armed frames did.</summary>
    public HotLoopCounts Total { get; private set; }

    /// <summary>What the frames of warm-ups did.</summary>
    public HotLoopCounts WarmUpTotal { get; private set; }

    /// <summary>Frames that broke a rule.</summary>
    public long ViolationCount { get; private set; }

    /// <summary>The first frame that broke a rule, or null.</summary>
    public HotLoopViolation? FirstViolation { get; private set; }

    /// <summary>The parts of frames that have names, in the order of their first uses.</summary>
    public IReadOnlyList<FramePart> Parts => _parts;

    /// <summary>
    /// Empty where each page fault of the frames' threads has an address; else why faults are only counted, so that the
    /// rule for those in the engine's memory sees just the ones in frames in which the engine asked the system for
    /// memory. The log says it once.
    /// </summary>
    public string Unplaced { get; private set; } = "";

    /// <summary>The rules. A new scene may bring its own, between two frames; they do not begin a warm-up.</summary>
    /// <exception cref="EngineMemoryException">They have one for tags, and memory counters are off.</exception>
    /// <exception cref="InvalidOperationException">A frame has begun.</exception>
    public HotLoopRules Rules
    {
        get => _rules;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            ThrowIfInFrame();
            _tags = value.TagOverrun is null ? null : _tags ?? new WatchedTags(_memory);
            _holdsKinds = (value.RuntimeFaults ?? value.HeapFaults ?? value.NativeFaults) is not null;
            _rules = value;
        }
    }

    /// <summary>Registers the calling thread, which brackets its work with the result. Allocates.</summary>
    /// <param name="name">The thread's name in reports.</param>
    public GuardedThread RegisterThread(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ObjectDisposedException.ThrowIf(_disposed, this);

        // Where the system counts faults only for the whole process, one thread counts them.
        bool countsFaults = PageFaults.IsSupported && (PageFaults.IsPerThread || _threads.Length == 0);
        GuardedThread thread = new(this, _memory, name, countsFaults, _options.FaultAddresses);
        lock (_lock)
        {
            _threads = [.. _threads, thread];
            Place(thread);
        }

        return thread;
    }

    /// <summary>
    /// Books what the calling thread does until the result is disposed under a name instead of in the frame: a
    /// driver's call, whose faults and waits are not the game's. Does nothing outside of frames and on threads that are
    /// not registered. Hot-loop safe after the first use of the name. Collections, overflows and overruns stay the
    /// frame's.
    /// <code>
    /// using (guard.Exclude("present"))
    ///     window.SwapBuffers();
    /// </code>
    /// </summary>
    public FramePartScope Exclude(string name) => Enter(name, isExcluded: true);

    /// <summary>
    /// Counts what the calling thread does until the result is disposed under a name besides: violations say in which
    /// part of the frame they happened. Otherwise like <see cref="Exclude"/>.
    /// </summary>
    public FramePartScope Part(string name) => Enter(name, isExcluded: false);

    /// <summary>Counts the overflows or budget overruns of an arena from now on. Between frames.</summary>
    /// <exception cref="InvalidOperationException">A frame has begun.</exception>
    public void Watch(LongLivedArena arena) => WatchAny(arena);

    /// <inheritdoc cref="Watch(LongLivedArena)"/>
    public void Watch(FrameArena arena) => WatchAny(arena);

    /// <summary>Counts the overflows and overruns of a scene's arenas from now on. Between frames.</summary>
    /// <exception cref="InvalidOperationException">A frame has begun.</exception>
    public void Watch(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        foreach (LongLivedArena arena in scene.Arenas)
            Watch(arena);

        if (scene.Plan.FrameArena is not null)
            Watch(scene.FrameArena);
    }

    /// <summary>Ends the counting of a scene's arenas. Between frames, before the scene is unloaded.</summary>
    /// <exception cref="InvalidOperationException">A frame has begun.</exception>
    public void Unwatch(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        foreach (LongLivedArena arena in scene.Arenas)
            Unwatch(arena);

        if (scene.Plan.FrameArena is not null)
            Unwatch(scene.FrameArena);
    }

    /// <summary>Ends the counting of an arena. Between frames, before the arena is disposed.</summary>
    /// <exception cref="InvalidOperationException">A frame has begun.</exception>
    public void Unwatch(LongLivedArena arena) => UnwatchAny(arena);

    /// <inheritdoc cref="Unwatch(LongLivedArena)"/>
    public void Unwatch(FrameArena arena) => UnwatchAny(arena);

    /// <summary>Suspends the rules for some frames, while new code runs the first time. Between frames.</summary>
    /// <param name="frameCount">How many frames.</param>
    /// <exception cref="InvalidOperationException">A frame has begun.</exception>
    public void WarmUp(int frameCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(frameCount);
        ThrowIfInFrame();
        _warmUpLeft = frameCount;
    }

    /// <summary>Begins a frame. Hot-loop safe.</summary>
    /// <exception cref="InvalidOperationException">
    /// The last frame has not ended, or the thread is not the one that made the guard. No frame has begun.
    /// </exception>
    public void BeginFrame()
    {
        ThrowIfElsewhere();
        ThrowIfInFrame();
        FrameCount++;
        _begun = _watched.Read();
        if (_arePartsBooked)
            SettleParts();

        foreach (GuardedThread thread in _threads)
            thread.DropNew();

        _main.Begin();
    }

    /// <summary>Ends the frame, after the workers' parts. Hot-loop safe unless a rule was broken.</summary>
    /// <exception cref="HotLoopViolationException">
    /// A rule was broken whose action is <see cref="HotLoopAction.Throw"/>. The frame has ended.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// No frame has begun, or the thread is not the one that made the guard.
    /// </exception>
    public void EndFrame()
    {
        if (!_main.IsInside)
            throw new InvalidOperationException("No frame has begun: call BeginFrame before EndFrame.");

        _main.End();
        WatchedCounts watched = _watched.Read();
        long tags = _tags is null ? 0 : _tags.Read();
        bool isClean = watched == _begun && tags == 0;
        GuardedThread[] threads = _threads;
        _places?.BeginFrame(_holdsKinds);
        foreach (GuardedThread thread in threads)
        {
            isClean &= !thread.TakeNew(_places, out bool hasParts);
            _arePartsBooked |= hasParts;
        }

        LastFrame = default;
        if (!isClean)
            EndWith(watched.Since(_begun) with { TagOverruns = tags }, threads);
        else if (_warmUpLeft > 0)
            _warmUpLeft--;
    }

    /// <summary>Stops watching. Other threads have unregistered before. A second call does nothing.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _memory.Pool.Observer -= OnDemand;
            _main.Dispose();
            _places?.Dispose();
        }
    }

    /// <exception cref="InvalidOperationException">The thread is not the one that made the guard.</exception>
    internal void ThrowIfElsewhere() => _main.ThrowIfElsewhere();

    internal void Remove(GuardedThread thread)
    {
        lock (_lock)
            _threads = Array.FindAll(_threads, other => other != thread);
    }

    /// <summary>Whether a call stack is still worth its cost. Any thread.</summary>
    internal bool MayTakeCallStack() => IsArmed && Interlocked.Decrement(ref _callStacksLeft) >= 0;

    /// <summary>Whether the rules hold waits, which a thread then counts where the kernel does not record them.</summary>
    internal bool CountsWaits => _rules.Waits is not null;

    /// <summary>Whether a frame would break a rule, or its code was still being compiled or faulted in.</summary>
    internal bool IsQuiet(in HotLoopCounts counts) => counts.RuntimeFaults == 0 && Broken(counts, out _) == 0;

    /// <summary>The part of a name, made with its first use. Any thread.</summary>
    internal FramePart PartOf(string name, bool isExcluded)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        lock (_lock)
        {
            FramePart? part = Array.Find(_parts, part => part.Name == name && part.IsExcluded == isExcluded);
            if (part is null)
                _parts = [.. _parts, part = new FramePart(name, isExcluded)];

            return part;
        }
    }

    private FramePartScope Enter(string name, bool isExcluded)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Current() is { } thread ? thread.Enter(name, isExcluded) : default;
    }

    /// <summary>The calling thread where it is inside its part of a frame, else null.</summary>
    private GuardedThread? Current()
    {
        int current = Environment.CurrentManagedThreadId;
        foreach (GuardedThread thread in _threads)
        {
            if (thread.ManagedId == current && thread.IsInside)
                return thread;
        }

        return null;
    }

    private void SettleParts()
    {
        _arePartsBooked = false;
        foreach (FramePart part in _parts)
            part.Settle();
    }

    private void OnDemand(Demand demand, int superSlabs) => Current()?.Demanded(demand, superSlabs);

    /// <summary>Prepares to name the owners of a thread's faults, or keeps why that cannot be.</summary>
    private void Place(GuardedThread thread)
    {
        if (thread.Unplaced.Length == 0)
        {
            _places ??= new FaultPlaces(_memory);
            _places.Add(thread.Name);
        }
        else if (Unplaced.Length == 0)
        {
            Unplaced = thread.Unplaced;
            if (_options.FaultAddresses)
                _options.Log?.Invoke($"Page faults of thread '{thread.Name}' have no addresses: {Unplaced}.");
        }
    }

    /// <summary>Ends a frame in which something happened.</summary>
    private void EndWith(HotLoopCounts counts, GuardedThread[] threads)
    {
        foreach (GuardedThread thread in threads)
            counts += thread.LastFrame;

        LastFrame = counts;
        try
        {
            Account(counts, threads);
        }
        finally
        {
            foreach (GuardedThread thread in threads)
                thread.Forget();

            if (counts.FrameOverflows + counts.BudgetOverruns != 0)
                _watched.Settle();
        }
    }

    private void Account(HotLoopCounts counts, GuardedThread[] threads)
    {
        if (_warmUpLeft > 0)
        {
            _warmUpLeft--;
            WarmUpTotal += counts;
            return;
        }

        Total += counts;
        Judge(counts, threads);
    }

    private void Judge(HotLoopCounts counts, GuardedThread[] threads)
    {
        uint broken = Broken(counts, out uint actions);
        if (broken != 0)
            Report(counts, threads, broken, actions);
    }

    /// <summary>A bit for each metric whose rule the counts break, and for each action of those rules.</summary>
    private uint Broken(in HotLoopCounts counts, out uint actions)
    {
        uint broken = 0;
        actions = 0;
        for (int index = 0; index < HotLoopMetrics.Count; index++)
        {
            HotLoopMetric metric = (HotLoopMetric)index;
            if (_rules[metric] is { } rule && counts[rule.Holds(metric)] > rule.AllowedPerFrame)
            {
                broken |= 1u << index;
                actions |= 1u << (int)rule.Action;
            }
        }

        return broken;
    }

    /// <param name="counts">What the frame did.</param>
    /// <param name="threads">Who may have done it.</param>
    /// <param name="broken">A bit for each metric whose rule was broken.</param>
    /// <param name="actions">A bit for each action of those rules.</param>
    private void Report(HotLoopCounts counts, GuardedThread[] threads, uint broken, uint actions)
    {
        ViolationCount++;
        bool mayLog = Wants(HotLoopAction.Log) && _options.Log is not null && IsTimeToLog();
        if (FirstViolation is not null && !mayLog && !Wants(HotLoopAction.Callback) && !Wants(HotLoopAction.Throw))
            return;

        List<HotLoopMetric> metrics = [];
        for (int metric = 0; metric < HotLoopMetrics.Count; metric++)
        {
            if ((broken & (1u << metric)) != 0)
                metrics.Add((HotLoopMetric)metric);
        }

        _places?.Read();
        HotLoopCulprit culprit = new(_memory, threads, _watched, _tags, _rules, _places, MayTakeCallStack());
        HotLoopViolation violation = culprit.Name(FrameCount, metrics, counts);
        FirstViolation ??= violation;
        if (mayLog)
            Write(violation);

        if (Wants(HotLoopAction.Callback))
            _options.OnViolation?.Invoke(violation);

        if (Wants(HotLoopAction.Throw))
            throw new HotLoopViolationException(violation);

        bool Wants(HotLoopAction action) => (actions & (1u << (int)action)) != 0;
    }

    private void WatchAny(IArena arena)
    {
        ThrowIfInFrame();
        _watched.Add(arena);
    }

    private void UnwatchAny(IArena arena)
    {
        ThrowIfInFrame();
        _watched.Remove(arena);
    }

    private void ThrowIfInFrame()
    {
        if (_main is { IsInside: true })
        {
            throw new InvalidOperationException(
                $"Frame {FrameCount} has not ended: this call stands between two frames, so call EndFrame first.");
        }
    }

    private bool IsTimeToLog()
    {
        if (_lastLog != 0 && _options.Clock.GetElapsedTime(_lastLog) < _options.LogInterval)
        {
            _quietFrames++;
            return false;
        }

        return true;
    }

    private void Write(HotLoopViolation violation)
    {
        string quiet = _quietFrames == 0 ? ""
            : $" ({Sizes.Count(_quietFrames, "more such frame", "more such frames")} since the last line)";
        string stack = violation.CallStack is null ? "" : Environment.NewLine + violation.CallStack;
        _lastLog = _options.Clock.GetTimestamp();
        _quietFrames = 0;
        _options.Log!(violation + quiet + stack);
    }
}
