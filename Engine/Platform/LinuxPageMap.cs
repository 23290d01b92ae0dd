namespace Engine.Platform;

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
        {
            return -1;
        }

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
            {
                faulting += (entries[i] & PresentAndExclusive) == PresentAndExclusive ? 0 : 1;
            }

            page += count;
            left -= count;
        }

        files.Close(file);
        return faulting;
    }
}
