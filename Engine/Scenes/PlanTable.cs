using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace SuperSlab.Scenes;

/// <summary>
/// Every property of a scene plan, a row each. From the rows follow how a plan is read, checked, written and merged,
/// and its JSON schema. Rules between properties stand in <see cref="PlanRules"/>.
/// </summary>
internal static class PlanTable
{
    public static readonly PlanObject<HotLoopRule> Rule = RuleObject("rule");

    public static readonly PlanObject<HotLoopRule> FaultRule = RuleObject("faultRule")
        .Add("in", new PlanChoice<FaultScope>(HotLoopMetrics.Scopes),
            rule => rule.In, (rule, value) => rule with { In = value },
            "Which faults count: those in the engine's memory, or all of the frame's threads. Default engine.");

    public static readonly PlanObject<HotLoopRules> HotLoop = HotLoopObject();

    public static readonly PlanObject<BlockCount> Block = new PlanObject<BlockCount>("block", default)
        .Add("bytes", new PlanNumber<nuint>(new(1, PlanRange.Largest, IsSize: true)),
            block => block.Bytes, (block, value) => block with { Bytes = value },
            "The size of each; it stands for its whole size class. From 1 byte.", isRequired: true)
        .Add("count", new PlanNumber<long>(PlanRange.BlockCount, PlanMerge.LargestGrown),
            block => block.Count, (block, value) => block with { Count = value },
            "How many are live at the same time.", isRequired: true)
        .Add("threads", new PlanNumber<int>(PlanRange.BlockThreads),
            block => block.Threads, (block, value) => block with { Threads = value },
            "Threads that allocate or free blocks of this class; 0, the default, where all may.")
        .Add("includesCaches", new PlanFlag(),
            block => block.IncludesCaches, (block, value) => block with { IncludesCaches = value },
            "Whether count includes the free blocks in thread caches, as a recorded peak does. Default false: they "
                + "are added.");

    public static readonly PlanObject<ArenaPlan> Budget = new PlanObject<ArenaPlan>("budget", new ArenaPlan())
        .Add("soft", new PlanNumber<nuint>(new(2 << 20, PlanRange.Largest, IsSize: true), PlanMerge.LargestLimit),
            arena => arena.Budget.SoftBytes,
            (arena, value) => arena with { Budget = arena.Budget with { SoftBytes = value } },
            "Going beyond is counted. At most the hard budget.")
        .Add("hard", new PlanNumber<nuint>(new(2 << 20, PlanRange.Largest, IsSize: true), PlanMerge.LargestLimit),
            arena => arena.Budget.HardBytes,
            (arena, value) => arena with { Budget = arena.Budget with { HardBytes = value } },
            "Beyond it, overflow decides. At least what is prewarmed.")
        .Add("stocks", new PlanNumber<nuint>(new(64 << 10, PlanRange.Largest, IsSize: true), PlanMerge.LargestLimit),
            arena => arena.Budget.StockBytes,
            (arena, value) => arena with { Budget = arena.Budget with { StockBytes = value } },
            "Free blocks that all threads' stocks hold back together. Default: 64 MiB for each thread.");

    public static readonly PlanObject<ArenaPlan> Prewarm = new PlanObject<ArenaPlan>("prewarm", new ArenaPlan())
        .Add("blocks", new PlanBlocks(), arena => arena.Blocks, (arena, value) => arena with { Blocks = value },
            "The blocks that the arena holds at its peak. Replaces the base plan's by size.")
        .Add("superSlabs", new PlanNumber<int>(new(0, 1_000_000), PlanMerge.LargestGrown),
            arena => arena.SuperSlabCount, (arena, value) => arena with { SuperSlabCount = value },
            "SuperSlabs (2 MiB) besides, for blocks of any size up to 2 MiB. Default 0.")
        .Add("together", new PlanNumber<int>(new(0, 1_000_000), PlanMerge.LargestGrown),
            arena => arena.TogetherSuperSlabCount, (arena, value) => arena with { TogetherSuperSlabCount = value },
            "SuperSlabs in which all blocks live together; needs carve false. Default 0: each size's own peak.");

    public static readonly PlanObject<ArenaPlan> Arena = new PlanObject<ArenaPlan>("arena", new ArenaPlan())
        .Add("budget", Budget, arena => arena, (_, value) => value,
            "What the arena may hold, in SuperSlabs of 2 MiB. Default: no limit.")
        .Add("prewarm", Prewarm, arena => arena, (_, value) => value,
            "What is made ready when the scene is loaded.")
        .Add("threads", new PlanNumber<int>(PlanRange.Threads, PlanMerge.Largest),
            arena => arena.ThreadCount, (arena, value) => arena with { ThreadCount = value },
            "Threads that use the arena at the same time. Default 1.")
        .Add("carve", new PlanFlag(), arena => arena.Carve, (arena, value) => arena with { Carve = value },
            "Whether slabs are promised to size classes at load. Default true.")
        .Add("overflow", new PlanChoice<ArenaOverflow>(SettingWords.Overflow), arena => arena.Budget.Overflow,
            (arena, value) => arena with { Budget = arena.Budget with { Overflow = value } },
            "What happens beyond the hard budget. Default fail.")
        .Add("retain", new PlanNumber<nuint>(PlanRange.Retain, PlanMerge.Largest),
            arena => arena.RetainBytes, (arena, value) => arena with { RetainBytes = value },
            "What the reserve keeps when the scene is unloaded. Default 0.");

    public static readonly PlanObject<FrameArenaOptions> Frame =
        new PlanObject<FrameArenaOptions>("frame", new FrameArenaOptions(), isWhole: true)
        .Add("bytesPerLane", new PlanNumber<nuint>(PlanRange.BytesPerLane, PlanMerge.LargestGrown),
            frame => frame.BytesPerLane, (frame, value) => frame with { BytesPerLane = value },
            "What each lane can allocate in a frame without overflow, 4 KiB to 1 GiB. Default 1 MiB.")
        .Add("lanes", new PlanNumber<int>(PlanRange.Lanes, PlanMerge.Largest),
            frame => frame.LaneCount, (frame, value) => frame with { LaneCount = value },
            "One for each worker that allocates at the same time. Default 1.")
        .Add("buffers", new PlanNumber<int>(PlanRange.Buffers, PlanMerge.Largest),
            frame => frame.BufferCount, (frame, value) => frame with { BufferCount = value },
            "Frames that memory stays readable, its own included. Default 2.")
        .Add("overflowSuperSlabs", new PlanNumber<int>(PlanRange.OverflowSuperSlabs, PlanMerge.LargestGrown),
            frame => frame.OverflowSuperSlabs, (frame, value) => frame with { OverflowSuperSlabs = value },
            "SuperSlabs (2 MiB) ready for lanes that overflow. Default 0.");

    public static readonly PlanObject<ScenePlan> Plan =
        new PlanObject<ScenePlan>("plan", new ScenePlan { Name = string.Empty })
        .Add("$schema", new PlanRemark(), _ => string.Empty, (plan, _) => plan, null)
        .Add("base", new PlanRemark(), _ => string.Empty, (plan, _) => plan,
            "The path, relative to this plan, of one for what this one does not say. Without it, name is required.")
        .Add("name", new PlanName(100), plan => plan.Name, (plan, value) => plan with { Name = value },
            "The names of the scene's arenas begin with it.")
        .Add("frame", new PlanOptional<FrameArenaOptions>(Frame),
            plan => plan.FrameArena, (plan, value) => plan with { FrameArena = value },
            "The frame arena. None where it is absent; null takes the base plan's away.")
        .Add("arenas", new PlanArenas(), plan => plan.Arenas, (plan, value) => plan with { Arenas = value },
            "The long-lived arenas by name; null takes the base plan's away.")
        .Add("prefault", new PlanChoice<PrefaultPolicy>(new(PrefaultPolicy.None)),
            plan => plan.Prefault, (plan, value) => plan with { Prefault = value },
            "How physical pages are put behind the memory. Default: as the memory's options say.")
        .Add("pages", new PlanChoice<PageKind>(SettingWords.Pages),
            plan => plan.Pages, (plan, value) => plan with { Pages = value },
            "The kind of pages. Default: as the memory's options say.")
        .Add("stay", new PlanChoice<StayPolicy>(SettingWords.Stay),
            plan => plan.Stay, (plan, value) => plan with { Stay = value },
            "What keeps the kernel from moving resident pages. Default none: as the memory's options say.")
        .Add("granularity", new PlanChoice<PrefaultGranularity>(SettingWords.Granularity),
            plan => plan.Granularity, (plan, value) => plan with { Granularity = value },
            "How much of each arena's last SuperSlab is prefaulted. Default super-slab: as the memory's options say.")
        .Add("hotLoop", HotLoop, plan => plan.HotLoop, (plan, value) => plan with { HotLoop = value },
            "The rules for the frames between load and unload.");

    private static IPlanDefinition[] Definitions => [Frame, Arena, Budget, Prewarm, Block, HotLoop, Rule, FaultRule];

    /// <summary>Writes a valid plan for people: no defaults, sizes with units, a line for each block.</summary>
    public static string Write(ScenePlan plan)
    {
        ArrayBufferWriter<byte> buffer = new();
        JavaScriptEncoder encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        using (Utf8JsonWriter json = new(buffer, new() { Indented = true, NewLine = "\n", Encoder = encoder }))
            Plan.Write(json, plan);

        return Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n";
    }

    /// <summary>The text of scene-plan.schema.json.</summary>
    public static string Schema()
    {
        StringBuilder text = new("""
            {
              "$schema": "https://json-schema.org/draft/2020-12/schema",
              "$id": "scene-plan.schema.json",
              "title": "Scene plan of SuperSlab",
              "description": "Comments and trailing commas are allowed. No property and no block size stands twice.",

            """);
        Append(text, "  ", Plan);
        text.Append(",\n  \"$defs\": {");
        foreach (IPlanDefinition definition in Definitions)
        {
            text.Append(definition == Frame ? "\n" : ",\n").Append($"    \"{definition.Name}\": {{\n");
            Append(text, "      ", definition);
            text.Append("\n    }");
        }

        return text.Append("\n  }\n}\n").ToString();
    }

    private static void Append(StringBuilder text, string indent, IPlanDefinition definition) =>
        text.Append(indent).AppendJoin("\n" + indent, definition.SchemaLines());

    private static PlanObject<HotLoopRule> RuleObject(string name) =>
        new PlanObject<HotLoopRule>(name, default, isWhole: true)
        .Add("allowed", new PlanNumber<long>(new(0, 1_000_000_000)),
            rule => rule.AllowedPerFrame, (rule, value) => rule with { AllowedPerFrame = value },
            "How many a frame may have; of managedBytes, how many bytes. Default 0.")
        .Add("action", new PlanChoice<HotLoopAction>(HotLoopMetrics.Actions),
            rule => rule.Action, (rule, value) => rule with { Action = value },
            "What is done about more. Default count.");

    private static PlanObject<HotLoopRules> HotLoopObject()
    {
        PlanObject<HotLoopRules> rules = new PlanObject<HotLoopRules>("hotLoop", new HotLoopRules())
            .Add("warmUpFrames", new PlanNumber<int>(new(0, 1_000_000), PlanMerge.Largest),
                rules => rules.WarmUpFrameCount, (rules, value) => rules with { WarmUpFrameCount = value },
                "Frames at the beginning without rules. Default 0.");
        PlanRule type = new(Rule);
        PlanRule faultType = new(FaultRule);
        foreach (HotLoopMetricRow row in HotLoopMetrics.All)
        {
            if (row.RuleName is { } name)
            {
                rules.Add(name, row.Metric == HotLoopMetric.PageFaults ? faultType : type, rules => rules[row.Metric],
                    (rules, value) => rules.With(row.Metric, value), row.Description);
            }
        }

        return rules;
    }
}

/// <summary>The whole numbers or sizes in bytes that a property of a plan may have.</summary>
/// <param name="Minimum">The smallest.</param>
/// <param name="Maximum">The largest.</param>
/// <param name="IsSize">Whether it is a size in bytes.</param>
internal sealed record PlanRange(long Minimum, long Maximum, bool IsSize = false)
{
    /// <summary>The largest size in a plan: more than machines have, and sums of it do not overflow.</summary>
    public static readonly long Largest = sizeof(long) > nint.Size ? int.MaxValue : 16L << 40;

    public static readonly PlanRange BytesPerLane = new(4096, 1 << 30, IsSize: true);
    public static readonly PlanRange Lanes = new(1, 512);
    public static readonly PlanRange Buffers = new(1, 16);
    public static readonly PlanRange OverflowSuperSlabs = new(0, 65_536);
    public static readonly PlanRange Retain = new(0, Largest, IsSize: true);
    public static readonly PlanRange BlockCount = new(0, 1_000_000_000);
    public static readonly PlanRange BlockThreads = new(0, 512);
    public static readonly PlanRange Threads = new(1, 512);

    /// <summary>The range in words.</summary>
    public string Text => IsSize
        ? $"a size from {SizeText.Write((nuint)Minimum)} to {SizeText.Write((nuint)Maximum)}, "
            + "in bytes or as text such as \"8 MiB\" (units B, bytes, KiB, MiB or GiB)"
        : string.Create(CultureInfo.InvariantCulture, $"a whole number from {Minimum} to {Maximum}");

    public bool Contains(decimal value) => value >= Minimum && value <= Maximum;
}

/// <summary>
/// The rules between the properties of a valid plan:
/// <code>
///   budget.soft  is at most  budget.hard
///   prewarmed    is at most  budget.hard, and fits an address      (the blocks of all classes and the SuperSlabs)
///   together     is 0 where carve is true
/// </code>
/// </summary>
internal static class PlanRules
{
    /// <exception cref="ScenePlanException">The plan, made in code or read, is not valid.</exception>
    public static void Check(ScenePlan plan, PlanErrors errors)
    {
        errors.BaseName = null;
        PlanTable.Plan.Check(plan, string.Empty, errors);
    }

    public static void Check(ArenaPlan arena, string path, PlanErrors errors)
    {
        nuint soft = arena.Budget.SoftBytes;
        nuint hard = arena.Budget.HardBytes;
        if (hard != 0 && soft > hard)
            errors.Add($"{path}.budget.soft", SizeText.Write(soft), $"at most the hard budget, {SizeText.Write(hard)}");

        if (arena.Carve && arena.TogetherSuperSlabCount > 0)
            errors.Add($"{path}.prewarm.together", $"{arena.TogetherSuperSlabCount}", "0, or carve false");

        UInt128 prewarm = PrewarmBytes(arena);
        nuint most = (nuint)PlanRange.Retain.Maximum;
        if (prewarm > most)
            errors.Add($"{path}.prewarm", "more than fits an address", $"at most {SizeText.Write(most)} in all");
        else if (hard != 0 && prewarm > hard)
        {
            string least = SizeText.Write((nuint)prewarm);
            errors.Add($"{path}.budget.hard", SizeText.Write(hard), $"at least what is prewarmed, {least}");
        }
    }

    /// <summary>The least that an arena's prewarm holds, in bytes of whole SuperSlabs.</summary>
    public static UInt128 PrewarmBytes(ArenaPlan arena)
    {
        UInt128 bytes = (UInt128)Math.Max(arena.TogetherSuperSlabCount, 0) << SlabGeometry.SuperSlabShift;
        foreach (BlockCount block in arena.TogetherSuperSlabCount > 0 ? [] : arena.Blocks)
        {
            nuint classBytes = SizeClasses.BlockBytes(SizeClasses.IndexOf(block.Bytes));
            bytes += (UInt128)nuint.Max(classBytes, block.Bytes) * (UInt128)Math.Max(block.Count, 0);
        }

        UInt128 superSlabs = ((bytes + SlabGeometry.SuperSlabBytes - 1) >> SlabGeometry.SuperSlabShift)
            + (UInt128)Math.Max(arena.SuperSlabCount, 0);
        return superSlabs << SlabGeometry.SuperSlabShift;
    }
}
