using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// /proc/self/pagemap: one 64-bit entry for each page. A page will not fault when written if it is present (bit 63) and
/// mapped by this process alone (bit 56; the read-only zero page and pages shared after fork are not). mincore cannot tell.
/// Needs no privilege. See Documentation/admin-guide/mm/pagemap.rst of the kernel.
/// </summary>
internal sealed unsafe class LinuxPageMap(LinuxFiles files, nuint pageBytes)
{
    private const ulong PresentAndExclusive = (1UL << 63) | (1UL << 56);
    private const int EntriesAtOnce = 1024;

    /// <summary>How many pages of the range a write would fault on, or -1 when the file cannot be read.</summary>
    public long PagesThatWouldFault(nint address, nuint bytes)
    {
        int file = files.Open("/proc/self/pagemap\0"u8);
        if (file < 0)
            return -1;

        ulong* entries = stackalloc ulong[EntriesAtOnce];
        nuint page = (nuint)address / pageBytes;
        nuint left = bytes / pageBytes;
        long faulting = 0;
        while (left != 0 && faulting >= 0)
        {
            nuint count = nuint.Min(left, EntriesAtOnce);
            nint got = files.ReadAt(file, entries, count * sizeof(ulong), (long)(page * sizeof(ulong)));
            if (got != (nint)(count * sizeof(ulong)))
            {
                faulting = -1;
                break;
            }

            for (nuint i = 0; i < count; i++)
                faulting += (entries[i] & PresentAndExclusive) == PresentAndExclusive ? 0 : 1;

            page += count;
            left -= count;
        }

        files.Close(file);
        return faulting;
    }
}

/// <summary>
/// The ioctl PAGEMAP_SCAN of /proc/self/pagemap (Linux 6.7): which parts of a range stand on huge pages. From
/// include/uapi/linux/fs.h.
/// </summary>
internal sealed unsafe class LinuxPageScan(LinuxFiles files, INativeContext context)
{
    private const nuint Request = 0xc0606610; // _IOWR('f', 16, struct pm_scan_arg), which is 96 bytes
    private const ulong PageIsHuge = 1 << 6;

    private readonly delegate* unmanaged<int, nuint, ScanArgument*, int> _ioctl =
        (delegate* unmanaged<int, nuint, ScanArgument*, int>)(context.TryGetProcAddress("ioctl", out nint address) ? address : 0);

    /// <summary>How many bytes of the range stand on huge pages; -1 where it cannot be read.</summary>
    public long HugePageBytes(nint address, nuint bytes)
    {
        int file = _ioctl == null ? -1 : files.Open("/proc/self/pagemap\0"u8);
        if (file < 0)
            return -1;

        PageRegion* regions = stackalloc PageRegion[64];
        var argument = new ScanArgument
        {
            Size = (ulong)sizeof(ScanArgument),
            Start = (ulong)address,
            End = (ulong)address + bytes,
            Regions = (ulong)regions,
            RegionCount = 64,
            RequiredCategories = PageIsHuge,
            ReturnedCategories = PageIsHuge,
        };
        long huge = 0;
        while (argument.Start < argument.End)
        {
            int found = _ioctl(file, Request, &argument);
            if (found < 0)
            {
                huge = -1;
                break;
            }

            for (int i = 0; i < found; i++)
                huge += (long)(regions[i].End - regions[i].Start);

            argument.Start = argument.WalkEnd;
        }

        files.Close(file);
        return huge;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PageRegion
    {
        public ulong Start;
        public ulong End;
        public ulong Categories;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ScanArgument
    {
        public ulong Size;
        public ulong Flags;
        public ulong Start;
        public ulong End;
        public ulong WalkEnd;
        public ulong Regions;
        public ulong RegionCount;
        public ulong MaxPages;
        public ulong InvertedCategories;
        public ulong RequiredCategories;
        public ulong AnyOfCategories;
        public ulong ReturnedCategories;
    }
}
