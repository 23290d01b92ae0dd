using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// Records every page fault of the thread that created it: how many, and at which addresses. Unlike
/// <see cref="PageFaults"/> it counts only faults that interrupted the program, not pages that the kernel faulted in on
/// request. Linux only (perf_event_open, software event page-faults, user mode only, one sample per fault in a ring
/// shared with the kernel); ask <see cref="IsAvailable"/> first.
/// <code>
/// using var recorder = new PageFaultRecorder();
/// recorder.Start();
/// ... the window to observe ...
/// recorder.Stop();
/// long faults = recorder.Count;
/// </code>
/// Start and Stop are one cheap system call each. After construction nothing allocates managed memory or faults.
/// </summary>
public sealed unsafe class PageFaultRecorder : IDisposable
{
    private readonly PerfEvent _event;
    private readonly int _ownerThread = Environment.CurrentManagedThreadId;
    private bool _isDisposed;

    private PerfEvent Open
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _event;
        }
    }

    /// <summary>A recorder for the calling thread, stopped.</summary>
    /// <param name="capacity">
    /// How many faults fit between two drains, 256 to 1,048,576 (rounded up to a power of two), or fewer where the
    /// system grants less: an unprivileged user may lock 32,768 for each processor by default. Further faults are
    /// counted, but their addresses are lost.
    /// </param>
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

        // Code faults when it runs for the first time: run it here, before the window.
        Start();
        Stop();
        DrainWithin(0, 0);
        _event.Reset();
    }

    /// <summary>Page faults of the thread while recording, since creation. Exact. About 0.3 microseconds.</summary>
    public long Count => Open.ReadCount();

    /// <summary>How many faults have no address because the ring was full; exact after a drain.</summary>
    public long LostCount => _event.LostCount;

    /// <summary>Whether this machine and user allow a recorder; if not, <paramref name="reason"/> says why.</summary>
    public static bool IsAvailable(out string reason)
    {
        using PerfEvent? probe = PerfEvent.TryOpen(256, out reason);
        return probe is not null;
    }

    /// <summary>Starts recording. Does nothing when it is recording.</summary>
    public void Start() => Open.Enable();

    /// <summary>Stops recording. The records stay.</summary>
    public void Stop() => Open.Disable();

    /// <summary>
    /// Moves the oldest recorded addresses to <paramref name="addresses"/>, as many as fit, and returns how many. Call
    /// it again until it fills less than the whole span.
    /// </summary>
    /// <exception cref="EngineMemoryException">
    /// Another thread calls it than the one that created the recorder.
    /// </exception>
    public int Drain(Span<nuint> addresses)
    {
        PerfEvent mine = OpenByMe();
        int count = 0;
        while (count < addresses.Length && mine.TryTake(out nuint address))
            addresses[count++] = address;

        return count;
    }

    /// <summary>Removes all recorded addresses and returns how many are in the range. Writes only the ring.</summary>
    /// <exception cref="EngineMemoryException">
    /// Another thread calls it than the one that created the recorder.
    /// </exception>
    public long DrainWithin(nint start, nuint bytes)
    {
        PerfEvent mine = OpenByMe();
        long within = 0;
        while (mine.TryTake(out nuint address))
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

    private PerfEvent OpenByMe()
    {
        if (Environment.CurrentManagedThreadId != _ownerThread && !_isDisposed)
            ThrowOtherThread();

        return Open;
    }

    [DoesNotReturn]
    private static void ThrowOtherThread() => throw new EngineMemoryException(
        "A PageFaultRecorder can be drained only by the thread that created it, which is the one it observes.");
}

/// <summary>One page fault as the kernel recorded it in detail.</summary>
internal struct FaultSample
{
    public const int MaximumCallers = 8;

    /// <summary>On the clock of Stopwatch, in nanoseconds.</summary>
    public long Time;

    public nuint Address;

    /// <summary>Whether the kernel faulted at the program's address, in a system call.</summary>
    public bool IsByKernel;

    public int CallerCount;

    /// <summary>The instruction that faulted or called the kernel, then its callers.</summary>
    public Chain Callers;

    [InlineArray(MaximumCallers)]
    public struct Chain
    {
        private nuint _first;
    }
}
