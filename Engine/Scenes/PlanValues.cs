using System.Text.Json;

namespace Engine.Scenes;

/// <summary>
/// Reads single values of a plan. What is not allowed is added to the errors, and the value is then what it was before, so that reading
/// goes on and finds the other errors.
/// </summary>
internal sealed class PlanValues(PlanErrors errors)
{
    public PlanErrors Errors => errors;

    /// <summary>The properties of an object with their paths: those that are known, each once.</summary>
    /// <param name="value">What should be the object.</param>
    /// <param name="path">Its path.</param>
    /// <param name="known">The names it may have, or null where all are allowed.</param>
    public List<(string Name, string Path, JsonElement Value)> Properties(JsonElement value, string path, string[]? known)
    {
        List<(string Name, string Path, JsonElement Value)> properties = [];
        if (value.ValueKind != JsonValueKind.Object)
        {
            errors.Add(path.Length == 0 ? "$" : path, PlanText.Describe(value), known is null ? "an object" : $"an object of {string.Join(", ", known)}");
            return properties;
        }

        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (JsonProperty property in value.EnumerateObject())
        {
            string name = property.Name;
            string propertyPath = PlanText.Append(path, name);
            if (known is not null && Array.IndexOf(known, name) < 0)
            {
                errors.Add(propertyPath, "an unknown property", string.Join(", ", known));
            }
            else if (!seen.Add(name))
            {
                errors.Add(propertyPath, "the property a second time", "each property once");
            }
            else
            {
                properties.Add((name, propertyPath, property.Value));
            }
        }

        return properties;
    }

    public long Whole(JsonElement value, string path, PlanRange range, long before)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && range.Contains(number))
        {
            return number;
        }

        errors.Add(path, PlanText.Describe(value), range.Text);
        return before;
    }

    public int Whole(JsonElement value, string path, PlanRange range, int before) => (int)Whole(value, path, range, (long)before);

    /// <summary>A size in bytes: a number, or text with a unit.</summary>
    public nuint Size(JsonElement value, string path, PlanRange range, nuint before)
    {
        decimal bytes = -1;
        if (value.ValueKind == JsonValueKind.String)
        {
            bytes = PlanText.ParseSize(value.GetString()!);
        }
        else if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number))
        {
            bytes = number;
        }

        if (bytes == decimal.Truncate(bytes) && range.Contains(bytes) && bytes >= 0)
        {
            return (nuint)bytes;
        }

        errors.Add(path, PlanText.Describe(value), range.Text);
        return before;
    }

    public bool Flag(JsonElement value, string path, bool before)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return value.GetBoolean();
        }

        errors.Add(path, PlanText.Describe(value), "true, false");
        return before;
    }

    public T Choice<T>(JsonElement value, string path, PlanChoices<T> choices, T before)
        where T : struct, Enum
    {
        if (value.ValueKind == JsonValueKind.String && choices.TryFind(value.GetString(), out T found))
        {
            return found;
        }

        errors.Add(path, PlanText.Describe(value), choices.Text);
        return before;
    }

    /// <summary>Any text, or null where it is none.</summary>
    public string? Text(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            return value.GetString();
        }

        errors.Add(path, PlanText.Describe(value), "text");
        return null;
    }

    /// <summary>The items of a list with their paths.</summary>
    public List<(string Path, JsonElement Value)> Items(JsonElement value, string path, int most)
    {
        List<(string Path, JsonElement Value)> items = [];
        if (value.ValueKind != JsonValueKind.Array)
        {
            errors.Add(path, PlanText.Describe(value), "a list");
        }
        else if (value.GetArrayLength() > most)
        {
            errors.Add(path, $"a list of {value.GetArrayLength()}", $"at most {most}");
        }
        else
        {
            foreach (JsonElement item in value.EnumerateArray())
            {
                items.Add(($"{path}[{items.Count}]", item));
            }
        }

        return items;
    }

    public void Missing(string path, string allowed) => errors.Add(path, "nothing", allowed);
}
