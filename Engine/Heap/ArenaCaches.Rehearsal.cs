namespace SuperSlab;

/// <content>Has code compiled that otherwise a frame would be the first to run.</content>
internal sealed unsafe partial class ArenaCaches
{
    /// <summary>How far <see cref="Rehearse(int, long, bool)"/> came in this process.</summary>
    private static volatile int s_rehearsed;

    /// <summary>Takes runs and exchanges magazines once, so that no frame compiles that. Changes nothing.</summary>
    /// <param name="sizeClass">A class with free blocks in its runs; unused where the arena has free slabs.</param>
    /// <param name="blocks">How many it has.</param>
    /// <param name="hasSlabs">Whether the arena has free slabs, for any class.</param>
    public void Rehearse(int sizeClass, long blocks, bool hasSlabs)
    {
        // Slabs that carving left over become runs too, of blocks as small as here.
        bool hasRest = _slabs.Space.HasRun(1);
        int depth = hasSlabs ? 3 : hasRest ? 2 : 1;
        if (s_rehearsed >= depth || _slabs.MagazineBlocks(sizeClass) == 0)
            return;

        ThreadCache* cache = (ThreadCache*)AllocateOrNull(CacheBytes);
        if (cache == null)
            return;

        s_rehearsed = depth;
        ThreadCache.Initialise(cache, slot: 0, home: 0);
        foreach (int size in hasSlabs ? (ReadOnlySpan<int>)[0, Magazine.FirstOfOne] : hasRest ? [sizeClass, 0]
            : [sizeClass])
        {
            int one = ThreadCache.ClassFor(cache, size);
            long peak = _slabs.ClassOf(one)->PeakBlocksOut;
            Rehearse(cache, one, hasSlabs || (hasRest && size == 0) ? long.MaxValue : blocks);
            _slabs.RestorePeak(one, peak);
            _slabs.RehearseMove(one);
        }

        DropEmpty(cache);
        _heap.Free(cache, CacheBytes);
        _slabs.ReleaseEmptyRuns();
    }

    /// <summary>Allocates and frees more than a magazine holds, by a cache that no thread has.</summary>
    /// <remarks>The order is that of the arena's slow paths, but counts nothing: the cache has no counters.</remarks>
    private void Rehearse(ThreadCache* cache, int sizeClass, long most)
    {
        Span<nuint> blocks = stackalloc nuint[(2 * Magazine.MaximumBlocks) + 2];
        for (int round = 0; round < 2; round++)
        {
            int count = 0;
            for (; count < Math.Min(most, (2 * _slabs.MagazineBlocks(sizeClass)) + 2); count++)
            {
                nuint block = ThreadCache.Pop(cache, (nuint)sizeClass);
                block = block != 0 ? block : TryTakeStocked(cache, sizeClass);
                blocks[count] = block != 0 ? block : Allocate(cache, sizeClass);
                if (blocks[count] == 0)
                    break;
            }

            foreach (nuint block in blocks[..count])
            {
                nuint* top = ThreadCache.Top(cache, sizeClass);
                if (((nuint)top & Magazine.Mask) != 0)
                {
                    *top = block;
                    ThreadCache.SetTop(cache, sizeClass, top + 1);
                }
                else if (!TryPutStocked(cache, sizeClass, block))
                {
                    Free(cache, sizeClass, block);
                }
            }
        }

        // What a miss does in an arena without room. No thread stocks extents.
        ReturnLarge(cache, SizeClasses.Huge);
        ReturnClass(cache, SizeClasses.Huge);
        (int SizeClass, nuint Block) wrong = default;
        ReturnLoaded(cache, ref wrong);
        Note(ref wrong, sizeClass, ReturnStock(cache, sizeClass));
        DropClass(cache, sizeClass);
        _slabs.ThrowIfWrong(wrong.SizeClass, wrong.Block);
    }
}
