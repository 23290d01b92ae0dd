// Where a sample writes its results.
using System.Runtime.InteropServices;
using System.Text;
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
            OutputFile.Write(_path, text + "\n");
    }
}

/// <summary>Files that a sample writes at its end: what prevents it is said before the measurements, not after
/// them, and a file is whole or is what it was before.</summary>
public static partial class OutputFile
{
    /// <summary>Writes a text as a whole.</summary>
    /// <inheritdoc cref="Write(string, Action{Stream})"/>
    public static void Write(string path, string text) => Write(path, to => to.Write(Encoding.UTF8.GetBytes(text)));

    /// <summary>
    /// Writes a file beside its place and moves it there: who reads the place meanwhile, or after a write that failed,
    /// finds the file of before. What is there and is empty, as pipes and devices are, is written directly.
    /// </summary>
    /// <param name="path">Where it is to be. Of a link, the file that it leads to.</param>
    /// <param name="write">Writes the contents.</param>
    /// <exception cref="IOException">It cannot be written. Nothing has changed.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        string target = new FileInfo(path).LinkTarget is null
            ? Path.GetFullPath(path)
            : File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName;
        FileInfo before = new(target);
        if (File.Exists(path) && before is not { Exists: true, Length: > 0 })
        {
            using FileStream direct = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            write(direct);
            return;
        }

        string beside = $"{target}.{Environment.ProcessId}.tmp";
        try
        {
            using (FileStream file = File.Create(beside))
                write(file);

            if (before.Exists && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(beside, before.UnixFileMode);

            File.Move(beside, target, overwrite: true);
        }
        catch
        {
            File.Delete(beside);
            throw;
        }
    }

    /// <summary>Looks whether a file can be written there. Leaves no file, and one that is there as it is.</summary>
    /// <param name="option">The option that named it.</param>
    /// <exception cref="BadInputException">No file can be written there.</exception>
    public static void Check(string option, string path)
    {
        string? reason = WhyNot(path);
        if (reason is not null)
            throw new BadInputException($"{option}: no file can be written at '{path}': {reason}.");
    }

    /// <summary>Makes a folder, and looks whether files can be written in it.</summary>
    /// <param name="option">The option that named it.</param>
    /// <exception cref="BadInputException">There can be no such folder, or no file in it.</exception>
    public static void CheckFolder(string option, string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new BadInputException($"{option}: no folder can be made at '{folder}': {error.Message}", error);
        }

        if (WhyNot(Path.Combine(folder, Path.GetRandomFileName())) is { } reason)
            throw new BadInputException($"{option}: no file can be written in '{folder}': {reason}.");
    }

    private static string? WhyNot(string path)
    {
        if (path.Length == 0 || Directory.Exists(path))
            return "it is a folder";

        if (!Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
            return "there is no such folder";

        try
        {
            return File.Exists(path) ? WhyNotWritten(path) : WhyNotMade(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return error.Message.TrimEnd('.');
        }
    }

    private static string? WhyNotMade(string path)
    {
        new FileStream(path, FileMode.CreateNew, FileAccess.Write).Dispose(); // Windows deletes no file that is open
        File.Delete(path);
        return null;
    }

    /// <summary>To open a pipe would wait for its reader, or end it, so outside Windows the system is asked.</summary>
    private static string? WhyNotWritten(string path)
    {
        const int CanWrite = 2;
        if (!OperatingSystem.IsWindows())
        {
            return Access(path, CanWrite) == 0 ? null : Marshal.GetLastPInvokeErrorMessage();
        }

        using FileStream file = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        return null;
    }

    [LibraryImport("libc", EntryPoint = "access", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Access(string path, int mode);
}
