using System.Diagnostics;

namespace SuperSlab.Scenes;

/// <summary>
/// Holds the hot loop to its promise: counts, between <see cref="BeginFrame"/> and <see cref="EndFrame"/>, what a frame must not do, and
/// names who did it.
/// <code>
/// using HotLoopGuard guard = new(memory, plan.HotLoop, new() { Log = Console.Error.WriteLine });
/// guard.Watch(scene);
/// ... each frame:
/// guard.BeginFrame();
/// ... the frame, on this thread and on workers that registered, each between its own Begin and End ...
/// guard.EndFrame();
/// </code>
/// The thread that makes the guard is the one that begins and ends the frames; it makes all calls here except
/// <see cref="RegisterThread"/>, which other threads call for themselves. What threads do that are not registered, such as one that loads
/// the next level, does not count; only collections stop everybody and are everybody's. A frame without a violation allocates nothing and
/// costs well under a microsecond for each thread.
/// </summary>
public sealed class HotLoopGuard : IDisposable
{
    private readonly EngineMemory _memory;
    private readonly HotLoopGuardOptions _options;
    private readonly Lock _lock = new();
    private readonly WatchedArenas _watched = new();
    private readonly GuardedThread _main;
    private GuardedThread[] _threads = [];
    private HotLoopRules _rules = new();
    private WatchedTags? _tags;
    private HotLoopCounts _begun;
    private int _callStacksLeft;
    private int _warmUpLeft;
    private long _lastLog;
    private long _quietFrames;
    private bool _disposed;

    /// <summary>Registers the calling thread as the one that runs the frames. At level load.</summary>
    /// <param name="memory">The memory whose OS calls and arenas are looked at.</param>
    /// <param name="rules">What is allowed, what is done about more, and how many frames are held to nothing. Null takes the defaults.</param>
    /// <param name="options">How it reports. Null takes the defaults.</param>
    /// <exception cref="EngineMemoryException">The rules have one for tags, and memory counters are off.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public HotLoopGuard(EngineMemory memory, HotLoopRules? rules = null, HotLoopGuardOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ObjectDisposedException.ThrowIf(memory.Work.IsClosed, memory);
        _memory = memory;
        Rules = rules ?? _rules;
        _options = options ?? new HotLoopGuardOptions();
        _callStacksLeft = _options.CallStacks;
        _main = RegisterThread("main");
        _memory.Pool.Observer += OnDemand;
        _warmUpLeft = int.MaxValue;
        for (int round = 0; round < 3; round++)
        {
            BeginFrame();
            EndFrame();
        }

        Frame = 0;
        WarmUpTotal = default;
        _warmUpLeft = _rules.WarmUpFrames;
    }

    /// <summary>Frames that have begun.</summary>
    public long Frame { get; private set; }

    /// <summary>Whether the next frame is held to the rules: the warm-up is over.</summary>
    public bool IsArmed => _warmUpLeft == 0;

    /// <summary>What the last frame did.</summary>
    public HotLoopCounts LastFrame { get; private set; }

    /// <summary>What all armed frames did.</summary>
    public HotLoopCounts Total { get; private set; }

    /// <summary>What the frames did that were held to nothing.</summary>
    public HotLoopCounts WarmUpTotal { get; private set; }

    /// <summary>Frames that broke a rule.</summary>
    public long Violations { get; private set; }

    /// <summary>The first frame that broke a rule, or null.</summary>
    public HotLoopViolation? FirstViolation { get; private set; }

    /// <summary>What the frames are held to; a new scene may bring its own, between two frames. Does not begin a warm-up.</summary>
    /// <exception cref="EngineMemoryException">They have one for tags, and memory counters are off.</exception>
    public HotLoopRules Rules
    {
        get => _rules;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            _tags = value.TagOverrun is null ? null : _tags ?? new WatchedTags(_memory);
            _rules = value;
        }
    }

    /// <summary>Registers the calling thread. At level load, before its first work: it allocates.</summary>
    /// <param name="name">What reports call the thread.</param>
    /// <returns>What the thread brackets its work with.</returns>
    public GuardedThread RegisterThread(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ObjectDisposedException.ThrowIf(_disposed, this);

        // Where the system counts the process's faults only, one thread counts them, or they would count several times.
        bool countsFaults = PageFaults.IsSupported && (PageFaults.IsPerThread || _threads.Length == 0);
        GuardedThread thread = new(this, name, countsFaults, _options.FaultAddresses);
        lock (_lock)
            _threads = [.. _threads, thread];

        return thread;
    }

    /// <summary>Counts the overflows of a frame arena from now on. Between frames.</summary>
    public void Watch(FrameArena arena) => _watched.Add(arena);

    /// <summary>Counts the budget overruns of an arena from now on. Between frames.</summary>
    public void Watch(LongLivedArena arena) => _watched.Add(arena);

    /// <summary>Counts the overflows and overruns of a scene's arenas from now on. Between frames, when the scene begins to be used.</summary>
    public void Watch(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        foreach (LongLivedArena arena in scene.Arenas)
            Watch(arena);

        if (scene.Plan.Frame is not null)
            Watch(scene.Frame);
    }

    /// <summary>No longer counts those of a scene. Between frames, before it is unloaded.</summary>
    public void Unwatch(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        foreach (LongLivedArena arena in scene.Arenas)
            Unwatch(arena);

        if (scene.Plan.Frame is not null)
            Unwatch(scene.Frame);
    }

    /// <summary>No longer counts an arena's overflows and overruns. Between frames, before the arena is disposed.</summary>
    public void Unwatch(LongLivedArena arena) => _watched.Remove(arena);

    /// <inheritdoc cref="Unwatch(LongLivedArena)"/>
    public void Unwatch(FrameArena arena) => _watched.Remove(arena);

    /// <summary>Holds the next frames to nothing, while new code is run for the first time. Between frames.</summary>
    /// <param name="frames">How many.</param>
    public void WarmUp(int frames)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(frames);
        _warmUpLeft = frames;
    }

    /// <summary>A frame begins on the calling thread. Hot-loop safe.</summary>
    public void BeginFrame()
    {
        Frame++;
        _begun = _watched.Read() with { Collections = GC.CollectionCount(0) };
        _main.Begin();
    }

    /// <summary>The frame ends; workers have ended their parts before. Hot-loop safe unless a rule was broken.</summary>
    /// <exception cref="HotLoopViolationException">A rule was broken whose action is <see cref="HotLoopAction.Throw"/>.</exception>
    public void EndFrame()
    {
        _main.End();
        HotLoopCounts counts = _watched.Read() with { Collections = GC.CollectionCount(0) };
        counts -= _begun;
        if (_tags is not null)
            counts = counts with { TagOverruns = _tags.Read() };

        GuardedThread[] threads = _threads;
        foreach (GuardedThread thread in threads)
        {
            HotLoopCounts own = thread.TakeNew();
            counts += own;
            thread.LastFrame = own;
        }

        LastFrame = counts;
        try
        {
            Account(counts, threads);
        }
        finally
        {
            foreach (GuardedThread thread in threads)
                thread.Forget();

            if (counts.FrameOverflows + counts.SoftOverruns + counts.HardOverruns != 0)
                _watched.Settle();
        }
    }

    /// <summary>Stops watching. Other threads have unregistered before. A second call does nothing.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _memory.Pool.Observer -= OnDemand;
            _main.Dispose();
        }
    }

    internal void Remove(GuardedThread thread)
    {
        lock (_lock)
            _threads = Array.FindAll(_threads, other => other != thread);
    }

    /// <summary>Whether the call stack of this demand is worth its cost. Any thread.</summary>
    internal bool MayTakeCallStack() => IsArmed && Interlocked.Decrement(ref _callStacksLeft) >= 0;

    private void OnDemand(Demand demand, int superSlabs)
    {
        int current = Environment.CurrentManagedThreadId;
        foreach (GuardedThread thread in _threads)
        {
            if (thread.ManagedId == current && thread.IsInside)
            {
                thread.Demanded(demand, superSlabs);
                return;
            }
        }
    }

    private void Account(HotLoopCounts counts, GuardedThread[] threads)
    {
        if (_warmUpLeft > 0)
        {
            _warmUpLeft--;
            WarmUpTotal += counts;
        }
        else
        {
            Total += counts;
            if (counts != default)
                Judge(counts, threads);
        }
    }

    private void Judge(HotLoopCounts counts, GuardedThread[] threads)
    {
        bool fail = false;
        bool log = false;
        bool call = false;
        HotLoopKinds broken = HotLoopKinds.None;
        Hold(counts.PageFaults, _rules.PageFaults, HotLoopKinds.PageFaults);
        Hold(counts.OsCalls, _rules.OsCalls, HotLoopKinds.OsCalls);
        Hold(counts.ManagedBytes, _rules.ManagedBytes, HotLoopKinds.ManagedBytes);
        Hold(counts.Collections, _rules.Collections, HotLoopKinds.Collections);
        Hold(counts.FrameOverflows, _rules.FrameOverflow, HotLoopKinds.FrameOverflow);
        Hold(counts.SoftOverruns + counts.HardOverruns, _rules.BudgetOverrun, HotLoopKinds.BudgetOverrun);
        Hold(counts.TagOverruns, _rules.TagOverrun ?? default, HotLoopKinds.TagOverrun);
        if (broken == HotLoopKinds.None)
            return;

        Violations++;
        bool mayLog = log && _options.Log is not null && IsTimeToLog();
        if (FirstViolation is not null && !mayLog && !call && !fail)
            return;

        HotLoopViolation violation = new HotLoopCulprit(_memory, threads, _watched, _tags).Name(Frame, broken, counts);
        FirstViolation ??= violation;
        if (mayLog)
            Write(violation);

        if (call)
            _options.OnViolation?.Invoke(violation);

        if (fail)
            throw new HotLoopViolationException(violation);

        void Hold(long count, HotLoopRule rule, HotLoopKinds kind)
        {
            if (count > rule.AllowedPerFrame)
            {
                broken |= kind;
                log |= rule.Action == HotLoopAction.Log;
                call |= rule.Action == HotLoopAction.Callback;
                fail |= rule.Action == HotLoopAction.Throw;
            }
        }
    }

    private bool IsTimeToLog()
    {
        if (_lastLog != 0 && Stopwatch.GetElapsedTime(_lastLog) < _options.LogInterval)
        {
            _quietFrames++;
            return false;
        }

        return true;
    }

    private void Write(HotLoopViolation violation)
    {
        string quiet = _quietFrames == 0 ? "" : $" ({_quietFrames} more such frames since the last line)";
        _lastLog = Stopwatch.GetTimestamp();
        _quietFrames = 0;
        _options.Log!(violation + quiet + (violation.CallStack is null ? "" : Environment.NewLine + violation.CallStack));
    }
}

/// <summary>How a <see cref="HotLoopGuard"/> reports. Immutable.</summary>
public sealed record HotLoopGuardOptions
{
    /// <summary>
    /// Where lines for <see cref="HotLoopAction.Log"/> go, on the thread that ends the frame; for a TextWriter, its WriteLine. Null, the
    /// default, is nowhere.
    /// </summary>
    public Action<string>? Log { get; init; }

    /// <summary>At most one line in this time; the line then says how many frames were kept quiet about. Default one second.</summary>
    public TimeSpan LogInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>What is called for <see cref="HotLoopAction.Callback"/>, on the thread that ends the frame. Null, the default, is nobody.</summary>
    public Action<HotLoopViolation>? OnViolation { get; init; }

    /// <summary>
    /// How many times the call stack is taken of who asks for memory that is not ready: for the first ones, because each takes some tens of
    /// microseconds and managed memory (which the guard does not count). 0 takes none. Default 8.
    /// </summary>
    public int CallStacks { get; init; } = 8;

    /// <summary>
    /// Whether the addresses of page faults are recorded where the system allows it. It costs a ring buffer for each thread, and makes
    /// frames cheaper, because the system need not be asked whether there were faults. Default true.
    /// </summary>
    public bool FaultAddresses { get; init; } = true;
}

/// <summary>What is done when a frame breaks a <see cref="HotLoopRule"/>.</summary>
public enum HotLoopAction
{
    /// <summary>It is counted, nothing else.</summary>
    Count,

    /// <summary>It is counted and reported, at a limited rate.</summary>
    Log,

    /// <summary>It is counted, and the end of the frame throws.</summary>
    Throw,

    /// <summary>It is counted, and the game's own function is called.</summary>
    Callback,
}
