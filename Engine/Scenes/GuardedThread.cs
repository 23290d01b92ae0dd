using System.Diagnostics;

namespace SuperSlab.Scenes;

/// <summary>
/// One thread under a <see cref="HotLoopGuard"/>: what it does between <see cref="Begin"/> and <see cref="End"/>.
/// Made by <see cref="HotLoopGuard.RegisterThread"/>, for the thread that registered; any thread may read
/// <see cref="Total"/> and <see cref="Name"/>. Begin and End are hot-loop safe.
/// </summary>
/// <remarks>
/// Only a thread itself can read its faults and managed bytes, so each thread brackets its own work. Where the system
/// records the addresses of faults, the kernel writes them to memory shared with the thread, so a frame without faults
/// needs no system call. Elsewhere the thread asks the system twice a frame.
/// </remarks>
public sealed class GuardedThread : IDisposable
{
    private const int KeptAddresses = 64;
    private const int RecordedAddresses = 1024;

    /// <summary>At this count the record may have overflowed, and the system is asked for the number.</summary>
    private const int ManyAddresses = RecordedAddresses / 4;

    private readonly HotLoopGuard _guard;
    private readonly bool _countsFaults;
    private readonly PageFaultRecorder? _recorder;
    private readonly nuint[] _addresses = new nuint[KeptAddresses];
    private HotLoopCounts _begun;
    private HotLoopCounts _total;
    private HotLoopCounts _excused;
    private HotLoopCounts _seen;
    private long _recorded;
    private long _faults;

    internal GuardedThread(HotLoopGuard guard, string name, bool countsFaults, bool recordsAddresses)
    {
        _guard = guard;
        Name = name;
        ManagedId = Environment.CurrentManagedThreadId;
        _countsFaults = countsFaults;
        _recorder = recordsAddresses && countsFaults ? TryRecord() : null;

        // The first run of code compiles and faults: it happens here, not in a frame.
        for (int round = 0; round < 3; round++)
        {
            Begin();
            KeepAddresses();
            Resynchronise();
            End();
        }

        _total = default;
        Forget();
    }

    /// <summary>The name given at registration.</summary>
    public string Name { get; }

    /// <summary>What the thread did between all its Begin and End. Exact once its work has ended.</summary>
    public HotLoopCounts Total => _total;

    internal int ManagedId { get; }

    /// <summary>What the thread did in the frame that ended last.</summary>
    internal HotLoopCounts LastFrame { get; set; }

    internal bool IsInside { get; private set; }

    /// <summary>The first wish for memory that was not ready since <see cref="Forget"/>.</summary>
    internal Demand? FirstDemand { get; private set; }

    internal int DemandedSuperSlabs { get; private set; }

    internal string? DemandStack { get; private set; }

    internal nuint FirstFault { get; private set; }

    internal nuint LowestFault { get; private set; }

    internal nuint HighestFault { get; private set; }

    /// <summary>Begins the thread's part of the frame.</summary>
    /// <exception cref="InvalidOperationException">The last part has not ended.</exception>
    public void Begin()
    {
        if (IsInside)
            ThrowOrder($"Thread '{Name}' began a part of a frame inside another: each Begin needs its End.");

        Debug.Assert(Environment.CurrentManagedThreadId == ManagedId, "A thread brackets its own work.");
        ForgetAddresses();
        _faults = 0;
        _excused = default;
        IsInside = true;
        _begun = Read();
    }

    /// <summary>Ends the thread's part of the frame.</summary>
    /// <exception cref="InvalidOperationException">No part has begun.</exception>
    public void End()
    {
        if (!IsInside)
            ThrowOrder($"Thread '{Name}' ended a part of a frame that it had not begun: call Begin before End.");

        HotLoopCounts done = Read() - _begun - _excused;
        IsInside = false;
        if (_recorder is not null)
        {
            KeepAddresses();
            done = done with { PageFaults = _faults };
        }

        _total += done;
    }

    /// <summary>Ends the registration, on the thread that registered. A second call does nothing.</summary>
    public void Dispose()
    {
        _guard.Remove(this);
        _recorder?.Dispose();
    }

    /// <summary>What the thread did since the last call.</summary>
    internal HotLoopCounts TakeNew()
    {
        HotLoopCounts total = _total;
        HotLoopCounts fresh = total - _seen;
        _seen = total;
        return fresh;
    }

    /// <summary>Forgets what was kept to name a culprit.</summary>
    internal void Forget()
    {
        FirstDemand = null;
        DemandStack = null;
        FirstFault = LowestFault = HighestFault = 0;
    }

    /// <summary>Keeps the first wish for SuperSlabs that are not ready. The call stack's cost does not count.</summary>
    internal void Demanded(Demand demand, int superSlabs)
    {
        if (FirstDemand is not null)
            return;

        FirstDemand = demand;
        DemandedSuperSlabs = superSlabs;
        if (_guard.MayTakeCallStack())
        {
            KeepAddresses();
            HotLoopCounts before = Read();
            DemandStack = Environment.StackTrace;
            _excused += Read() - before;
            ForgetAddresses();
        }
    }

    private static void ThrowOrder(string message) => throw new InvalidOperationException(message);

    private HotLoopCounts Read() => new()
    {
        PageFaults = _countsFaults && _recorder is null ? PageFaults.OfThread() : 0,
        OsCalls = VirtualMemory.OsCallsOfThread,
        ManagedBytes = GC.GetAllocatedBytesForCurrentThread(),
    };

    /// <summary>Null where the system records no faults; they are then counted without addresses.</summary>
    private static PageFaultRecorder? TryRecord()
    {
        try
        {
            PageFaultRecorder recorder = new(RecordedAddresses);
            recorder.Start();
            return recorder;
        }
        catch (EngineMemoryException)
        {
            return null;
        }
    }

    private void KeepAddresses()
    {
        int all = 0;
        int count = _recorder?.Drain(_addresses) ?? 0;
        while (count > 0)
        {
            all += count;
            foreach (nuint address in _addresses.AsSpan(0, count))
            {
                if (FirstFault == 0)
                    FirstFault = LowestFault = HighestFault = address;

                LowestFault = nuint.Min(LowestFault, address);
                HighestFault = nuint.Max(HighestFault, address);
            }

            count = count < _addresses.Length ? 0 : _recorder!.Drain(_addresses);
        }

        _recorded += all;
        _faults += all >= ManyAddresses ? all + Resynchronise() : all;
    }

    /// <summary>Drops the faults between two frames.</summary>
    private void ForgetAddresses()
    {
        long all = _recorder?.DrainWithin(0, nuint.MaxValue) ?? 0;
        _recorded += all;
        if (all >= ManyAddresses)
            Resynchronise();
    }

    /// <summary>
    /// Gives the number of faults that are missing in the record because it was full, and of those during this call:
    /// code that runs the first time faults, too.
    /// </summary>
    private long Resynchronise()
    {
        if (_recorder is null)
            return 0;

        long count = _recorder.Count;
        long late = _recorder.DrainWithin(0, nuint.MaxValue);
        long missing = Math.Max(0, count - _recorded - late);
        _recorded += late + missing;
        return late + missing;
    }
}
