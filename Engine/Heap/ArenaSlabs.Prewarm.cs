using System.Diagnostics;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <content>What a prewarm asks by block size and adds, and what was used, for the next prewarm.</content>
internal sealed unsafe partial class ArenaSlabs
{
    /// <summary>Whether a prewarm always makes a size's runs: extents, and long runs, which waste space.</summary>
    public bool IsCarvedAlways(nuint bytes) => IsExtent(bytes) || SlabsPerRun(bytes) > LongestDividedRun;

    /// <summary>Slabs of a run of a size; an extent above the largest class has whole SuperSlabs.</summary>
    public int RunSlabs(nuint bytes) => SlabsPerRun(bytes) is not 0 and var slabs
        ? slabs
        : checked((int)Sizes.DivideRoundingUp(bytes, SlabGeometry.SuperSlabBytes) * SlabGeometry.SlabCount);

    public int SlabsPerRun(nuint bytes) => ClassFor(bytes)->SlabsPerRun;

    /// <summary>Bytes of the bitmaps of the runs of some blocks and of some runs more.</summary>
    public nuint BitmapBytesFor(nuint bytes, long count, long runsBesides)
    {
        int capacity = ClassFor(bytes)->Capacity;
        long runs = ((count + capacity - 1) / capacity) + runsBesides;
        return capacity <= SlabRun.InlineBlocks ? 0 : MetadataHeap.BytesFor(SlabRun.BitmapBytes(capacity), runs);
    }

    /// <summary>Runs of a size that homes need beyond those that the blocks of these threads fill.</summary>
    public long RunsBesides(nuint bytes, int threads) =>
        ArenaClasses.RunsBesides(SizeClasses.IndexOf(bytes), threads, ClassFor(bytes)->Capacity);

    /// <summary>Slabs of the runs of some blocks of a size, in runs of their own.</summary>
    public long SlabsFor(nuint bytes, long count)
    {
        ClassState* state = ClassFor(bytes);
        return checked((count + state->Capacity - 1) / state->Capacity * RunSlabs(bytes));
    }

    /// <summary>Bitmaps of runs of a size, for <see cref="AddPromised"/>; empty where descriptors hold them.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is no memory for them. Nothing has changed.</exception>
    public nint[] AllocateBitmaps(nuint bytes, int runs) => _runs.AllocateBitmaps(ClassFor(bytes), runs);

    public void FreeBitmaps(nuint bytes, nint[] bitmaps) => _runs.FreeBitmaps(ClassFor(bytes), bitmaps);

    /// <summary>Gives a run in claimed memory, which the space counts as taken, to its class. Cannot fail.</summary>
    public void AddPromised(nuint bytes, int slab, int slabs, nint bitmap)
    {
        int sizeClass = SizeClasses.IndexOf(bytes);
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        _runs.Begin(sizeClass, state, slab, slabs, (ulong*)bitmap);
        _runs[slab]->Kind = sizeClass == SizeClasses.Huge ? ExtentKind.Promised : ExtentKind.Plain;
        state->PrewarmedRuns++;
        ClassState.AssertHolds(state);
        NativeLock.Exit(&state->Lock);
    }

    /// <summary>Forgets the peak of a rehearsal, which is no use of the arena.</summary>
    public void RestorePeak(int sizeClass, long peak)
    {
        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        state->PeakBlocksOut = Math.Max(peak, state->BlocksOut);
        NativeLock.Exit(&state->Lock);
    }

    /// <summary>Calls back for each block size used with the most blocks that were out at once.</summary>
    public void CollectPeaks(Action<nuint, long, int> collect)
    {
        foreach ((nuint bytes, _, long peak, int sizeClass) in Uses())
        {
            if (peak != 0)
                collect(bytes, peak, sizeClass);
        }
    }

    /// <summary>Calls back for each block size with the blocks that callers and thread caches hold.</summary>
    public void CollectLive(Action<nuint, long, int> collect)
    {
        foreach ((nuint bytes, long count, _, int sizeClass) in Uses())
            collect(bytes, count, sizeClass);
    }

    /// <summary>A size class with its homes. Its peak is the sum of theirs, which may be of different times.</summary>
    public ClassState Total(int sizeClass)
    {
        ClassState total = _classes[sizeClass];
        for (int one = ArenaClasses.Next(sizeClass); one < ArenaClasses.Count; one = ArenaClasses.Next(one))
        {
            total.Runs += _classes[one].Runs;
            total.BlocksOut += _classes[one].BlocksOut;
            total.PeakBlocksOut += _classes[one].PeakBlocksOut;
        }

        return total;
    }

    /// <summary>Bytes of the blocks above 32 MiB that are out, and of ranges.</summary>
    public nuint HugeBytesOut()
    {
        NativeLock.Enter(&_classes[SizeClasses.Huge].Lock);
        nuint bytes = _hugeUse.BytesOut + ((nuint)_rangeSuperSlabs << SlabGeometry.SuperSlabShift);
        NativeLock.Exit(&_classes[SizeClasses.Huge].Lock);
        return bytes;
    }

    private static bool IsExtent(nuint bytes) => bytes > SlabGeometry.SuperSlabBytes;

    private ClassState* ClassFor(nuint bytes) => _classes + SizeClasses.IndexOf(bytes);

    /// <summary>Every size's blocks that are out, and their peak.</summary>
    private List<(nuint Bytes, long Out, long Peak, int SizeClass)> Uses()
    {
        List<(nuint Bytes, long Out, long Peak, int SizeClass)> uses = new(2 * SizeClasses.Count);
        for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
        {
            ClassState total = Total(sizeClass);
            uses.Add((total.BlockBytes, total.BlocksOut, total.PeakBlocksOut, sizeClass));
        }

        NativeLock.Enter(&_classes[SizeClasses.Huge].Lock);
        try
        {
            _hugeUse.AddTo(uses);
        }
        finally
        {
            NativeLock.Exit(&_classes[SizeClasses.Huge].Lock);
        }

        return uses;
    }
}

/// <summary>
/// One arena's blocks above the largest class by their length in SuperSlabs: how many are out, and the most there were.
/// Under the lock of the class <see cref="SizeClasses.Huge"/>.
/// </summary>
internal sealed class HugeUse
{
    private readonly Dictionary<int, (long Out, long Peak)> _byLength = new(64);

    public nuint BytesOut
    {
        get
        {
            nuint bytes = 0;
            foreach ((int superSlabs, (long count, _)) in _byLength)
                bytes += (nuint)(superSlabs * count) << SlabGeometry.SuperSlabShift;

            return bytes;
        }
    }

    public void Count(int slabs, int change)
    {
        int superSlabs = slabs / SlabGeometry.SlabCount;
        ref (long Out, long Peak) use = ref CollectionsMarshal.GetValueRefOrAddDefault(_byLength, superSlabs, out _);
        use.Out += change;
        use.Peak = Math.Max(use.Peak, use.Out);
        Debug.Assert(use.Out >= 0, "only what was taken returns");
    }

    /// <summary>No block is out any more; the peaks stay.</summary>
    public void Clear()
    {
        foreach (int superSlabs in _byLength.Keys)
            CollectionsMarshal.GetValueRefOrNullRef(_byLength, superSlabs).Out = 0;
    }

    public void AddTo(List<(nuint Bytes, long Out, long Peak, int SizeClass)> uses)
    {
        foreach ((int superSlabs, (long count, long peak)) in _byLength)
            uses.Add(((nuint)superSlabs << SlabGeometry.SuperSlabShift, count, peak, SizeClasses.Huge));
    }
}
