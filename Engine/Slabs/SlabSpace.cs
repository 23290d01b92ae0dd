using System.Numerics;
using Engine.Core;
using Engine.SuperSlabs;

namespace Engine.Slabs;

/// <summary>
/// One arena's SuperSlabs, divided into slabs. SuperSlabs with free slabs stand in 33 lists by the longest run of free slabs in them,
/// so the best fit for a run of slabs is found with one bit scan. A SuperSlab whose slabs are all free goes back to the pool unless a
/// prewarm promised it to this arena. Guarded by a lock of its own; order of locks: class, then this, then pool, then metadata heap.
/// </summary>
internal sealed unsafe class SlabSpace
{
    private const int AllFree = SuperSlab.SlabCount;

    private readonly Reservation _reservation;
    private readonly SuperSlabPool _pool;
    private readonly SuperSlab* _superSlabs;
    private readonly uint _ownerTag;
    private readonly int* _lock;
    private readonly int* _firstByRun;
    private ulong _nonEmptyLists;
    private int _firstOwned = SuperSlab.None;

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
        new Span<int>(_firstByRun, AllFree + 1).Fill(SuperSlab.None);
    }

    public static nuint StateBytes => 64 + ((AllFree + 1) * sizeof(int));

    public int SuperSlabCount { get; private set; }

    /// <summary>The most that there were.</summary>
    public int PeakSuperSlabCount { get; private set; }

    /// <summary>Those of them that are divided into slabs; the others are parts of extents, which have two or more.</summary>
    public int DividedSuperSlabCount { get; private set; }

    /// <summary>What the arena may hold, and how often it wanted more.</summary>
    public BudgetMeter Budget { get; } = new();

    /// <summary>The arena keeps this many divided SuperSlabs even when they are empty.</summary>
    public int PrewarmedSuperSlabs { get; set; }

    /// <summary>The first SuperSlab that the arena owns, or -1; follow <see cref="SuperSlab.NextOwned"/>.</summary>
    public int FirstOwned => _firstOwned;

    /// <summary>Whether so many neighbouring slabs are free now. Another thread may be faster.</summary>
    public bool HasRun(int slabs) => _nonEmptyLists >> slabs != 0;

    /// <summary>Takes neighbouring slabs, at most 32.</summary>
    /// <returns>The first slab's number, or -1 where the reservation is full.</returns>
    public int TakeSlabs(int count, int sizeClass = Demand.NoClass)
    {
        NativeLock.Enter(_lock);
        try
        {
            ulong fitting = _nonEmptyLists >> count;
            int superSlab;
            if (fitting != 0)
            {
                superSlab = _firstByRun[count + BitOperations.TrailingZeroCount(fitting)];
            }
            else
            {
                superSlab = Take(1, sizeClass);
                if (superSlab < 0)
                {
                    return -1;
                }

                Adopt(superSlab, 1);
            }

            int first = Bitmap.FindRun(_superSlabs[superSlab].FreeSlabs, count);
            SetFree(superSlab, _superSlabs[superSlab].FreeSlabs & ~Mask(first, count));
            return (superSlab * SuperSlab.SlabCount) + first;
        }
        finally
        {
            NativeLock.Exit(_lock);
        }
    }

    public void GiveSlabs(int slab, int count)
    {
        int superSlab = slab / SuperSlab.SlabCount;
        NativeLock.Enter(_lock);
        SetFree(superSlab, _superSlabs[superSlab].FreeSlabs | Mask(slab % SuperSlab.SlabCount, count));
        if (_superSlabs[superSlab].LongestFreeRun == AllFree && DividedSuperSlabCount > PrewarmedSuperSlabs)
        {
            SetFree(superSlab, 0);
            Disown(superSlab, 1);
        }

        NativeLock.Exit(_lock);
    }

    /// <summary>Makes a run of slabs longer where the slabs behind it in its SuperSlab are free.</summary>
    public bool TryGrowSlabs(int slab, int count, int newCount)
    {
        int superSlab = slab / SuperSlab.SlabCount;
        int first = slab % SuperSlab.SlabCount;
        if (first + newCount > SuperSlab.SlabCount)
        {
            return false;
        }

        uint more = Mask(first + count, newCount - count);
        NativeLock.Enter(_lock);
        uint free = _superSlabs[superSlab].FreeSlabs;
        bool fits = (free & more) == more;
        if (fits)
        {
            SetFree(superSlab, free & ~more);
        }

        NativeLock.Exit(_lock);
        return fits;
    }

    /// <summary>Takes whole SuperSlabs for an extent.</summary>
    /// <returns>The first slab's number, or -1 where the reservation has no such run.</returns>
    public int TakeExtent(int superSlabs, int sizeClass = Demand.NoClass)
    {
        int superSlab = Take(superSlabs, sizeClass);
        if (superSlab < 0)
        {
            return -1;
        }

        NativeLock.Enter(_lock);
        Adopt(superSlab, superSlabs);
        SetFree(superSlab, 0);
        NativeLock.Exit(_lock);
        return superSlab * SuperSlab.SlabCount;
    }

    public void GiveExtent(int slab)
    {
        int superSlab = slab / SuperSlab.SlabCount;
        NativeLock.Enter(_lock);
        Disown(superSlab, _superSlabs[superSlab].RunLength);
        NativeLock.Exit(_lock);
    }

    /// <summary>
    /// Makes an extent longer: where the SuperSlabs behind it are free, in place; else by moving its pages to where there is room.
    /// </summary>
    /// <returns>The extent's first slab afterwards, or -1 where neither is to be had.</returns>
    public int GrowExtent(int slab, int newSuperSlabs, int sizeClass = Demand.NoClass)
    {
        int superSlab = slab / SuperSlab.SlabCount;
        int length = _superSlabs[superSlab].RunLength;
        Admit(newSuperSlabs - length, sizeClass);
        if (_pool.TryTakeAt(superSlab + length, newSuperSlabs - length, new Demand(_ownerTag, sizeClass)))
        {
            NativeLock.Enter(_lock);
            _superSlabs[superSlab + length].RunLength = 0;
            _superSlabs[superSlab].RunLength = newSuperSlabs;
            SuperSlabCount += newSuperSlabs - length;
            PeakSuperSlabCount = Math.Max(PeakSuperSlabCount, SuperSlabCount);
            NativeLock.Exit(_lock);
            return slab;
        }

        int moved = _pool.TakeWithPagesOf(superSlab, length, newSuperSlabs, new Demand(_ownerTag, sizeClass));
        if (moved < 0)
        {
            return -1;
        }

        NativeLock.Enter(_lock);
        Adopt(moved, newSuperSlabs);
        SetFree(moved, 0);
        Disown(superSlab, length);
        NativeLock.Exit(_lock);
        return moved * SuperSlab.SlabCount;
    }

    /// <summary>Takes SuperSlabs ahead of their use. All, or none.</summary>
    /// <exception cref="EngineOutOfMemoryException">The reservation or the system has no more.</exception>
    public void TakeAhead(int count)
    {
        int before = SuperSlabCount;
        try
        {
            for (int taken = 0; taken < count; taken++)
            {
                int superSlab = Take(1, Demand.NoClass);
                if (superSlab < 0)
                {
                    throw new EngineOutOfMemoryException($"{count} SuperSlabs of 2 MiB were asked for ahead, and the reservation had only {taken} left.");
                }

                NativeLock.Enter(_lock);
                Adopt(superSlab, 1);
                NativeLock.Exit(_lock);
            }
        }
        catch
        {
            ReleaseDownTo(before, before: null);
            throw;
        }
    }

    /// <summary>
    /// Gives all SuperSlabs back to the pool, beginning with the newest, until <paramref name="keep"/> are left. Nothing may be in use in
    /// them any more. <paramref name="before"/> is told of each before it goes.
    /// </summary>
    public void ReleaseDownTo(int keep, Action<int>? before)
    {
        NativeLock.Enter(_lock);
        while (_firstOwned != SuperSlab.None && SuperSlabCount > keep)
        {
            int superSlab = _firstOwned;
            before?.Invoke(superSlab);
            int length = _superSlabs[superSlab].RunLength;
            if (length == 1)
            {
                SetFree(superSlab, 0);
            }

            Disown(superSlab, length);
        }

        NativeLock.Exit(_lock);
    }

    private int Take(int superSlabs, int sizeClass)
    {
        Admit(superSlabs, sizeClass);
        return _pool.Take(superSlabs, new Demand(_ownerTag, sizeClass));
    }

    /// <summary>Holds the arena to its budget before it takes SuperSlabs.</summary>
    private void Admit(int superSlabs, int sizeClass)
    {
        nuint before = (nuint)SuperSlabCount << SuperSlab.Shift;
        if (!Budget.Admits(before, (nuint)superSlabs << SuperSlab.Shift, sizeClass))
        {
            throw new EngineOutOfMemoryException(
                $"The arena holds {Sizes.Text(before)} and asked for {Sizes.Text((nuint)superSlabs << SuperSlab.Shift)} more, over its hard budget of {Sizes.Text(Budget.Limits.HardBytes)}.");
        }
    }

    private static uint Mask(int first, int count) => (count == SuperSlab.SlabCount ? uint.MaxValue : (1u << count) - 1) << first;

    private void Adopt(int superSlab, int length)
    {
        ref SuperSlab descriptor = ref _superSlabs[superSlab];
        descriptor.PreviousOwned = SuperSlab.None;
        descriptor.NextOwned = _firstOwned;
        if (_firstOwned != SuperSlab.None)
        {
            _superSlabs[_firstOwned].PreviousOwned = superSlab;
        }

        _firstOwned = superSlab;
        SuperSlabCount += length;
        PeakSuperSlabCount = Math.Max(PeakSuperSlabCount, SuperSlabCount);
        DividedSuperSlabCount += length == 1 ? 1 : 0;
        SetFree(superSlab, uint.MaxValue);
    }

    private void Disown(int superSlab, int length)
    {
        ref SuperSlab descriptor = ref _superSlabs[superSlab];
        if (descriptor.PreviousOwned == SuperSlab.None)
        {
            _firstOwned = descriptor.NextOwned;
        }
        else
        {
            _superSlabs[descriptor.PreviousOwned].NextOwned = descriptor.NextOwned;
        }

        if (descriptor.NextOwned != SuperSlab.None)
        {
            _superSlabs[descriptor.NextOwned].PreviousOwned = descriptor.PreviousOwned;
        }

        SuperSlabCount -= length;
        DividedSuperSlabCount -= length == 1 ? 1 : 0;
        _pool.Give(superSlab, length);
    }

    /// <summary>Changes which slabs are free and moves the SuperSlab to the list where it then belongs.</summary>
    private void SetFree(int superSlab, uint free)
    {
        ref SuperSlab descriptor = ref _superSlabs[superSlab];
        int run = Bitmap.LongestRun(free);
        descriptor.FreeSlabs = free;
        if (run == descriptor.LongestFreeRun)
        {
            return;
        }

        if (descriptor.LongestFreeRun != 0)
        {
            Unlink(ref descriptor);
        }

        descriptor.LongestFreeRun = run;
        if (run != 0)
        {
            Link(superSlab, ref descriptor, run);
        }
    }

    private void Link(int superSlab, ref SuperSlab descriptor, int run)
    {
        int next = _firstByRun[run];
        descriptor.PreviousByRun = SuperSlab.None;
        descriptor.NextByRun = next;
        if (next != SuperSlab.None)
        {
            _superSlabs[next].PreviousByRun = superSlab;
        }

        _firstByRun[run] = superSlab;
        _nonEmptyLists |= 1UL << run;
    }

    private void Unlink(ref SuperSlab descriptor)
    {
        int run = descriptor.LongestFreeRun;
        if (descriptor.PreviousByRun == SuperSlab.None)
        {
            _firstByRun[run] = descriptor.NextByRun;
            if (descriptor.NextByRun == SuperSlab.None)
            {
                _nonEmptyLists &= ~(1UL << run);
            }
        }
        else
        {
            _superSlabs[descriptor.PreviousByRun].NextByRun = descriptor.NextByRun;
        }

        if (descriptor.NextByRun != SuperSlab.None)
        {
            _superSlabs[descriptor.NextByRun].PreviousByRun = descriptor.PreviousByRun;
        }
    }
}
