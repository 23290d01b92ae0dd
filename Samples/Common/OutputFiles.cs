// Where a sample writes its results.
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Samples.Common;

/// <summary>Where a sample's JSON goes: a file, standard output ("-"), or nowhere.</summary>
public sealed class JsonDestination
{
    private readonly string? _path;

    /// <summary>Takes the value of <c>--json</c>, or null when it was not given.</summary>
    /// <exception cref="BadInputException">No file can be made there.</exception>
    public JsonDestination(string? path)
    {
        _path = path;
        if (path is not null && !IsStandardOutput)
            OutputFile.Check("--json", path);
    }

    /// <summary>True when standard output belongs to the JSON, so nothing else may be printed there.</summary>
    public bool IsStandardOutput => _path == "-";

    /// <summary>Where the tables go: standard output, unless the JSON has it.</summary>
    public TextWriter Tables => IsStandardOutput ? TextWriter.Null : Console.Out;

    public void Write<T>(T document, JsonTypeInfo<T> type)
    {
        if (_path is null)
            return;

        string text = JsonSerializer.Serialize(document, type);
        if (IsStandardOutput)
            Console.Out.WriteLine(text);
        else
            File.WriteAllText(_path, text + "\n");
    }
}

/// <summary>Files that a sample writes at its end.</summary>
public static class OutputFile
{
    /// <summary>Looks whether a file can be made there: said before the measurements, not after them.</summary>
    /// <param name="option">The option that named it.</param>
    /// <exception cref="BadInputException">No file can be made there.</exception>
    public static void Check(string option, string path)
    {
        string? folder = path.Length == 0 ? null : Path.GetDirectoryName(Path.GetFullPath(path));
        if (folder is null || !Directory.Exists(folder) || Directory.Exists(path))
            throw new BadInputException($"{option}: no file can be written at '{path}'.");
    }
}
