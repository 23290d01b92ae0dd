namespace SuperSlab.Scenes;

/// <summary>
/// One thread under a <see cref="HotLoopGuard"/>: what it did between its <see cref="Begin"/> and <see cref="End"/>. A thread's faults and
/// managed bytes can be read by that thread alone, so each brackets its own work. Made by <see cref="HotLoopGuard.RegisterThread"/>; all
/// members but <see cref="Total"/> and <see cref="Name"/> belong to the thread that registered. Begin and End are hot-loop safe.
/// <para>
/// Where the system records faults with their addresses, they are counted from that record: the kernel writes each to memory shared with
/// this thread, so a frame without faults is seen without a system call. Elsewhere the system is asked twice a frame.
/// </para>
/// </summary>
public sealed class GuardedThread : IDisposable
{
    private const int KeptAddresses = 64;
    private const int RecordedAddresses = 1024;

    /// <summary>From so many at once on the record may have been full, and the system is asked how many there really were.</summary>
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

        // What runs for the first time compiles and faults: let that be here.
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

    /// <summary>What the thread did between all its Begin and End so far. Exact once the thread has ended its work.</summary>
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

    /// <summary>The thread's part of the frame begins.</summary>
    public void Begin()
    {
        ForgetAddresses();
        _faults = 0;
        _excused = default;
        IsInside = true;
        _begun = Read();
    }

    /// <summary>The thread's part of the frame ends.</summary>
    public void End()
    {
        HotLoopCounts done = Read() - _begun - _excused;
        IsInside = false;
        if (_recorder is not null)
        {
            KeepAddresses();
            done = done with { PageFaults = _faults };
        }

        _total += done;
    }

    /// <summary>Ends the registration, on the thread that registered, when it ends. What it did stays counted in past frames. A second call does nothing.</summary>
    public void Dispose()
    {
        _guard.Remove(this);
        _recorder?.Dispose();
    }

    /// <summary>What the thread did since the guard looked last.</summary>
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

    /// <summary>On this thread: it wants SuperSlabs that are not ready. Looking at the call stack is not the thread's own doing.</summary>
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

    private HotLoopCounts Read() => new(
        _countsFaults && _recorder is null ? PageFaults.OfThread() : 0, VirtualMemory.OsCallsOfThread, GC.GetAllocatedBytesForCurrentThread());

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
            // Not here, or not for so many threads: then faults are counted without addresses.
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

    /// <summary>Takes out what was not the frame's doing.</summary>
    private void ForgetAddresses()
    {
        long all = _recorder?.DrainWithin(0, nuint.MaxValue) ?? 0;
        _recorded += all;
        if (all >= ManyAddresses)
            Resynchronise();
    }

    /// <summary>
    /// How many faults are not in the record because it was full, and how many came while that was asked: code that runs for the first
    /// time faults by itself.
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
