using System.Reflection;
using Samples.Common;

namespace Samples.GameReplay.Tracing;

/// <summary>
/// Where a trace comes from: a file, or one of the traces that travel inside the program. It can be opened again and
/// again, as a replay reads its trace twice.
/// </summary>
internal sealed class TraceFile
{
    public const string DefaultName = "openttd-ai";
    private readonly string _place;
    private readonly bool _isEmbedded;

    private TraceFile(string name, string place, bool isEmbedded)
    {
        Name = name;
        _place = place;
        _isEmbedded = isEmbedded;
    }

    /// <summary>The trace's name: of a file, its name without folder and ending.</summary>
    public string Name { get; }

    /// <summary>The names of the traces inside the program.</summary>
    public static IReadOnlyList<string> EmbeddedNames()
    {
        string[] names = Assembly.GetExecutingAssembly().GetManifestResourceNames();
        List<string> traces = [];
        foreach (string name in names)
        {
            if (name.EndsWith(TraceFormat.FileEnding, StringComparison.Ordinal))
                traces.Add(name[..^TraceFormat.FileEnding.Length]);
        }

        traces.Sort(StringComparer.Ordinal);
        return traces;
    }

    /// <summary>Finds a trace by the value of <c>--trace</c>: an embedded name, or else a path.</summary>
    /// <exception cref="BadInputException">It is neither.</exception>
    public static TraceFile Find(string nameOrPath)
    {
        if (EmbeddedNames().Contains(nameOrPath))
            return new TraceFile(nameOrPath, nameOrPath + TraceFormat.FileEnding, isEmbedded: true);

        if (!File.Exists(nameOrPath))
        {
            throw new BadInputException(
                $"--trace: there is no file '{nameOrPath}', and the traces inside the program are "
                + $"{string.Join(", ", EmbeddedNames())}.");
        }

        CheckRegular(nameOrPath);
        string file = Path.GetFileName(nameOrPath);
        string name = file.EndsWith(TraceFormat.FileEnding, StringComparison.Ordinal)
            ? file[..^TraceFormat.FileEnding.Length]
            : file;
        return new TraceFile(name, nameOrPath, isEmbedded: false);
    }

    /// <summary>Opens the packed bytes from the beginning.</summary>
    public Stream Open()
    {
        if (_isEmbedded)
        {
            return Assembly.GetExecutingAssembly().GetManifestResourceStream(_place)
                ?? throw new RunFailedException($"The program lacks its own trace '{_place}'.");
        }

        return OpenFile(_place);
    }

    /// <summary>A pipe's bytes come once, and a device's never end.</summary>
    private static void CheckRegular(string path)
    {
        using FileStream file = OpenFile(path);
        if (!file.CanSeek || (file.Length == 0 && file.ReadByte() >= 0))
        {
            throw new BadInputException(
                $"--trace: '{path}' is no regular file; it is read twice, so save it first.");
        }
    }

    private static FileStream OpenFile(string path)
    {
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"--trace: '{path}' cannot be read: {error.Message}", error);
        }
    }
}
