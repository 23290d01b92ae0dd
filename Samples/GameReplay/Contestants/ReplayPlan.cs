using Samples.GameReplay.Learning;
using SuperSlab.Scenes;
using SuperSlab;

namespace Samples.GameReplay.Contestants;

/// <summary>
/// Makes the engine's scene plan from what the first pass learned. Of each block size it asks for the peak of live blocks and
/// for what the threads' caches can hold back from each other at that moment:
/// <list type="bullet">
/// <item>a cache never holds more than <see cref="SizeClasses.CacheBlocks"/>;</item>
/// <item>blocks come into it by the thread's own frees, no more than it makes in all;</item>
/// <item>and by being filled ahead of the thread's allocations. A filling starts with an eighth of half a cache and doubles with what was
/// used up, up to half a cache. Once some thread has freed a cacheful, half a cache may also come at once from the common store.</item>
/// </list>
/// </summary>
internal static class ReplayPlan
{
    /// <summary>The plan for a trace. Blocks live in the long-lived arena; there is no frame arena, as a trace does not tell lifetimes ahead.</summary>
    public static ScenePlan For(TraceProfile profile)
    {
        List<BlockCount> blocks = [];
        foreach (BlockPeak peak in profile.Peaks)
        {
            nuint bytes = (nuint)peak.BlockBytes;
            List<ThreadUse> uses = [.. profile.Uses.Where(use => use.BlockBytes == peak.BlockBytes)];
            blocks.Add(new BlockCount(bytes, peak.Count + HeldBack(bytes, uses), uses.Count));
        }

        return new ScenePlan { Name = "replay", Arenas = [new ArenaPlan { Blocks = blocks, ThreadCount = profile.Threads }] };
    }

    private static long HeldBack(nuint bytes, List<ThreadUse> uses)
    {
        long cache = SizeClasses.CacheBlocks(SizeClasses.IndexOf(bytes));
        long half = cache / 2;
        bool sharesStore = uses.Exists(use => use.Frees > cache);
        long sum = 0;
        foreach (ThreadUse use in uses)
        {
            long filled = use.Allocations == 0 ? 0 : sharesStore ? half : Math.Min(half, use.Allocations + (half / 8) + 1);
            sum += Math.Min(cache, use.Frees + filled);
        }

        return sum;
    }
}
