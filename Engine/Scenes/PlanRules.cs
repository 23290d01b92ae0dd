using System.Globalization;

namespace SuperSlab.Scenes;

/// <summary>
/// What holds in every valid plan, made in code or read:
///
///   every number is within its <see cref="PlanRange"/>, and every enumeration has a word in <see cref="PlanChoices"/>
///   arenas have different names, and the blocks of an arena different sizes
///   budget.soft  is at most  budget.hard
///   prewarmed    is at most  budget.hard, and fits an address      (prewarmed: the blocks of all classes and the SuperSlabs, in SuperSlabs)
/// </summary>
internal static class PlanRules
{
    public const string SceneNameText = "text of 1 to 100 characters, none of them a control character";
    public const string ArenaNameText = "names of 1 to 64 characters, none of them a control character";

    public static void Check(ScenePlan plan, PlanErrors errors)
    {
        errors.BaseName = null;
        if (!IsName(plan.Name, PlanRange.SceneNameLength))
            errors.Add("name", plan.Name.Length == 0 ? "nothing" : PlanText.Quote(plan.Name), SceneNameText);

        if (plan.Frame is { } frame)
        {
            CheckRange("frame.bytesPerLane", frame.BytesPerLane, PlanRange.BytesPerLane, errors);
            CheckRange("frame.lanes", frame.LaneCount, PlanRange.Lanes, errors);
            CheckRange("frame.buffers", frame.BufferCount, PlanRange.Buffers, errors);
            CheckRange("frame.overflowSuperSlabs", frame.OverflowSuperSlabs, PlanRange.OverflowSuperSlabs, errors);
        }

        CheckArenas(plan.Arenas, errors);
        CheckChoice("prefault", plan.Prefault, PlanChoices.Prefault, errors);
        CheckChoice("pages", plan.Pages, PlanChoices.Pages, errors);
        CheckRange("hotLoop.warmUpFrames", plan.HotLoop.WarmUpFrames, PlanRange.WarmUpFrames, errors);
        CheckRule("hotLoop.pageFaults", plan.HotLoop.PageFaults, errors);
        CheckRule("hotLoop.osCalls", plan.HotLoop.OsCalls, errors);
        CheckRule("hotLoop.managedBytes", plan.HotLoop.ManagedBytes, errors);
        CheckRule("hotLoop.collections", plan.HotLoop.Collections, errors);
        CheckRule("hotLoop.frameOverflow", plan.HotLoop.FrameOverflow, errors);
        CheckRule("hotLoop.budgetOverrun", plan.HotLoop.BudgetOverrun, errors);
        CheckRule("hotLoop.tagOverrun", plan.HotLoop.TagOverrun ?? default, errors);
    }

    /// <summary>Whether a text is a name of at most so many characters (code points) that can be printed.</summary>
    public static bool IsName(string? name, int most)
    {
        if (string.IsNullOrEmpty(name) || name.Length > 2 * most)
            return false;

        int length = 0;
        foreach (System.Text.Rune rune in name.EnumerateRunes())
        {
            length++;
            if (System.Text.Rune.IsControl(rune) || rune == System.Text.Rune.ReplacementChar)
                return false;
        }

        return length <= most;
    }

    /// <summary>What an arena's prewarm holds at the least, in bytes of whole SuperSlabs.</summary>
    public static UInt128 PrewarmBytes(ArenaPlan arena)
    {
        UInt128 bytes = 0;
        foreach (BlockCount block in arena.Blocks)
        {
            nuint classBytes = SizeClasses.BlockBytes(SizeClasses.IndexOf(block.Bytes));
            bytes += (UInt128)nuint.Max(classBytes, block.Bytes) * (UInt128)Math.Max(block.Count, 0);
        }

        UInt128 superSlabs = ((bytes + SlabGeometry.SuperSlabBytes - 1) >> SlabGeometry.SuperSlabShift) + (UInt128)Math.Max(arena.SuperSlabs, 0);
        return superSlabs << SlabGeometry.SuperSlabShift;
    }

    private static void CheckArenas(IReadOnlyList<ArenaPlan> arenas, PlanErrors errors)
    {
        if (arenas.Count > PlanRange.Arenas)
        {
            errors.Add("arenas", $"{arenas.Count} arenas", $"at most {PlanRange.Arenas}");
            return;
        }

        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (ArenaPlan arena in arenas)
        {
            if (!IsName(arena.Name, PlanRange.ArenaNameLength))
            {
                errors.Add("arenas", PlanText.Quote(arena.Name), ArenaNameText);
                continue;
            }

            string path = PlanText.Append("arenas", arena.Name);
            if (!names.Add(arena.Name))
                errors.Add(path, "the name a second time", "each name once");

            CheckArena(path, arena, errors);
        }
    }

    private static void CheckArena(string path, ArenaPlan arena, PlanErrors errors)
    {
        CheckBlocks($"{path}.prewarm.blocks", arena.Blocks, errors);
        CheckRange($"{path}.prewarm.superSlabs", arena.SuperSlabs, PlanRange.SuperSlabs, errors);
        CheckRange($"{path}.threads", arena.Threads, PlanRange.Threads, errors);
        CheckChoice($"{path}.overflow", arena.Budget.Overflow, PlanChoices.Overflow, errors);
        CheckRange($"{path}.retain", arena.RetainBytes, PlanRange.Retain, errors);
        nuint soft = arena.Budget.SoftBytes;
        nuint hard = arena.Budget.HardBytes;
        if (soft != 0)
            CheckRange($"{path}.budget.soft", soft, PlanRange.Budget, errors);

        if (hard != 0)
            CheckRange($"{path}.budget.hard", hard, PlanRange.Budget, errors);

        if (hard != 0 && soft > hard)
            errors.Add($"{path}.budget.soft", PlanText.Size(soft), $"at most the hard budget, {PlanText.Size(hard)}");

        UInt128 prewarm = PrewarmBytes(arena);
        if (prewarm > (UInt128)PlanRange.PrewarmBytes.Maximum)
            errors.Add($"{path}.prewarm", "more than fits an address", $"at most {PlanText.Size((nuint)PlanRange.PrewarmBytes.Maximum)} in all");
        else if (hard != 0 && prewarm > hard)
            errors.Add($"{path}.budget.hard", PlanText.Size(hard), $"at least what is prewarmed, {PlanText.Size((nuint)prewarm)}");
    }

    private static void CheckBlocks(string path, IReadOnlyList<BlockCount> blocks, PlanErrors errors)
    {
        if (blocks.Count > PlanRange.Blocks)
        {
            errors.Add(path, $"a list of {blocks.Count}", $"at most {PlanRange.Blocks}");
            return;
        }

        HashSet<nuint> sizes = [];
        for (int index = 0; index < blocks.Count; index++)
        {
            BlockCount block = blocks[index];
            CheckRange($"{path}[{index}].bytes", block.Bytes, PlanRange.BlockBytes, errors);
            CheckRange($"{path}[{index}].count", block.Count, PlanRange.BlockCount, errors);
            CheckRange($"{path}[{index}].threads", block.Threads, PlanRange.BlockThreads, errors);
            if (!sizes.Add(block.Bytes))
                errors.Add($"{path}[{index}].bytes", $"{PlanText.Size(block.Bytes)} a second time", "each size once");
        }
    }

    private static void CheckRule(string path, HotLoopRule rule, PlanErrors errors)
    {
        CheckRange($"{path}.allowed", rule.AllowedPerFrame, PlanRange.AllowedPerFrame, errors);
        CheckChoice($"{path}.action", rule.Action, PlanChoices.Action, errors);
    }

    private static void CheckRange(string path, decimal value, PlanRange range, PlanErrors errors)
    {
        if (!range.Contains(value))
            errors.Add(path, value.ToString(CultureInfo.InvariantCulture), range.Text);
    }

    private static void CheckChoice<T>(string path, T value, PlanChoices<T> choices, PlanErrors errors)
        where T : struct, Enum
    {
        if (choices.WordOf(value) is null)
            errors.Add(path, value.ToString(), choices.Text);
    }
}

/// <summary>The whole numbers or sizes in bytes that a property of a plan may have.</summary>
/// <param name="Minimum">The smallest.</param>
/// <param name="Maximum">The largest.</param>
/// <param name="IsSize">Whether it is a size in bytes.</param>
internal sealed record PlanRange(long Minimum, long Maximum, bool IsSize = false)
{
    private const long Tebi = 1L << 40;

    /// <summary>The largest size in any plan: more than machines have, and so small that sums of it do not overflow.</summary>
    private static readonly long s_largest = sizeof(long) > nint.Size ? int.MaxValue : 16 * Tebi;

    public static readonly PlanRange BytesPerLane = new(4096, 1 << 30, IsSize: true);
    public static readonly PlanRange Lanes = new(1, 512);
    public static readonly PlanRange Buffers = new(1, 16);
    public static readonly PlanRange OverflowSuperSlabs = new(0, 65_536);
    public static readonly PlanRange Budget = new(2 << 20, s_largest, IsSize: true);
    public static readonly PlanRange Retain = new(0, s_largest, IsSize: true);
    public static readonly PlanRange BlockBytes = new(1, s_largest, IsSize: true);
    public static readonly PlanRange BlockCount = new(0, 1_000_000_000);
    public static readonly PlanRange BlockThreads = new(0, 512);
    public static readonly PlanRange SuperSlabs = new(0, 1_000_000);
    public static readonly PlanRange Threads = new(1, 512);
    public static readonly PlanRange WarmUpFrames = new(0, 1_000_000);
    public static readonly PlanRange AllowedPerFrame = new(0, 1_000_000_000);

    /// <summary>What a plan may prewarm in one arena.</summary>
    public static readonly PlanRange PrewarmBytes = new(0, s_largest, IsSize: true);

    public const int SceneNameLength = 100;
    public const int ArenaNameLength = 64;
    public const int Arenas = 256;
    public const int Blocks = 4096;

    /// <summary>The range in words.</summary>
    public string Text => IsSize
        ? $"a size from {PlanText.Size((nuint)Minimum)} to {PlanText.Size((nuint)Maximum)}, in bytes or as text such as \"8 MiB\" (units {PlanText.Units})"
        : string.Create(CultureInfo.InvariantCulture, $"a whole number from {Minimum} to {Maximum}");

    public bool Contains(decimal value) => value >= Minimum && value <= Maximum;
}
