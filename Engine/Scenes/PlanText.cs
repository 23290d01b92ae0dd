using System.Globalization;
using System.Text;
using System.Text.Json;

namespace SuperSlab.Scenes;

/// <summary>How messages about plans write paths, and quote what a document says.</summary>
internal static class PlanText
{
    private const int MaximumExcerpt = 60;

    /// <summary>The path of a property: arenas.world, or arenas["a name"] where that is not an identifier.</summary>
    public static string Append(string path, string property)
    {
        bool isIdentifier = property.Length is > 0 and <= 64
            && (char.IsAsciiLetter(property[0]) || property[0] is '$' or '_');
        foreach (char character in property)
            isIdentifier &= char.IsAsciiLetterOrDigit(character) || character is '$' or '_' or '-';

        return !isIdentifier ? $"{path}[{Quote(property)}]" : path.Length == 0 ? property : $"{path}.{property}";
    }

    /// <summary>
    /// A text in quotes, cut where it is long. What cannot be seen, or looks like a plain space, is escaped as in JSON.
    /// </summary>
    public static string Quote(string text)
    {
        StringBuilder builder = new("\"");
        foreach (Rune rune in CutText.WithDots(text, MaximumExcerpt).EnumerateRunes())
        {
            if (rune.Value is '"' or '\\')
                builder.Append('\\');

            if (rune.Value == ' ' || !IsInvisible(rune))
                builder.Append(rune);
            else
                AppendEscaped(builder, rune);
        }

        return builder.Append('"').ToString();
    }

    /// <summary>What a value is, for a message.</summary>
    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => Quote(value.GetString()!),
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        _ => CutText.WithDots(value.GetRawText(), MaximumExcerpt),
    };

    private static bool IsInvisible(Rune rune) => rune == Rune.ReplacementChar
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;

    private static void AppendEscaped(StringBuilder builder, Rune rune)
    {
        Span<char> units = stackalloc char[2];
        foreach (char unit in units[..rune.EncodeToUtf16(units)])
            builder.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:X4}");
    }
}

/// <summary>
/// Collects the errors of a plan, so that the user sees all at once. A hostile document may have a million of them:
/// the first <see cref="Maximum"/> are kept and the rest is counted.
/// </summary>
/// <param name="namesPlaces">Whether it makes the paths of values; without, it only finds out whether there are errors.
/// </param>
internal sealed class PlanErrors(bool namesPlaces = true)
{
    public const int Maximum = 100;

    private readonly List<ScenePlanError> _errors = [];
    private int _more;

    /// <summary>The base document that is read, whose name goes before paths; null in the plan's own.</summary>
    public string? BaseName { get; set; }

    public bool IsEmpty => _errors.Count == 0;

    /// <summary>The path of a property.</summary>
    public string At(string path, string property) => namesPlaces ? PlanText.Append(path, property) : path;

    /// <summary>The path of an item in a list.</summary>
    public string At(string path, int index) => namesPlaces ? $"{path}[{index}]" : path;

    public void Add(string path, string found, string allowed)
    {
        if (_errors.Count == Maximum)
        {
            _more++;
            return;
        }

        _errors.Add(new ScenePlanError(BaseName is null ? path : $"{BaseName}: {path}", found, allowed));
    }

    /// <summary>Adds the error of a value that must not stand there.</summary>
    public void Add(string path, JsonElement found, string allowed) =>
        Add(path.Length == 0 ? "$" : path, PlanText.Describe(found), allowed);

    /// <param name="name">The plan's file or name, for the message; null where it has none.</param>
    /// <exception cref="ScenePlanException">There are errors.</exception>
    public void ThrowIfAny(string? name)
    {
        if (IsEmpty)
            return;

        string which = string.IsNullOrEmpty(name) ? "The scene plan" : $"Scene plan '{CutText.WithDots(name, 200)}'";
        if (_errors.Count == 1)
            throw new ScenePlanException($"{which} has an error. {_errors[0]}", _errors);

        string count = (_errors.Count + _more).ToString(CultureInfo.InvariantCulture);
        string more = _more == 0 ? string.Empty : $"\n  and {_more} more.";
        throw new ScenePlanException($"{which} has {count} errors:\n  {string.Join("\n  ", _errors)}{more}", _errors);
    }
}
