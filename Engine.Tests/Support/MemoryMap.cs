namespace Engine.Tests.Support;

/// <summary>The process's mappings, from /proc/self/maps. Where there is no such file, nothing is counted.</summary>
internal static class MemoryMap
{
    public static bool IsReadable => File.Exists("/proc/self/maps");

    /// <summary>Mappings that reach into a range.</summary>
    public static int CountWithin(nint start, nuint bytes) =>
        Ranges().Count(range => range.End > (ulong)start && range.Start < (ulong)start + bytes);

    /// <summary>All address space of the process in bytes.</summary>
    public static ulong TotalBytes() => Ranges().Aggregate(0UL, (sum, range) => sum + range.End - range.Start);

    private static IEnumerable<(ulong Start, ulong End)> Ranges()
    {
        if (!IsReadable)
        {
            yield break;
        }

        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            int dash = line.IndexOf('-', StringComparison.Ordinal);
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            yield return (Convert.ToUInt64(line[..dash], 16), Convert.ToUInt64(line[(dash + 1)..space], 16));
        }
    }
}
