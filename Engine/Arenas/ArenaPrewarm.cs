using Engine.Caches;
using Engine.Core;
using Engine.Slabs;
using Engine.SuperSlabs;

namespace Engine.Arenas;

/// <summary>
/// One prewarm of a long-lived arena: metadata first, then all SuperSlabs in one go (in parallel where that is worth it), then the
/// slabs of each class, the longest runs first so that they find whole SuperSlabs. Whatever fails, the arena is as it was.
/// </summary>
internal sealed class ArenaPrewarm(ArenaSlabs slabs, ArenaCaches caches, SuperSlabPool pool)
{
    public void Run(ReadOnlySpan<BlockCount> blocks, int spareSuperSlabs, int threads, bool carve, PrefaultTask task)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        BlockCount[] ordered = Ordered(blocks);
        long slabCount = 0;
        long threadClasses = 0;
        long depotMagazines = 0;
        foreach (BlockCount block in ordered)
        {
            slabCount = checked(slabCount + slabs.SlabsFor(block.Bytes, block.Count));
            threadClasses += block.Threads == 0 ? threads : block.Threads;
            depotMagazines += Magazine.DepotLimit(SizeClasses.IndexOf(block.Bytes));
        }

        if (spareSuperSlabs != 0)
        {
            // Which classes will use them is not known: each thread may use all of them.
            threadClasses += threads * (SizeClasses.LastWithinSuperSlab + 1);
            for (int sizeClass = 0; sizeClass <= SizeClasses.LastWithinSuperSlab; sizeClass++)
            {
                depotMagazines += Magazine.DepotLimit(sizeClass);
            }
        }

        caches.EnsureMetadata(threads, threadClasses, depotMagazines);

        int superSlabs = checked((int)((slabCount + SuperSlab.SlabCount - 1) / SuperSlab.SlabCount));
        pool.EnsureReady(superSlabs + spareSuperSlabs, task);
        if (carve)
        {
            Carve(ordered);
            superSlabs = 0;
        }

        slabs.Space.TakeAhead(superSlabs + spareSuperSlabs);
        slabs.Space.PrewarmedSuperSlabs += superSlabs + spareSuperSlabs;
    }

    private static BlockCount[] Ordered(ReadOnlySpan<BlockCount> blocks)
    {
        foreach (BlockCount block in blocks)
        {
            if (block.Count < 0 || block.Threads < 0)
            {
                throw new ArgumentOutOfRangeException(nameof(blocks), block, "A prewarm needs counts that are not negative.");
            }
        }

        BlockCount[] ordered = blocks.ToArray();
        Array.Sort(ordered, static (left, right) => right.Bytes.CompareTo(left.Bytes));
        return ordered;
    }

    private void Carve(BlockCount[] ordered)
    {
        int done = 0;
        try
        {
            for (; done < ordered.Length; done++)
            {
                slabs.Prewarm(ordered[done].Bytes, ordered[done].Count);
            }
        }
        catch
        {
            while (done-- > 0)
            {
                slabs.ForgetPrewarm(ordered[done].Bytes, ordered[done].Count);
            }

            slabs.ReleaseEmptyRuns();
            throw;
        }
    }
}
