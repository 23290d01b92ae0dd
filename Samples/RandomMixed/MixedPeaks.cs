using SuperSlab;

namespace Samples.RandomMixed;

/// <summary>
/// What the loop will need, found by doing its arithmetic without an allocator: the peak of live blocks by size class. This is
/// the level load that knows its level.
/// </summary>
internal static class MixedPeaks
{
    /// <summary>The block counts for a prewarm, with what one thread's cache may hold back.</summary>
    public static List<BlockCount> Find(ulong operations, uint workingSet, uint seed)
    {
        int[] classes = new int[workingSet];
        long[] live = new long[SizeClasses.Count];
        long[] peaks = new long[SizeClasses.Count];
        uint random = seed;
        for (ulong operation = 0; operation < operations; operation++)
        {
            random = MixedLoop.Next(random);
            uint slot = random % workingSet;

            // Stored as class + 1; 0 is an empty slot.
            if (classes[slot] != 0)
            {
                live[classes[slot] - 1]--;
                classes[slot] = 0;
                continue;
            }

            int sizeClass = SizeClasses.IndexOf(MixedLoop.BytesOf(random));
            classes[slot] = sizeClass + 1;
            peaks[sizeClass] = Math.Max(peaks[sizeClass], ++live[sizeClass]);
        }

        List<BlockCount> counts = [];
        for (int sizeClass = 0; sizeClass < peaks.Length; sizeClass++)
        {
            if (peaks[sizeClass] > 0)
            {
                counts.Add(new BlockCount(SizeClasses.BlockBytes(sizeClass), peaks[sizeClass] + SizeClasses.CacheBlocks(sizeClass)));
            }
        }

        return counts;
    }
}
