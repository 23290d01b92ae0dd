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

/// <inheritdoc cref="PlanObject{T}.Add"/>
internal sealed class PlanProperty<TOwner, T>(
    string name, PlanType<T> type, Func<TOwner, T> get, Func<TOwner, T, TOwner> with, string? about, bool isRequired)
    : PlanProperty<TOwner>(name, isRequired)
{
    public override string Allowed => type.Allowed;

    public override string Schema => about is null ? type.Schema : $"{type.Schema}, \"description\": \"{about}\"";

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
internal sealed class PlanObject<T>(string name, T defaults, bool isWhole = false) : PlanType<T>, IPlanDefinition
{
    private readonly List<PlanProperty<T>> _properties = [];

    public string Name => name;

    public T Defaults => defaults;

    public override string Allowed => $"an object of {Names}";

    public override string Schema => $"\"$ref\": \"#/$defs/{name}\"";

    private string Names => string.Join(", ", _properties.ConvertAll(property => property.Name));

    /// <summary>Adds a property; they are written in this order.</summary>
    /// <param name="name">Its name in JSON.</param>
    /// <param name="type">What it may be.</param>
    /// <param name="get">Gives its value.</param>
    /// <param name="with">Gives the object with another value.</param>
    /// <param name="about">What it means, for the schema.</param>
    /// <param name="isRequired">Whether each such object has it.</param>
    public PlanObject<T> Add<TValue>(
        string name, PlanType<TValue> type, Func<T, TValue> get, Func<T, TValue, T> with, string? about,
        bool isRequired = false)
    {
        _properties.Add(new PlanProperty<T, TValue>(name, type, get, with, about, isRequired));
        return this;
    }

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
            PlanProperty<T>? property = _properties.Find(other => other.Name == said.Name);
            if (property is null)
                errors.Add(at, "an unknown property", Names);
            else if (!seen.Add(said.Name))
                errors.Add(at, "the property a second time", "each property once");
            else
                before = property.Read(said.Value, at, before, errors);
        }

        foreach (PlanProperty<T> property in _properties)
        {
            if (property.IsRequired && !seen.Contains(property.Name))
                errors.Add(PlanText.Append(path, property.Name), "nothing", property.Allowed);
        }

        return before;
    }

    public override void Check(T value, string path, PlanErrors errors)
    {
        foreach (PlanProperty<T> property in _properties)
            property.Check(value, errors.At(path, property.Name), errors);
    }

    public override void Write(Utf8JsonWriter json, T value)
    {
        json.WriteStartObject();
        foreach (PlanProperty<T> property in _properties)
        {
            if (isWhole || property.IsRequired || !property.IsSame(value, defaults))
            {
                json.WritePropertyName(property.Name);
                property.Write(json, value);
            }
        }

        json.WriteEndObject();
    }

    public override bool IsSame(T one, T other) => _properties.TrueForAll(property => property.IsSame(one, other));

    public override T Merge(T one, T other)
    {
        foreach (PlanProperty<T> property in _properties)
            one = property.Merge(one, other);

        return one;
    }

    public override T Grow(T value, double headroom)
    {
        foreach (PlanProperty<T> property in _properties)
            value = property.Grow(value, headroom);

        return value;
    }

    public List<string> SchemaLines()
    {
        List<string> lines = ["\"type\": \"object\",", "\"additionalProperties\": false,"];
        List<PlanProperty<T>> required = _properties.FindAll(property => property.IsRequired);
        if (required.Count != 0)
            lines.Add($"\"required\": [ {string.Join(", ", required.ConvertAll(one => $"\"{one.Name}\""))} ],");

        lines.Add("\"properties\": {");
        lines.AddRange(_properties.ConvertAll(property => $"  \"{property.Name}\": {{ {property.Schema} }},"));
        lines[^1] = lines[^1][..^1];
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
