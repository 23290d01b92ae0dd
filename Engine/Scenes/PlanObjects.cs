using System.Buffers;
using System.Text;
using System.Text.Json;

namespace SuperSlab.Scenes;

/// <summary>A property of an object in a plan: the type of the object, as far as this property goes.</summary>
/// <param name="name">Its name in JSON.</param>
/// <param name="isRequired">Whether each such object has it.</param>
internal abstract class PlanProperty<TOwner>(string name, bool isRequired) : PlanType<TOwner>
{
    public string Name => name;

    public bool IsRequired => isRequired;
}

/// <inheritdoc cref="PlanProperty{TOwner}"/>
/// <param name="name">Its name in JSON.</param>
/// <param name="type">What it may be.</param>
/// <param name="get">Gives its value.</param>
/// <param name="with">Gives the owner with another value.</param>
/// <param name="description">What it means, for the schema.</param>
/// <param name="isRequired">Whether each such object has it.</param>
internal sealed class PlanProperty<TOwner, T>(
    string name, PlanType<T> type, Func<TOwner, T> get, Func<TOwner, T, TOwner> with, string? description, bool isRequired = false)
    : PlanProperty<TOwner>(name, isRequired)
{
    public override string Allowed => type.Allowed;

    public override string Schema => description is null ? type.Schema : $"{type.Schema}, \"description\": \"{description}\"";

    public override TOwner Read(JsonElement value, string path, TOwner before, PlanErrors errors) =>
        with(before, type.Read(value, path, get(before), errors));

    public override void Check(TOwner value, string path, PlanErrors errors) => type.Check(get(value), path, errors);

    public override void Write(Utf8JsonWriter json, TOwner value) => type.Write(json, get(value));

    public override bool IsSame(TOwner one, TOwner other) => type.IsSame(get(one), get(other));

    public override TOwner Merge(TOwner one, TOwner other) => with(one, type.Merge(get(one), get(other)));

    public override TOwner Grow(TOwner value, double headroom) => with(value, type.Grow(get(value), headroom));
}

/// <summary>An object that has a definition of its own in the schema.</summary>
internal interface IPlanDefinition
{
    string Name { get; }

    /// <summary>The lines between the braces of the definition.</summary>
    List<string> SchemaLines();
}

/// <summary>An object of known properties, each of which may stand once.</summary>
/// <param name="name">Its name among the schema's definitions.</param>
/// <param name="defaults">The object of which nothing is said.</param>
/// <param name="isWhole">Whether it is written with the properties that are at their defaults.</param>
/// <param name="properties">In the order in which they are written.</param>
internal sealed class PlanObject<T>(string name, T defaults, bool isWhole, PlanProperty<T>[] properties)
    : PlanType<T>, IPlanDefinition
{
    private readonly string _names = string.Join(", ", Array.ConvertAll(properties, property => property.Name));

    public string Name => name;

    public T Defaults => defaults;

    public override string Allowed => $"an object of {_names}";

    public override string Schema => $"\"$ref\": \"#/$defs/{name}\"";

    public override T Read(JsonElement value, string path, T before, PlanErrors errors)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            errors.Add(path, value, Allowed);
            return before;
        }

        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (JsonProperty said in value.EnumerateObject())
        {
            string at = PlanText.Append(path, said.Name);
            PlanProperty<T>? property = Array.Find(properties, other => other.Name == said.Name);
            if (property is null)
                errors.Add(at, "an unknown property", _names);
            else if (!seen.Add(said.Name))
                errors.Add(at, "the property a second time", "each property once");
            else
                before = property.Read(said.Value, at, before, errors);
        }

        foreach (PlanProperty<T> property in properties)
        {
            if (property.IsRequired && !seen.Contains(property.Name))
                errors.Add(PlanText.Append(path, property.Name), "nothing", property.Allowed);
        }

        return before;
    }

    public override void Check(T value, string path, PlanErrors errors)
    {
        foreach (PlanProperty<T> property in properties)
            property.Check(value, PlanText.Append(path, property.Name), errors);
    }

    public override void Write(Utf8JsonWriter json, T value)
    {
        json.WriteStartObject();
        foreach (PlanProperty<T> property in properties)
        {
            if (isWhole || property.IsRequired || !property.IsSame(value, defaults))
            {
                json.WritePropertyName(property.Name);
                property.Write(json, value);
            }
        }

        json.WriteEndObject();
    }

    public override bool IsSame(T one, T other) => Array.TrueForAll(properties, property => property.IsSame(one, other));

    public override T Merge(T one, T other)
    {
        foreach (PlanProperty<T> property in properties)
            one = property.Merge(one, other);

        return one;
    }

    public override T Grow(T value, double headroom)
    {
        foreach (PlanProperty<T> property in properties)
            value = property.Grow(value, headroom);

        return value;
    }

    public List<string> SchemaLines()
    {
        List<string> lines = ["\"type\": \"object\",", "\"additionalProperties\": false,"];
        PlanProperty<T>[] required = Array.FindAll(properties, property => property.IsRequired);
        if (required.Length != 0)
            lines.Add($"\"required\": [ {string.Join(", ", Array.ConvertAll(required, one => $"\"{one.Name}\""))} ],");

        lines.Add("\"properties\": {");
        foreach (PlanProperty<T> property in properties)
            lines.Add($"  \"{property.Name}\": {{ {property.Schema} }}{(property == properties[^1] ? string.Empty : ",")}");

        lines.Add("}");
        return lines;
    }
}

/// <summary>An object that may be absent; null in a document takes the base plan's away.</summary>
internal sealed class PlanOptional<T>(PlanObject<T> type) : PlanType<T?>
    where T : class
{
    public override string Allowed => type.Allowed;

    public override string Schema => $"\"oneOf\": [ {{ {type.Schema} }}, {{ \"type\": \"null\" }} ]";

    public override T? Read(JsonElement value, string path, T? before, PlanErrors errors) =>
        value.ValueKind == JsonValueKind.Null ? null : type.Read(value, path, before ?? type.Defaults, errors);

    public override void Check(T? value, string path, PlanErrors errors)
    {
        if (value is not null)
            type.Check(value, path, errors);
    }

    public override void Write(Utf8JsonWriter json, T? value) => type.Write(json, value!);

    public override T? Merge(T? one, T? other) => one is null || other is null ? one ?? other : type.Merge(one, other);

    public override T? Grow(T? value, double headroom) => value is null ? null : type.Grow(value, headroom);
}

/// <summary>A rule of the hot loop; null where the metric is not looked at.</summary>
internal sealed class PlanRule(PlanObject<HotLoopRule> type) : PlanType<HotLoopRule?>
{
    public override string Allowed => type.Allowed;

    public override string Schema => type.Schema;

    public override HotLoopRule? Read(JsonElement value, string path, HotLoopRule? before, PlanErrors errors) =>
        type.Read(value, path, before ?? default, errors);

    public override void Check(HotLoopRule? value, string path, PlanErrors errors) =>
        type.Check(value ?? default, path, errors);

    public override void Write(Utf8JsonWriter json, HotLoopRule? value) => type.Write(json, value ?? default);
}

/// <summary>The arenas of a plan by name; null in a document takes an arena of the base plan away.</summary>
internal sealed class PlanArenas : PlanType<IReadOnlyList<ArenaPlan>>
{
    private const int Maximum = 256;
    private const string AllowedNames = "names of 1 to 64 characters, none of them a control character";
    private static readonly PlanName s_name = new(64);

    public override string Allowed => "an object";

    public override string Schema =>
        $"\"type\": \"object\", \"propertyNames\": {{ \"minLength\": 1, \"maxLength\": 64 }}, "
        + $"\"additionalProperties\": {{ {new PlanOptional<ArenaPlan>(PlanTable.Arena).Schema} }}";

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
                arenas[index] = PlanTable.Arena.Read(said.Value, at, arenas[index], errors);
            else if (arenas.Count < Maximum)
                arenas.Add(PlanTable.Arena.Read(said.Value, at, new ArenaPlan { Name = said.Name }, errors));
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

            string at = PlanText.Append(path, arena.Name);
            if (!names.Add(arena.Name))
                errors.Add(at, "the name a second time", "each name once");

            PlanTable.Arena.Check(arena, at, errors);
            PlanRules.Check(arena, at, errors);
        }
    }

    public override void Write(Utf8JsonWriter json, IReadOnlyList<ArenaPlan> value)
    {
        json.WriteStartObject();
        foreach (ArenaPlan arena in value)
        {
            json.WritePropertyName(arena.Name);
            PlanTable.Arena.Write(json, arena);
        }

        json.WriteEndObject();
    }

    public override bool IsSame(IReadOnlyList<ArenaPlan> one, IReadOnlyList<ArenaPlan> other) => one.Count + other.Count == 0;

    public override IReadOnlyList<ArenaPlan> Merge(IReadOnlyList<ArenaPlan> one, IReadOnlyList<ArenaPlan> other)
    {
        List<ArenaPlan> merged = [.. one];
        foreach (ArenaPlan arena in other)
        {
            int index = merged.FindIndex(same => same.Name == arena.Name);
            if (index < 0)
                merged.Add(PlanTable.Arena.Merge(arena, arena));
            else
                merged[index] = PlanTable.Arena.Merge(merged[index], arena);
        }

        return merged;
    }

    public override IReadOnlyList<ArenaPlan> Grow(IReadOnlyList<ArenaPlan> value, double headroom)
    {
        List<ArenaPlan> grown = [];
        foreach (ArenaPlan arena in value)
            grown.Add(PlanTable.Arena.Grow(arena, headroom));

        return grown;
    }
}

/// <summary>
/// The blocks of an arena, each size once. Plans are compared by size class, because that is what a prewarm takes
/// blocks for: within one plan sizes of a class add up, and of the plans' sums the largest counts.
/// </summary>
internal sealed class PlanBlocks : PlanType<IReadOnlyList<BlockCount>>
{
    private const int Maximum = 4096;

    public override string Allowed => "a list";

    public override string Schema => $"\"type\": \"array\", \"maxItems\": {Maximum}, \"items\": {{ {PlanTable.Block.Schema} }}";

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
            BlockCount block = PlanTable.Block.Read(item, at, default, errors);
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
            string at = $"{path}[{index}]";
            PlanTable.Block.Check(value[index], at, errors);
            if (!sizes.Add(value[index].Bytes))
                errors.Add($"{at}.bytes", $"{SizeText.Write(value[index].Bytes)} a second time", "each size once");
        }
    }

    /// <summary>Writes a line for each block.</summary>
    public override void Write(Utf8JsonWriter json, IReadOnlyList<BlockCount> value)
    {
        // A raw value is not indented by the writer. With the line breaks gone, each block is { "bytes": 64, "count": 5 }.
        string indent = "\n" + new string(' ', 2 * (json.CurrentDepth + 1));
        ArrayBufferWriter<byte> buffer = new();
        JsonWriterOptions options = new() { Indented = true, IndentSize = 0, NewLine = "\n" };
        json.WriteStartArray();
        foreach (BlockCount block in value)
        {
            buffer.ResetWrittenCount();
            using (Utf8JsonWriter line = new(buffer, options))
                PlanTable.Block.Write(line, block);

            json.WriteRawValue(indent + Encoding.UTF8.GetString(buffer.WrittenSpan).Replace('\n', ' '));
        }

        json.WriteEndArray();
    }

    public override bool IsSame(IReadOnlyList<BlockCount> one, IReadOnlyList<BlockCount> other) =>
        one.Count + other.Count == 0;

    public override IReadOnlyList<BlockCount> Merge(IReadOnlyList<BlockCount> one, IReadOnlyList<BlockCount> other)
    {
        SortedDictionary<long, BlockCount> worst = SumsByClass(one);
        foreach ((long key, BlockCount block) in SumsByClass(other))
            worst[key] = worst.TryGetValue(key, out BlockCount same) ? Worst(same, block) : block;

        return [.. worst.Values];
    }

    public override IReadOnlyList<BlockCount> Grow(IReadOnlyList<BlockCount> value, double headroom)
    {
        List<BlockCount> grown = [];
        foreach (BlockCount block in value)
            grown.Add(PlanTable.Block.Grow(block, headroom));

        return grown;
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

    /// <summary>What blocks that take the same memory have in common: their class, or the SuperSlabs of an extent.</summary>
    private static long KeyOf(nuint bytes)
    {
        int sizeClass = SizeClasses.IndexOf(bytes);
        return sizeClass == SizeClasses.Huge
            ? SizeClasses.Huge + (long)((bytes - 1) >> SlabGeometry.SuperSlabShift)
            : sizeClass;
    }

    /// <summary>Threads: 0 is all.</summary>
    private static BlockCount Worst(BlockCount one, BlockCount other) => new(
        nuint.Max(one.Bytes, other.Bytes),
        Math.Max(one.Count, other.Count),
        one.Threads == 0 || other.Threads == 0 ? 0 : Math.Max(one.Threads, other.Threads));
}
