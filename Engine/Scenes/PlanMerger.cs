using System.Globalization;
namespace SuperSlab.Scenes;

/// <summary>
/// The worst case of several plans. Blocks are compared by size class, because that is what a prewarm takes them for: within one plan
/// different sizes of a class add up, and of the plans' sums the largest counts.
/// </summary>
internal static class PlanMerger
{
    private const double MaximumHeadroom = 16;

    public static ScenePlan Merge(IReadOnlyList<ScenePlan> plans, double headroom)
    {
        ArgumentNullException.ThrowIfNull(plans);
        if (plans.Count == 0)
            throw new ArgumentException("There is no plan to merge; give one at least.", nameof(plans));

        if (!(headroom >= 1 && headroom <= MaximumHeadroom))
            throw new ArgumentOutOfRangeException(
                nameof(headroom),
                headroom,
                string.Create(CultureInfo.InvariantCulture, $"The headroom is {headroom}; it must be from 1 to {MaximumHeadroom}."));

        FrameArenaOptions? frame = null;
        int warmUpFrames = 0;
        List<string> names = [];
        Dictionary<string, List<ArenaPlan>> arenas = new(StringComparer.Ordinal);
        foreach (ScenePlan plan in plans)
        {
            plan.Validate();
            frame = Worst(frame, plan.Frame);
            warmUpFrames = Math.Max(warmUpFrames, plan.HotLoop.WarmUpFrames);
            foreach (ArenaPlan arena in plan.Arenas)
            {
                if (!arenas.TryGetValue(arena.Name, out List<ArenaPlan>? same))
                {
                    arenas.Add(arena.Name, same = []);
                    names.Add(arena.Name);
                }

                same.Add(arena);
            }
        }

        ScenePlan merged = plans[0] with
        {
            Frame = frame is null ? null : frame with
            {
                BytesPerLane = (nuint)Grown((long)frame.BytesPerLane, headroom, PlanRange.BytesPerLane),
                OverflowSuperSlabs = (int)Grown(frame.OverflowSuperSlabs, headroom, PlanRange.OverflowSuperSlabs),
            },
            Arenas = names.ConvertAll(name => MergeArenas(arenas[name], headroom)),
            HotLoop = plans[0].HotLoop with { WarmUpFrames = warmUpFrames },
        };
        merged.Validate();
        return merged;
    }

    private static FrameArenaOptions? Worst(FrameArenaOptions? one, FrameArenaOptions? other) => one is null ? other : other is null ? one : new()
    {
        BytesPerLane = nuint.Max(one.BytesPerLane, other.BytesPerLane),
        LaneCount = Math.Max(one.LaneCount, other.LaneCount),
        BufferCount = Math.Max(one.BufferCount, other.BufferCount),
        OverflowSuperSlabs = Math.Max(one.OverflowSuperSlabs, other.OverflowSuperSlabs),
    };

    private static ArenaPlan MergeArenas(List<ArenaPlan> plans, double headroom)
    {
        ArenaPlan merged = plans[0];
        SortedDictionary<long, BlockCount> worst = [];
        foreach (ArenaPlan plan in plans)
        {
            merged = merged with
            {
                SuperSlabs = Math.Max(merged.SuperSlabs, plan.SuperSlabs),
                Threads = Math.Max(merged.Threads, plan.Threads),
                RetainBytes = nuint.Max(merged.RetainBytes, plan.RetainBytes),
                Budget = merged.Budget with
                {
                    SoftBytes = WorstLimit(merged.Budget.SoftBytes, plan.Budget.SoftBytes),
                    HardBytes = WorstLimit(merged.Budget.HardBytes, plan.Budget.HardBytes),
                },
            };
            foreach ((long key, BlockCount block) in SumsByClass(plan.Blocks))
                worst[key] = worst.TryGetValue(key, out BlockCount other) ? Worst(block, other) : block;
        }

        List<BlockCount> blocks = [];
        foreach (BlockCount block in worst.Values)
            blocks.Add(block with { Count = Grown(block.Count, headroom, PlanRange.BlockCount) });

        return merged with { Blocks = blocks, SuperSlabs = (int)Grown(merged.SuperSlabs, headroom, PlanRange.SuperSlabs) };
    }

    private static Dictionary<long, BlockCount> SumsByClass(IReadOnlyList<BlockCount> blocks)
    {
        Dictionary<long, BlockCount> sums = [];
        foreach (BlockCount block in blocks)
        {
            long key = KeyOf(block.Bytes);
            sums[key] = sums.TryGetValue(key, out BlockCount other)
                ? Worst(block, other) with { Count = Math.Min(block.Count + other.Count, PlanRange.BlockCount.Maximum) }
                : block;
        }

        return sums;
    }

    /// <summary>What blocks have in common that take the same memory: their class, or the SuperSlabs of an extent.</summary>
    private static long KeyOf(nuint bytes)
    {
        int sizeClass = SizeClasses.IndexOf(bytes);
        return sizeClass == SizeClasses.Huge ? SizeClasses.Huge + (long)((bytes - 1) >> SlabGeometry.SuperSlabShift) : sizeClass;
    }

    private static BlockCount Worst(BlockCount one, BlockCount other) => new(
        nuint.Max(one.Bytes, other.Bytes),
        Math.Max(one.Count, other.Count),
        one.Threads == 0 || other.Threads == 0 ? 0 : Math.Max(one.Threads, other.Threads));

    /// <summary>No limit, 0, is the worst.</summary>
    private static nuint WorstLimit(nuint one, nuint other) => one == 0 || other == 0 ? 0 : nuint.Max(one, other);

    private static long Grown(long value, double headroom, PlanRange range)
    {
        // A little less, so that 100 times 1.1 is 110.
        double grown = Math.Ceiling((value * headroom) - 1e-6);
        return grown >= range.Maximum ? range.Maximum : (long)grown;
    }
}
