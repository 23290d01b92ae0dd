using System.Globalization;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// Linux. Reserves PROT_NONE and MAP_NORESERVE, and never populates at that moment: MAP_POPULATE on a mapping that may not be
/// written does nothing, silently. Every mapping is MADV_DONTFORK, because after fork the parent faults on each page again.
///
/// Explicit huge pages are asked for elsewhere, where a refusal harms nobody, and then moved over the range (mremap); and
/// they are populated by calls that can refuse. A first touch could not: it would be answered by SIGBUS.
/// </summary>
internal sealed unsafe class LinuxVirtualMemory : PosixVirtualMemory
{
    private const int AdviseDontNeed = 4;
    private const int AdviseDontFork = 10;
    private const int AdviseHugePage = 14;
    private const int AdviseNoHugePage = 15;
    private const int AdvisePopulateWrite = 23; // Linux 5.14
    private const int AdviseCollapse = 25; // Linux 6.1
    private const int MapPopulate = 0x8000;
    private const int MapHugeTlb = 0x40000;
    private const int MapHuge2MiB = 21 << 26;
    private const int RemapMayMove = 1;
    private const int RemapFixed = 2;
    private const int RemapDontUnmap = 4; // Linux 5.7
    private const int LimitOfLockedMemory = 8; // RLIMIT_MEMLOCK
    private const int LimitOfAddressSpace = 9; // RLIMIT_AS
    private const nuint SuperSlabHugePageBytes = 2 << 20;
    private const string HugePool = "/sys/kernel/mm/hugepages/hugepages-2048kB/";

    private readonly delegate* unmanaged<nint, nuint, nuint, int, nint, nint> _mremap;
    private readonly LinuxFiles _files;
    private readonly LinuxPageMap _pageMap;
    private readonly LinuxPageScan _pageScan;
    private readonly LinuxMemoryLimits _limits;
    private readonly LinuxNodes _nodes;
    private bool _interleaves;
    private int _interleaveRefused;
    private volatile bool _hasLockedPages;
    private volatile bool _hasAdvisedHugePages;
    private volatile bool _hasExplicitHugePages;
    private volatile bool _hasInheritedMappings;

    public LinuxVirtualMemory(INativeContext context)
        : base(context, PosixConstants.Linux)
    {
        _mremap = (delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)Optional(context, "mremap");
        _files = new LinuxFiles(context);
        _pageMap = new LinuxPageMap(_files, Facts.PageBytes);
        _pageScan = new LinuxPageScan(_files, context);
        _limits = new LinuxMemoryLimits(_files);
        _nodes = new LinuxNodes(_files, context);
        Facts = Facts with
        {
            HugePageBytes = SuperSlabHugePageBytes,
            TransparentHugePages = TransparentHugePageSetting(),
            TellsWhichPagesWouldFault = TellsTheTruth(),
            MovesPages = _mremap != null && MovingLeavesTheSource(),
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

    public override nuint AvailableBytes(out string source) => _limits.AvailableBytes(out source);

    public override string NameOf(PageKind pages) => pages switch
    {
        PageKind.TransparentHuge => "THP",
        PageKind.ExplicitHuge => "MAP_HUGETLB",
        _ => base.NameOf(pages),
    };

    public override string NameOf(PrefaultPolicy policy) => policy switch
    {
        PrefaultPolicy.PopulateAtMapping => "MAP_POPULATE",
        PrefaultPolicy.PopulateWrite => "MADV_POPULATE_WRITE",
        PrefaultPolicy.Lock => "mlock",
        _ => base.NameOf(policy),
    };

    public override string? SettingOf(PageKind pages) =>
        pages == PageKind.TransparentHuge ? "enabled=" + Facts.TransparentHugePages : null;

    public override string Nodes =>
        _interleaveRefused != Errno.None ? $"first touch, {Errno.Describe("mbind", _interleaveRefused)}"
        : _interleaves ? $"interleaved over {_nodes.Names ?? "no"}"
        : $"first touch, {_nodes.Count} of them";

    public override void UseNodes(NodePolicy policy) =>
        _interleaves = policy == NodePolicy.Interleave || (policy == NodePolicy.Automatic && _nodes.Count > 1);

    protected override bool TryFinishReservation(nint address, nuint bytes)
    {
        if (_interleaves && _interleaveRefused == Errno.None)
        {
            // Advice: where it is refused, pages come from the node of the thread that writes first.
            CountOsCall();
            _interleaveRefused = _nodes.TryInterleave(address, bytes);
        }

        bool isDone = Advise(address, bytes, AdviseDontFork) is Errno.None or Errno.Invalid; // Invalid: a system that has no such advice
        _hasInheritedMappings |= !isDone;
        return isDone;
    }

    protected override bool TryPrepareCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        switch (step.Pages)
        {
            case PageKind.TransparentHuge when !Facts.HasTransparentHugePages:
                failure = new PrefaultFailure(SettingOf(PageKind.TransparentHuge)!, IsLasting: true);
                return false;
            case PageKind.TransparentHuge:
                _hasAdvisedHugePages = true;
                return TryPrepareNormal(address, bytes, out failure)
                    && TryAdvise(address, bytes, AdviseHugePage, "madvise(MADV_HUGEPAGE)", out failure);
            case PageKind.ExplicitHuge:
                return TryPrepareExplicitHuge(address, bytes, step.Policy, out failure);
            default:
                return TryPrepareNormal(address, bytes, out failure) && TryAvoidHugePages(address, bytes, out failure);
        }
    }

    protected override bool TryPopulateCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        switch (step.Policy)
        {
            case PrefaultPolicy.PopulateWrite:
                return Succeeds(AdvisePatiently(address, bytes, AdvisePopulateWrite), "madvise(MADV_POPULATE_WRITE)", out failure);
            case PrefaultPolicy.PopulateAtMapping when step.Pages == PageKind.ExplicitHuge:
                failure = default; // done when it was prepared
                return true;
            case PrefaultPolicy.PopulateAtMapping:
                return TryPopulateAtMapping(address, bytes, step.Pages, out failure);
            case PrefaultPolicy.Lock:
                _hasLockedPages = true;
                return base.TryPopulateCore(address, bytes, step, out failure);
            default:
                return base.TryPopulateCore(address, bytes, step, out failure);
        }
    }

    protected override bool TryDecommitCore(nint address, nuint bytes, out string reason)
    {
        reason = string.Empty;
        if (_hasExplicitHugePages)
        {
            return TryReplaceByReserved(address, bytes, out reason); // a mapping of the pool cannot be made an ordinary one in any other way
        }

        if (_hasInheritedMappings)
        {
            _ = TryFinishReservation(address, bytes); // it was refused before, here perhaps
        }

        if (_hasLockedPages)
        {
            _ = Unlock(address, bytes); // pages that are locked cannot be given back
        }

        int errno = Advise(address, bytes, AdviseDontNeed);
        errno = errno == Errno.None ? Protect(address, bytes, PosixConstants.ProtectNone) : errno;
        return errno == Errno.None || TryReplaceByReserved(address, bytes, out reason);
    }

    protected override void DiscardCore(nint address, nuint bytes)
    {
        if (_hasLockedPages)
            _ = Unlock(address, bytes);

        if (_hasExplicitHugePages || Advise(address, bytes, AdviseDontNeed) != Errno.None)
            base.DiscardCore(address, bytes);
    }

    protected override long PagesThatWouldFaultCore(nint address, nuint bytes) => _pageMap.PagesThatWouldFault(address, bytes);

    protected override long HugePageBytesBehindCore(nint address, nuint bytes) => _pageScan.HugePageBytes(address, bytes);

    protected override string DescribeLock(int errno)
    {
        nuint limit = ReadLimit(LimitOfLockedMemory);
        return limit == nuint.MaxValue ? base.DescribeLock(errno) : $"{base.DescribeLock(errno)}, RLIMIT_MEMLOCK is {limit >> 10} KiB";
    }

    protected override bool TryMovePagesCore(nint from, nint to, nuint bytes)
    {
        bool isMoved = Remap(from, to, bytes, RemapMayMove | RemapFixed | RemapDontUnmap) == Errno.None;
        if (!isMoved)
            FillHole(to, bytes);

        return isMoved;
    }

    private bool TryPrepareExplicitHuge(nint address, nuint bytes, PrefaultPolicy policy, out PrefaultFailure failure)
    {
        if (_mremap == null || ((nuint)address & (SuperSlabHugePageBytes - 1)) != 0 || bytes % SuperSlabHugePageBytes != 0)
        {
            failure = new PrefaultFailure("needs mremap, and a range of whole 2 MiB pages", IsLasting: _mremap == null);
            return false;
        }

        // Without MAP_NORESERVE: the pages are set aside for us now, or the pool says that it has too few.
        int extra = MapHugeTlb | MapHuge2MiB | (policy == PrefaultPolicy.PopulateAtMapping ? MapPopulate : 0);
        if (!TryMap(0, bytes, PosixConstants.ProtectReadWrite, extra, out nint mapped, out int errno))
        {
            failure = new PrefaultFailure(DescribeHugePool(errno), IsLasting: errno == Errno.Invalid);
            return false;
        }

        _hasExplicitHugePages = true;
        errno = Remap(mapped, address, bytes, RemapMayMove | RemapFixed);
        if (errno != Errno.None)
        {
            _ = Unmap(mapped, bytes);
            FillHole(address, bytes);
            failure = new PrefaultFailure(Errno.Describe("mremap of huge pages", errno), IsLasting: errno == Errno.Invalid);
            return false;
        }

        if (!TryFinishReservation(address, bytes))
        {
            _ = TryDecommit(address, bytes, out _);
            failure = new PrefaultFailure("madvise(MADV_DONTFORK) was refused", IsLasting: false);
            return false;
        }

        failure = default;
        return true;
    }

    private bool TryPopulateAtMapping(nint address, nuint bytes, PageKind pages, out PrefaultFailure failure)
    {
        int extra = PosixConstants.MapFixed | Constants.MapNoReserve | MapPopulate;
        if (!TryMap(address, bytes, PosixConstants.ProtectReadWrite, extra, out _, out int errno))
        {
            FillHole(address, bytes);
            return Succeeds(errno, "mmap(MAP_POPULATE)", out failure);
        }

        if (!TryFinishReservation(address, bytes))
        {
            failure = new PrefaultFailure("madvise(MADV_DONTFORK) was refused", IsLasting: false);
            return false;
        }

        failure = default;
        return pages != PageKind.TransparentHuge
            || (Succeeds(Advise(address, bytes, AdviseHugePage), "madvise(MADV_HUGEPAGE)", out failure)
                && Succeeds(AdvisePatiently(address, bytes, AdviseCollapse), "madvise(MADV_COLLAPSE)", out failure));
    }

    /// <summary>Only where huge pages would come unasked, or were asked for before.</summary>
    private bool TryAvoidHugePages(nint address, nuint bytes, out PrefaultFailure failure)
    {
        failure = default;
        bool isNeeded = Facts.TransparentHugePages == "always" || _hasAdvisedHugePages;
        nuint hugePageRest = ((nuint)address | bytes) & (SuperSlabHugePageBytes - 1);
        return !isNeeded || hugePageRest != 0 || Facts.TransparentHugePages == "absent"
            || TryAdvise(address, bytes, AdviseNoHugePage, "madvise(MADV_NOHUGEPAGE)", out failure);
    }

    /// <summary>Part of preparing: on false, the range is reserved again, as far as the system takes it back.</summary>
    private bool TryAdvise(nint address, nuint bytes, int advice, string call, out PrefaultFailure failure)
    {
        bool isDone = Succeeds(Advise(address, bytes, advice), call, out failure);
        if (!isDone)
            _ = TryDecommit(address, bytes, out _);

        return isDone;
    }

    /// <summary>Populating and collapsing may be interrupted, or asked to try again.</summary>
    private int AdvisePatiently(nint address, nuint bytes, int advice)
    {
        int errno = Errno.None;
        for (int attempt = 0; attempt < 10; attempt++)
        {
            errno = Advise(address, bytes, advice);
            if (errno != Errno.Interrupted && errno != Constants.ErrorTryAgain)
                break;
        }

        return errno;
    }

    private int Remap(nint from, nint to, nuint bytes, int flags)
    {
        CountOsCall();
        return _mremap(from, bytes, bytes, flags, to) == to ? Errno.None : Marshal.GetLastSystemError();
    }

    /// <summary>
    /// All of our mappings, and next to none of others, are MADV_DONTFORK, which /proc/self/smaps shows as "dc". Where that file is not to be read, nothing is known to
    /// be ours. It takes milliseconds, and is asked only when a call that maps over a range has failed.
    /// </summary>
    protected override bool IsStillOurs(nint address, nuint bytes)
    {
        nuint next = (nuint)address;
        nuint end = next + bytes;
        nuint mappingEnd = 0;
        foreach (string line in ReadLines("/proc/self/smaps"))
        {
            int dash = line.IndexOf('-', StringComparison.Ordinal);
            if (dash > 0 && nuint.TryParse(line.AsSpan(0, dash), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out nuint start))
            {
                nuint last = nuint.Parse(line.AsSpan(dash + 1, line.IndexOf(' ', StringComparison.Ordinal) - dash - 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                mappingEnd = start <= next && next < last ? last : 0;
            }
            else if (mappingEnd != 0 && line.StartsWith("VmFlags:", StringComparison.Ordinal) && line.Contains(" dc", StringComparison.Ordinal))
            {
                next = mappingEnd;
            }

            if (next >= end)
                return true;
        }

        return false;
    }

    private static string[] ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>
    /// Tried once on a page: older kernels refuse MREMAP_DONTUNMAP, and an emulator that does not know it gives the source
    /// to the next who asks for memory.
    /// </summary>
    private bool MovingLeavesTheSource()
    {
        nuint page = Facts.PageBytes;
        if (!TryReserveCore(2 * page, page, out nint from))
            return false;

        nint to = (nint)((nuint)from + page);
        CommitCore(from, page);
        Marshal.WriteByte(from, 1);
        bool isMoved = TryMovePagesCore(from, to, page) && Marshal.ReadByte(to) == 1;
        if (isMoved && TryMap(from, page, PosixConstants.ProtectNone, Constants.MapFixedNoReplace | Constants.MapNoReserve, out nint mapped, out _))
        {
            isMoved = false;
            _ = mapped == from ? Errno.None : Unmap(mapped, page);
        }

        Release(from, 2 * page);
        return isMoved;
    }

    private string DescribeHugePool(int errno)
    {
        string? free = _files.ReadText(HugePool + "free_hugepages");
        string? all = _files.ReadText(HugePool + "nr_hugepages");
        return errno != Errno.OutOfMemory || free is null || all is null
            ? Errno.Describe("mmap(MAP_HUGETLB)", errno)
            : free == "0" ? $"no free huge pages (0 of {all})" : $"too few free huge pages ({free} of {all})";
    }

    private static bool Succeeds(int errno, string call, out PrefaultFailure failure)
    {
        failure = errno == Errno.None ? default : new PrefaultFailure(Errno.Describe(call, errno), IsLasting: errno == Errno.Invalid);
        return errno == Errno.None;
    }

    private string TransparentHugePageSetting()
    {
        // The huge page that the setting speaks of is 32 MiB or 512 MiB where pages are 16 KiB or 64 KiB: no SuperSlab fits it.
        const string Settings = "/sys/kernel/mm/transparent_hugepage/";
        bool fits = ulong.TryParse(_files.ReadText(Settings + "hpage_pmd_size"), out ulong bytes) && bytes == SuperSlabHugePageBytes;
        string? text = fits ? _files.ReadText(Settings + "enabled") : null; // "always [madvise] never"
        int start = text?.IndexOf('[') ?? -1;
        int end = text?.IndexOf(']') ?? -1;
        return start >= 0 && end > start ? text![(start + 1)..end] : "absent";
    }
}
