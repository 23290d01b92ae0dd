using M = SuperSlab.Scenes.HotLoopMetric;

namespace SuperSlab.Scenes;

/// <summary>
/// One thread under a <see cref="HotLoopGuard"/>: what it does between <see cref="Begin"/> and <see cref="End"/>.
/// Made by <see cref="HotLoopGuard.RegisterThread"/>, for the thread that registered; any thread may read
/// <see cref="Total"/> and <see cref="Name"/>. Begin and End are hot-loop safe.
/// </summary>
/// <remarks>
/// Only a thread itself can read its faults and managed bytes, so each thread brackets its own work. Where the system
/// does not record faults (<see cref="Unplaced"/>), the thread asks the system for their number twice a frame.
/// </remarks>
public sealed class GuardedThread : IDisposable
{
    private readonly HotLoopGuard _guard;
    private readonly bool _countsFaults;
    private readonly ThreadFaults? _faults;
    private readonly FrameAccount _frame = new(null);
    private FrameAccount[] _accounts;
    private FrameAccount _current;
    private Reading _mark;

    internal GuardedThread(HotLoopGuard guard, EngineMemory memory, string name, bool countsFaults, bool placesFaults)
    {
        _guard = guard;
        Name = name;
        ManagedId = Environment.CurrentManagedThreadId;
        _countsFaults = countsFaults;
        _accounts = [_frame];
        _current = _frame;
        string reason = countsFaults ? "HotLoopGuardOptions.FaultAddresses is false" : "no faults are counted for it";
        _faults = placesFaults && countsFaults ? ThreadFaults.TryOpen(memory, out reason) : null;
        Unplaced = _faults is null ? reason : "";

        // The first run of code compiles and faults: it happens here, not in a frame.
        for (int round = 0; round < 3; round++)
        {
            Begin();
            Flush();
            End();
            _ = TakeNew(null, out _);
            DropNew();
        }

        _frame.Counts = _frame.Seen = default;
        Forget();
    }

    /// <summary>The name given at registration.</summary>
    public string Name { get; }

    /// <summary>Empty where each page fault has an address; else why the thread's faults are only counted.</summary>
    public string Unplaced { get; }

    /// <summary>
    /// What the thread did between all its Begin and End, without what was excluded. Page faults are not told apart by
    /// owner, but for the engine's. Exact once its work has ended.
    /// </summary>
    public HotLoopCounts Total
    {
        get
        {
            HotLoopCounts total = default;
            foreach (FrameAccount account in _accounts)
                total += account.IsExcluded ? default : account.Counts;

            return total;
        }
    }

    internal int ManagedId { get; }

    /// <summary>What the thread did in the frame that ended last.</summary>
    internal HotLoopCounts LastFrame { get; private set; }

    internal bool IsInside { get; private set; }

    /// <summary>The first wish for memory that was not ready since <see cref="Forget"/>.</summary>
    internal Demand? FirstDemand { get; private set; }

    internal int DemandedSuperSlabs { get; private set; }

    internal string? DemandStack { get; private set; }

    /// <summary>The faults of the frame that ended last.</summary>
    internal Span<PlacedFault> Faults => _faults is null ? default : _faults.Kept;

    /// <summary>Begins the thread's part of the frame.</summary>
    /// <exception cref="InvalidOperationException">
    /// The last part has not ended, or another thread than the one that registered calls.
    /// </exception>
    public void Begin()
    {
        ThrowIfElsewhere();
        if (IsInside)
            ThrowOrder($"Thread '{Name}' began a part of a frame inside another: each Begin needs its End.");

        _faults?.Skip();
        _current = _frame;
        IsInside = true;
        _mark = Read();
    }

    /// <summary>Ends the thread's part of the frame.</summary>
    /// <exception cref="InvalidOperationException">
    /// No part has begun, or another thread than the one that registered calls.
    /// </exception>
    public void End()
    {
        ThrowIfElsewhere();
        if (!IsInside)
            ThrowOrder($"Thread '{Name}' ended a part of a frame that it had not begun: call Begin before End.");

        Flush();
        IsInside = false;
    }

    /// <summary>Counts are of one thread: those of another would be taken for this one's.</summary>
    /// <exception cref="InvalidOperationException">Another thread than the one that registered calls.</exception>
    internal void ThrowIfElsewhere()
    {
        if (Environment.CurrentManagedThreadId != ManagedId)
        {
            ThrowOrder($"Thread '{Name}' is thread {ManagedId}, which registered, and thread "
                + $"{Environment.CurrentManagedThreadId} calls: make a guard on the thread that runs the frames, and "
                + "register each worker on itself.");
        }
    }

    /// <summary>Ends the registration, on the thread that registered. A second call does nothing.</summary>
    public void Dispose()
    {
        _guard.Remove(this);
        _faults?.Dispose();
    }

    /// <summary>Books what follows under a name. Only the first use of a name allocates, which does not count.</summary>
    internal FramePartScope Enter(string name, bool isExcluded)
    {
        if (!IsInside)
            return default;

        Flush();
        FrameAccount outer = _current;
        _current = AccountOf(name, isExcluded);
        return new FramePartScope(this, _current, outer);
    }

    internal void Leave(FrameAccount entered, FrameAccount outer)
    {
        if (IsInside && _current == entered)
        {
            Flush();
            _current = outer;
        }
    }

    /// <summary>Takes over, on the guard's thread, what the thread did since the last call.</summary>
    /// <param name="places">Tells the kinds of the faults outside the engine; null does not.</param>
    /// <param name="hasParts">Whether it did anything in a part that has a name.</param>
    /// <returns>Whether it did anything; then it is <see cref="LastFrame"/>.</returns>
    internal bool TakeNew(FaultPlaces? places, out bool hasParts)
    {
        bool hasNew = hasParts = false;
        HotLoopCounts own = default;
        foreach (FrameAccount account in _accounts)
        {
            if (!Volatile.Read(ref account.IsNew))
                continue;

            Volatile.Write(ref account.IsNew, false);
            HotLoopCounts fresh = account.Counts - account.Seen;
            account.Seen += fresh;
            Book(account, fresh, ref own);
            hasParts |= account.Part is not null;
            hasNew = true;
        }

        if (hasNew)
            PlaceFaults(places, ref own);

        LastFrame = own;
        return hasNew;
    }

    private void PlaceFaults(FaultPlaces? places, ref HotLoopCounts own)
    {
        foreach (ref PlacedFault fault in places is null ? default : Faults)
        {
            if (fault.Kind == M.EngineFaults)
                continue;

            fault.Kind = places!.KindOf(fault);
            HotLoopCounts one = default;
            one.Add(fault.Kind, 1);
            Book(fault.Account, one, ref own);
        }
    }

    /// <summary>Leaves out what the thread did between two frames.</summary>
    internal void DropNew()
    {
        bool isNew = false;
        foreach (FrameAccount account in _accounts)
        {
            if (Volatile.Read(ref account.IsNew))
            {
                Volatile.Write(ref account.IsNew, false);
                account.Seen = account.Counts;
                isNew = true;
            }
        }

        if (isNew)
            Forget();
    }

    /// <summary>Forgets what was kept to name a culprit.</summary>
    internal void Forget()
    {
        FirstDemand = null;
        DemandStack = null;
        _faults?.Forget();
    }

    /// <summary>Keeps the first wish for SuperSlabs that are not ready, with how many were wanted for the same. The call
    /// stack's cost does not count.</summary>
    internal void Demanded(Demand demand, int superSlabs)
    {
        if (_current.IsExcluded)
            return;

        if (FirstDemand is { } first)
        {
            DemandedSuperSlabs += first == demand ? superSlabs : 0;
            return;
        }

        FirstDemand = demand;
        DemandedSuperSlabs = superSlabs;
        Volatile.Write(ref _current.IsNew, true);
        if (_guard.MayTakeCallStack())
        {
            Flush();
            DemandStack = Environment.StackTrace;
            Restart();
        }
    }

    private static void ThrowOrder(string message) => throw new InvalidOperationException(message);

    private static void Book(FrameAccount account, in HotLoopCounts fresh, ref HotLoopCounts own)
    {
        if (!account.IsExcluded)
            own += fresh;

        account.Part?.Book(fresh);
    }

    private FrameAccount AccountOf(string name, bool isExcluded)
    {
        foreach (FrameAccount account in _accounts)
        {
            if (account.Part is { } part && part.IsExcluded == isExcluded && part.Name == name)
                return account;
        }

        FrameAccount added = new(_guard.PartOf(name, isExcluded));
        _accounts = [.. _accounts, added];
        Restart();
        return added;
    }

    /// <summary>Books what the thread did since the last call.</summary>
    private void Flush()
    {
        Reading now = Read();
        FrameAccount account = _current;
        bool isNew = now != _mark;
        if (isNew)
            Add(ref account.Counts, now);

        isNew |= _faults is not null && _faults.Take(account);
        if (isNew)
            Volatile.Write(ref account.IsNew, true);

        _mark = now;
    }

    /// <summary>Where faults have no addresses, they are the engine's if it asked the system for memory.</summary>
    private void Add(ref HotLoopCounts counts, in Reading now)
    {
        long faults = now.PageFaults - _mark.PageFaults;
        long calls = now.OsCalls - _mark.OsCalls;
        counts.Add(M.OsCalls, calls);
        counts.Add(M.ManagedBytes, now.ManagedBytes - _mark.ManagedBytes);
        counts.Add(M.PageFaults, faults);
        counts.Add(M.EngineFaults, calls == 0 ? 0 : faults);
        counts.Add(M.Waits, now.Waits - _mark.Waits);
    }

    /// <summary>Drops what the thread did since <see cref="Flush"/>.</summary>
    private void Restart()
    {
        _faults?.Skip();
        _mark = Read();
    }

    private Reading Read() => new(
        VirtualMemory.OsCallsOfThread,
        GC.GetAllocatedBytesForCurrentThread(),
        _countsFaults && _faults is null ? PageFaults.OfThread() : 0,
        _faults is null && _guard.CountsWaits ? PageFaults.WaitsOfThread() : 0);

    private readonly record struct Reading(long OsCalls, long ManagedBytes, long PageFaults, long Waits);
}
