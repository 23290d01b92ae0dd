using System.Buffers;
using System.Text;
using System.Text.Json;

namespace SuperSlab.Scenes;

/// <summary>Several objects of one type.</summary>
internal abstract class PlanList<T> : PlanType<IReadOnlyList<T>>
{
    protected abstract PlanObject<T> Item { get; }

    public override bool IsSame(IReadOnlyList<T> one, IReadOnlyList<T> other) => one.Count + other.Count == 0;

    public override IReadOnlyList<T> Grow(IReadOnlyList<T> value, double headroom)
    {
        List<T> grown = [];
        foreach (T item in value)
            grown.Add(Item.Grow(item, headroom));

        return grown;
    }
}

/// <summary>The arenas of a plan by name; null in a document takes an arena of the base plan away.</summary>
internal sealed class PlanArenas : PlanList<ArenaPlan>
{
    private const int Maximum = 256;
    private const string AllowedNames = "names of 1 to 64 characters, none of them a control character";
    private static readonly PlanName s_name = new(64);

    public override string Allowed => "an object";

    protected override PlanObject<ArenaPlan> Item => PlanTable.Arena;

    public override string Schema =>
        $"\"type\": \"object\", \"propertyNames\": {{ \"minLength\": 1, \"maxLength\": 64 }}, "
        + $"\"additionalProperties\": {{ {new PlanOptional<ArenaPlan>(Item).Schema} }}";

    public override IReadOnlyList<ArenaPlan> Read(
        JsonElement value, string path, IReadOnlyList<ArenaPlan> before, PlanErrors errors)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            errors.Add(path, value, Allowed);
            return before;
        }

        List<ArenaPlan> arenas = [.. before];
        HashSet<string> seen = new(StringComparer.Ordinal);
        int more = 0;
        foreach (JsonProperty said in value.EnumerateObject())
        {
            string at = PlanText.Append(path, said.Name);
            int index = arenas.FindIndex(other => other.Name == said.Name);
            if (!seen.Add(said.Name))
                errors.Add(at, "the property a second time", "each property once");
            else if (!s_name.IsValid(said.Name))
                errors.Add(path, PlanText.Quote(said.Name), AllowedNames);
            else if (said.Value.ValueKind == JsonValueKind.Null)
                arenas.RemoveAll(other => other.Name == said.Name);
            else if (index >= 0)
                arenas[index] = Item.Read(said.Value, at, arenas[index], errors);
            else if (arenas.Count < Maximum)
                arenas.Add(Item.Read(said.Value, at, new ArenaPlan { Name = said.Name }, errors));
            else
                more++;
        }

        if (more != 0)
            errors.Add(path, $"{arenas.Count + more} arenas", $"at most {Maximum}");

        return arenas;
    }

    public override void Check(IReadOnlyList<ArenaPlan> value, string path, PlanErrors errors)
    {
        if (value.Count > Maximum)
        {
            errors.Add(path, $"{value.Count} arenas", $"at most {Maximum}");
            return;
        }

        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (ArenaPlan arena in value)
        {
            if (!s_name.IsValid(arena.Name))
            {
                errors.Add(path, PlanText.Quote(arena.Name), AllowedNames);
                continue;
            }

            string at = errors.At(path, arena.Name);
            if (!names.Add(arena.Name))
                errors.Add(at, "the name a second time", "each name once");

            Item.Check(arena, at, errors);
            PlanRules.Check(arena, at, errors);
        }
    }

    public override void Write(Utf8JsonWriter json, IReadOnlyList<ArenaPlan> value)
    {
        json.WriteStartObject();
        foreach (ArenaPlan arena in value)
        {
            json.WritePropertyName(arena.Name);
            Item.Write(json, arena);
        }

        json.WriteEndObject();
    }

    public override IReadOnlyList<ArenaPlan> Merge(IReadOnlyList<ArenaPlan> one, IReadOnlyList<ArenaPlan> other)
    {
        List<ArenaPlan> merged = [.. one];
        foreach (ArenaPlan arena in other)
        {
            int index = merged.FindIndex(same => same.Name == arena.Name);
            if (index < 0)
                merged.Add(Item.Merge(arena, arena));
            else
                merged[index] = Item.Merge(merged[index], arena);
        }

        return merged;
    }
}

/// <summary>
/// The blocks of an arena, each size once. Plans are compared by size class, because that is what a prewarm takes
/// blocks for: within one plan sizes of a class add up, and of the plans' sums the largest counts.
/// </summary>
internal sealed class PlanBlocks : PlanList<BlockCount>
{
    private const int Maximum = 4096;

    public override string Allowed => "a list";

    protected override PlanObject<BlockCount> Item => PlanTable.Block;

    public override string Schema =>
        $"\"type\": \"array\", \"maxItems\": {Maximum}, \"items\": {{ {Item.Schema} }}";

    public override IReadOnlyList<BlockCount> Read(
        JsonElement value, string path, IReadOnlyList<BlockCount> before, PlanErrors errors)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            errors.Add(path, value, Allowed);
            return before;
        }

        if (value.GetArrayLength() > Maximum)
        {
            errors.Add(path, $"a list of {value.GetArrayLength()}", $"at most {Maximum}");
            return before;
        }

        List<BlockCount> blocks = [.. before];
        Dictionary<nuint, int> bySize = [];
        foreach (BlockCount block in blocks)
            bySize[block.Bytes] = bySize.Count;

        HashSet<nuint> seen = [];
        int number = 0;
        foreach (JsonElement item in value.EnumerateArray())
        {
            string at = $"{path}[{number++}]";
            BlockCount block = Item.Read(item, at, default, errors);
            if (block.Bytes == 0)
                continue; // it has an error

            if (!seen.Add(block.Bytes))
            {
                errors.Add($"{at}.bytes", $"{SizeText.Write(block.Bytes)} a second time", "each size once");
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

    public override void Check(IReadOnlyList<BlockCount> value, string path, PlanErrors errors)
    {
        if (value.Count > Maximum)
        {
            errors.Add(path, $"a list of {value.Count}", $"at most {Maximum}");
            return;
        }

        HashSet<nuint> sizes = [];
        for (int index = 0; index < value.Count; index++)
        {
            string at = errors.At(path, index);
            Item.Check(value[index], at, errors);
            if (!sizes.Add(value[index].Bytes))
                errors.Add($"{at}.bytes", $"{SizeText.Write(value[index].Bytes)} a second time", "each size once");
        }
    }

    /// <summary>Writes a line for each block.</summary>
    public override void Write(Utf8JsonWriter json, IReadOnlyList<BlockCount> value)
    {
        // Raw values are not indented. Without the line breaks a block is { "bytes": 64, "count": 5 }.
        string indent = "\n" + new string(' ', 2 * (json.CurrentDepth + 1));
        ArrayBufferWriter<byte> buffer = new();
        JsonWriterOptions options = new() { Indented = true, IndentSize = 0, NewLine = "\n" };
        json.WriteStartArray();
        foreach (BlockCount block in value)
        {
            buffer.ResetWrittenCount();
            using (Utf8JsonWriter line = new(buffer, options))
                Item.Write(line, block);

            json.WriteRawValue(indent + Encoding.UTF8.GetString(buffer.WrittenSpan).Replace('\n', ' '));
        }

        json.WriteEndArray();
    }

    public override IReadOnlyList<BlockCount> Merge(IReadOnlyList<BlockCount> one, IReadOnlyList<BlockCount> other)
    {
        SortedDictionary<long, BlockCount> worst = SumsByClass(one);
        foreach ((long key, BlockCount block) in SumsByClass(other))
            worst[key] = worst.TryGetValue(key, out BlockCount same) ? Worst(same, block) : block;

        return [.. worst.Values];
    }

    private static SortedDictionary<long, BlockCount> SumsByClass(IReadOnlyList<BlockCount> blocks)
    {
        SortedDictionary<long, BlockCount> sums = [];
        foreach (BlockCount block in blocks)
        {
            long key = KeyOf(block.Bytes);
            sums[key] = sums.TryGetValue(key, out BlockCount other)
                ? Worst(block, other) with { Count = Math.Min(block.Count + other.Count, PlanRange.BlockCount.Maximum) }
                : block;
        }

        return sums;
    }

    /// <summary>The same for blocks that take the same memory: their class, or the SuperSlabs of an extent.</summary>
    private static long KeyOf(nuint bytes)
    {
        int sizeClass = SizeClasses.IndexOf(bytes);
        return sizeClass == SizeClasses.Huge
            ? SizeClasses.Huge + (long)((bytes - 1) >> SlabGeometry.SuperSlabShift)
            : sizeClass;
    }

    /// <summary>0 threads are all; a count without the caches' blocks needs them added.</summary>
    private static BlockCount Worst(BlockCount one, BlockCount other) => new(
        nuint.Max(one.Bytes, other.Bytes),
        Math.Max(one.Count, other.Count),
        one.Threads == 0 || other.Threads == 0 ? 0 : Math.Max(one.Threads, other.Threads))
    {
        IncludesCaches = one.IncludesCaches && other.IncludesCaches,
    };
}
