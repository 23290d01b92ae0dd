using System.Diagnostics;
using Silk.NET.Core.Contexts;
using SuperSlab.Scenes;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Names the owner of every page fault of the threads that ask for it: an arena and its size class, an allocator's table, the collector's
/// heap, a stack, a library, with the place in the program that took the first of them.
/// <code>
/// using FaultAttribution faults = new(memory);
/// using ObservedThread main = faults.ObserveThisThread("main");      // workers do the same, each for itself
/// ... each frame: faults.BeginFrame(number); ... faults.EndFrame(); ...
/// ProfileFaults table = faults.Collect();
/// </code>
/// <para>
/// How: the kernel writes each fault's time, address and call chain into a ring of the thread (perf_event_open, minor and major faults). A
/// thread of this class empties the rings every few milliseconds and finds the owners: addresses of the engine in its tables, as they are
/// then; others in /proc/self/maps, read anew when an address is not in it and when it is older than 50 ms. The observed threads run
/// no code for it, their memory for it is resident before, and they allocate no managed memory.
/// </para>
/// <para>
/// What is counted: all that getrusage counts for the observed threads. Faults are recorded one by one. Pages that the kernel put there
/// because a call asked for it (madvise, mmap, mlock) interrupt nobody and have no address here; they are the owner
/// <see cref="FaultKinds.Populated"/>. For users who may not look into the kernel (/proc/sys/kernel/perf_event_paranoid above 1, without
/// the right CAP_PERFMON), the faults that the kernel takes in system calls count there too. So the owners' sum is the kernel's count.
/// </para>
/// <para>
/// Elsewhere than on Linux, or where that is forbidden, faults are only counted, by thread where the system does that;
/// <see cref="ProfileFaults.Unavailable"/> says why. Dispose it before the memory. Members may be called from any thread, but
/// <see cref="BeginFrame(long)"/>, <see cref="EndFrame()"/> and <see cref="Collect"/> by one at a time.
/// </para>
/// </summary>
public sealed class FaultAttribution : IFrameObserver, IDisposable
{
    private const int EmptyingMilliseconds = 4;
    private const int OldestMapsMilliseconds = 50;

    private readonly EngineMemory? _memory;
    private readonly FaultAttributionOptions _options;
    private readonly INativeContext _context;
    private readonly LinuxFiles _files;
    private readonly MappingOwners _mappings;
    private readonly FaultTotals _totals;
    private readonly FrameTimes _frames;
    private readonly List<ObservedThread> _threads = [];
    private readonly Lock _lock = new();
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread? _emptier;
    private long _mapsRead;
    private bool _disposed;

    /// <summary>Makes room for what is to be observed. At level load.</summary>
    /// <param name="memory">The memory whose parts are to be told apart; null where there is none.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public FaultAttribution(EngineMemory? memory, FaultAttributionOptions? options = null)
        : this(memory, options ?? new FaultAttributionOptions(), isEmptied: true)
    {
    }

    /// <summary>For tests: rings that nobody empties before <see cref="Collect"/>.</summary>
    internal FaultAttribution(EngineMemory? memory, FaultAttributionOptions options, bool isEmptied)
    {
        options.Validate();
        _memory = memory;
        _options = options;
        _context = memory?.Options.NativeContext ?? new SystemLibraries();
        _files = new LinuxFiles(_context);
        _mappings = new MappingOwners(new ProcessMappings(_files), _files, address => memory?.Contains(address) ?? false);
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

    /// <summary>Observes the calling thread from now on, until it disposes what it is given. At level load: it allocates.</summary>
    /// <param name="name">What reports call the thread.</param>
    /// <exception cref="ObjectDisposedException">The attribution is disposed.</exception>
    public ObservedThread ObserveThisThread(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ObjectDisposedException.ThrowIf(_disposed, this);
        PerfEvent? perfEvent = PerfEvent.TryOpenInDetail(_context, _options.RingBytes, _options.Callers, out string reason);
        LinuxThread identity = ThisPlatform.HasPerfEvents ? LinuxThread.Current(_context) : default;
        ObservedThread thread = new(this, name, perfEvent, reason, _files, identity);
        lock (_lock)
        {
            _threads.Add(thread);
            _mappings.Add(identity, name);
            ReadMaps();
            thread.Begin();
        }

        return thread;
    }

    /// <summary>A frame begins: faults of all observed threads from here to <see cref="EndFrame()"/> are its own. Hot-loop safe.</summary>
    public void BeginFrame(long frame) => BeginFrame(frame, Stopwatch.GetTimestamp());

    /// <summary>The frame ends. Hot-loop safe.</summary>
    public void EndFrame() => EndFrame(Stopwatch.GetTimestamp());

    void IFrameObserver.EndFrame(in HotLoopCounts? counts) => EndFrame();

    /// <summary>
    /// The faults so far. The counts are exact for threads that have ended their observation or do nothing meanwhile. Not for the hot
    /// loop, and not on a thread whose faults are to be few: it allocates.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The attribution is disposed.</exception>
    public ProfileFaults Collect()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (_lock)
        {
            _threads.ForEach(thread => thread.Look());
            Empty();
            _threads.ForEach(thread => thread.IncludeTaken());
            return new FaultTable(_threads, _totals, _frames, new CallSites(_files, _context)).Make();
        }
    }

    /// <summary>Gives everything back; threads that are still observed are so no longer. A second call does nothing.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;

        _stop.Set();
        _emptier?.Join();
        lock (_lock)
        {
            _disposed = true;
            _threads.ForEach(thread => thread.Close());
        }

        _stop.Dispose();
    }

    internal void BeginFrame(long frame, long now) => _frames.Begin(frame, now);

    internal void EndFrame(long now) => _frames.End(now);

    /// <summary>On a thread whose observation has ended.</summary>
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
        while (!_stop.Wait(EmptyingMilliseconds))
        {
            lock (_lock)
                Empty();
        }
    }

    private void Empty()
    {
        foreach (ObservedThread thread in _threads)
            Empty(thread);
    }

    private void Empty(ObservedThread thread)
    {
        FaultSample sample = default;
        while (thread.TryTake(ref sample))
            _totals.Add(OwnerOf(sample), sample);
    }

    private FaultOwner OwnerOf(in FaultSample sample)
    {
        if (_memory?.FindOwner((nint)sample.Address) is { } part)
            return new FaultOwner(FaultKinds.Of(part.Kind), null, part, IsByKernel: sample.IsByKernel);

        if (!_mappings.TryFind(sample.Address, out string kind, out string? name) || Environment.TickCount64 - _mapsRead > OldestMapsMilliseconds)
        {
            // What is gone by now may still have a name from the last time.
            ReadMaps();
            if (_mappings.TryFind(sample.Address, out string newKind, out string? newName))
                (kind, name) = (newKind, newName);
        }

        string? toucher = kind is FaultKinds.Anonymous or FaultKinds.Vanished ? ToucherOf(sample) : null;
        return new FaultOwner(kind, name ?? kind, null, toucher, sample.IsByKernel);
    }

    private string ToucherOf(in FaultSample sample) =>
        sample.CallerCount != 0 && _mappings.TryFind(sample.Callers[0], out string kind, out string? name) ? name ?? kind : "code at an unknown address";

    private void ReadMaps()
    {
        _mappings.Read();
        _mapsRead = Environment.TickCount64;
    }
}

/// <summary>How much <see cref="FaultAttribution"/> may hold. Immutable.</summary>
public sealed record FaultAttributionOptions
{
    /// <summary>
    /// The memory into which the kernel writes one thread's faults until they are collected, a few milliseconds later: a power of two
    /// from 64 KiB to 64 MiB; a fault takes 32 bytes and 8 more for each caller. Where the system grants less, half of it is taken, and so
    /// on. Faults that find no room are counted as lost.
    /// </summary>
    public nuint RingBytes { get; init; } = 2 << 20;

    /// <summary>How many callers of the faulting instruction are recorded to find a call site by, itself included: 1 to 8.</summary>
    public int Callers { get; init; } = 5;

    /// <summary>How many frames, and how many faults, the table by frame can look back on. The table by owner always has all.</summary>
    public int KeptFrames { get; init; } = 1 << 16;

    /// <summary>See <see cref="KeptFrames"/>.</summary>
    public int KeptFaults { get; init; } = 1 << 20;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(RingBytes, (nuint)(64 * 1024), nameof(RingBytes));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(RingBytes, (nuint)(64 << 20), nameof(RingBytes));
        if (!nuint.IsPow2(RingBytes))
            throw new ArgumentOutOfRangeException(nameof(RingBytes), RingBytes, $"A ring of {RingBytes} bytes was asked for; it must be a power of two.");

        ArgumentOutOfRangeException.ThrowIfLessThan(Callers, 1, nameof(Callers));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Callers, FaultSample.MaximumCallers, nameof(Callers));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(KeptFrames, nameof(KeptFrames));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(KeptFaults, nameof(KeptFaults));
    }
}
