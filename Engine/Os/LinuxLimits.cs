using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

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
            return null;

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
            return 0;

        ReadOnlySpan<char> rest = text.AsSpan(at + label.Length).TrimStart();
        int digits = rest.IndexOfAnyExceptInRange('0', '9');
        return ulong.TryParse(digits < 0 ? rest : rest[..digits], CultureInfo.InvariantCulture, out ulong value) ? value : 0;
    }
}

/// <summary>
/// Reads the small files of /proc, /sys and the cgroup tree through open, read, pread and close, so that asking for
/// the resident memory makes no garbage.
/// </summary>
internal sealed unsafe class LinuxFiles(INativeContext context)
{
    private readonly delegate* unmanaged<byte*, int, int, int> _open = (delegate* unmanaged<byte*, int, int, int>)Address(context, "open");
    private readonly delegate* unmanaged<int, void*, nuint, nint> _read = (delegate* unmanaged<int, void*, nuint, nint>)Address(context, "read");
    private readonly delegate* unmanaged<int, void*, nuint, long, nint> _pread =
        (delegate* unmanaged<int, void*, nuint, long, nint>)Address(context, "pread");
    private readonly delegate* unmanaged<int, int> _close = (delegate* unmanaged<int, int>)Address(context, "close");

    /// <summary>The file descriptor, or -1. <paramref name="path"/> is ASCII and ends with a zero byte.</summary>
    public int Open(ReadOnlySpan<byte> path)
    {
        const int ReadOnlyCloseOnExec = 0x80000;
        if (_open == null || _read == null || _close == null)
            return -1;

        fixed (byte* name = path)
            return _open(name, ReadOnlyCloseOnExec, 0);
    }

    public void Close(int file) => _ = _close(file);

    /// <summary>How many bytes were read from <paramref name="offset"/> on; negative when it failed.</summary>
    public nint ReadAt(int file, void* buffer, nuint bytes, long offset) =>
        _pread == null ? -1 : _pread(file, buffer, bytes, offset);

    /// <summary>Fills <paramref name="buffer"/> from the start of the file; returns what was read, empty when it cannot be.</summary>
    public ReadOnlySpan<byte> Read(ReadOnlySpan<byte> path, Span<byte> buffer)
    {
        int file = Open(path);
        if (file < 0)
            return default;

        int filled = 0;
        fixed (byte* start = buffer)
        {
            nint got;
            while (filled < buffer.Length && (got = _read(file, start + filled, (nuint)(buffer.Length - filled))) > 0)
                filled += (int)got;
        }

        Close(file);
        return buffer[..filled];
    }

    /// <summary>The text of a file, or null.</summary>
    public string? ReadText(string path)
    {
        Span<byte> name = stackalloc byte[512];
        if (!Encoding.UTF8.TryGetBytes(path, name[..^1], out int written))
            return null;

        name[written] = 0;
        Span<byte> buffer = stackalloc byte[8192];
        ReadOnlySpan<byte> text = Read(name[..(written + 1)], buffer);
        return text.IsEmpty ? null : Encoding.UTF8.GetString(text).TrimEnd();
    }

    /// <summary>The number after <paramref name="label"/> in <paramref name="text"/>; 0 when it is not there.</summary>
    public static ulong NumberAfter(ReadOnlySpan<byte> text, ReadOnlySpan<byte> label)
    {
        int at = text.IndexOf(label);
        return at < 0 ? 0 : FirstNumber(text[(at + label.Length)..]);
    }

    /// <summary>The first decimal number in <paramref name="text"/>; 0 when there is none.</summary>
    public static ulong FirstNumber(ReadOnlySpan<byte> text)
    {
        int start = text.IndexOfAnyInRange((byte)'0', (byte)'9');
        ulong value = 0;
        for (int i = start; i >= 0 && i < text.Length && text[i] is >= (byte)'0' and <= (byte)'9'; i++)
            value = (value * 10) + (ulong)(text[i] - '0');

        return value;
    }

    private static nint Address(INativeContext context, string function) =>
        context.TryGetProcAddress(function, out nint address) ? address : 0;
}

/// <summary>
/// Asks whether the memory is there before it is taken. The kernel does not refuse a populate call that goes beyond
/// what a container or the machine has: it kills a process. So the question is asked first, and answered with an exception.
/// Asking reads several files, so after an ample answer a part of it is used up before it is asked again.
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

        // Never trust more than a part of what is left: others take from it too.
        nuint trusted = (available - bytes) / 8;
        Interlocked.Exchange(ref _creditBytes, (long)nuint.Min(trusted, (nuint)TrustedBytes));
    }

    [DoesNotReturn]
    private static void ThrowTooMuch(nuint bytes, nuint available, string source) => throw new EngineOutOfMemoryException(
        $"Prefaulting {bytes} bytes needs more memory than there is: {available} bytes are available ({source}). Nothing was done.");
}
