using System.Globalization;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <content>What is tried and looked at, because a call's word is not enough.</content>
internal sealed unsafe partial class LinuxVirtualMemory
{
    /// <summary>
    /// mmap does not say that it could not populate. A write to a huge page that is absent may kill the process.
    /// </summary>
    private PrefaultFailure? LookAtMapped(nint address, nuint bytes, PageKind pages)
    {
        long left = PagesThatWouldFault(address, bytes);
        left = left < 0 ? PagesAbsent(address, bytes) : left;
        bool isHuge = pages == PageKind.ExplicitHuge;
        if (left == 0 || (left < 0 && !isHuge))
            return null;

        if (left < 0)
            return new PrefaultFailure("MAP_POPULATE cannot be verified: no pagemap, no mincore", IsLasting: true);

        // A system that populates nothing of ordinary memory ignores the flag: where memory is short, it kills.
        long all = (long)(bytes / Facts.PageBytes);
        string reason = string.Create(
            CultureInfo.InvariantCulture, $"mmap said it was done, but {left:N0} of {all:N0} pages would fault");
        return new PrefaultFailure(reason, IsLasting: !isHuge && left == all);
    }

    /// <summary>How many pages mincore does not know; -1 where it does not answer.</summary>
    private long PagesAbsent(nint address, nuint bytes)
    {
        const int AtOnce = 4096;
        byte* states = stackalloc byte[AtOnce];
        nuint left = bytes / Facts.PageBytes;
        long absent = 0;
        while (left != 0)
        {
            int pages = (int)nuint.Min(left, AtOnce);
            nuint part = (nuint)pages * Facts.PageBytes;
            if (_mincore == null || _mincore(address, part, states) != 0)
                return -1;

            for (int i = 0; i < pages; i++)
                absent += (states[i] & 1) == 0 ? 1 : 0;

            address += (nint)part;
            left -= (nuint)pages;
        }

        return absent;
    }

    /// <summary>
    /// Moves one page and looks: older kernels refuse MREMAP_DONTUNMAP, and an emulator that does not know it gives the
    /// source to the next caller of mmap.
    /// </summary>
    private bool MovingLeavesTheSource()
    {
        nuint page = Facts.PageBytes;
        if (!TryReserveCore(2 * page, page, out nint from))
            return false;

        nint to = (nint)((nuint)from + page);
        bool isMoved = CommitCore(from, page) is null;
        if (isMoved)
        {
            Marshal.WriteByte(from, 1);
            isMoved = TryMovePagesCore(from, to, page) && Marshal.ReadByte(to) == 1 && !TryMapUnused(from, page);
        }

        Release(from, 2 * page);
        return isMoved;
    }

    /// <summary>Guards a page that has memory, and looks: an emulator takes advice that it does not know.</summary>
    private bool AdviceGuards()
    {
        nuint page = Facts.PageBytes;
        if (!Facts.TellsWhichPagesWouldFault || !TryReserveCore(page, page, out nint tried))
            return false;

        bool isGuarded = CommitCore(tried, page) is null;
        if (isGuarded)
        {
            Marshal.WriteByte(tried, 1);
            isGuarded = Advise(tried, page, AdviseGuardInstall) == Errno.None && CountFaultingCore(tried, 1) == 1
                && Advise(tried, page, AdviseGuardRemove) == Errno.None;
        }

        _ = ReleaseCore(tried, page);
        return isGuarded;
    }
}
