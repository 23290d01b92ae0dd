using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// /proc/self/pagemap: one 64-bit entry for each page, to be read without a privilege, and the ioctl PAGEMAP_SCAN
/// (Linux 6.7). See Documentation/admin-guide/mm/pagemap.rst and include/uapi/linux/fs.h of the kernel.
/// </summary>
internal sealed unsafe class LinuxPages(LinuxFiles files, nuint pageBytes)
{
    // A write does not fault on a page that is present (bit 63) and mapped by this process alone (bit 56): the shared
    // zero page and pages shared after fork are not. mincore cannot tell them apart.
    private const ulong PresentAndExclusive = (1UL << 63) | (1UL << 56);
    private const ulong PresentOrSwapped = (1UL << 63) | (1UL << 62);
    private const nuint ScanRequest = 0xc0606610; // _IOWR('f', 16, struct pm_scan_arg), which is 96 bytes
    private const ulong PageIsHuge = 1 << 6;
    private const int RegionsAtOnce = 64;

    private static ReadOnlySpan<byte> Path => "/proc/self/pagemap\0"u8;

    /// <summary>Whether the page of an address has contents; false where the file cannot be read.</summary>
    public bool HasContents(nuint address)
    {
        ulong entry;
        return TryReadEntries(address, &entry, 1) && (entry & PresentOrSwapped) != 0;
    }

    /// <summary>How many of the pages a write would fault on; -1 where the file cannot be read.</summary>
    public int CountFaulting(nint address, int pages)
    {
        ulong* entries = stackalloc ulong[pages];
        if (!TryReadEntries((nuint)address, entries, pages))
            return -1;

        int faulting = 0;
        for (int i = 0; i < pages; i++)
            faulting += (entries[i] & PresentAndExclusive) == PresentAndExclusive ? 0 : 1;

        return faulting;
    }

    /// <summary>How many bytes of the range stand on huge pages; -1 where it cannot be read.</summary>
    public long HugePageBytes(nint address, nuint bytes)
    {
        int file = files.Open(Path);
        if (file < 0)
            return -1;

        PageRegion* regions = stackalloc PageRegion[RegionsAtOnce];
        var argument = new ScanArgument
        {
            Size = (ulong)sizeof(ScanArgument),
            Start = (ulong)address,
            End = (ulong)address + bytes,
            Regions = (ulong)regions,
            RegionCount = RegionsAtOnce,
            RequiredCategories = PageIsHuge,
            ReturnedCategories = PageIsHuge,
        };
        long huge = 0;
        while (argument.Start < argument.End && huge >= 0)
        {
            int found = files.Control(file, ScanRequest, (nint)(&argument));
            for (int i = 0; i < found; i++)
                huge += (long)(regions[i].End - regions[i].Start);

            huge = found < 0 ? -1 : huge;
            argument.Start = argument.WalkEnd;
        }

        files.Close(file);
        return huge;
    }

    private bool TryReadEntries(nuint address, ulong* entries, int pages)
    {
        int file = files.Open(Path);
        if (file < 0)
            return false;

        nuint bytes = (nuint)pages * sizeof(ulong);
        nint got = files.ReadAt(file, entries, bytes, (long)(address / pageBytes * sizeof(ulong)));
        files.Close(file);
        return got == (nint)bytes;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PageRegion
    {
        public ulong Start, End, Categories;
    }

    private struct ScanArgument
    {
        public ulong Size, Flags, Start, End, WalkEnd, Regions, RegionCount, MaximumPages;
        public ulong InvertedCategories, RequiredCategories, AnyOfCategories, ReturnedCategories;
    }
}
