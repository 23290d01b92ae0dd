using System.Globalization;

namespace SuperSlab;

/// <summary>
/// What the kernel's files in /sys say about huge pages of 2 MiB. Sandboxes hide these files (Flatpak shows nothing of
/// /sys/kernel), and then the pages are tried: the files only tell what to expect.
/// </summary>
internal sealed class LinuxHugePages
{
    /// <summary>The huge page that fits a SuperSlab.</summary>
    public const nuint Bytes = 2 << 20;

    private const string Transparent = "/sys/kernel/mm/transparent_hugepage/";
    private const string OfSize = "hugepages-2048kB/enabled"; // Linux 6.8
    private const string Pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/";

    private readonly LinuxFiles _files;

    public LinuxHugePages(LinuxFiles files, nuint pageBytes)
    {
        _files = files;
        (Setting, string file) = ReadSetting(pageBytes);
        Description = Setting == PlatformFacts.Unread ? $"{file} {Setting}" : $"{file}={Setting}";
    }

    /// <summary>The setting in force for transparent huge pages: <see cref="PlatformFacts.TransparentHugePages"/>.</summary>
    public string Setting { get; }

    /// <summary>The setting with its file: "enabled=madvise", "enabled cannot be read".</summary>
    public string Description { get; }

    /// <summary>Why the pool of explicit huge pages refused, as far as the files tell.</summary>
    public string DescribePool(int errno)
    {
        string? free = _files.ReadText(Pool + "free_hugepages");
        string? all = _files.ReadText(Pool + "nr_hugepages");
        return errno != Errno.OutOfMemory || free is null || all is null
            ? Errno.Describe("mmap(MAP_HUGETLB)", errno)
            : free == "0" ? $"no free huge pages (0 of {all})" : $"too few free huge pages ({free} of {all})";
    }

    private (string Setting, string File) ReadSetting(nuint pageBytes)
    {
        const string Enabled = "enabled";
        string? size = _files.ReadText(Transparent + "hpage_pmd_size");
        bool isWithout = _files.Exists("/sys/kernel/mm\0"u8) && !_files.Exists("/sys/kernel/mm/transparent_hugepage\0"u8);

        // Where pages are 16 KiB or 64 KiB, a transparent huge page is 32 MiB or 512 MiB: no SuperSlab fits it.
        bool fits = size is null
            ? pageBytes == 4096
            : nuint.TryParse(size, CultureInfo.InvariantCulture, out nuint bytes) && bytes == Bytes;
        if (isWithout || !fits)
            return (PlatformFacts.Absent, Enabled);

        return Chosen(OfSize) is { } own && own != "inherit"
            ? (own, OfSize)
            : (Chosen(Enabled) ?? PlatformFacts.Unread, Enabled);
    }

    /// <summary>The word in brackets, as in "always [madvise] never"; null where there is none.</summary>
    private string? Chosen(string file)
    {
        string? text = _files.ReadText(Transparent + file);
        int start = text?.IndexOf('[') ?? -1;
        int end = text?.IndexOf(']') ?? -1;
        return start >= 0 && end > start ? text![(start + 1)..end] : null;
    }
}
