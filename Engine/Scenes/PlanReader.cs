using System.Text.Json;

namespace SuperSlab.Scenes;

/// <summary>
/// Reads one JSON document over a plan: what the document says replaces what the plan said, objects property by property, arenas by name,
/// blocks by size; a null takes the frame arena or an arena away. Here stands what the shape of a document is; what numbers must be to
/// each other stands in <see cref="PlanRules"/>.
/// </summary>
internal sealed class PlanReader(PlanValues values)
{
    public ScenePlan Read(JsonElement root, ScenePlan plan)
    {
        foreach ((string name, string path, JsonElement value) in values.Properties(root, string.Empty, PlanNames.Plan))
        {
            plan = name switch
            {
                "name" => plan with { Name = ReadName(value, path, plan.Name) },
                "frame" => plan with { Frame = value.ValueKind == JsonValueKind.Null ? null : ReadFrame(value, path, plan.Frame ?? new FrameArenaOptions()) },
                "arenas" => plan with { Arenas = ReadArenas(value, path, plan.Arenas) },
                "prefault" => plan with { Prefault = values.Choice(value, path, PlanChoices.Prefault, plan.Prefault) },
                "pages" => plan with { Pages = values.Choice(value, path, PlanChoices.Pages, plan.Pages) },
                "hotLoop" => plan with { HotLoop = ReadHotLoop(value, path, plan.HotLoop) },
                _ => Ignore(value, path, plan), // $schema, and base, which was followed before
            };
        }

        // Not missing, but unknown.
        return root.ValueKind == JsonValueKind.Object || plan.Name.Length != 0 ? plan : plan with { Name = "?" };
    }

    private ScenePlan Ignore(JsonElement value, string path, ScenePlan plan)
    {
        values.Text(value, path);
        return plan;
    }

    private string ReadName(JsonElement value, string path, string before)
    {
        string? name = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        if (PlanRules.IsName(name, PlanRange.SceneNameLength))
            return name!;

        values.Errors.Add(path, PlanText.Describe(value), PlanRules.SceneNameText);

        // Not empty, so that it is not also reported as missing.
        return before.Length == 0 ? "?" : before;
    }

    private FrameArenaOptions ReadFrame(JsonElement frame, string framePath, FrameArenaOptions options)
    {
        foreach ((string name, string path, JsonElement value) in values.Properties(frame, framePath, PlanNames.Frame))
        {
            options = name switch
            {
                "bytesPerLane" => options with { BytesPerLane = values.Size(value, path, PlanRange.BytesPerLane, options.BytesPerLane) },
                "lanes" => options with { LaneCount = values.Whole(value, path, PlanRange.Lanes, options.LaneCount) },
                "buffers" => options with { BufferCount = values.Whole(value, path, PlanRange.Buffers, options.BufferCount) },
                _ => options with { OverflowSuperSlabs = values.Whole(value, path, PlanRange.OverflowSuperSlabs, options.OverflowSuperSlabs) },
            };
        }

        return options;
    }

    private List<ArenaPlan> ReadArenas(JsonElement value, string arenasPath, IReadOnlyList<ArenaPlan> before)
    {
        List<ArenaPlan> arenas = [.. before];
        int more = 0;
        foreach ((string name, string path, JsonElement arena) in values.Properties(value, arenasPath, known: null))
        {
            int index = arenas.FindIndex(other => other.Name == name);
            if (!PlanRules.IsName(name, PlanRange.ArenaNameLength))
                values.Errors.Add(arenasPath, PlanText.Quote(name), PlanRules.ArenaNameText);
            else if (arena.ValueKind == JsonValueKind.Null)
                arenas.RemoveAll(other => other.Name == name);
            else if (index >= 0)
                arenas[index] = ReadArena(arena, path, arenas[index]);
            else if (arenas.Count < PlanRange.Arenas)
                arenas.Add(ReadArena(arena, path, new ArenaPlan { Name = name }));
            else
                more++;
        }

        if (more != 0)
            values.Errors.Add(arenasPath, $"{arenas.Count + more} arenas", $"at most {PlanRange.Arenas}");

        return arenas;
    }

    private ArenaPlan ReadArena(JsonElement arena, string arenaPath, ArenaPlan plan)
    {
        foreach ((string name, string path, JsonElement value) in values.Properties(arena, arenaPath, PlanNames.Arena))
        {
            plan = name switch
            {
                "budget" => plan with { Budget = ReadBudget(value, path, plan.Budget) },
                "prewarm" => ReadPrewarm(value, path, plan),
                "threads" => plan with { Threads = values.Whole(value, path, PlanRange.Threads, plan.Threads) },
                "carve" => plan with { Carve = values.Flag(value, path, plan.Carve) },
                "overflow" => plan with
                {
                    Budget = plan.Budget with { Overflow = values.Choice(value, path, PlanChoices.Overflow, plan.Budget.Overflow) },
                },
                _ => plan with { RetainBytes = values.Size(value, path, PlanRange.Retain, plan.RetainBytes) },
            };
        }

        return plan;
    }

    private ArenaBudget ReadBudget(JsonElement budget, string budgetPath, ArenaBudget limits)
    {
        foreach ((string name, string path, JsonElement value) in values.Properties(budget, budgetPath, PlanNames.Budget))
        {
            limits = name == "soft"
                ? limits with { SoftBytes = values.Size(value, path, PlanRange.Budget, limits.SoftBytes) }
                : limits with { HardBytes = values.Size(value, path, PlanRange.Budget, limits.HardBytes) };
        }

        return limits;
    }

    private ArenaPlan ReadPrewarm(JsonElement prewarm, string prewarmPath, ArenaPlan plan)
    {
        foreach ((string name, string path, JsonElement value) in values.Properties(prewarm, prewarmPath, PlanNames.Prewarm))
        {
            plan = name == "blocks"
                ? plan with { Blocks = ReadBlocks(value, path, plan.Blocks) }
                : plan with { SuperSlabs = values.Whole(value, path, PlanRange.SuperSlabs, plan.SuperSlabs) };
        }

        return plan;
    }

    private List<BlockCount> ReadBlocks(JsonElement list, string listPath, IReadOnlyList<BlockCount> before)
    {
        List<BlockCount> blocks = [.. before];
        Dictionary<nuint, int> bySize = [];
        foreach (BlockCount block in blocks)
            bySize[block.Bytes] = bySize.Count;

        HashSet<nuint> seen = [];
        foreach ((string path, JsonElement item) in values.Items(list, listPath, PlanRange.Blocks))
        {
            if (ReadBlock(item, path) is not { } block)
                continue;

            if (!seen.Add(block.Bytes))
            {
                values.Errors.Add($"{path}.bytes", $"{PlanText.Size(block.Bytes)} a second time", "each size once");
            }
            else if (bySize.TryGetValue(block.Bytes, out int index))
            {
                blocks[index] = block;
            }
            else
            {
                bySize[block.Bytes] = blocks.Count;
                blocks.Add(block);
            }
        }

        return blocks;
    }

    private BlockCount? ReadBlock(JsonElement item, string itemPath)
    {
        if (item.ValueKind != JsonValueKind.Object)
        {
            values.Properties(item, itemPath, PlanNames.Block);
            return null;
        }

        BlockCount block = default;
        bool hasBytes = false;
        bool hasCount = false;
        foreach ((string name, string path, JsonElement value) in values.Properties(item, itemPath, PlanNames.Block))
        {
            hasBytes |= name == "bytes";
            hasCount |= name == "count";
            block = name switch
            {
                "bytes" => block with { Bytes = values.Size(value, path, PlanRange.BlockBytes, 0) },
                "count" => block with { Count = values.Whole(value, path, PlanRange.BlockCount, 0L) },
                _ => block with { Threads = values.Whole(value, path, PlanRange.BlockThreads, 0) },
            };
        }

        if (!hasBytes)
            values.Missing($"{itemPath}.bytes", PlanRange.BlockBytes.Text);

        if (!hasCount)
            values.Missing($"{itemPath}.count", PlanRange.BlockCount.Text);

        return block.Bytes == 0 ? null : block;
    }

    private HotLoopRules ReadHotLoop(JsonElement hotLoop, string hotLoopPath, HotLoopRules rules)
    {
        foreach ((string name, string path, JsonElement value) in values.Properties(hotLoop, hotLoopPath, PlanNames.HotLoop))
        {
            rules = name switch
            {
                "warmUpFrames" => rules with { WarmUpFrames = values.Whole(value, path, PlanRange.WarmUpFrames, rules.WarmUpFrames) },
                "pageFaults" => rules with { PageFaults = ReadRule(value, path, rules.PageFaults) },
                "osCalls" => rules with { OsCalls = ReadRule(value, path, rules.OsCalls) },
                "managedBytes" => rules with { ManagedBytes = ReadRule(value, path, rules.ManagedBytes) },
                "collections" => rules with { Collections = ReadRule(value, path, rules.Collections) },
                "frameOverflow" => rules with { FrameOverflow = ReadRule(value, path, rules.FrameOverflow) },
                "tagOverrun" => rules with { TagOverrun = ReadRule(value, path, rules.TagOverrun ?? default) },
                _ => rules with { BudgetOverrun = ReadRule(value, path, rules.BudgetOverrun) },
            };
        }

        return rules;
    }

    private HotLoopRule ReadRule(JsonElement rule, string rulePath, HotLoopRule read)
    {
        foreach ((string name, string path, JsonElement value) in values.Properties(rule, rulePath, PlanNames.Rule))
        {
            read = name == "allowed"
                ? read with { AllowedPerFrame = values.Whole(value, path, PlanRange.AllowedPerFrame, read.AllowedPerFrame) }
                : read with { Action = values.Choice(value, path, PlanChoices.Action, read.Action) };
        }

        return read;
    }
}
