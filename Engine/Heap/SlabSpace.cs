using System.Numerics;

namespace SuperSlab;

/// <summary>
/// One arena's SuperSlabs, divided into slabs. SuperSlabs with free slabs stand in 33 lists by the longest run of free slabs in them,
/// so the best fit for a run of slabs is found with one bit scan. A SuperSlab whose slabs are all free goes back to the pool unless a
/// prewarm promised it to this arena. Its lock is held for the lists only: SuperSlabs are taken, and made ready by the system, under no
/// lock, and shown afterwards. What describes memory is moved before the memory is given back. Order of locks: class, then this, then pool.
/// </summary>
internal sealed unsafe class SlabSpace
{
    private const int AllFree = SlabGeometry.SlabCount;

    private readonly Reservation _reservation;
    private readonly SuperSlabPool _pool;
    private readonly SuperSlabDescriptor* _superSlabs;
    private readonly uint _ownerTag;
    private readonly int* _lock;
    private readonly int* _firstByRun;
    private ulong _nonEmptyLists;
    private int _firstOwned = SlabGeometry.None;

    /// <param name="reservation">Where the SuperSlabs lie.</param>
    /// <param name="pool">Where they come from.</param>
    /// <param name="ownerTag">What marks them as this arena's.</param>
    /// <param name="state">Zeroed memory of <see cref="StateBytes"/>.</param>
    public SlabSpace(Reservation reservation, SuperSlabPool pool, uint ownerTag, void* state)
    {
        _reservation = reservation;
        _pool = pool;
        _superSlabs = reservation.SuperSlabs;
        _ownerTag = ownerTag;
        _lock = (int*)state;
        _firstByRun = _lock + 16;
        new Span<int>(_firstByRun, AllFree + 1).Fill(SlabGeometry.None);
    }

    public static nuint StateBytes => 64 + ((AllFree + 1) * sizeof(int));

    public int SuperSlabCount { get; private set; }

    /// <summary>The most that there were.</summary>
    public int PeakSuperSlabCount { get; private set; }

    /// <summary>What the arena may hold, and how often it wanted more.</summary>
    public BudgetMeter Budget { get; } = new();

    /// <summary>
    /// Called before the arena says that there is no memory: whoever holds free blocks returns them to their runs. Null where nobody does.
    /// Called under no lock.
    /// </summary>
    public Action? Reclaim { get; set; }

    /// <summary>The first SuperSlab that the arena owns, or -1; follow <see cref="SuperSlabDescriptor.NextOwned"/>.</summary>
    public int FirstOwned => _firstOwned;

    /// <summary>Whether so many neighbouring slabs are free now. Another thread may be faster.</summary>
    public bool HasRun(int slabs) => Volatile.Read(ref _nonEmptyLists) >> slabs != 0;

    /// <summary>Takes neighbouring slabs, at most 32, of a SuperSlab that the arena has; -1 where none has so many.</summary>
    public int TryTakeSlabs(int count)
    {
        NativeLock.Enter(_lock);
        int slab = TakeFitting(count);
        NativeLock.Exit(_lock);
        return slab;
    }

    /// <summary>Takes neighbouring slabs, at most 32, of a new SuperSlab where it must be.</summary>
    /// <returns>The first slab's number, or -1 where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory. Nothing has changed.</exception>
    public int TakeSlabs(int count, int sizeClass = Demand.NoClass)
    {
        int slab = TryTakeSlabs(count);
        if (slab >= 0)
            return slab;

        int superSlab = TryAcquire(1, sizeClass, isLast: Reclaim is null);
        if (superSlab < 0 && Reclaim is { } reclaim)
        {
            reclaim();
            slab = TryTakeSlabs(count);
            if (slab >= 0)
                return slab;

            superSlab = TryAcquire(1, sizeClass, isLast: true);
        }

        return superSlab < 0 ? -1 : ShowAndTake(superSlab, count);
    }

    /// <summary>
    /// Takes neighbouring slabs, and shows a SuperSlab that was taken for them. Where another thread was faster, the SuperSlab goes back to
    /// the reserve, so threads that ran out together leave no more than they need.
    /// </summary>
    private int ShowAndTake(int superSlab, int count)
    {
        NativeLock.Enter(_lock);
        int slab = TakeFitting(count);
        if (slab < 0)
        {
            Adopt(superSlab, 1);
            SetFree(superSlab, uint.MaxValue);
            slab = TakeFitting(count);
            superSlab = SlabGeometry.None;
        }

        NativeLock.Exit(_lock);
        if (superSlab != SlabGeometry.None)
            GiveBack(superSlab, 1);

        return slab;
    }

    /// <summary>Under the lock.</summary>
    private int TakeFitting(int count)
    {
        ulong fitting = _nonEmptyLists >> count;
        if (fitting == 0)
            return -1;

        int superSlab = _firstByRun[count + BitOperations.TrailingZeroCount(fitting)];
        int first = Bitmap.FindRun(_superSlabs[superSlab].FreeSlabs, count);
        SetFree(superSlab, _superSlabs[superSlab].FreeSlabs & ~Mask(first, count));
        return (superSlab * SlabGeometry.SlabCount) + first;
    }

    public void GiveSlabs(int slab, int count)
    {
        int superSlab = slab / SlabGeometry.SlabCount;
        bool isSpare = false;
        NativeLock.Enter(_lock);
        SetFree(superSlab, _superSlabs[superSlab].FreeSlabs | Mask(slab % SlabGeometry.SlabCount, count));
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

    /// <summary>Makes a run of slabs longer where the slabs behind it in its SuperSlab are free.</summary>
    public bool TryGrowSlabs(int slab, int count, int newCount)
    {
        int superSlab = slab / SlabGeometry.SlabCount;
        int first = slab % SlabGeometry.SlabCount;
        if (first + newCount > SlabGeometry.SlabCount)
            return false;

        uint more = Mask(first + count, newCount - count);
        NativeLock.Enter(_lock);
        uint free = _superSlabs[superSlab].FreeSlabs;
        bool fits = (free & more) == more;
        if (fits)
            SetFree(superSlab, free & ~more);

        NativeLock.Exit(_lock);
        return fits;
    }

    /// <summary>Takes whole SuperSlabs for an extent.</summary>
    /// <returns>The first slab's number, or -1 where the reservation has no such run.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory. Nothing has changed.</exception>
    public int TakeExtent(int superSlabs, int sizeClass = Demand.NoClass)
    {
        int superSlab = TryAcquire(superSlabs, sizeClass, isLast: Reclaim is null);
        if (superSlab < 0 && Reclaim is { } reclaim)
        {
            reclaim();
            superSlab = TryAcquire(superSlabs, sizeClass, isLast: true);
        }

        if (superSlab < 0)
            return -1;

        NativeLock.Enter(_lock);
        Adopt(superSlab, superSlabs);
        NativeLock.Exit(_lock);
        return superSlab * SlabGeometry.SlabCount;
    }

    public void GiveExtent(int slab) => Budget.Return(GiveMoved(slab));

    /// <summary>
    /// Makes an extent longer: where the SuperSlabs behind it are free, in place; else by moving its pages to where there is room. Then the
    /// old SuperSlabs are the arena's until the caller, who moves what describes the block first, returns them by <see cref="GiveMoved"/>.
    /// </summary>
    /// <returns>The extent's first slab afterwards, or -1 where neither is possible.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory. Nothing has changed.</exception>
    public int GrowExtent(int slab, int newSuperSlabs, int sizeClass = Demand.NoClass)
    {
        int superSlab = slab / SlabGeometry.SlabCount;
        int length = _superSlabs[superSlab].RunLength;
        int more = newSuperSlabs - length;
        AdmitOrReclaim(more, sizeClass);
        int grown = -1;
        try
        {
            Demand demand = new(_ownerTag, sizeClass);
            grown = _pool.TryTakeAt(superSlab + length, more, demand) ? superSlab : _pool.TakeWithPagesOf(superSlab, length, newSuperSlabs, demand);
        }
        finally
        {
            if (grown < 0)
                Budget.Return(more);
        }

        if (grown < 0)
            return -1;

        NativeLock.Enter(_lock);
        if (grown == superSlab)
        {
            _superSlabs[superSlab + length].RunLength = 0;
            _superSlabs[superSlab].RunLength = newSuperSlabs;
            Count(more);
        }
        else
        {
            Adopt(grown, newSuperSlabs);
        }

        NativeLock.Exit(_lock);
        return grown * SlabGeometry.SlabCount;
    }

    /// <summary>Gives back what an extent left behind when its pages moved, and the budget counts no more. Nothing describes a block there any more.</summary>
    /// <returns>How many SuperSlabs.</returns>
    public int GiveMoved(int slab)
    {
        int superSlab = slab / SlabGeometry.SlabCount;
        int length = _superSlabs[superSlab].RunLength;
        NativeLock.Enter(_lock);
        Disown(superSlab, length);
        NativeLock.Exit(_lock);
        _pool.Give(superSlab, length);
        return length;
    }

    /// <summary>Counts SuperSlabs against the budget before a prewarm claims them. <see cref="BudgetMeter.Return"/> undoes it.</summary>
    /// <exception cref="EngineOutOfMemoryException">They are beyond the hard budget.</exception>
    public void AdmitOrReclaim(int superSlabs, int sizeClass = Demand.NoClass)
    {
        bool isAdmitted = Budget.TryTake(superSlabs, sizeClass, isLast: Reclaim is null);
        if (!isAdmitted && Reclaim is { } reclaim)
        {
            reclaim();
            isAdmitted = Budget.TryTake(superSlabs, sizeClass, isLast: true);
        }

        if (!isAdmitted)
            ThrowOverBudget(superSlabs);
    }

    /// <summary>SuperSlabs that a prewarm claimed, which the budget admitted, are the arena's from now on.</summary>
    /// <param name="superSlab">The first.</param>
    /// <param name="length">How many; more than one is an extent.</param>
    /// <param name="freeSlabs">Which slabs of a single one may be taken for any class.</param>
    /// <param name="isPromised">Whether it stays when its slabs are all free.</param>
    public void AdoptClaimed(int superSlab, int length, uint freeSlabs, bool isPromised)
    {
        NativeLock.Enter(_lock);
        Adopt(superSlab, length);
        _superSlabs[superSlab].IsPromised = isPromised;
        SetFree(superSlab, freeSlabs);
        NativeLock.Exit(_lock);
    }

    /// <summary>
    /// Gives all SuperSlabs back to the pool, beginning with the newest. Nothing is in use in them any more, and nobody else uses the arena.
    /// <paramref name="before"/> is told of each before it goes.
    /// </summary>
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

    /// <summary>Takes SuperSlabs within the budget, under no lock.</summary>
    /// <param name="superSlabs">How many neighbours.</param>
    /// <param name="sizeClass">For blocks of which class.</param>
    /// <param name="isLast">False where the caller can reclaim and try again: then it is told -1 and not why.</param>
    /// <returns>The first, or -1.</returns>
    private int TryAcquire(int superSlabs, int sizeClass, bool isLast)
    {
        if (!Budget.TryTake(superSlabs, sizeClass, isLast))
        {
            if (isLast)
                ThrowOverBudget(superSlabs);

            return -1;
        }

        int start = -1;
        try
        {
            start = _pool.Take(superSlabs, new Demand(_ownerTag, sizeClass));
        }
        catch (EngineOutOfMemoryException) when (!isLast && CanReclaim())
        {
            // The system gives no more; what the arena does not use may be enough.
        }
        finally
        {
            if (start < 0)
                Budget.Return(superSlabs);
        }

        return start;
    }

    private bool CanReclaim() => _firstOwned != SlabGeometry.None;

    private void ThrowOverBudget(int superSlabs) => throw new EngineOutOfMemoryException(
        $"The arena holds {Sizes.Text((nuint)Budget.Held << SlabGeometry.SuperSlabShift)} and asked for {Sizes.Text((nuint)superSlabs << SlabGeometry.SuperSlabShift)} more, "
        + $"over its hard budget of {Sizes.Text(Budget.Limits.HardBytes)}.");

    private void GiveBack(int superSlab, int length)
    {
        _pool.Give(superSlab, length);
        Budget.Return(length);
    }

    private void Count(int change)
    {
        SuperSlabCount += change;
        PeakSuperSlabCount = Math.Max(PeakSuperSlabCount, SuperSlabCount);
    }

    private static uint Mask(int first, int count) => (count == SlabGeometry.SlabCount ? uint.MaxValue : (1u << count) - 1) << first;

    /// <summary>Under the lock. No slab of it is free yet.</summary>
    private void Adopt(int superSlab, int length)
    {
        ref SuperSlabDescriptor descriptor = ref _superSlabs[superSlab];
        descriptor.PreviousOwned = SlabGeometry.None;
        descriptor.NextOwned = _firstOwned;
        if (_firstOwned != SlabGeometry.None)
            _superSlabs[_firstOwned].PreviousOwned = superSlab;

        _firstOwned = superSlab;
        Count(length);
    }

    /// <summary>Under the lock. The SuperSlabs are nobody's until they are given back to the pool.</summary>
    private void Disown(int superSlab, int length)
    {
        ref SuperSlabDescriptor descriptor = ref _superSlabs[superSlab];
        if (descriptor.PreviousOwned == SlabGeometry.None)
            _firstOwned = descriptor.NextOwned;
        else
            _superSlabs[descriptor.PreviousOwned].NextOwned = descriptor.NextOwned;

        if (descriptor.NextOwned != SlabGeometry.None)
            _superSlabs[descriptor.NextOwned].PreviousOwned = descriptor.PreviousOwned;

        Count(-length);
    }

    /// <summary>Changes which slabs are free and moves the SuperSlab to the list where it then belongs.</summary>
    private void SetFree(int superSlab, uint free)
    {
        ref SuperSlabDescriptor descriptor = ref _superSlabs[superSlab];
        int run = Bitmap.LongestRun(free);
        descriptor.FreeSlabs = free;
        if (run == descriptor.LongestFreeRun)
            return;

        if (descriptor.LongestFreeRun != 0)
            Unlink(ref descriptor);

        descriptor.LongestFreeRun = run;
        if (run != 0)
            Link(superSlab, ref descriptor, run);
    }

    private void Link(int superSlab, ref SuperSlabDescriptor descriptor, int run)
    {
        int next = _firstByRun[run];
        descriptor.PreviousByRun = SlabGeometry.None;
        descriptor.NextByRun = next;
        if (next != SlabGeometry.None)
            _superSlabs[next].PreviousByRun = superSlab;

        _firstByRun[run] = superSlab;
        _nonEmptyLists |= 1UL << run;
    }

    private void Unlink(ref SuperSlabDescriptor descriptor)
    {
        int run = descriptor.LongestFreeRun;
        if (descriptor.PreviousByRun == SlabGeometry.None)
        {
            _firstByRun[run] = descriptor.NextByRun;
            if (descriptor.NextByRun == SlabGeometry.None)
                _nonEmptyLists &= ~(1UL << run);
        }
        else
        {
            _superSlabs[descriptor.PreviousByRun].NextByRun = descriptor.NextByRun;
        }

        if (descriptor.NextByRun != SlabGeometry.None)
            _superSlabs[descriptor.NextByRun].PreviousByRun = descriptor.PreviousByRun;
    }
}

/// <summary>
/// Lays slab runs into fresh SuperSlabs before those are claimed: each run into the SuperSlab with the least room that it fits, one behind
/// the other. Runs are added by their length, the longest first, which leaves little unused.
/// </summary>
internal sealed class SlabPacking
{
    /// <summary>SuperSlabs by the slabs that are left at their end.</summary>
    private readonly Stack<int>[] _byRoom = new Stack<int>[SlabGeometry.SlabCount + 1];
    private readonly List<int> _used = [];

    public SlabPacking()
    {
        for (int room = 0; room < _byRoom.Length; room++)
            _byRoom[room] = new Stack<int>();
    }

    /// <summary>SuperSlabs so far.</summary>
    public int Count => _used.Count;

    /// <summary>Places a run of 1 to 32 slabs.</summary>
    /// <returns>The number of its SuperSlab, and its first slab there.</returns>
    public (int SuperSlab, int Slab) Add(int slabs)
    {
        int superSlab = Fitting(slabs);
        int first = _used[superSlab];
        _used[superSlab] += slabs;
        _byRoom[SlabGeometry.SlabCount - _used[superSlab]].Push(superSlab);
        return (superSlab, first);
    }

    /// <summary>The slabs of a SuperSlab that no run has, as in <see cref="SuperSlabDescriptor.FreeSlabs"/>.</summary>
    public uint FreeSlabs(int superSlab) => _used[superSlab] == SlabGeometry.SlabCount ? 0 : uint.MaxValue << _used[superSlab];

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
