using System.Text;

namespace SuperSlab;

/// <summary>
/// Reads settings from environment variables; a value that is not valid is refused with those that are. Pure: tests
/// hand in their own variables.
/// </summary>
/// <param name="read">Gives the value of a variable by its name, or null.</param>
internal sealed class EnvironmentSettings(Func<string, string?> read)
{
    private readonly StringBuilder _resolved = new();

    /// <summary>The variables that were read and are set, one "NAME=value" a line, for reports.</summary>
    public string Describe() => _resolved.ToString();

    /// <summary>Reads a word in any case; <paramref name="fallback"/> where the variable is empty or not set.</summary>
    /// <exception cref="EngineMemoryException">The value is none of the words; the message lists them.</exception>
    public T Choice<T>(string name, ChoiceWords<T> words, T fallback)
        where T : struct, Enum
    {
        string? value = Read(name);
        return value is null ? fallback
            : words.TryFind(value, out T choice) ? choice
            : throw new EngineMemoryException($"{name} is \"{value}\", which is not known. Valid are: {words.Text}.");
    }

    /// <summary>
    /// Reads a size as <see cref="SizeText"/> has it, or a plain number of bytes; null where the variable is empty or
    /// not set.
    /// </summary>
    /// <param name="name">The variable.</param>
    /// <param name="allows">Which sizes make sense; null for all.</param>
    /// <param name="allowed">Those sizes in words.</param>
    /// <exception cref="EngineMemoryException">The value is no such size, or does not fit an address.</exception>
    public nuint? Bytes(string name, Func<nuint, bool>? allows = null, string allowed = "bytes from 0 on")
    {
        string? value = Read(name);
        if (value is null)
            return null;

        decimal bytes = SizeText.Parse(value.AsSpan().ContainsAnyExceptInRange('0', '9') ? value : value + "B");
        bool isSize = bytes >= 0 && bytes <= nuint.MaxValue && bytes == decimal.Truncate(bytes);
        if (isSize && (allows is null || allows((nuint)bytes)))
            return (nuint)bytes;

        throw new EngineMemoryException(
            $"{name} is \"{value}\", which is not {(isSize ? "possible here" : "a size")}. Valid are: {allowed}, as a "
            + "number or with a unit, such as \"8 MiB\" (units B, bytes, KiB, MiB, GiB or TiB).");
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
