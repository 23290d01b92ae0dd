using System.Globalization;
using System.Text;
using System.Text.Json;
using Engine.Core;

namespace Engine.Scenes;

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
        {
            return bytes == 0 ? "0 bytes" : "1 byte";
        }

        foreach ((string name, nuint unit) in s_units)
        {
            if (bytes % unit == 0)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{bytes / unit} {name}");
            }
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
            {
                continue;
            }

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
        {
            isIdentifier &= char.IsAsciiLetterOrDigit(character) || character is '$' or '_' or '-';
        }

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
