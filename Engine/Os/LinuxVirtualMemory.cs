using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// Linux. It reserves with PROT_NONE and MAP_NORESERVE and populates later: MAP_POPULATE silently does nothing on
/// memory that is not writable yet. Every mapping is MADV_DONTFORK: after a fork the parent would fault on each page
/// again.  Explicit huge pages are mapped elsewhere first, where a refusal harms nobody, and then moved over the range
/// (mremap). A first touch would answer an empty pool, or a cgroup's limit, with SIGBUS: calls that can refuse populate
/// them, and what mmap populated, which cannot refuse, is looked at each time.
/// </summary>
internal sealed unsafe partial class LinuxVirtualMemory : PosixVirtualMemory
{
    private const int AdviseDontNeed = 4;
    private const int AdviseDontFork = 10;
    private const int AdviseUnmergeable = 13;
    private const int AdviseHugePage = 14;
    private const int AdviseNoHugePage = 15;
    private const int AdvisePopulateWrite = 23; // Linux 5.14
    private const int AdviseCollapse = 25; // Linux 6.1
    private const int AdviseGuardInstall = 102; // Linux 6.13
    private const int AdviseGuardRemove = 103;
    private const int MapPopulate = 0x8000;
    private const int MapHugeTlb = 0x40000;
    private const int MapHuge2MiB = 21 << 26;
    private const int RemapMayMove = 1;
    private const int RemapFixed = 2;
    private const int RemapDontUnmap = 4; // Linux 5.7
    private const int LimitOfLockedMemory = 8; // RLIMIT_MEMLOCK
    private const int LimitOfAddressSpace = 9; // RLIMIT_AS

    private readonly delegate* unmanaged<nint, nuint, nuint, int, nint, nint> _mremap;
    private readonly delegate* unmanaged<nint, nuint, byte*, int> _mincore;
    private readonly delegate* unmanaged<int, int> _mlockall;
    private readonly delegate* unmanaged<int> _munlockall;
    private readonly LinuxFiles _files;
    private readonly LinuxPages _pages;
    private readonly LinuxHugePages _hugePages;
    private readonly LinuxMemoryLimits _limits;
    private readonly LinuxNodes _nodes;
    private readonly LinuxPins _pins;
    private readonly Lazy<bool> _guardsByAdvice;
    private volatile bool _hasLockedPages;
    private volatile bool _hasAdvisedHugePages;
    private volatile bool _hasExplicitHugePages;
    private volatile bool _hasInheritedMappings;
    private volatile bool _hasAdvisedGuards;
    private volatile int _dontForkRefused;
    private volatile int _hugePageRefused;
    private volatile int _noHugePageRefused;

    public LinuxVirtualMemory(INativeContext context)
        : base(context, PosixConstants.Linux)
    {
        _mremap = (delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)context.Find("mremap");
        _mincore = (delegate* unmanaged<nint, nuint, byte*, int>)context.Find("mincore");
        _mlockall = (delegate* unmanaged<int, int>)context.Find("mlockall");
        _munlockall = (delegate* unmanaged<int>)context.Find("munlockall");
        _files = new LinuxFiles(context);
        _pages = new LinuxPages(_files, Facts.PageBytes);
        _hugePages = new LinuxHugePages(_files, Facts.PageBytes);
        _limits = new LinuxMemoryLimits(_files);
        _nodes = new LinuxNodes(_files, context, Counted);
        _pins = new LinuxPins(context, _files, Counted);
        _guardsByAdvice = new Lazy<bool>(AdviceGuards);
        Facts = Facts with
        {
            HugePageBytes = LinuxHugePages.Bytes,
            TransparentHugePages = _hugePages.Setting,
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
            return (nuint)LinuxFiles.NumberAfter(text, " "u8) * (nuint)Environment.SystemPageSize;
        }
    }

    public override nuint AddressSpaceLeftBytes
    {
        get
        {
            nuint limit = ReadLimit(LimitOfAddressSpace);
            if (limit == nuint.MaxValue)
                return limit;

            Span<byte> buffer = stackalloc byte[256];
            ulong pages = LinuxFiles.FirstNumber(_files.Read("/proc/self/statm\0"u8, buffer));
            nuint taken = (nuint)pages * (nuint)Environment.SystemPageSize;
            return limit > taken ? limit - taken : 0;
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

    public override MemoryRoom Room() => _limits.Room();

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

    public override string NameOf(StayPolicy policy)
    {
        if (policy == StayPolicy.Pin)
            return "io_uring pins";

        Span<byte> buffer = stackalloc byte[64];
        ReadOnlySpan<byte> setting = _files.Read("/proc/sys/vm/compact_unevictable_allowed\0"u8, buffer);
        return LinuxFiles.FirstNumber(setting) == 0
            ? base.NameOf(policy)
            : base.NameOf(policy) + " (vm.compact_unevictable_allowed is 1, so the kernel may still move pages)";
    }

    public override string? LockedMemoryLimit => DescribeLockLimit();

    public override string? SettingOf(PageKind pages) =>
        pages == PageKind.TransparentHuge ? _hugePages.Description : null;

    /// <summary>
    /// Each takes two more mappings. The guards take a quarter of all: the runtime dies where it gets none.
    /// </summary>
    public override long MostSplittingGuards
    {
        get
        {
            const ulong KernelsDefault = 65_530;
            Span<byte> buffer = stackalloc byte[64];
            ulong most = LinuxFiles.FirstNumber(_files.Read("/proc/sys/vm/max_map_count\0"u8, buffer));
            return (long)((most == 0 ? KernelsDefault : most) / 8);
        }
    }

    public override string? RefusedHints
    {
        get
        {
            string? fork = Errno.Refusal("madvise(MADV_DONTFORK)", _dontForkRefused);
            string? huge = Errno.Refusal("madvise(MADV_HUGEPAGE)", _hugePageRefused);
            string? noHuge = Errno.Refusal("madvise(MADV_NOHUGEPAGE)", _noHugePageRefused);
            string[] all = Array.FindAll([fork, huge, noHuge], hint => hint is not null)!;
            return all.Length == 0 ? null : string.Join(", ", all);
        }
    }

    public override string Nodes => _nodes.Describe();

    public override int NodeCount => _nodes.CountByAddress;

    public override int CurrentNode => _nodes.Current;

    public override string? LockProcess()
    {
        const int CurrentFutureOnFault = 1 | 2 | 4; // MCL_ONFAULT: Linux 4.4; without it every mapping is populated
        if (_mlockall == null)
            return "mlockall is absent";

        _hasLockedPages = true; // also where it gets half-way
        int errno = Counted(_mlockall(CurrentFutureOnFault) == 0);
        return errno == Errno.None ? null : DescribeLimited("mlockall", errno);
    }

    public override void UnlockProcess() => _ = _munlockall == null || Counted(_munlockall() == 0) == Errno.None;

    /// <summary>
    /// khugepaged makes huge pages of normal ones where it may (every page then faults once), and KSM merges equal ones
    /// where the process asked for it.
    /// </summary>
    public override void AdviseAgainstMoves(nint address, nuint bytes, PageKind pages)
    {
        bool areCollapsed = Facts.TransparentHugePages == "always" || _hasAdvisedHugePages;
        if (pages == PageKind.Normal && areCollapsed)
            _ = Advise(address, bytes, AdviseNoHugePage);

        if (pages != PageKind.ExplicitHuge)
            _ = Advise(address, bytes, AdviseUnmergeable);
    }

    public override void UseNodes(NodePolicy policy) => _nodes.Use(policy);

    public override void RunOnNode(int node, Action work) => _nodes.Run(node, work);

    protected override void FinishReservation(nint address, nuint bytes)
    {
        _nodes.Bind(address, bytes);

        int errno = Advise(address, bytes, AdviseDontFork);
        if (errno != Errno.None)
        {
            _dontForkRefused = errno;
            _hasInheritedMappings |= !IsLasting(errno); // another try may be taken
        }
    }

    protected override PrefaultFailure? PrepareCore(nint address, nuint bytes, PrefaultStep step)
    {
        if (_hasAdvisedGuards)
            _ = Advise(address, bytes, AdviseGuardRemove); // one that was not opened may be here

        switch (step.Pages)
        {
            case PageKind.ExplicitHuge:
                return PrepareExplicitHuge(address, bytes, step.Policy);
            case PageKind.TransparentHuge when !Facts.HasTransparentHugePages:
                return new PrefaultFailure(SettingOf(PageKind.TransparentHuge)!, IsLasting: true);
            case PageKind.TransparentHuge:
                _hasAdvisedHugePages = true;
                return PrepareTransparentHuge(address, bytes);
            default:
                return PrepareNormal(address, bytes) ?? AdviseAgainstHugePages(address, bytes);
        }
    }

    protected override PrefaultFailure? PopulateCore(nint address, nuint bytes, PrefaultStep step)
    {
        switch (step.Policy)
        {
            case PrefaultPolicy.PopulateWrite:
                return FailureOf("madvise(MADV_POPULATE_WRITE)", AdvisePatiently(address, bytes, AdvisePopulateWrite));
            case PrefaultPolicy.PopulateAtMapping:
                // Explicit huge pages came populated when they were prepared.
                return (step.Pages == PageKind.ExplicitHuge ? null : PopulateAtMapping(address, bytes, step.Pages))
                    ?? LookAtMapped(address, bytes, step.Pages);
            default:
                _hasLockedPages |= step.Policy == PrefaultPolicy.Lock;
                return base.PopulateCore(address, bytes, step);
        }
    }

    protected override PrefaultFailure? PinCore(nint address, nuint bytes)
    {
        int errno = _pins.TryPin(address, bytes);
        return errno == Errno.None ? null : new PrefaultFailure(DescribeLimited("io_uring", errno), IsLasting(errno));
    }

    protected override string? UnpinCore(nint address, nuint bytes) =>
        Errno.Refusal("io_uring_register", _pins.Unpin(address, bytes));

    protected override bool IsPinned(nint address, nuint bytes) => _pins.Overlap(address, bytes);

    protected override void UnlockCore(nint address, nuint bytes)
    {
        if (_hasLockedPages)
            _ = Unlock(address, bytes);
    }

    protected override string? DecommitCore(nint address, nuint bytes)
    {
        // Only a new mapping turns a mapping of the pool into an ordinary one.
        if (_hasExplicitHugePages)
            return base.DecommitCore(address, bytes);

        if (_hasInheritedMappings)
            FinishReservation(address, bytes); // a refusal before may have been here

        UnlockCore(address, bytes); // locked pages cannot be given back

        bool isDone = Advise(address, bytes, AdviseDontNeed) == Errno.None
            && Protect(address, bytes, PosixConstants.ProtectNone) == Errno.None;
        return isDone ? null : base.DecommitCore(address, bytes);
    }

    protected override string? DiscardCore(nint address, nuint bytes)
    {
        UnlockCore(address, bytes);
        return !_hasExplicitHugePages && Advise(address, bytes, AdviseDontNeed) == Errno.None
            ? null
            : base.DiscardCore(address, bytes);
    }

    protected override bool TryAdviseGuard(nint address, nuint bytes)
    {
        bool isGuarded = _guardsByAdvice.Value && Advise(address, bytes, AdviseGuardInstall) == Errno.None;
        _hasAdvisedGuards |= isGuarded;
        return isGuarded;
    }

    protected override string? UnguardAdvised(nint address, nuint bytes) =>
        Advise(address, bytes, AdviseGuardRemove) == Errno.None
            ? null
            : Errno.Refusal("mmap", MapOver(address, bytes, PosixConstants.ProtectReadWrite));

    protected override int CountFaultingCore(nint address, int pages) => _pages.CountFaulting(address, pages);

    protected override long HugePageBytesBehindCore(nint address, nuint bytes) => _pages.HugePageBytes(address, bytes);

    protected override string DescribeLock(int errno) => DescribeLimited("mlock", errno);

    /// <summary>Locked pages stay: the kernel would count those that move as locked twice, for ever.</summary>
    protected override bool TryMovePagesCore(nint from, nint to, nuint bytes)
    {
        if (_hasLockedPages)
            return false;

        bool isMoved = Remap(from, to, bytes, RemapMayMove | RemapFixed | RemapDontUnmap) == Errno.None;
        if (!isMoved)
            FillHole(to, bytes);

        return isMoved;
    }

    /// <summary>
    /// Every mapping of ours, and hardly any other, is MADV_DONTFORK, which /proc/self/smaps shows as "dc". Where that
    /// file cannot be read, nothing counts as ours. The read takes milliseconds, after a failed call only.
    /// </summary>
    protected override bool IsStillOurs(nint address, nuint bytes)
    {
        byte[] buffer = new byte[1 << 20];
        ReadOnlySpan<byte> text = _files.ReadAll("/proc/self/smaps\0"u8, ref buffer);
        nuint next = (nuint)address;
        nuint end = next + bytes;
        nuint mappingEnd = 0;
        foreach (Range range in text.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = text[range];
            if (ProcessMappings.TryReadRange(line, out nuint start, out nuint last))
                mappingEnd = start <= next && next < last ? last : 0;
            else if (mappingEnd != 0 && line.StartsWith("VmFlags:"u8) && line.IndexOf(" dc"u8) >= 0)
                next = mappingEnd;

            if (next >= end)
                return true;
        }

        return false;
    }

    private string DescribeLimited(string call, int errno)
    {
        string description = Errno.Describe(call, errno);
        return DescribeLockLimit() is { } limit ? $"{description}, {limit}" : description;
    }

    /// <summary>Null where the process may lock all memory: it has no limit, or CAP_IPC_LOCK.</summary>
    private string? DescribeLockLimit()
    {
        nuint limit = ReadLimit(LimitOfLockedMemory);
        return limit == nuint.MaxValue || LinuxThread.MayLockMemory(_files)
            ? null
            : $"RLIMIT_MEMLOCK is {Sizes.Text(limit)}";
    }

    private PrefaultFailure? PrepareNormal(nint address, nuint bytes) =>
        base.PrepareCore(address, bytes, new PrefaultStep(PageKind.Normal, PrefaultPolicy.None));

    /// <summary>
    /// Where huge pages come on request only, a refused request decides; the range is then reserved again, as far as
    /// the system takes it back.
    /// </summary>
    private PrefaultFailure? PrepareTransparentHuge(nint address, nuint bytes)
    {
        if (PrepareNormal(address, bytes) is { } failure)
            return failure;

        int errno = Advise(address, bytes, AdviseHugePage);
        if (errno == Errno.None)
            return null;

        if (Facts.TransparentHugePages == "always")
        {
            _hugePageRefused = errno;
            return null;
        }

        _ = TryDecommit(address, bytes, out _);
        return FailureOf("madvise(MADV_HUGEPAGE)", errno);
    }

    /// <summary>A hint: where it is refused, the pages that come are better than those asked for.</summary>
    /// <returns>Null.</returns>
    private PrefaultFailure? AdviseAgainstHugePages(nint address, nuint bytes)
    {
        int errno = MayGetHugePages(address, bytes) ? Advise(address, bytes, AdviseNoHugePage) : Errno.None;
        if (errno != Errno.None)
            _noHugePageRefused = errno;

        return null;
    }

    /// <summary>Whether the range may get transparent huge pages that nobody asked for.</summary>
    private bool MayGetHugePages(nint address, nuint bytes)
    {
        bool comeUnasked = Facts.TransparentHugePages == "always" || _hasAdvisedHugePages;
        return comeUnasked && Facts.TransparentHugePages != PlatformFacts.Absent && IsWholeHugePages(address, bytes);
    }

    private static bool IsWholeHugePages(nint address, nuint bytes) =>
        ((nuint)address | bytes) % LinuxHugePages.Bytes == 0;

    private PrefaultFailure? PrepareExplicitHuge(nint address, nuint bytes, PrefaultPolicy policy)
    {
        if (_mremap == null || !IsWholeHugePages(address, bytes))
            return new PrefaultFailure("needs mremap, and a range of whole 2 MiB pages", IsLasting: _mremap == null);

        // Without MAP_NORESERVE the pool sets the pages aside now, or says that it has too few.
        int extra = MapHugeTlb | MapHuge2MiB | (policy == PrefaultPolicy.PopulateAtMapping ? MapPopulate : 0);
        int errno = TryMap(0, bytes, PosixConstants.ProtectReadWrite, extra, out nint mapped);
        if (errno != Errno.None)
            return new PrefaultFailure(_hugePages.DescribePool(errno), IsLasting(errno));

        _hasExplicitHugePages = true;
        errno = Remap(mapped, address, bytes, RemapMayMove | RemapFixed);
        if (errno != Errno.None)
        {
            _ = Unmap(mapped, bytes);
            FillHole(address, bytes);
            return FailureOf("mremap of huge pages", errno);
        }

        FinishReservation(address, bytes);
        return null;
    }

    private PrefaultFailure? PopulateAtMapping(nint address, nuint bytes, PageKind pages)
    {
        int errno = MapOver(address, bytes, PosixConstants.ProtectReadWrite, MapPopulate);
        if (errno != Errno.None)
            return FailureOf("mmap(MAP_POPULATE)", errno);

        FinishReservation(address, bytes);
        return pages != PageKind.TransparentHuge ? null
            : FailureOf("madvise(MADV_HUGEPAGE)", Advise(address, bytes, AdviseHugePage))
                ?? FailureOf("madvise(MADV_COLLAPSE)", AdvisePatiently(address, bytes, AdviseCollapse));
    }

    /// <summary>Populating and collapsing may be interrupted, or asked to try again.</summary>
    private int AdvisePatiently(nint address, nuint bytes, int advice)
    {
        const int Attempts = 10;
        int errno = Errno.None;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            errno = Advise(address, bytes, advice);
            if (errno != Errno.Interrupted && errno != Constants.ErrorTryAgain)
                break;
        }

        return errno;
    }

    private int Remap(nint from, nint to, nuint bytes, int flags)
    {
        Debug.Assert((flags & RemapFixed) != 0, "The target is given.");
        return Counted(_mremap(from, bytes, bytes, flags, to) == to);
    }

    private static PrefaultFailure? FailureOf(string call, int errno) =>
        Errno.Failure(call, errno, IsLasting(errno));

    /// <summary>The kernel does not know the call or the advice, or a filter forbids it (seccomp).</summary>
    private static bool IsLasting(int errno) =>
        errno is Errno.Invalid or Errno.NotPermitted or Errno.NotImplementedOnLinux;
}
