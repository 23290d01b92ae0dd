namespace Samples.Common;

/// <summary>Files that a sample is asked to write when its measurements are done.</summary>
public static class OutputFile
{
    /// <summary>Makes sure that a file can be made there. Asked before the measurements, not after them.</summary>
    /// <param name="option">The option that named it.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="BadInputException">No file can be made there.</exception>
    public static void Require(string option, string path)
    {
        string? folder = path.Length == 0 ? null : Path.GetDirectoryName(Path.GetFullPath(path));
        if (folder is null || !Directory.Exists(folder) || Directory.Exists(path))
        {
            throw new BadInputException($"{option}: no file can be written at '{path}'.");
        }
    }
}
