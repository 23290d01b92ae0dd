using Engine.Arenas;

namespace Engine.Scenes;

/// <summary>The worst case of several recordings of one scene.</summary>
internal static class RecordingMerger
{
    public static PrewarmPlan Merge(IReadOnlyList<PrewarmPlan> plans, double headroom)
    {
        if (headroom is not (>= 1 and <= 16))
        {
            throw new ArgumentOutOfRangeException(nameof(headroom), headroom, $"The headroom is {headroom}; it must be from 1 to 16.");
        }

        SortedDictionary<nuint, BlockCount> worst = [];
        int threads = 1;
        FrameArenaOptions? frame = null;
        foreach (PrewarmPlan plan in plans)
        {
            threads = Math.Max(threads, plan.Threads);
            frame = plan.Frame is null ? frame : frame is null ? plan.Frame : Worst(frame, plan.Frame);
            foreach (BlockCount block in plan.Blocks)
            {
                BlockCount known = worst.GetValueOrDefault(block.Bytes, block);
                worst[block.Bytes] = new BlockCount(block.Bytes, Math.Max(known.Count, block.Count), Math.Max(known.Threads, block.Threads));
            }
        }

        List<BlockCount> blocks = new(worst.Count);
        foreach (BlockCount block in worst.Values)
        {
            blocks.Add(block with { Count = (long)Math.Ceiling(block.Count * headroom) });
        }

        return plans[0] with
        {
            Blocks = blocks,
            Threads = threads,
            Frame = frame is null ? null : frame with { BytesPerLane = (nuint)Math.Ceiling(frame.BytesPerLane * headroom) },
        };
    }

    private static FrameArenaOptions Worst(FrameArenaOptions left, FrameArenaOptions right) => new()
    {
        BytesPerLane = nuint.Max(left.BytesPerLane, right.BytesPerLane),
        Lanes = Math.Max(left.Lanes, right.Lanes),
        Buffers = Math.Max(left.Buffers, right.Buffers),
        OverflowSuperSlabs = Math.Max(left.OverflowSuperSlabs, right.OverflowSuperSlabs),
    };
}
