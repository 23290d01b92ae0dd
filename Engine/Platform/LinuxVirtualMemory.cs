using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace Engine.Platform;

/// <summary>
/// Linux. Reserves PROT_NONE and MAP_NORESERVE, and never populates at that moment: MAP_POPULATE on a mapping that may not be
/// written does nothing, silently. Every mapping is MADV_DONTFORK, because after fork the parent faults on each page again.
/// </summary>
internal sealed unsafe class LinuxVirtualMemory : PosixVirtualMemory
{
    private const int AdviseDontNeed = 4;
    private const int AdviseDontFork = 10;
    private const int AdviseHugePage = 14;
    private const int AdviseNoHugePage = 15;
    private const int AdvisePopulateWrite = 23; // Linux 5.14
    private const int MapPopulate = 0x8000;
    private const int MapFixedNoReplace = 0x100000; // Linux 4.17
    private const int RemapMayMove = 1;
    private const int RemapFixed = 2;
    private const int RemapDontUnmap = 4; // Linux 5.7
    private const int LimitOfAddressSpace = 9; // RLIMIT_AS
    private const nuint SuperSlabHugePageBytes = 2 << 20;

    private readonly delegate* unmanaged<nint, nuint, nuint, int, nint, nint> _mremap;
    private readonly LinuxFiles _files;
    private readonly LinuxPageMap _pageMap;
    private volatile bool _hasLockedPages;
    private volatile bool _hasAdvisedHugePages;

    public LinuxVirtualMemory(INativeContext context)
        : base(context, PosixConstants.Linux)
    {
        _mremap = (delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)Optional(context, "mremap");
        _files = new LinuxFiles(context);
        _pageMap = new LinuxPageMap(_files, Facts.PageBytes);

        const string Settings = "/sys/kernel/mm/transparent_hugepage/";
        bool fits = ulong.TryParse(_files.ReadText(Settings + "hpage_pmd_size"), out ulong hugePageBytes)
            && hugePageBytes == SuperSlabHugePageBytes;
        Facts = Facts with
        {
            HugePageBytes = SuperSlabHugePageBytes,
            TransparentHugePages = fits ? ChosenSetting(_files.ReadText(Settings + "enabled")) : "absent",
            TellsWhichPagesWouldFault = PageMapTellsTheTruth(),
            MovesPages = _mremap != null,
            AddressSpaceLimitBytes = ReadLimit(LimitOfAddressSpace),
        };
    }

    public override nuint ResidentBytes
    {
        get
        {
            // statm: total and resident size in pages of the kernel.
            Span<byte> buffer = stackalloc byte[256];
            ReadOnlySpan<byte> text = _files.Read("/proc/self/statm\0"u8, buffer);
            int space = text.IndexOf((byte)' ');
            return space < 0 ? 0 : (nuint)LinuxFiles.FirstNumber(text[space..]) * (nuint)Environment.SystemPageSize;
        }
    }

    public override nuint PeakResidentBytes
    {
        get
        {
            Span<byte> buffer = stackalloc byte[4096];
            return (nuint)LinuxFiles.NumberAfter(_files.Read("/proc/self/status\0"u8, buffer), "VmHWM:"u8) * 1024;
        }
    }

    protected override bool TryFinishReservation(nint address, nuint bytes) =>
        Advise(address, bytes, AdviseDontFork) is Errno.None or Errno.Invalid; // Invalid: a system that has no such advice

    protected override bool TryPrepareCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        switch (step.Pages)
        {
            case PageKind.Normal:
                return TryPrepareNormal(address, bytes, out failure) && TryAvoidHugePages(address, bytes, ref failure);
            case PageKind.TransparentHuge:
                return TryPrepareNormal(address, bytes, out failure) && TryAdviseHugePages(address, bytes, ref failure);
            default:
                failure = new PrefaultFailure("not known on this system", IsLasting: true);
                return false;
        }
    }

    protected override bool TryPopulateCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        int errno;
        switch (step.Policy)
        {
            case PrefaultPolicy.PopulateWrite:
                do
                {
                    errno = Advise(address, bytes, AdvisePopulateWrite);
                }
                while (errno == Errno.Interrupted);
                failure = errno == Errno.None
                    ? default
                    : new PrefaultFailure(Errno.Describe("madvise(MADV_POPULATE_WRITE)", errno), IsLasting: errno == Errno.Invalid);
                return errno == Errno.None;
            case PrefaultPolicy.PopulateAtMapping:
                int extra = PosixConstants.MapFixed | Constants.MapNoReserve | MapPopulate;
                if (!TryMap(address, bytes, PosixConstants.ProtectReadWrite, extra, out _, out errno))
                {
                    failure = new PrefaultFailure(Errno.Describe("mmap(MAP_POPULATE)", errno), IsLasting: false);
                    return false;
                }

                failure = default;
                return TryFinishReservation(address, bytes);
            case PrefaultPolicy.Lock:
                _hasLockedPages = true;
                return base.TryPopulateCore(address, bytes, step, out failure);
            default:
                return base.TryPopulateCore(address, bytes, step, out failure);
        }
    }

    protected override void DecommitCore(nint address, nuint bytes)
    {
        if (_hasLockedPages)
        {
            _ = Unlock(address, bytes); // pages that are locked cannot be given back
        }

        int errno = Advise(address, bytes, AdviseDontNeed);
        errno = errno == Errno.None ? Protect(address, bytes, PosixConstants.ProtectNone) : errno;
        if (errno != Errno.None)
        {
            ReplaceByReserved(address, bytes);
        }
    }

    protected override long PagesThatWouldFaultCore(nint address, nuint bytes) => _pageMap.PagesThatWouldFault(address, bytes);

    protected override bool TryMovePagesCore(nint from, nint to, nuint bytes)
    {
        CountOsCall();
        if (_mremap(from, bytes, bytes, RemapMayMove | RemapFixed | RemapDontUnmap, to) == to)
        {
            return true;
        }

        // The kernel unmaps the destination before it looks at the rest: fill the hole before anyone else does.
        int extra = MapFixedNoReplace | Constants.MapNoReserve;
        if (TryMap(to, bytes, PosixConstants.ProtectNone, extra, out nint mapped, out _))
        {
            if (mapped != to)
            {
                _ = Unmap(mapped, bytes); // a kernel without MAP_FIXED_NOREPLACE took the address for a hint
            }
            else if (!TryFinishReservation(to, bytes))
            {
                ThrowRefused("Moving pages", bytes, "the destination could not be set up again");
            }
        }

        return false;
    }

    private bool TryAdviseHugePages(nint address, nuint bytes, ref PrefaultFailure failure)
    {
        _hasAdvisedHugePages = true;
        return TryAdvise(address, bytes, AdviseHugePage, "madvise(MADV_HUGEPAGE)", ref failure);
    }

    /// <summary>Only where huge pages would come unasked, or were asked for in this range before.</summary>
    private bool TryAvoidHugePages(nint address, nuint bytes, ref PrefaultFailure failure)
    {
        bool isNeeded = Facts.TransparentHugePages == "always" || _hasAdvisedHugePages;
        nuint hugePageRest = ((nuint)address | bytes) & (SuperSlabHugePageBytes - 1);
        return !isNeeded || hugePageRest != 0 || TryAdvise(address, bytes, AdviseNoHugePage, "madvise(MADV_NOHUGEPAGE)", ref failure);
    }

    private bool TryAdvise(nint address, nuint bytes, int advice, string call, ref PrefaultFailure failure)
    {
        int errno = Advise(address, bytes, advice);
        if (errno == Errno.None)
        {
            return true;
        }

        failure = new PrefaultFailure(Errno.Describe(call, errno), IsLasting: errno == Errno.Invalid);
        DecommitCore(address, bytes);
        return false;
    }

    /// <summary>Under emulation, or with another page size, the file may speak of other pages: try it on two pages that are known.</summary>
    private bool PageMapTellsTheTruth()
    {
        nuint bytes = 2 * Facts.PageBytes;
        if (!TryMap(0, bytes, PosixConstants.ProtectReadWrite, 0, out nint pages, out _))
        {
            return false;
        }

        bool isTrue = _pageMap.PagesThatWouldFault(pages, bytes) == 2;
        Marshal.WriteByte(pages + (nint)Facts.PageBytes, 1);
        isTrue &= _pageMap.PagesThatWouldFault(pages, bytes) == 1;
        _ = Unmap(pages, bytes);
        return isTrue;
    }

    /// <summary>"always [madvise] never" means madvise.</summary>
    private static string ChosenSetting(string? setting)
    {
        int start = setting?.IndexOf('[') ?? -1;
        int end = setting?.IndexOf(']') ?? -1;
        return start >= 0 && end > start ? setting![(start + 1)..end] : "absent";
    }
}
