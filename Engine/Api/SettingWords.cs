using System.Globalization;
using System.Text.Json;

namespace SuperSlab;

/// <summary>
/// How people write a size, the same in scene plans, environment variables and <see cref="EngineMemory.Settings"/>: a
/// number, a space or none, a unit.
/// <code>
///   8 MiB     1.5 KiB     64B     24 bytes
/// </code>
/// </summary>
internal static class SizeText
{
    /// <summary>The grammar as a regular expression, for the schema of plans.</summary>
    public const string Pattern = @"^[0-9]{1,15}(\.[0-9]{1,9})? ?(B|bytes|KiB|MiB|GiB|TiB)$";

    /// <summary>The largest first: a size is written in the first unit that divides it. "bytes" stands before "B" for
    /// that.</summary>
    private static readonly (string Name, ulong Bytes)[] s_units =
        [("TiB", 1UL << 40), ("GiB", 1UL << 30), ("MiB", 1UL << 20), ("KiB", 1UL << 10), ("bytes", 1), ("B", 1)];

    /// <summary>Writes a size in the largest unit up to GiB that divides it: "8 MiB", "1500 bytes". Exact.</summary>
    public static string Write(nuint bytes)
    {
        if (bytes <= 1)
            return bytes == 0 ? "0 bytes" : "1 B";

        int unit = 1;
        while (bytes % s_units[unit].Bytes != 0)
            unit++;

        return string.Create(CultureInfo.InvariantCulture, $"{bytes / s_units[unit].Bytes} {s_units[unit].Name}");
    }

    /// <summary>Reads a size.</summary>
    /// <returns>The bytes, with a fraction where the text is, say, "0.1 B"; -1 where the text is not a size.</returns>
    public static decimal Parse(ReadOnlySpan<char> text)
    {
        foreach ((string name, ulong unit) in s_units)
        {
            if (text.EndsWith(name, StringComparison.Ordinal))
                return ParseNumber(text[..^name.Length]) is var number and >= 0 ? number * unit : -1;
        }

        return -1;
    }

    private static decimal ParseNumber(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> number = text.EndsWith(" ") ? text[..^1] : text;
        int point = number.IndexOf('.');
        ReadOnlySpan<char> whole = point < 0 ? number : number[..point];
        ReadOnlySpan<char> fraction = point < 0 ? "0" : number[(point + 1)..];
        return IsDigits(whole, 15) && IsDigits(fraction, 9)
            ? decimal.Parse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture)
            : -1;
    }

    private static bool IsDigits(ReadOnlySpan<char> text, int most) =>
        text.Length >= 1 && text.Length <= most && !text.ContainsAnyExceptInRange('0', '9');
}

/// <summary>The words for the values of an enumeration: their names in kebab-case, in the values' order.</summary>
internal sealed class ChoiceWords<T>
    where T : struct, Enum
{
    private readonly (string Word, T Value)[] _all;

    /// <param name="without">Values that may not be chosen.</param>
    public ChoiceWords(params T[] without)
    {
        T[] values = Array.FindAll(Enum.GetValues<T>(), value => Array.IndexOf(without, value) < 0);
        _all = Array.ConvertAll(
            values, value => (JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString()), value));
    }

    public ReadOnlySpan<(string Word, T Value)> All => _all;

    /// <summary>The words with commas between them.</summary>
    public string Text => string.Join(", ", Array.ConvertAll(_all, choice => choice.Word));

    /// <summary>The value of a word in any case.</summary>
    public bool TryFind(string? word, out T value)
    {
        int index = Array.FindIndex(_all, choice => choice.Word.Equals(word, StringComparison.OrdinalIgnoreCase));
        value = index < 0 ? default : _all[index].Value;
        return index >= 0;
    }

    /// <summary>The word for a value, or null where it has none.</summary>
    public string? WordOf(T value)
    {
        foreach ((string word, T other) in _all)
        {
            if (EqualityComparer<T>.Default.Equals(other, value))
                return word;
        }

        return null;
    }
}

/// <summary>The words for policies, the same in scene plans, environment variables and reports.</summary>
internal static class SettingWords
{
    public static readonly ChoiceWords<PrefaultPolicy> Prefault = new();
    public static readonly ChoiceWords<PageKind> Pages = new();
    public static readonly ChoiceWords<StayPolicy> Stay = new();
    public static readonly ChoiceWords<PrefaultGranularity> Granularity = new();
    public static readonly ChoiceWords<NodePolicy> Nodes = new();
    public static readonly ChoiceWords<MemoryChecks> Checks = new();
    public static readonly ChoiceWords<ArenaOverflow> Overflow = new();
}
