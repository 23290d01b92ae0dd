using System.Security;

namespace Engine.Scenes;

/// <summary>Base plans from files, each named relative to the file that names it. Files are read no further than a plan may be long.</summary>
internal sealed class FileSource : PlanSource
{
    public static PlanDocument Open(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        byte[] buffer = new byte[ScenePlan.MaximumJsonBytes + 1];
        int length = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        return new PlanDocument(Path.GetFullPath(path), buffer[..length]);
    }

    /// <inheritdoc/>
    public override PlanDocument? Find(string reference, PlanDocument from, out string allowed)
    {
        allowed = "the path of a file, relative to this plan's";
        if (reference.Length == 0 || reference.Contains('\0', StringComparison.Ordinal) || Path.IsPathRooted(reference))
        {
            return null;
        }

        try
        {
            return Open(Path.Combine(Path.GetDirectoryName(from.Name!)!, reference));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or SecurityException or ArgumentException or NotSupportedException)
        {
            allowed = "the path of a file that can be read, relative to this plan's";
            return null;
        }
    }
}
