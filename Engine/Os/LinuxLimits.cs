using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace SuperSlab;

/// <summary>
/// How much memory is left before the kernel starts to kill: of the machine (MemAvailable of /proc/meminfo), and of
/// each memory cgroup that the process is in, of both versions. File pages, which the kernel can drop, count as left.
/// </summary>
internal sealed class LinuxMemoryLimits(LinuxFiles files)
{
    private static readonly Hierarchy s_version2 = new(
        "0::", "/sys/fs/cgroup", "/memory.max", "/memory.current", [.. "\ninactive_file "u8], [.. "\nactive_file "u8]);
    private static readonly Hierarchy s_version1 = new(
        ":memory:", "/sys/fs/cgroup/memory", "/memory.limit_in_bytes", "/memory.usage_in_bytes",
        [.. "\ntotal_inactive_file "u8], [.. "\ntotal_active_file "u8]);

    private readonly string? _group2 = GroupOf(files.ReadText("/proc/self/cgroup"), s_version2);
    private readonly string? _group1 = GroupOf(files.ReadText("/proc/self/cgroup"), s_version1);

    public nuint AvailableBytes(out string source)
    {
        source = "MemAvailable of /proc/meminfo";
        Span<byte> buffer = stackalloc byte[4096];
        ulong kibibytes = LinuxFiles.NumberAfter(files.Read("/proc/meminfo\0"u8, buffer), "MemAvailable:"u8);
        nuint available = kibibytes == 0 ? nuint.MaxValue : (nuint)kibibytes * 1024;
        Narrow(_group2, s_version2, ref available, ref source);
        Narrow(_group1, s_version1, ref available, ref source);
        return available;
    }

    /// <summary>A group's parents limit it too.</summary>
    private void Narrow(string? group, Hierarchy hierarchy, ref nuint available, ref string source)
    {
        Span<byte> buffer = stackalloc byte[8192];
        for (string? at = group; at is not null && at.Length >= hierarchy.Root.Length; at = ParentOf(at))
        {
            string limitFile = at + hierarchy.LimitFile;
            if (!TryRead(limitFile, out ulong limit) || !TryRead(at + hierarchy.UsageFile, out ulong usage))
                continue; // "max", or no such file at the root

            ReadOnlySpan<byte> statistics = files.Read(at + "/memory.stat", buffer);
            ulong droppable = LinuxFiles.NumberAfter(statistics, hierarchy.InactiveFiles)
                + LinuxFiles.NumberAfter(statistics, hierarchy.ActiveFiles);
            usage = usage > droppable ? usage - droppable : 0;
            nuint left = (nuint)(limit > usage ? limit - usage : 0);
            if (left < available)
            {
                available = left;
                source = limitFile;
            }
        }
    }

    private bool TryRead(string path, out ulong value) =>
        ulong.TryParse(files.ReadText(path), CultureInfo.InvariantCulture, out value);

    private static string? GroupOf(string? groups, Hierarchy hierarchy)
    {
        int at = groups?.IndexOf(hierarchy.Label, StringComparison.Ordinal) ?? -1;
        if (at < 0)
            return null;

        ReadOnlySpan<char> path = groups.AsSpan(at + hierarchy.Label.Length);
        int end = path.IndexOf('\n');
        path = (end < 0 ? path : path[..end]).TrimEnd('/');
        return string.Concat(hierarchy.Root, path);
    }

    private static string? ParentOf(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash <= 0 ? null : path[..slash];
    }

    /// <summary>One version of cgroups: its line in /proc/self/cgroup, its tree, and its files in there.</summary>
    private sealed record Hierarchy(
        string Label, string Root, string LimitFile, string UsageFile, byte[] InactiveFiles, byte[] ActiveFiles);
}

/// <summary>
/// Checks that memory is there before it is taken: the kernel does not refuse a populate call that goes beyond what a
/// container or the machine has, it kills a process. The check reads several files, so an ample answer is trusted for
/// a part of what it found.
/// </summary>
internal sealed class MemoryHeadroom(VirtualMemory os)
{
    private const long TrustedBytes = 256 << 20;

    private long _creditBytes;

    /// <exception cref="EngineOutOfMemoryException">There is less than that; nothing was done.</exception>
    public void Take(nuint bytes)
    {
        if (bytes <= TrustedBytes && Interlocked.Add(ref _creditBytes, -(long)bytes) >= 0)
            return;

        nuint available = os.AvailableBytes(out string source);
        if (bytes > available)
            ThrowTooMuch(bytes, available, source);

        // Others take from what is left, too.
        nuint trusted = (available - bytes) / 8;
        Interlocked.Exchange(ref _creditBytes, (long)nuint.Min(trusted, (nuint)TrustedBytes));
    }

    [DoesNotReturn]
    private static void ThrowTooMuch(nuint bytes, nuint left, string source) => throw new EngineOutOfMemoryException(
        $"Prefaulting {bytes} bytes needs more memory than there is: {left} bytes are available ({source}). "
        + "Nothing was done.");
}
