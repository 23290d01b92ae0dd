using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// Records every page fault of the thread that created it: how many, and at which addresses. Unlike
/// <see cref="PageFaults"/> it sees only what really interrupted the program, not what the kernel faulted in on request.
/// Linux only (perf_event_open, software event page-faults, user mode only, one sample per fault in a ring shared with the
/// kernel); ask <see cref="IsAvailable"/> first.
/// <code>
/// using var recorder = new PageFaultRecorder();
/// recorder.Start();
/// ... the window to observe ...
/// recorder.Stop();
/// long faults = recorder.Count;
/// </code>
/// Start and Stop are one cheap system call each; nothing here allocates managed memory after construction or faults in
/// the window.
/// </summary>
public sealed unsafe class PageFaultRecorder : IDisposable
{
    private readonly PerfEvent _event;
    private readonly int _ownerThread = Environment.CurrentManagedThreadId;
    private bool _isDisposed;

    /// <summary>A recorder for the calling thread, stopped.</summary>
    /// <param name="capacity">How many faults fit between two drains, 256 to 1,048,576 (rounded up to a power of two). An unprivileged user
    /// may lock 32,768 in all by default. Faults beyond it are counted, but their addresses are lost.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is outside its range.</exception>
    /// <exception cref="EngineMemoryException">Not available here; the message says why.</exception>
    public PageFaultRecorder(int capacity = 16384)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 256);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, 1 << 20);
        PerfEvent? opened = PerfEvent.TryOpen(capacity, out string reason);
        if (opened is null)
            throw new EngineMemoryException($"Page faults cannot be recorded here: {reason}.");

        _event = opened;

        // What runs for the first time faults by itself: let that be here, and not in the window.
        Start();
        Stop();
        DrainWithin(0, 0);
        _event.Reset();
    }

    /// <summary>Page faults of the thread while the recorder was started, since creation. Exact. About 0.3 microseconds.</summary>
    public long Count
    {
        get
        {
            ThrowIfDisposed();
            return _event.ReadCount();
        }
    }

    /// <summary>How many of the faults have no address, because the ring was full; since creation, known after a drain.</summary>
    public long LostCount => _event.LostCount;

    /// <summary>Whether this machine and this user allow it; if not, why.</summary>
    public static bool IsAvailable(out string reason)
    {
        using PerfEvent? probe = PerfEvent.TryOpen(256, out reason);
        return probe is not null;
    }

    /// <summary>Begins to record. Does nothing when it was begun.</summary>
    public void Start()
    {
        ThrowIfDisposed();
        _event.Enable();
    }

    /// <summary>Stops recording; what was recorded stays to be read.</summary>
    public void Stop()
    {
        ThrowIfDisposed();
        _event.Disable();
    }

    /// <summary>
    /// Takes the oldest recorded addresses out, as many as fit. Returns how many were written; call again until it is less
    /// than the length of <paramref name="addresses"/>.
    /// </summary>
    /// <exception cref="EngineMemoryException">Called by another thread than the one that created the recorder.</exception>
    public int Drain(Span<nuint> addresses)
    {
        ThrowIfDisposed();
        ThrowIfOtherThread();
        int count = 0;
        while (count < addresses.Length && _event.TryTake(out nuint address))
            addresses[count++] = address;

        return count;
    }

    /// <summary>
    /// Takes all recorded addresses out and returns how many of them lay in the range. Writes no memory but the recorder's
    /// own.
    /// </summary>
    /// <exception cref="EngineMemoryException">Called by another thread than the one that created the recorder.</exception>
    public long DrainWithin(nint start, nuint bytes)
    {
        ThrowIfDisposed();
        ThrowIfOtherThread();
        long within = 0;
        while (_event.TryTake(out nuint address))
            within += address - (nuint)start < bytes ? 1 : 0;

        return within;
    }

    /// <summary>Gives the ring back to the system. A second call does nothing.</summary>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _event.Dispose();
        }
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_isDisposed, this);

    private void ThrowIfOtherThread()
    {
        if (Environment.CurrentManagedThreadId != _ownerThread)
            ThrowOtherThread();
    }

    [DoesNotReturn]
    private static void ThrowOtherThread() =>
        throw new EngineMemoryException("A PageFaultRecorder can be drained only by the thread that created it, which is the one it observes.");
}

/// <summary>One page fault as the kernel recorded it in detail.</summary>
internal struct FaultSample
{
    public const int MaximumCallers = 8;

    /// <summary>On the clock of Stopwatch, in nanoseconds.</summary>
    public long Time;

    public nuint Address;

    /// <summary>Whether the kernel took it at the program's address, in a system call.</summary>
    public bool IsByKernel;

    public int CallerCount;

    /// <summary>The program's instruction that faulted, or called the kernel, then its callers.</summary>
    public Chain Callers;

    [InlineArray(MaximumCallers)]
    public struct Chain
    {
        private nuint _first;
    }
}
