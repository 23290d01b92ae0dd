using System.Globalization;
using System.Text.Json;
using System.Text;

namespace SuperSlab.Scenes;

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
                errors.Add(propertyPath, "an unknown property", string.Join(", ", known));
            else if (!seen.Add(name))
                errors.Add(propertyPath, "the property a second time", "each property once");
            else
                properties.Add((name, propertyPath, property.Value));
        }

        return properties;
    }

    public long Whole(JsonElement value, string path, PlanRange range, long before)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && range.Contains(number))
            return number;

        errors.Add(path, PlanText.Describe(value), range.Text);
        return before;
    }

    public int Whole(JsonElement value, string path, PlanRange range, int before) => (int)Whole(value, path, range, (long)before);

    /// <summary>A size in bytes: a number, or text with a unit.</summary>
    public nuint Size(JsonElement value, string path, PlanRange range, nuint before)
    {
        decimal bytes = -1;
        if (value.ValueKind == JsonValueKind.String)
            bytes = PlanText.ParseSize(value.GetString()!);
        else if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number))
            bytes = number;

        if (bytes == decimal.Truncate(bytes) && range.Contains(bytes) && bytes >= 0)
            return (nuint)bytes;

        errors.Add(path, PlanText.Describe(value), range.Text);
        return before;
    }

    public bool Flag(JsonElement value, string path, bool before)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return value.GetBoolean();

        errors.Add(path, PlanText.Describe(value), "true, false");
        return before;
    }

    public T Choice<T>(JsonElement value, string path, PlanChoices<T> choices, T before)
        where T : struct, Enum
    {
        if (value.ValueKind == JsonValueKind.String && choices.TryFind(value.GetString(), out T found))
            return found;

        errors.Add(path, PlanText.Describe(value), choices.Text);
        return before;
    }

    /// <summary>Any text, or null where it is none.</summary>
    public string? Text(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.String)
            return value.GetString();

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
                items.Add(($"{path}[{items.Count}]", item));
        }

        return items;
    }

    public void Missing(string path, string allowed) => errors.Add(path, "nothing", allowed);
}

/// <summary>How plans write sizes and paths, and how messages quote what a document says. Sizes are exact: what is written is read back.</summary>
internal static class PlanText
{
    public const string Units = "B, bytes, KiB, MiB or GiB";
    private const int MaximumExcerpt = 60;

    private static readonly (string Name, nuint Bytes)[] s_units =
        [("GiB", Sizes.GiB), ("MiB", Sizes.MiB), ("KiB", Sizes.KiB), ("bytes", 1), ("B", 1)];

    /// <summary>A size as a person would write it, in the largest unit that divides it: "8 MiB", "1500 bytes".</summary>
    public static string Size(nuint bytes)
    {
        if (bytes <= 1)
            return bytes == 0 ? "0 bytes" : "1 byte";

        foreach ((string name, nuint unit) in s_units)
        {
            if (bytes % unit == 0)
                return string.Create(CultureInfo.InvariantCulture, $"{bytes / unit} {name}");
        }

        throw new System.Diagnostics.UnreachableException();
    }

    /// <summary>Reads "8 MiB", "1.5 KiB", "64 B": at most 15 digits, 9 more behind a point, a space or none, a unit.</summary>
    /// <returns>The bytes, which are not whole where the text is, say, "0.1 B"; -1 where the text is not a size.</returns>
    public static decimal ParseSize(string text)
    {
        foreach ((string name, nuint unit) in s_units)
        {
            if (!text.EndsWith(name, StringComparison.Ordinal))
                continue;

            ReadOnlySpan<char> number = text.AsSpan(0, text.Length - name.Length);
            number = number.EndsWith(" ") ? number[..^1] : number;
            int point = number.IndexOf('.');
            ReadOnlySpan<char> whole = point < 0 ? number : number[..point];
            ReadOnlySpan<char> fraction = point < 0 ? "0" : number[(point + 1)..];
            return IsDigits(whole, 15) && IsDigits(fraction, 9) ? decimal.Parse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) * unit : -1;
        }

        return -1;
    }

    /// <summary>The path of a property: "arenas.world", or arenas["a name"] where it is not an identifier.</summary>
    public static string Append(string path, string property)
    {
        bool isIdentifier = property.Length is > 0 and <= 64 && (char.IsAsciiLetter(property[0]) || property[0] is '$' or '_');
        foreach (char character in property)
            isIdentifier &= char.IsAsciiLetterOrDigit(character) || character is '$' or '_' or '-';

        return !isIdentifier ? $"{path}[{Quote(property)}]" : path.Length == 0 ? property : $"{path}.{property}";
    }

    /// <summary>A text in quotes, cut where it is long, with visible escapes for what cannot be printed.</summary>
    public static string Quote(string text)
    {
        StringBuilder builder = new("\"");
        foreach (char character in Cut(text, MaximumExcerpt))
        {
            _ = char.IsControl(character) || char.IsSurrogate(character) || character is '\u2028' or '\u2029'
                ? builder.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}")
                : builder.Append(character is '"' or '\\' ? "\\" : string.Empty).Append(character);
        }

        return builder.Append('"').ToString();
    }

    /// <summary>What a value is, for a message.</summary>
    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => Quote(value.GetString()!),
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        _ => Cut(value.GetRawText(), MaximumExcerpt),
    };

    public static string Cut(string text, int length) => text.Length <= length ? text : string.Concat(text.AsSpan(0, length), "...");

    private static bool IsDigits(ReadOnlySpan<char> text, int most) => text.Length >= 1 && text.Length <= most && !text.ContainsAnyExceptInRange('0', '9');
}
