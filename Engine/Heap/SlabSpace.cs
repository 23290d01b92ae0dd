using System.Diagnostics;
using System.Numerics;

namespace SuperSlab;

/// <summary>
/// One arena's SuperSlabs, divided into slabs. SuperSlabs with free slabs stand in 33 lists by their longest run of
/// free slabs, so one bit scan finds the best fit for a run. A SuperSlab whose slabs are all free goes back to the
/// pool, unless a prewarm promised it to this arena.
/// </summary>
/// <remarks>
/// The lock guards the lists only: the pool takes SuperSlabs, and the system makes them ready, under no lock, and they
/// are shown afterwards. The description of memory moves before the memory is given back. Order of locks: class, this,
/// pool.
/// </remarks>
internal sealed unsafe partial class SlabSpace
{
    private const int AllFree = SlabGeometry.SlabCount;

    private readonly SuperSlabPool _pool;
    private readonly SuperSlabDescriptor* _superSlabs;
    private readonly uint _ownerTag;
    private readonly int* _lock;
    private readonly int* _firstByRun;
    private ulong _nonEmptyLists;
    private int _firstOwned = SlabGeometry.None;
    private int _unused;
    private int _absentSlabs;

    public SlabSpace(Reservation reservation, SuperSlabPool pool, uint ownerTag, void* state)
    {
        _pool = pool;
        _superSlabs = reservation.SuperSlabs;
        _ownerTag = ownerTag;
        _lock = (int*)state;
        _firstByRun = _lock + 16;
        new Span<int>(_firstByRun, AllFree + 1).Fill(SlabGeometry.None);
    }

    /// <summary>The zeroed memory that a space is made of: its lock's cache line, and the heads of its lists.</summary>
    public static nuint StateBytes => 64 + ((AllFree + 1) * sizeof(int));

    public nuint PageBytes => _pool.PageBytes;

    /// <summary>No SuperSlab from here on is the arena's.</summary>
    public int End => _pool.End;

    /// <summary>The arena's tag.</summary>
    public uint OwnerTag => _ownerTag;

    public int SuperSlabCount { get; private set; }

    /// <summary>The most SuperSlabs that the arena had.</summary>
    public int PeakSuperSlabCount { get; private set; }

    /// <summary>The most of them that were in use at once: not all of their slabs were free.</summary>
    public int PeakUsedSuperSlabs { get; private set; }

    /// <summary>Bytes of free slabs that have no memory.</summary>
    public long AbsentBytes => (long)Volatile.Read(ref _absentSlabs) << SlabGeometry.SlabShift;

    public BudgetMeter Budget { get; } = new();

    /// <summary>Has caches return free blocks before the arena says no. Called under no lock.</summary>
    public Action? Reclaim { get; set; }

    /// <summary>The arena's newest SuperSlab; follow <see cref="SuperSlabDescriptor.NextOwned"/>.</summary>
    public int FirstOwned => _firstOwned;

    /// <summary>Whether this many neighbouring slabs are free. Another thread may take them.</summary>
    public bool HasRun(int slabs) => Volatile.Read(ref _nonEmptyLists) >> slabs != 0;

    /// <summary>Whether a run or an extent could be taken without a call of the system. Some moments old.</summary>
    public bool HasRoom(int slabs) => slabs <= AllFree ? HasRun(slabs)
        : FindOwned(slabs) >= 0 || _pool.HasReady((slabs + AllFree - 1) / AllFree);

    /// <summary>Whether SuperSlabs belong to memory nodes, of which a thread runs on one.</summary>
    public bool HasNodes => _pool.NodeCount > 1;

    /// <summary>Whether a slab is of the memory node that the calling thread runs on.</summary>
    public bool IsNear(int slab) => _pool.NodeOf(slab / AllFree) == _pool.CurrentNode;

    /// <summary>Takes neighbouring slabs, at most 32, of the arena's SuperSlabs; -1 where none has as many.</summary>
    /// <exception cref="EngineOutOfMemoryException">They had no memory, and the system gave none.</exception>
    public int TryTakeSlabs(int count, int sizeClass = Demand.NoClass)
    {
        NativeLock.Enter(_lock);
        int slab = TakeFitting(count, sizeClass, out uint absent);
        NativeLock.Exit(_lock);
        Fill(slab, count, absent, sizeClass);
        return slab;
    }

    /// <summary>Takes neighbouring slabs, at most 32, of a new SuperSlab where the arena's have too few.</summary>
    /// <returns>The first slab's number, or -1 where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory.</exception>
    public int TakeSlabs(int count, int sizeClass = Demand.NoClass)
    {
        int slab = TryTakeSlabs(count, sizeClass);
        if (slab >= 0)
            return slab;

        int superSlab = Acquire(1, sizeClass, count, out slab);
        return superSlab < 0 ? slab : ShowAndTake(superSlab, count, sizeClass);
    }

    /// <summary>
    /// Takes neighbouring slabs, if need be of the SuperSlab just taken for them. If others gave slabs back meanwhile,
    /// that one returns to the reserve: threads that run out together keep no more than they need.
    /// </summary>
    private int ShowAndTake(int superSlab, int count, int sizeClass)
    {
        NativeLock.Enter(_lock);
        int slab = TakeFitting(count, sizeClass, out uint absent);
        if (slab < 0)
        {
            Adopt(superSlab, 1);
            SetFree(superSlab, uint.MaxValue);
            slab = TakeFitting(count, sizeClass, out absent);
            superSlab = SlabGeometry.None;
        }

        NativeLock.Exit(_lock);
        if (superSlab != SlabGeometry.None)
            GiveBack(superSlab, 1);

        Fill(slab, count, absent, sizeClass);
        return slab;
    }

    /// <summary>Takes the best fit among slabs that have memory, else among those that have none. Under the
    /// lock.</summary>
    private int TakeFitting(int count, int sizeClass, out uint absent)
    {
        absent = 0;
        ulong fitting = _nonEmptyLists >> count;
        if (fitting == 0)
            return -1;

        int superSlab = _pool.NodeCount > 1 ? FindFitting(count, fitting, _pool.CurrentNode) : SlabGeometry.None;
        superSlab = superSlab == SlabGeometry.None ? FindFitting(count, fitting) : superSlab;
        superSlab = PreferPresent(superSlab, count);

        // Blocks that stand alone may grow in place, and an extent may want a SuperSlab's first slabs.
        uint free = _superSlabs[superSlab].FreeSlabs;
        uint from = HasPresent(superSlab, count) ? PresentSlabs(superSlab) : free;
        int first = sizeClass >= Magazine.FirstOfOne ? Bitmap.FindRun(from, count) : Bitmap.FindLastRun(from, count);
        absent = _superSlabs[superSlab].AbsentSlabs & Bitmap.Mask(first, count);
        SetAbsent(superSlab, _superSlabs[superSlab].AbsentSlabs & ~absent);
        SetFree(superSlab, free & ~Bitmap.Mask(first, count));
        NoteUse();
        return (superSlab * SlabGeometry.SlabCount) + first;
    }

    /// <summary>The SuperSlab with the shortest fitting run, of one memory node or of any; or None.</summary>
    private int FindFitting(int count, ulong fitting, int? node = null)
    {
        int found = SlabGeometry.None;
        for (; fitting != 0 && found == SlabGeometry.None; fitting &= fitting - 1)
        {
            int run = count + BitOperations.TrailingZeroCount(fitting);
            for (int one = _firstByRun[run]; one != SlabGeometry.None; one = _superSlabs[one].NextByRun)
            {
                bool fits = node is null || _pool.NodeOf(one) == node;
                found = fits ? Math.Max(found, one) : found;
                if (fits && run != AllFree)
                    break; // of whole ones the highest: extents take the lowest, so neighbours stay free for them
            }
        }

        return found;
    }

    /// <summary>Gives the slabs of a run back; of an extent its SuperSlabs, and the slabs that it has of one more.
    /// </summary>
    /// <param name="slab">The first slab.</param>
    /// <param name="count">How many.</param>
    /// <param name="absent">The slabs, as bits of their SuperSlab, that have pages without memory.</param>
    /// <param name="partial">Those of them that have some with memory.</param>
    public void GiveSlabs(int slab, int count, uint absent = 0, uint partial = 0)
    {
        int superSlab = slab / SlabGeometry.SlabCount;
        if (count > AllFree)
        {
            int whole = _superSlabs[superSlab].RunLength;
            GiveExtent(superSlab, whole);
            superSlab += whole;
            count -= whole * AllFree;
            if (count <= 0)
                return;
        }

        GiveBits(superSlab, Bitmap.Mask(slab % SlabGeometry.SlabCount, count), absent, partial);
    }

    /// <summary>Makes slabs of one SuperSlab free, some of them without memory. If all are free then, it returns to the
    /// pool.</summary>
    private void GiveBits(int superSlab, uint given, uint absent, uint partial = 0)
    {
        bool isSpare = false;
        NativeLock.Enter(_lock);
        Debug.Assert((_superSlabs[superSlab].FreeSlabs & given) == 0, "slabs are given back once");
        SetAbsent(superSlab, _superSlabs[superSlab].AbsentSlabs | absent);
        _superSlabs[superSlab].PartialSlabs = (_superSlabs[superSlab].PartialSlabs & ~absent) | partial;
        SetFree(superSlab, _superSlabs[superSlab].FreeSlabs | given);
        if (_superSlabs[superSlab].LongestFreeRun == AllFree && !_superSlabs[superSlab].IsPromised)
        {
            SetFree(superSlab, 0);
            Disown(superSlab, 1);
            isSpare = true;
        }

        NativeLock.Exit(_lock);
        if (isSpare)
            GiveBack(superSlab, 1);
    }

    /// <summary>Makes a run longer where the slabs behind it in its SuperSlab are free, and have memory.</summary>
    public bool TryGrowSlabs(int slab, int count, int newCount)
    {
        int superSlab = slab / SlabGeometry.SlabCount;
        int first = slab % SlabGeometry.SlabCount;
        if (first + newCount > SlabGeometry.SlabCount)
            return false;

        uint more = Bitmap.Mask(first + count, newCount - count);
        NativeLock.Enter(_lock);
        bool fits = (PresentSlabs(superSlab) & more) == more;
        if (fits)
            SetFree(superSlab, _superSlabs[superSlab].FreeSlabs & ~more);

        NativeLock.Exit(_lock);
        return fits;
    }

    /// <summary>Admits SuperSlabs before a prewarm claims them; <see cref="BudgetMeter.Return"/> undoes it.</summary>
    /// <exception cref="EngineOutOfMemoryException">They exceed the hard budget.</exception>
    public void AdmitOrReclaim(int superSlabs, int sizeClass = Demand.NoClass)
    {
        bool isAdmitted = Budget.TryTake(superSlabs, sizeClass, isLast: Reclaim is null);
        if (!isAdmitted && Reclaim is { } reclaim)
        {
            reclaim();
            isAdmitted = Budget.TryTake(superSlabs, sizeClass, isLast: true);
        }

        if (!isAdmitted)
            Budget.ThrowOver(superSlabs, sizeClass);
    }

    /// <summary>Makes a SuperSlab that a prewarm claimed, within the budget, the arena's.</summary>
    /// <param name="superSlab">The SuperSlab.</param>
    /// <param name="freeSlabs">Its slabs that no run has.</param>
    /// <param name="present">How many of its slabs, the first ones, have memory.</param>
    /// <param name="isPromised">Whether it stays when all of it is free.</param>
    public void AdoptClaimed(int superSlab, uint freeSlabs, int present, bool isPromised)
    {
        NativeLock.Enter(_lock);
        _superSlabs[superSlab].RunLength = 1;
        Adopt(superSlab, 1);
        _superSlabs[superSlab].IsPromised = isPromised;
        ShowClaimed(superSlab, freeSlabs, present);
        NoteUse();
        NativeLock.Exit(_lock);
    }

    /// <summary>Makes claimed SuperSlabs an extent of the arena, of which the first slabs have memory.</summary>
    public void AdoptClaimedExtent(int superSlab, int slabs, int present)
    {
        NativeLock.Enter(_lock);
        AdoptExtent(superSlab, slabs);
        int last = superSlab + (slabs / AllFree);
        if (slabs % AllFree != 0)
            ShowClaimed(last, _superSlabs[last].FreeSlabs, present - (slabs / AllFree * AllFree));

        NoteUse();
        NativeLock.Exit(_lock);
    }

    /// <summary>Makes the free slabs of a claimed SuperSlab takeable. Under the lock.</summary>
    private void ShowClaimed(int superSlab, uint freeSlabs, int present)
    {
        _superSlabs[superSlab].IsPrewarmed = true;
        SetAbsent(superSlab, freeSlabs & ~Bitmap.Mask(0, present));
        SetFree(superSlab, freeSlabs);
    }

    /// <summary>Gives each SuperSlab back after a callback, the newest first. No other thread uses the arena.</summary>
    public void ReleaseAll(Action<int> before)
    {
        while (_firstOwned != SlabGeometry.None)
        {
            int superSlab = _firstOwned;
            before(superSlab);
            int length = _superSlabs[superSlab].RunLength;
            if (length == 1)
                SetFree(superSlab, 0);

            Disown(superSlab, length);
            GiveBack(superSlab, length);
        }
    }

    /// <summary>Takes neighbouring SuperSlabs under no lock, after a reclaim if need be; -1 for none.</summary>
    /// <remarks>If the reclaim freed neighbouring slabs, as many as the caller needs, takes those instead.</remarks>
    private int Acquire(int superSlabs, int sizeClass, int slabs, out int slab)
    {
        slab = -1;
        int superSlab = TryAcquire(superSlabs, sizeClass, isLast: Reclaim is null);
        if (superSlab >= 0 || Reclaim is not { } reclaim)
            return superSlab;

        reclaim();
        slab = slabs == 0 ? -1 : TryTakeSlabs(slabs, sizeClass);
        return slab >= 0 ? -1 : TryAcquire(superSlabs, sizeClass, isLast: true);
    }

    /// <summary>Takes SuperSlabs within the budget; -1 where the reservation is full, or a reclaim may help.</summary>
    private int TryAcquire(int superSlabs, int sizeClass, bool isLast)
    {
        if (!Budget.TryTake(superSlabs, sizeClass, isLast))
        {
            if (isLast)
                Budget.ThrowOver(superSlabs, sizeClass);

            return -1;
        }

        int start = -1;
        try
        {
            start = _pool.Take(superSlabs, new Demand(_ownerTag, sizeClass));
        }
        catch (EngineOutOfMemoryException) when (!isLast && _firstOwned != SlabGeometry.None)
        {
            // The system gives no more; what the arena does not use may suffice.
        }
        finally
        {
            if (start < 0)
                Budget.Return(superSlabs);
        }

        return start;
    }

    private void GiveBack(int superSlab, int length)
    {
        _pool.Give(superSlab, length);
        Budget.Return(length);
    }

    private void Count(int change)
    {
        SuperSlabCount += change;
        Debug.Assert(SuperSlabCount >= 0, "only owned SuperSlabs go");
        PeakSuperSlabCount = Math.Max(PeakSuperSlabCount, SuperSlabCount);
    }

    /// <summary>Notes what is in use after something was taken. Under the lock.</summary>
    private void NoteUse() => PeakUsedSuperSlabs = Math.Max(PeakUsedSuperSlabs, SuperSlabCount - _unused);

    /// <summary>Adds SuperSlabs to the arena's, none of their slabs free yet. Under the lock.</summary>
    private void Adopt(int superSlab, int length)
    {
        Debug.Assert(_superSlabs[superSlab].OwnerTag == _ownerTag, "the pool gave it to this arena");
        Debug.Assert(_superSlabs[superSlab].RunLength == length && _superSlabs[superSlab].FreeSlabs == 0, "as taken");
        DescriptorList.Push(&_superSlabs->PreviousOwned, ref _firstOwned, superSlab);
        Count(length);
    }

    /// <summary>Takes SuperSlabs out of the arena's; the caller then gives them to the pool. Under the lock.</summary>
    private void Disown(int superSlab, int length)
    {
        Debug.Assert(_superSlabs[superSlab].FreeSlabs == 0, "it is in no list of free slabs");
        _absentSlabs -= BitOperations.PopCount(_superSlabs[superSlab].AbsentSlabs);
        DescriptorList.Remove(&_superSlabs->PreviousOwned, ref _firstOwned, superSlab);
        Count(-length);
    }

    /// <summary>Changes which slabs are free, and moves the SuperSlab to its list. Under the lock.</summary>
    private void SetFree(int superSlab, uint free)
    {
        SuperSlabDescriptor* descriptor = _superSlabs + superSlab;
        int before = descriptor->LongestFreeRun;
        int after = Bitmap.LongestRun(free);
        descriptor->FreeSlabs = free;
        if (before == after)
            return;

        descriptor->LongestFreeRun = after;
        _unused += (after == AllFree ? 1 : 0) - (before == AllFree ? 1 : 0);
        if (before != 0)
        {
            DescriptorList.Remove(&_superSlabs->PreviousByRun, ref _firstByRun[before], superSlab);
            if (_firstByRun[before] == SlabGeometry.None)
                _nonEmptyLists &= ~(1UL << before);
        }

        if (after != 0)
        {
            DescriptorList.Push(&_superSlabs->PreviousByRun, ref _firstByRun[after], superSlab);
            _nonEmptyLists |= 1UL << after;
        }
    }
}

/// <summary>
/// Lays slab runs into SuperSlabs before those are claimed: each run into the SuperSlab with the least room that holds
/// it, behind the runs already there. Longest runs first leave little unused.
/// </summary>
internal sealed class SlabPacking
{
    /// <summary>SuperSlabs by the slabs left at their end.</summary>
    private readonly Stack<int>[] _byRoom = new Stack<int>[SlabGeometry.SlabCount + 1];
    private readonly List<int> _used = [];

    public SlabPacking()
    {
        for (int room = 0; room < _byRoom.Length; room++)
            _byRoom[room] = new Stack<int>();
    }

    public int Count => _used.Count;

    /// <summary>Places a run of 1 to 32 slabs.</summary>
    /// <returns>The index of its SuperSlab, and its first slab there.</returns>
    public (int SuperSlab, int Slab) Add(int slabs)
    {
        int superSlab = Fitting(slabs);
        int first = _used[superSlab];
        _used[superSlab] += slabs;
        _byRoom[SlabGeometry.SlabCount - _used[superSlab]].Push(superSlab);
        return (superSlab, first);
    }

    /// <summary>The slabs of a SuperSlab that no run has, as <see cref="SuperSlabDescriptor.FreeSlabs"/>.</summary>
    public uint FreeSlabs(int superSlab) =>
        _used[superSlab] == SlabGeometry.SlabCount ? 0 : uint.MaxValue << _used[superSlab];

    private int Fitting(int slabs)
    {
        for (int room = slabs; room < _byRoom.Length; room++)
        {
            if (_byRoom[room].TryPop(out int superSlab))
                return superSlab;
        }

        _used.Add(0);
        return _used.Count - 1;
    }
}
