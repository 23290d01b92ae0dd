// What the first pass learns, and the plan made of it.
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.GameReplay.Learning;

/// <summary>
/// What the first pass over a trace learns: everything that must be known before the replay so that nothing grows in
/// it. It is handed to the measuring processes, which then need no first pass, and no memory for one, of their own.
/// </summary>
internal sealed record TraceProfile
{
    public required int Threads { get; init; }

    /// <summary>How many block slots are in use at once at most.</summary>
    public required int Slots { get; init; }

    /// <summary>The frames that are measured: those between two Frame records.</summary>
    public required int Frames { get; init; }

    public required long Allocations { get; init; }

    /// <summary>The allocations within the measured frames.</summary>
    public required long FrameAllocations { get; init; }

    /// <summary>The most bytes asked for and live at once, in the order of the trace.</summary>
    public required long PeakLiveBytes { get; init; }

    /// <summary>The most bytes of slabs that the blocks which are live at the same time lie in.</summary>
    public required long PeakSlabBytes { get; init; }

    /// <summary>By thread, the most operations in one step.</summary>
    public required int[] OperationCapacities { get; init; }

    /// <summary>The peaks by block size.</summary>
    public required BlockPeak[] Peaks { get; init; }

    /// <summary>The uses by thread and block size.</summary>
    public required ThreadUse[] Uses { get; init; }
}

/// <summary>
/// The most blocks of one block size that are live at once, whatever the order in which the threads run.
/// </summary>
internal sealed record BlockPeak(long BlockBytes, long Count);

/// <summary>What one thread does with blocks of one size in the whole trace.</summary>
/// <param name="BlockBytes">The size of the blocks, after rounding.</param>
/// <param name="Allocations">How many it allocates.</param>
/// <param name="Frees">How many it frees, of all threads' blocks: no more than these can lie in its cache.</param>
internal sealed record ThreadUse(int Thread, long BlockBytes, long Allocations, long Frees);

/// <summary>
/// Makes the engine's scene plan from what the first pass learned. It asks for the SuperSlabs in which all blocks live
/// together, with room for what threads hold back and for fragments. Of each block size it tells the peak of live
/// blocks and what the threads' caches can hold back from each other at that moment:
/// <list type="bullet">
/// <item>a cache never holds more than <see cref="LongLivedArena.CachedBlocks"/>;</item>
/// <item>blocks come into it by the thread's own frees, no more than it makes in all;</item>
/// <item>and by being filled ahead of the thread's allocations. A filling starts with an eighth of half a cache and
/// doubles with what was used up, up to half a cache. Once some thread has freed a cacheful, half a cache may also come
/// at once from the common store.</item>
/// </list>
/// </summary>
internal static class ReplayPlan
{
    /// <summary>
    /// The plan for a trace. Blocks live in the long-lived arena; there is no frame arena, as a trace does not tell
    /// lifetimes ahead.
    /// </summary>
    public static ScenePlan For(TraceProfile profile)
    {
        List<BlockCount> blocks = [];
        foreach (BlockPeak peak in profile.Peaks)
        {
            nuint bytes = (nuint)peak.BlockBytes;
            List<ThreadUse> uses = [.. profile.Uses.Where(use => use.BlockBytes == peak.BlockBytes)];
            long count = peak.Count + HeldBack(bytes, uses);
            blocks.Add(new BlockCount(bytes, count, uses.Count) { IncludesCaches = true });
        }

        var arena = new ArenaPlan
        {
            Blocks = blocks,
            TogetherSuperSlabCount = Together(profile),
            ThreadCount = profile.Threads,
            Carve = false,
        };
        return new ScenePlan { Name = "replay", Arenas = [arena] };
    }

    /// <summary>A plan that prewarms nothing, to record by.</summary>
    public static ScenePlan OnDemand(TraceProfile profile) =>
        new() { Name = "replay", Arenas = [new ArenaPlan { ThreadCount = profile.Threads, Carve = false }] };

    /// <summary>
    /// What is live together and an eighth of it, 256 KiB for each thread, and four SuperSlabs. On the games that
    /// are built in, this is 5 to 40 % more than they turn out to use.
    /// </summary>
    private static int Together(TraceProfile profile)
    {
        const long SuperSlabBytes = 2 << 20;
        long bytes = profile.PeakSlabBytes + (profile.PeakSlabBytes / 8) + (profile.Threads * (SuperSlabBytes / 8));
        return checked((int)(bytes / SuperSlabBytes) + 4);
    }

    private static long HeldBack(nuint bytes, List<ThreadUse> uses)
    {
        long cache = LongLivedArena.CachedBlocks(bytes);
        long half = cache / 2;
        bool sharesStore = uses.Exists(use => use.Frees > cache);
        long sum = 0;
        foreach (ThreadUse use in uses)
        {
            long filled = use.Allocations == 0 ? 0
                : sharesStore ? half
                : Math.Min(half, use.Allocations + (half / 8) + 1);
            sum += Math.Min(cache, use.Frees + filled);
        }

        return sum;
    }
}
