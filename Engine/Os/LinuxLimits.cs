using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace SuperSlab;

/// <summary>
/// How much memory is left before the kernel starts to kill, or to throttle without end (memory.high): of the machine
/// (MemAvailable of /proc/meminfo), and of each memory cgroup that the process is in, of both versions. File pages,
/// which the kernel can drop, count as left.
/// </summary>
internal sealed class LinuxMemoryLimits(LinuxFiles files)
{
    private static readonly Hierarchy s_version2 = new(
        "0::", "/sys/fs/cgroup", ["/memory.max", "/memory.high"], "/memory.current", [.. "\ninactive_file "u8],
        [.. "\nactive_file "u8]);
    private static readonly Hierarchy s_version1 = new(
        ":memory:", "/sys/fs/cgroup/memory", ["/memory.limit_in_bytes"], "/memory.usage_in_bytes",
        [.. "\ntotal_inactive_file "u8], [.. "\ntotal_active_file "u8]);

    private readonly string? _group2 = GroupOf(files.ReadText("/proc/self/cgroup"), s_version2);
    private readonly string? _group1 = GroupOf(files.ReadText("/proc/self/cgroup"), s_version1);

    public MemoryRoom Room()
    {
        Span<byte> buffer = stackalloc byte[4096];
        ReadOnlySpan<byte> machine = files.Read("/proc/meminfo\0"u8, buffer);
        nuint available = (nuint)LinuxFiles.NumberAfter(machine, "MemAvailable:"u8) * 1024;
        nuint all = (nuint)LinuxFiles.NumberAfter(machine, "MemTotal:"u8) * 1024;
        MemoryRoom room = available == 0 || all == 0
            ? MemoryRoom.Unknown
            : new MemoryRoom(available, all, "MemAvailable of /proc/meminfo");
        return Narrow(_group1, s_version1, Narrow(_group2, s_version2, room));
    }

    /// <summary>A group's parents limit it too.</summary>
    private MemoryRoom Narrow(string? group, Hierarchy hierarchy, MemoryRoom room)
    {
        Span<byte> buffer = stackalloc byte[8192];
        for (string? at = group; at is not null && at.Length >= hierarchy.Root.Length; at = ParentOf(at))
        {
            if (!TryReadLimit(at, hierarchy, out ulong limit, out string file)
                || !TryRead(at + hierarchy.UsageFile, out ulong usage))
            {
                continue; // "max", or no such file at the root
            }

            ReadOnlySpan<byte> statistics = files.Read(at + "/memory.stat", buffer);
            ulong droppable = LinuxFiles.NumberAfter(statistics, hierarchy.InactiveFiles)
                + LinuxFiles.NumberAfter(statistics, hierarchy.ActiveFiles);
            usage = usage > droppable ? usage - droppable : 0;
            nuint left = (nuint)(limit > usage ? limit - usage : 0);
            if (left < room.AvailableBytes)
                room = new MemoryRoom(left, (nuint)limit, file);
        }

        return room;
    }

    private bool TryReadLimit(string group, Hierarchy hierarchy, out ulong limit, out string file)
    {
        limit = ulong.MaxValue;
        file = string.Empty;
        foreach (string name in hierarchy.LimitFiles)
        {
            if (TryRead(group + name, out ulong value) && value < limit)
                (limit, file) = (value, group + name);
        }

        return file.Length != 0;
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
        string Label, string Root, string[] LimitFiles, string UsageFile, byte[] InactiveFiles, byte[] ActiveFiles);
}

/// <summary>
/// Checks that memory is there before it is taken, and that some of it stays free: the kernel does not refuse a
/// populate call that goes beyond what a container or the machine has, it kills a process. What stays free is for the
/// runtime, which grows too, and for whoever handles the exception. The check reads several files, so an ample answer
/// is trusted for a part of what it found.
/// </summary>
/// <param name="os">Tells what is left.</param>
/// <param name="keptBytes">What stays free; null for a sixteenth of the limit.</param>
internal sealed class MemoryHeadroom(VirtualMemory os, nuint? keptBytes)
{
    private const long TrustedBytes = 256 << 20;
    private const nuint LeastKeptBytes = 16 << 20;
    private const nuint MostKeptBytes = 256 << 20;

    private readonly nuint _bytesOfOnePageTableEntry = os.Facts.PageBytes / sizeof(ulong);
    private long _creditBytes;

    /// <summary>What stays free under the limit that is the nearest now.</summary>
    public nuint KeptBytes => KeptOf(os.Room());

    /// <exception cref="EngineOutOfMemoryException">There is less than that; nothing was done.</exception>
    public void Take(nuint bytes)
    {
        // The kernel keeps a page-table entry for each page, of huge pages too, for when it splits them.
        nuint needed = bytes + Sizes.DivideRoundingUp(bytes, _bytesOfOnePageTableEntry);
        if (needed <= TrustedBytes && Interlocked.Add(ref _creditBytes, -(long)needed) >= 0)
            return;

        MemoryRoom room = os.Room();
        nuint kept = KeptOf(room);
        if (needed > room.AvailableBytes || room.AvailableBytes - needed < kept)
            ThrowTooMuch(bytes, room, kept);

        // Others take from what is left, too.
        nuint trusted = (room.AvailableBytes - needed - kept) / 8;
        Interlocked.Exchange(ref _creditBytes, (long)nuint.Min(trusted, (nuint)TrustedBytes));
    }

    private nuint KeptOf(MemoryRoom room)
    {
        if (keptBytes is { } kept)
            return kept;

        nuint limit = room.LimitBytes;
        return limit == nuint.MaxValue ? 0
            : nuint.Min(nuint.Max(limit / 16, nuint.Min(LeastKeptBytes, limit / 8)), MostKeptBytes);
    }

    [DoesNotReturn]
    private static void ThrowTooMuch(nuint bytes, MemoryRoom room, nuint kept) => throw new EngineOutOfMemoryException(
        $"Prefaulting {Sizes.Exact(bytes)} needs more memory than there is: {Sizes.Text(room.AvailableBytes)} are "
        + $"available ({room.Source}), of which {Sizes.Text(kept)} stay free (EngineMemoryOptions.HeadroomBytes). "
        + "Nothing was done.");
}
