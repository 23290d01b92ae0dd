using Engine.Platform;
using Engine.SuperSlabs;

namespace Engine.Scenes;

/// <summary>
/// One thread under a <see cref="HotLoopGuard"/>: what it did between its <see cref="Begin"/> and <see cref="End"/>. A thread's faults and
/// managed bytes can be read by that thread alone, so each brackets its own work. Made by <see cref="HotLoopGuard.RegisterThread"/>; all
/// members but <see cref="Total"/> and <see cref="Name"/> belong to the thread that registered. Begin and End are hot-loop safe and take
/// about 0.3 microseconds each.
/// </summary>
public sealed class GuardedThread : IDisposable
{
    private const int KeptAddresses = 64;

    private readonly HotLoopGuard _guard;
    private readonly bool _countsFaults;
    private readonly PageFaultRecorder? _recorder;
    private readonly nuint[] _addresses = new nuint[KeptAddresses];
    private HotLoopCounts _begun;
    private HotLoopCounts _total;
    private HotLoopCounts _excused;
    private HotLoopCounts _seen;

    internal GuardedThread(HotLoopGuard guard, string name, bool countsFaults, bool recordsAddresses)
    {
        _guard = guard;
        Name = name;
        ManagedId = Environment.CurrentManagedThreadId;
        _countsFaults = countsFaults;
        if (recordsAddresses && countsFaults && PageFaultRecorder.IsAvailable(out _))
        {
            _recorder = new PageFaultRecorder(256);
            _recorder.Start();
        }

        // What runs for the first time compiles and faults: let that be here.
        for (int round = 0; round < 3; round++)
        {
            Begin();
            KeepAddresses();
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
        _recorder?.DrainWithin(0, 0);
        _excused = default;
        IsInside = true;
        _begun = Read();
    }

    /// <summary>The thread's part of the frame ends.</summary>
    public void End()
    {
        HotLoopCounts now = Read();
        IsInside = false;
        HotLoopCounts done = now - _begun - _excused;
        _total += done;
        if (done.PageFaults != 0)
        {
            KeepAddresses();
        }
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
        {
            return;
        }

        FirstDemand = demand;
        DemandedSuperSlabs = superSlabs;
        if (_guard.MayTakeCallStack())
        {
            KeepAddresses();
            HotLoopCounts before = Read();
            DemandStack = Environment.StackTrace;
            _excused += Read() - before;
            _recorder?.DrainWithin(0, 0);
        }
    }

    private HotLoopCounts Read() => new(
        _countsFaults ? PageFaults.OfThread() : 0, VirtualMemory.OsCallsOfThread, GC.GetAllocatedBytesForCurrentThread());

    private void KeepAddresses()
    {
        int count = _recorder?.Drain(_addresses) ?? 0;
        while (count > 0)
        {
            foreach (nuint address in _addresses.AsSpan(0, count))
            {
                if (FirstFault == 0)
                {
                    FirstFault = LowestFault = HighestFault = address;
                }

                LowestFault = nuint.Min(LowestFault, address);
                HighestFault = nuint.Max(HighestFault, address);
            }

            count = count < _addresses.Length ? 0 : _recorder!.Drain(_addresses);
        }
    }
}
