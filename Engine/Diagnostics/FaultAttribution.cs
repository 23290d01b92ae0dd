using System.Diagnostics;
using Silk.NET.Core.Contexts;
using SuperSlab.Scenes;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Names the owner of every page fault of the observed threads: an arena and its size class, an allocator's table, the
/// collector's heap, a stack, a library, with the place in the program of the owner's first fault.
/// <code>
/// using FaultAttribution faults = new(memory);
/// using ObservedThread main = faults.ObserveThisThread("main");      // each worker does the same
/// ... each frame: faults.BeginFrame(number); ... faults.EndFrame(); ...
/// ProfileFaults table = faults.Collect();
/// </code>
/// </summary>
/// <remarks>
/// The kernel writes each fault's time, address and call chain into a ring of the thread (perf_event_open, minor and
/// major faults). A thread of this class empties the rings every few milliseconds and looks up the owners: addresses
/// of the engine in its tables as they are then, others in /proc/self/maps, read again when an address is missing or
/// the last reading is older than 50 ms. Observed threads run no code for it and allocate nothing; their rings are
/// resident.
/// <para>
/// The counts are those of getrusage, and the owners add up to them. Pages that the kernel put there because a call
/// asked for them (madvise, mmap, mlock) interrupt no thread and have no address; their owner is "populated on
/// request". Faults in system calls count there too where the user may not look into the kernel
/// (/proc/sys/kernel/perf_event_paranoid above 1 without CAP_PERFMON).
/// </para>
/// <para>
/// Where the system does not allow it, and outside Linux, faults are only counted, by thread where the system does;
/// <see cref="ProfileFaults.Unavailable"/> says why. Where a user may lock little memory for rings, each thread gets a
/// smaller one; a thread that gets none is only counted, and its row says why. Dispose it before the memory. Any
/// thread; one at a time for
/// <see cref="BeginFrame(long)"/>, <see cref="EndFrame()"/> and <see cref="Collect"/>.
/// </para>
/// </remarks>
public sealed class FaultAttribution : IFrameObserver, IDisposable
{
    private const int EmptyingMilliseconds = 4;
    private const int OldestMapsMilliseconds = 50;
    private const int OldestMovesMilliseconds = 100;

    private readonly EngineMemory? _memory;
    private readonly FaultAttributionOptions _options;
    private readonly INativeContext _context;
    private readonly LinuxFiles _files;
    private readonly MappingOwners _mappings;
    private readonly PageMoves _moves;
    private readonly FaultTotals _totals;
    private readonly FrameTimes _frames;
    private readonly List<ObservedThread> _threads = [];
    private readonly Lock _lock = new();
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread? _emptier;
    private long _mapsRead;

    /// <summary>What the kernel did lately, where this emptying of the rings has asked for it.</summary>
    private string? _lateMoves;
    private bool _disposed;

    /// <summary>Makes its memory resident. At level load.</summary>
    /// <param name="memory">The memory whose parts get names; null for none.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public FaultAttribution(EngineMemory? memory, FaultAttributionOptions? options = null)
        : this(memory, options ?? new FaultAttributionOptions(), isEmptied: true)
    {
    }

    /// <summary>For tests: without <paramref name="isEmptied"/> only <see cref="Collect"/> empties the rings.</summary>
    internal FaultAttribution(EngineMemory? memory, FaultAttributionOptions options, bool isEmptied)
    {
        options.Validate();
        _memory = memory;
        _options = options;
        _context = memory?.Options.NativeContext ?? new SystemLibraries();
        _files = new LinuxFiles(_context);
        _mappings = new MappingOwners(
            new ProcessMappings(_files), _files, address => memory?.Contains(address) ?? false);
        _moves = new PageMoves(_files);
        _totals = new FaultTotals(options.KeptFaults);
        _frames = new FrameTimes(options.KeptFrames);
        BeginFrame(0);
        EndFrame();
        _frames.Find(0);
        _frames.Clear();
        if (isEmptied && ThisPlatform.HasPerfEvents)
        {
            _emptier = new Thread(EmptyUntilStopped) { IsBackground = true, Name = "fault attribution" };
            _emptier.Start();
        }
    }

    /// <summary>Observes the calling thread until it disposes the result. At level load: it allocates.</summary>
    /// <param name="name">The thread's name in reports.</param>
    /// <exception cref="ObjectDisposedException">The attribution is disposed.</exception>
    public ObservedThread ObserveThisThread(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ObjectDisposedException.ThrowIf(_disposed, this);
        PerfEvent? perfEvent =
            PerfEvent.TryOpenInDetail(_context, _options.RingBytes, _options.Callers, out string reason);
        try
        {
            LinuxThread identity = ThisPlatform.HasPerfEvents ? LinuxThread.Current(_context) : default;
            ObservedThread thread = new(this, name, perfEvent, reason, _files, identity);
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                _mappings.Add(identity, name);
                ReadMaps();
                thread.Begin();
                _threads.Add(thread);
            }

            return thread;
        }
        catch
        {
            perfEvent?.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A frame begins; it owns the faults of all observed threads until <see cref="EndFrame()"/>. Hot-loop safe.
    /// </summary>
    public void BeginFrame(long frame) => BeginFrame(frame, Stopwatch.GetTimestamp());

    /// <summary>The frame ends. Hot-loop safe.</summary>
    public void EndFrame() => EndFrame(Stopwatch.GetTimestamp());

    /// <summary>Whether a profiler begins and ends its frames, so that frames that it is added to do not besides: the
    /// numbers differ.</summary>
    internal bool FollowsProfiler { get; set; }

    void IFrameObserver.BeginFrame(long frame)
    {
        if (!FollowsProfiler)
            BeginFrame(frame);
    }

    void IFrameObserver.EndFrame(in HotLoopCounts? counts)
    {
        if (!FollowsProfiler)
            EndFrame();
    }

    /// <summary>
    /// The faults so far: exact for threads that have ended their observation or are idle. Allocates; not for the hot
    /// loop, and best not on an observed thread.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The attribution is disposed.</exception>
    public ProfileFaults Collect()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (_lock)
        {
            _threads.ForEach(static thread => thread.Update());
            Empty();
            _threads.ForEach(static thread => thread.IncludeTaken());
            return new FaultTable(_threads, _totals, _frames, new CallSites(_files, _context)).Make();
        }
    }

    /// <summary>Ends all observations and frees their rings. A second call does nothing.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;

        _stop.Set();
        _emptier?.Join();
        lock (_lock)
        {
            _disposed = true;
            _threads.ForEach(static thread => thread.Close());
        }

        _stop.Dispose();
    }

    internal void BeginFrame(long frame, long now) => _frames.Begin(frame, now);

    internal void EndFrame(long now) => _frames.End(now);

    /// <summary>Takes the last faults of a thread whose observation has ended, and frees its ring.</summary>
    internal void Finish(ObservedThread thread)
    {
        lock (_lock)
        {
            if (!_disposed)
            {
                Empty(thread);
                thread.Close();
            }
        }
    }

    private void EmptyUntilStopped()
    {
        long movesRead = 0;
        while (!_stop.Wait(EmptyingMilliseconds))
        {
            lock (_lock)
                Empty();

            if (Environment.TickCount64 - movesRead > OldestMovesMilliseconds)
            {
                _moves.Refresh();
                movesRead = Environment.TickCount64;
            }
        }
    }

    private void Empty()
    {
        _lateMoves = null;
        foreach (ObservedThread thread in _threads)
            Empty(thread);
    }

    private void Empty(ObservedThread thread)
    {
        Debug.Assert(_lock.IsHeldByCurrentThread, "The totals have one writer at a time.");
        FaultSample sample = default;
        while (thread.TryTake(ref sample))
            _totals.Add(OwnerOf(sample), sample);
    }

    private FaultOwner OwnerOf(in FaultSample sample)
    {
        if (_memory?.FindOwner((nint)sample.Address) is { } part)
        {
            bool wasReady = _memory.IsReadySince((nint)sample.Address, sample.Time);
            string? moves = wasReady ? _lateMoves ??= _moves.Lately().Names : null;
            return new FaultOwner(FaultKinds.Of(part.Kind), null, part, IsByKernel: sample.IsByKernel, Moves: moves);
        }

        bool areMapsOld = Environment.TickCount64 - _mapsRead > OldestMapsMilliseconds;
        if (!_mappings.TryFind(sample.Address, out string kind, out string? name) || areMapsOld)
        {
            // A mapping that is gone by now keeps the name of the last reading.
            ReadMaps();
            if (_mappings.TryFind(sample.Address, out string newKind, out string? newName))
                (kind, name) = (newKind, newName);
        }

        string? toucher = kind is MappingKinds.Anonymous or MappingKinds.GcHeapOrNeighbour or MappingKinds.Vanished
            ? ToucherOf(sample) : null;
        return new FaultOwner(kind, name ?? kind, null, toucher, sample.IsByKernel);
    }

    private string ToucherOf(in FaultSample sample) =>
        sample.CallerCount != 0 && _mappings.TryFind(sample.Callers[0], out string kind, out string? name)
            ? name ?? kind
            : "code at an unknown address";

    private void ReadMaps()
    {
        _mappings.Read();
        _mapsRead = Environment.TickCount64;
    }
}

/// <summary>Limits of a <see cref="FaultAttribution"/>. Immutable.</summary>
public sealed record FaultAttributionOptions
{
    /// <summary>
    /// One thread's ring, which the kernel fills for a few milliseconds: a power of two from 64 KiB to 64 MiB. A fault
    /// takes 32 bytes and 8 for each caller; faults without room are lost. The system may grant less.
    /// </summary>
    public nuint RingBytes { get; init; } = 2 << 20;

    /// <summary>Callers recorded for the call site, the faulting instruction included: 1 to 8.</summary>
    public int Callers { get; init; } = 5;

    /// <summary>Frames that the table by frame looks back on. The table by owner has all faults.</summary>
    public int KeptFrames { get; init; } = 1 << 16;

    /// <summary>Faults that the table by frame looks back on.</summary>
    public int KeptFaults { get; init; } = 1 << 20;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    internal void Validate()
    {
        bool isRing = RingBytes >= 64 * 1024 && RingBytes <= 64 << 20 && nuint.IsPow2(RingBytes);
        OptionRange.Check(this, isRing, RingBytes, "a power of two from 64 KiB to 64 MiB");
        bool isCallers = Callers is >= 1 and <= FaultSample.MaximumCallers;
        OptionRange.Check(this, isCallers, Callers, $"from 1 to {FaultSample.MaximumCallers}");
        OptionRange.Check(this, KeptFrames > 0, KeptFrames, "above 0");
        OptionRange.Check(this, KeptFaults > 0, KeptFaults, "above 0");
    }
}
