using System.Globalization;

namespace Engine.Platform;

/// <summary>
/// How much memory is left before the kernel starts to kill: of the machine (MemAvailable of /proc/meminfo), and of each
/// memory cgroup that the process is in, version 2 (memory.max, memory.current) and version 1 (memory.limit_in_bytes,
/// memory.usage_in_bytes). What the kernel can drop without asking, file pages, counts as left.
/// </summary>
internal sealed class LinuxMemoryLimits(LinuxFiles files)
{
    private readonly string? _group2 = GroupOf(files.ReadText("/proc/self/cgroup"), "0::", "/sys/fs/cgroup");
    private readonly string? _group1 = GroupOf(files.ReadText("/proc/self/cgroup"), ":memory:", "/sys/fs/cgroup/memory");

    public nuint AvailableBytes(out string source)
    {
        source = "MemAvailable of /proc/meminfo";
        nuint available = Available("/proc/meminfo");
        Narrow(_group2, "/sys/fs/cgroup", "/memory.max", "/memory.current", "\ninactive_file ", "\nactive_file ", ref available, ref source);
        Narrow(
            _group1,
            "/sys/fs/cgroup/memory",
            "/memory.limit_in_bytes",
            "/memory.usage_in_bytes",
            "\ntotal_inactive_file ",
            "\ntotal_active_file ",
            ref available,
            ref source);
        return available;
    }

    private nuint Available(string path)
    {
        ulong kibibytes = NumberAfter(files.ReadText(path), "MemAvailable:");
        return kibibytes == 0 ? nuint.MaxValue : (nuint)kibibytes * 1024;
    }

    /// <summary>A group's parents limit it too.</summary>
    private void Narrow(
        string? group,
        string root,
        string limitFile,
        string usageFile,
        string inactive,
        string active,
        ref nuint available,
        ref string source)
    {
        for (string? at = group; at is not null && at.Length >= root.Length; at = ParentOf(at))
        {
            if (!ulong.TryParse(files.ReadText(at + limitFile), CultureInfo.InvariantCulture, out ulong limit)
                || !ulong.TryParse(files.ReadText(at + usageFile), CultureInfo.InvariantCulture, out ulong usage))
            {
                continue; // "max", or no such file at the root
            }

            string? statistics = files.ReadText(at + "/memory.stat");
            ulong droppable = NumberAfter(statistics, inactive) + NumberAfter(statistics, active);
            usage = usage > droppable ? usage - droppable : 0;
            nuint left = (nuint)(limit > usage ? limit - usage : 0);
            if (left < available)
            {
                available = left;
                source = at + limitFile;
            }
        }
    }

    private static string? GroupOf(string? groups, string label, string root)
    {
        int at = groups?.IndexOf(label, StringComparison.Ordinal) ?? -1;
        if (at < 0)
        {
            return null;
        }

        ReadOnlySpan<char> path = groups.AsSpan(at + label.Length);
        int end = path.IndexOf('\n');
        path = (end < 0 ? path : path[..end]).TrimEnd('/');
        return string.Concat(root, path);
    }

    private static string? ParentOf(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash <= 0 ? null : path[..slash];
    }

    private static ulong NumberAfter(string? text, string label)
    {
        int at = text?.IndexOf(label, StringComparison.Ordinal) ?? -1;
        if (at < 0)
        {
            return 0;
        }

        ReadOnlySpan<char> rest = text.AsSpan(at + label.Length).TrimStart();
        int digits = rest.IndexOfAnyExceptInRange('0', '9');
        return ulong.TryParse(digits < 0 ? rest : rest[..digits], CultureInfo.InvariantCulture, out ulong value) ? value : 0;
    }
}
