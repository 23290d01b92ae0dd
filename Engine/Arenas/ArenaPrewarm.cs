using Engine.Caches;
using Engine.Core;
using Engine.Slabs;
using Engine.SuperSlabs;

namespace Engine.Arenas;

/// <summary>
/// One prewarm of a long-lived arena: metadata first, then all SuperSlabs in one go (in parallel where that is worth it), then the
/// slabs of each class, the longest runs first so that they find whole SuperSlabs. Whatever fails, the arena is as it was.
/// </summary>
internal sealed class ArenaPrewarm(Reservation reservation, ArenaSlabs slabs, ArenaCaches caches, SuperSlabPool pool)
{
    private long _carvedSlabs;
    private long _dividedSlabs;
    private int _longestDivided = 1;

    public void Run(ReadOnlySpan<BlockCount> blocks, int spareSuperSlabs, int threads, bool carve, PrefaultTask task)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        BlockCount[] ordered = Ordered(blocks);
        nuint promised = PromiseMetadata(ordered, spareSuperSlabs, threads);
        try
        {
            BlockCount[] carved = carve ? ordered : Array.FindAll(ordered, block => slabs.IsCarvedAlways(block.Bytes));
            CountSlabs(ordered, carve);

            // However runs of at most so many slabs are taken from divided SuperSlabs, no more than the longest less one are left over.
            long divided = DivideRoundingUp(_dividedSlabs, SuperSlab.SlabCount + 1 - _longestDivided) + spareSuperSlabs;
            int superSlabs = checked((int)(DivideRoundingUp(_carvedSlabs, SuperSlab.SlabCount) + divided));
            pool.EnsureReady(superSlabs, task);
            try
            {
                Carve(carved, (int)divided);
            }
            finally
            {
                pool.EndHold(superSlabs);
            }
        }
        catch
        {
            caches.WithdrawMetadata(promised);
            throw;
        }
    }

    private static long DivideRoundingUp(long value, int divisor) => (value + divisor - 1) / divisor;

    private BlockCount[] Ordered(ReadOnlySpan<BlockCount> blocks)
    {
        foreach (BlockCount block in blocks)
        {
            if (block.Count < 0 || block.Threads < 0)
            {
                throw new ArgumentOutOfRangeException(nameof(blocks), block, "A prewarm needs counts that are not negative.");
            }

            if ((nuint)block.Count > reservation.BlockBytes / nuint.Max(block.Bytes, 1))
            {
                throw new EngineOutOfMemoryException(
                    $"A prewarm of {block.Count} blocks of {Sizes.Text(block.Bytes)} was asked for, and the reservation has room for {Sizes.Text(reservation.BlockBytes)}.");
            }
        }

        BlockCount[] ordered = blocks.ToArray();
        Array.Sort(ordered, static (left, right) => right.Bytes.CompareTo(left.Bytes));
        return ordered;
    }

    private nuint PromiseMetadata(BlockCount[] blocks, int spareSuperSlabs, int threads)
    {
        long threadClasses = 0;
        long depotMagazines = 0;
        nuint bitmapBytes = 0;
        foreach (BlockCount block in blocks)
        {
            threadClasses += block.Threads == 0 ? threads : block.Threads;
            depotMagazines += DepotMagazines(SizeClasses.IndexOf(block.Bytes), block.Count);
            bitmapBytes += slabs.BitmapBytesFor(block.Bytes, block.Count);
        }

        if (spareSuperSlabs != 0)
        {
            // Which classes will use them is not known: each thread may use all of them, and their bitmaps may be those of the smallest blocks.
            // A depot does with the magazines that there are.
            threadClasses += (long)threads * (SizeClasses.LastWithinSuperSlab + 1);
            depotMagazines += (long)spareSuperSlabs * SuperSlab.SlabCount;
            long runs = (long)spareSuperSlabs * SuperSlab.SlabCount;
            bitmapBytes += slabs.BitmapBytesFor(1, runs * (long)(SuperSlab.SlabBytes / SizeClasses.BlockBytes(0)));
        }

        return caches.PromiseMetadata(threads, threadClasses, depotMagazines, bitmapBytes);
    }

    /// <summary>The most full magazines of a class that so many blocks can be in.</summary>
    private static long DepotMagazines(int sizeClass, long blocks) =>
        Magazine.DepotLimit(sizeClass) is 0 and var none ? none : Math.Min(Magazine.DepotLimit(sizeClass), blocks / Magazine.BlocksOf(sizeClass));

    private void CountSlabs(BlockCount[] blocks, bool carve)
    {
        foreach (BlockCount block in blocks)
        {
            long count = slabs.SlabsFor(block.Bytes, block.Count);
            if (carve || slabs.IsCarvedAlways(block.Bytes))
            {
                _carvedSlabs += count;
            }
            else
            {
                _dividedSlabs += count;
                _longestDivided = Math.Max(_longestDivided, slabs.SlabsPerRun(block.Bytes));
            }
        }
    }

    private void Carve(BlockCount[] blocks, int dividedSuperSlabs)
    {
        int done = 0;
        try
        {
            for (; done < blocks.Length; done++)
            {
                slabs.Prewarm(blocks[done].Bytes, blocks[done].Count);
            }

            slabs.Space.TakeAhead(dividedSuperSlabs);
            slabs.Space.PrewarmedSuperSlabs = dividedSuperSlabs == 0 ? slabs.Space.PrewarmedSuperSlabs : slabs.Space.DividedSuperSlabCount;
        }
        catch
        {
            while (done-- > 0)
            {
                slabs.ForgetPrewarm(blocks[done].Bytes, blocks[done].Count);
            }

            slabs.ReleaseEmptyRuns();
            throw;
        }
    }
}
