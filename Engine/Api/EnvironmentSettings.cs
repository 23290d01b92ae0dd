using System.Globalization;
using System.Text;

namespace SuperSlab;

/// <summary>
/// Reads settings out of environment variables, and refuses what it does not understand with the list of what it
/// would. Pure: the variables come in as a function, so tests hand in their own.
/// </summary>
/// <param name="read">The value of a variable by its name, or null.</param>
internal sealed class EnvironmentSettings(Func<string, string?> read)
{
    private readonly StringBuilder _resolved = new();

    /// <summary>The variables that were set, one "NAME=value" a line, for reports.</summary>
    public string Describe() => _resolved.ToString();

    /// <summary>
    /// One of several words; <paramref name="fallback"/> when the variable is not set or empty. Upper and lower case
    /// are the same.
    /// </summary>
    /// <exception cref="EngineMemoryException">The value is none of them; the message lists them.</exception>
    public T Choice<T>(string name, ReadOnlySpan<(string Word, T Value)> choices, T fallback)
    {
        string? value = Read(name);
        if (value is null)
            return fallback;

        foreach ((string word, T choice) in choices)
        {
            if (word.Equals(value, StringComparison.OrdinalIgnoreCase))
                return choice;
        }

        var valid = new StringBuilder();
        foreach ((string word, _) in choices)
            valid.Append(valid.Length == 0 ? string.Empty : ", ").Append(word);

        throw new EngineMemoryException($"{name} is \"{value}\", which is not known. Valid are: {valid}.");
    }

    /// <summary>
    /// A size: a whole number, alone for bytes or followed by KiB, MiB, GiB or TiB; <paramref name="fallback"/> when
    /// the variable is not set or empty.
    /// </summary>
    /// <exception cref="EngineMemoryException">The value is no such size, or does not fit the address
    /// space.</exception>
    public nuint Bytes(string name, nuint fallback)
    {
        string? value = Read(name);
        if (value is null)
            return fallback;

        ReadOnlySpan<char> number = value;
        ulong unit = 1;
        ReadOnlySpan<(string Suffix, ulong Bytes)> units =
            [("KiB", 1UL << 10), ("MiB", 1UL << 20), ("GiB", 1UL << 30), ("TiB", 1UL << 40)];
        foreach ((string suffix, ulong bytes) in units)
        {
            if (number.EndsWith(suffix, StringComparison.OrdinalIgnoreCase))
            {
                number = number[..^suffix.Length].TrimEnd();
                unit = bytes;
                break;
            }
        }

        bool isNumber = ulong.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out ulong count);
        if (!isNumber || count == 0 || count > nuint.MaxValue / unit)
        {
            throw new EngineMemoryException(
                $"{name} is \"{value}\", which is not a size. Valid are: whole numbers above zero, alone for bytes "
                    + "or followed by KiB, MiB, GiB or TiB.");
        }

        return (nuint)(count * unit);
    }

    private string? Read(string name)
    {
        string? value = read(name)?.Trim();
        if (string.IsNullOrEmpty(value))
            return null;

        _resolved.Append(name).Append('=').AppendLine(value);
        return value;
    }
}
