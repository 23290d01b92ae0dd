using System.Numerics;

namespace SuperSlab;

/// <summary>Checks the equations of one arena's structures, and throws the first violation as a sentence.</summary>
internal sealed unsafe class ArenaValidator(Reservation reservation, ArenaSlabs slabs, uint tag)
{
    private readonly int[] _runs = new int[ArenaClasses.Count];
    private readonly int[] _emptyRuns = new int[ArenaClasses.Count];
    private readonly int[] _runsWithFree = new int[ArenaClasses.Count];
    private int _promisedHuge;
    private int _absent;
    private long _absentPages;

    public void Run(ArenaCaches caches)
    {
        int owned = 0;
        var space = slabs.Space;
        for (int index = space.FirstOwned; index != SlabGeometry.None; index = reservation.SuperSlabs[index].NextOwned)
            owned += CheckSuperSlab(index);

        long absent = space.AbsentBytes >> SlabGeometry.SlabShift;
        Check(_absent == absent, $"{absent} slabs are counted as without memory, {_absent} are");
        absent = slabs.Runs.AbsentBytes >> PageRange.PageShift;
        Check(_absentPages == absent, $"{absent} pages are counted as without memory, {_absentPages} are");
        long held = space.Budget.Held;
        Check(owned == space.SuperSlabCount, $"{space.SuperSlabCount} SuperSlabs are counted, {owned} are owned");
        Check(owned == held, $"the budget counts {held} SuperSlabs as held, {owned} are owned");
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
            CheckClass(sizeClass);

        HashSet<nuint> free = [];
        for (ThreadCache* cache = caches.FirstAttached; cache != null; cache = cache->NextAttached)
        {
            Check(caches.CacheOf(cache->Slot) == cache, $"the cache of thread slot {cache->Slot} is not found by it");
            CheckCache(caches, cache, free);
        }
    }

    private static void Check(bool holds, string otherwise)
    {
        if (!holds)
            throw new EngineMemoryException($"The arena is damaged: {otherwise}.");
    }

    private int CheckSuperSlab(int index)
    {
        SuperSlabDescriptor superSlab = reservation.SuperSlabs[index];
        uint owner = superSlab.OwnerTag;
        int longest = superSlab.LongestFreeRun;
        Check(owner == tag, $"SuperSlab {index} is in the arena's list and has the owner tag {owner:x}, not {tag:x}");
        Check(superSlab.RunLength >= 1, $"SuperSlab {index} is in the list and lies inside an extent");
        Check(
            longest == Bitmap.LongestRun(superSlab.FreeSlabs),
            $"SuperSlab {index} says that its longest free run is {longest}");
        _ = SlabRuns.ExtentInto(reservation, index, out int ofExtent);
        uint used = superSlab.RunLength == 1 && ofExtent > 0 ? (1u << ofExtent) - 1 : 0;
        slabs.Runs.ForEachRun(index, (run, slab) =>
        {
            int first = slab % SlabGeometry.SlabCount;
            int end = Math.Min(first + run->SlabCount, SlabGeometry.SlabCount);
            for (int offset = first; offset < end; offset++)
                used |= 1u << offset;

            CheckRun(slabs.ClassOf(run->SizeClass), run, slab);
            CheckPages(slabs.ClassOf(run->SizeClass), run, slab);
        });
        uint free = superSlab.FreeSlabs;
        Check(
            (superSlab.AbsentSlabs & ~free) == 0,
            $"SuperSlab {index} has the free slabs {free:x8}, and without memory {superSlab.AbsentSlabs:x8}");
        _absent += BitOperations.PopCount(superSlab.AbsentSlabs);
        Check(free == ~used, $"SuperSlab {index} has the free slabs {free:x8}, and its runs leave {~used:x8}");
        return superSlab.RunLength;
    }

    private void CheckRun(ClassState* state, SlabRun* run, int slab)
    {
        int free = 0;
        for (int word = 0; word < run->BitmapWords; word++)
        {
            free += BitOperations.PopCount(run->Bitmap[word]);
            bool isBefore = word < run->FirstWord && run->Bitmap[word] != 0;
            Check(!isBefore, $"slab {slab} has free blocks before its first word with free blocks");
        }

        Check(free == run->FreeBlocks, $"slab {slab} counts {run->FreeBlocks} free blocks, and its bitmap has {free}");
        bool isFirst = run->Offset == 0 && run->Capacity == state->Capacity;
        Check(isFirst, $"slab {slab} has the wrong capacity or is not the first of its run");
        _runs[run->SizeClass]++;
        _promisedHuge += run->IsPromised ? 1 : 0;
        _emptyRuns[run->SizeClass] += run->IsEmpty ? 1 : 0;
        _runsWithFree[run->SizeClass] += free > 0 ? 1 : 0;
    }

    private void CheckPages(ClassState* state, SlabRun* run, int slab)
    {
        for (int offset = 0; run->Capacity > 1 && offset < run->SlabCount; offset++)
        {
            uint absent = slabs.Runs[slab + offset]->AbsentPages;
            uint free = slabs.Runs.FreePages(state, run, offset);
            Check(
                (absent & ~free) == 0,
                $"slab {slab + offset} has the free pages {free:x4}, and without memory {absent:x4}");
            _absentPages += BitOperations.PopCount(absent);
        }
    }

    private void CheckClass(int sizeClass)
    {
        ClassState* state = slabs.ClassOf(sizeClass);
        (int runs, int empty, int free) = (_runs[sizeClass], _emptyRuns[sizeClass], _runsWithFree[sizeClass]);
        int linked = 0;
        int previous = SlabGeometry.None;
        for (int slab = state->FirstRun; slab != SlabGeometry.None && linked <= free; slab = slabs.Runs[slab]->Next)
        {
            Check(slabs.Runs[slab]->Previous == previous, $"the list of class {sizeClass} is broken at slab {slab}");
            previous = slab;
            linked++;
        }

        Check(linked == free, $"class {sizeClass} lists {linked} runs with free blocks and has {free}");
        Check(state->Runs == runs, $"class {sizeClass} counts {state->Runs} runs and has {runs}");
        Check(state->EmptyRuns == empty, $"class {sizeClass} counts {state->EmptyRuns} empty runs and has {empty}");
        Check(state->Runs >= state->PrewarmedRuns, $"class {sizeClass} lost prewarmed runs");
        Check(state->Lock == 0, $"class {sizeClass} is locked");
        Check(
            sizeClass != SizeClasses.Huge || _promisedHuge == state->PrewarmedRuns,
            $"{state->PrewarmedRuns} extents above the largest class were promised, and {_promisedHuge} are marked so");
    }

    /// <summary>A block in a cache belongs to its class, is out by its run's count, and is in no cache twice.</summary>
    private void CheckCache(ArenaCaches caches, ThreadCache* cache, HashSet<nuint> seen)
    {
        long stocked = 0;
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
        {
            int capacity = slabs.MagazineBlocks(sizeClass);
            nuint* top = ThreadCache.Top(cache, sizeClass);
            if (top != null)
            {
                nuint* bottom = Magazine.FullTop(Magazine.Of(top)) - capacity;
                CheckBlocks(sizeClass, Magazine.BlocksBelow(top, capacity), seen);
                Check(bottom[-1] == 0, $"a magazine of class {sizeClass} lost the word below its first block");
            }

            MagazineStock stock = caches.StockOf(cache, sizeClass);
            Magazine* full = stock.Top;
            stocked += stock.Count * slabs.MagazineBytes(sizeClass);
            for (int count = stock.Count; count > 0; count--, full = full->Next)
            {
                int found = stock.Count - count;
                Check(full != null, $"the stock of class {sizeClass} counts {stock.Count} magazines and has {found}");
                CheckBlocks(sizeClass, Magazine.BlocksOfFull(full, capacity), seen);
            }
        }

        long counted = cache->StockedBytes - cache->TakenBytes;
        Check(stocked == counted, $"thread slot {cache->Slot} counts {counted} bytes in its stocks and has {stocked}");
    }

    private void CheckBlocks(int sizeClass, ReadOnlySpan<nuint> blocks, HashSet<nuint> seen)
    {
        foreach (nuint block in blocks)
        {
            Check(seen.Add(block), $"the block at 0x{block:x} is twice among the freed blocks of threads");
            int slab = (int)((block - (nuint)reservation.Base) >> SlabGeometry.SlabShift);
            bool isOfClass = reservation.Tags[slab] == (tag | (uint)sizeClass);
            Check(isOfClass, $"0x{block:x} is in a magazine of class {sizeClass} and not in a slab of that class");
            slab -= slabs.Runs[slab]->Offset;
            nuint offset = block - (nuint)reservation.AddressOfSlab(slab);
            nuint blockBytes = slabs.ClassOf(sizeClass)->BlockBytes;
            bool isBeginning = offset % blockBytes == 0;
            Check(isBeginning, $"0x{block:x} in a magazine is not the beginning of a block of {blockBytes} bytes");
            bool isFree = Bitmap.IsSet(slabs.Runs[slab]->Bitmap, (int)(offset / blockBytes));
            Check(!isFree, $"the block at 0x{block:x} is in a magazine and free in its run");
        }
    }
}
