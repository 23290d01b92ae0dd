using System.Text.Json.Serialization.Metadata;
using System.Text.Json;

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
        {
            OutputFile.Check("--json", path);
        }
    }

    /// <summary>True when standard output belongs to the JSON, so nothing else may be printed there.</summary>
    public bool IsStandardOutput => _path == "-";

    /// <summary>Writes the document there.</summary>
    public void Write<T>(T document, JsonTypeInfo<T> type)
    {
        if (_path is null)
        {
            return;
        }

        string text = JsonSerializer.Serialize(document, type);
        if (IsStandardOutput)
        {
            Console.Out.WriteLine(text);
        }
        else
        {
            File.WriteAllText(_path, text + "\n");
        }
    }
}
