using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;
using static SuperSlab.WindowsFunctions;

namespace SuperSlab;

/// <summary>
/// Windows, whose own verbs are reserve, commit and decommit. A commit is charged at once and can be refused cleanly;
/// the first touch brings the page. PrefetchVirtualMemory may do nothing for pages that were never touched, and
/// VirtualLock needs room in the working set. QueryWorkingSetEx tells which pages are there.
/// </summary>
internal sealed unsafe class WindowsVirtualMemory : VirtualMemory
{
    private readonly WindowsFunctions _windows;
    private readonly WindowsLargePages _largePages;
    private readonly Lock _workingSetLock = new();

    public WindowsVirtualMemory(INativeContext context)
    {
        _windows = new WindowsFunctions(context);
        _largePages = new WindowsLargePages(_windows);
        FaultCounter = new WindowsFaultCounter(_windows);
        SystemInfo info;
        _windows.GetSystemInfo(&info);
        Facts = new PlatformFacts
        {
            System = SystemKinds.Windows,
            PageBytes = info.PageSize,
            AllocationGranularityBytes = info.AllocationGranularity,
            ReleasesParts = false,
        };
        Facts = Facts with { TellsWhichPagesWouldFault = _windows.QueryWorkingSetEx != null && TellsTheTruth() };
    }

    public override nuint ResidentBytes => _windows.ReadCounters().WorkingSetSize;

    public override nuint PeakResidentBytes => _windows.ReadCounters().PeakWorkingSetSize;

    public override MemoryRoom Room()
    {
        var status = new MemoryStatus { Size = (uint)sizeof(MemoryStatus) };
        if (_windows.GlobalMemoryStatusEx == null || _windows.GlobalMemoryStatusEx(&status) == 0)
            return base.Room();

        return status.AvailablePhysical < status.AvailablePageFile
            ? new MemoryRoom(
                (nuint)status.AvailablePhysical, (nuint)status.TotalPhysical,
                "available physical memory of GlobalMemoryStatusEx")
            : new MemoryRoom(
                (nuint)status.AvailablePageFile, (nuint)status.TotalPageFile, "commit limit of GlobalMemoryStatusEx");
    }

    public override string NameOf(PageKind pages) =>
        pages == PageKind.ExplicitHuge ? "MEM_LARGE_PAGES" : base.NameOf(pages);

    public override string NameOf(PrefaultPolicy policy) => policy switch
    {
        PrefaultPolicy.Lock => "VirtualLock",
        PrefaultPolicy.Prefetch => "PrefetchVirtualMemory and touch",
        _ => base.NameOf(policy),
    };

    public override string? ReasonAgainst(PageKind pages) => pages == PageKind.ExplicitHuge
        ? _largePages.Refusal ?? "only in a reservation of their own, which this range is not in"
        : base.ReasonAgainst(pages);

    protected override string LimitsOfCommit => "the commit limit of Windows or of the job";

    protected override bool TryReserveCore(nuint bytes, nuint alignment, out nint address)
    {
        if (_windows.VirtualAlloc2 != null && alignment > Facts.AllocationGranularityBytes)
        {
            var requirements = new AddressRequirements { Alignment = alignment };
            var parameter = new ExtendedParameter { Type = 1, Requirements = &requirements };
            address = _windows.VirtualAlloc2(ThisProcess, 0, bytes, MemReserve, PageNoAccess, &parameter, 1);
            if (Counted(address != 0) == Errno.None)
                return true;
        }

        return TryReserveByTrying(bytes, alignment, out address);
    }

    /// <summary>
    /// Before VirtualAlloc2 nothing aligns a reservation, and none can be trimmed: find room for more, give it back,
    /// and take the aligned part of it, unless another thread is faster.
    /// </summary>
    private bool TryReserveByTrying(nuint bytes, nuint alignment, out nint address)
    {
        const int Attempts = 16;
        address = Reserve(0, bytes);
        for (int attempt = 0; attempt < Attempts && address != 0 && !IsAligned(address, alignment); attempt++)
        {
            ReleaseOrThrow(address, bytes);
            nint room = Reserve(0, bytes + alignment);
            address = 0;
            if (room != 0)
            {
                ReleaseOrThrow(room, bytes + alignment);
                address = Reserve((nint)Sizes.AlignUp((nuint)room, alignment), bytes);
                address = address == 0 ? Reserve(0, bytes) : address;
            }
        }

        if (!IsAligned(address, alignment))
        {
            ReleaseOrThrow(address, bytes);
            address = 0;
        }

        return address != 0;
    }

    private static bool IsAligned(nint address, nuint alignment) => ((nuint)address & (alignment - 1)) == 0;

    protected override string? CommitCore(nint address, nuint bytes) =>
        Errno.Refusal("VirtualAlloc", TryCommit(address, bytes));

    protected override PrefaultFailure? PrepareCore(nint address, nuint bytes, PrefaultStep step) =>
        Errno.Failure("VirtualAlloc", TryCommit(address, bytes), isLasting: false);

    protected override PrefaultFailure? PopulateCore(nint address, nuint bytes, PrefaultStep step) => step.Policy switch
    {
        PrefaultPolicy.Lock => Lock(address, bytes),
        PrefaultPolicy.Prefetch => Prefetch(address, bytes),
        _ => new PrefaultFailure("not known on this system", IsLasting: true),
    };

    protected override string? DecommitCore(nint address, nuint bytes) =>
        Errno.Refusal("VirtualFree", TryFree(address, bytes, MemDecommit));

    protected override string? DiscardCore(nint address, nuint bytes) =>
        DecommitCore(address, bytes) ?? CommitCore(address, bytes);

    protected override string? ReleaseCore(nint address, nuint bytes) =>
        Errno.Refusal("VirtualFree", TryFree(address, 0, MemRelease));

    protected override bool TryReserveExplicitHugeCore(nuint bytes, out nint address, out string reason)
    {
        bool isReserved = _largePages.TryReserve(bytes, out address, out reason);
        _ = Counted(isReserved);
        return isReserved;
    }

    protected override int CountFaultingCore(nint address, int pages)
    {
        WorkingSetEntry* entries = stackalloc WorkingSetEntry[pages];
        for (int i = 0; i < pages; i++)
            entries[i] = new() { Address = (nint)((nuint)address + ((nuint)i * Facts.PageBytes)) };

        uint bytes = (uint)(pages * sizeof(WorkingSetEntry));
        if (_windows.QueryWorkingSetEx(ThisProcess, entries, bytes) == 0)
            return -1;

        int faulting = 0;
        for (int i = 0; i < pages; i++)
            faulting += (entries[i].Attributes & 1) == 0 ? 1 : 0;

        return faulting;
    }

    private PrefaultFailure? Prefetch(nint address, nuint bytes)
    {
        if (_windows.PrefetchVirtualMemory == null)
            return new PrefaultFailure("PrefetchVirtualMemory is absent (it came with Windows 8)", IsLasting: true);

        var range = new MemoryRange { Address = address, Bytes = bytes };
        int error = Counted(_windows.PrefetchVirtualMemory(ThisProcess, 1, &range, 0) != 0);
        if (error == Errno.None)
            PageToucher.Touch(address, bytes, Facts.PageBytes); // the call is a hint, and this makes it true

        return Errno.Failure("PrefetchVirtualMemory", error, isLasting: true);
    }

    private PrefaultFailure? Lock(nint address, nuint bytes)
    {
        if (_windows.VirtualLock == null)
            return new PrefaultFailure("VirtualLock is absent", IsLasting: true);

        int error = TryLock(address, bytes);
        if (error != Errno.None)
        {
            // Windows locks only as many pages as the working set is sure to have.
            GrowWorkingSet(bytes);
            error = TryLock(address, bytes);
        }

        return Errno.Failure("VirtualLock", error, isLasting: false);
    }

    private void GrowWorkingSet(nuint bytes)
    {
        if (_windows.GetProcessWorkingSetSize == null || _windows.SetProcessWorkingSetSize == null)
            return;

        lock (_workingSetLock)
        {
            nuint least;
            nuint most;
            if (_windows.GetProcessWorkingSetSize(ThisProcess, &least, &most) != 0)
                _ = Counted(_windows.SetProcessWorkingSetSize(ThisProcess, least + bytes, most + bytes) != 0);
        }
    }

    private nint Reserve(nint address, nuint bytes)
    {
        nint reserved = _windows.VirtualAlloc(address, bytes, MemReserve, PageNoAccess);
        _ = Counted(reserved != 0);
        return reserved;
    }

    private int TryCommit(nint address, nuint bytes) =>
        Counted(_windows.VirtualAlloc(address, bytes, MemCommit, PageReadWrite) != 0);

    private int TryFree(nint address, nuint bytes, uint type) =>
        Counted(_windows.VirtualFree(address, bytes, type) != 0);

    private int TryLock(nint address, nuint bytes) => Counted(_windows.VirtualLock(address, bytes) != 0);

    private void ReleaseOrThrow(nint address, nuint bytes)
    {
        if (ReleaseCore(address, bytes) is { } reason)
            ThrowRefused("Release", bytes, reason);
    }
}

/// <summary>
/// Large pages of Windows. They need the privilege SeLockMemoryPrivilege ("Lock pages in memory", which a policy grants
/// and this class switches on). One call reserves and commits them and makes them resident, for good.
/// </summary>
internal sealed unsafe class WindowsLargePages
{
    private readonly WindowsFunctions _windows;
    private readonly nuint _pageBytes;

    public WindowsLargePages(WindowsFunctions windows)
    {
        _windows = windows;
        _pageBytes = windows.GetLargePageMinimum == null ? 0 : windows.GetLargePageMinimum();
        Refusal = _pageBytes == 0 ? "this processor or Windows has no large pages" : RefusalOfPrivilege();
    }

    /// <summary>Why there are none here; null when there may be some.</summary>
    public string? Refusal { get; }

    public bool TryReserve(nuint bytes, out nint address, out string reason)
    {
        address = 0;
        reason = Refusal ?? string.Empty;
        if (Refusal is null && bytes % _pageBytes != 0)
        {
            reason = $"the size is not a multiple of the large page, {Sizes.Text(_pageBytes)}";
        }
        else if (Refusal is null)
        {
            uint type = MemReserve | MemCommit | MemLargePages;
            address = _windows.VirtualAlloc(0, bytes, type, PageReadWrite);
            int error = address == 0 ? Marshal.GetLastSystemError() : Errno.None;
            reason = Errno.Refusal("VirtualAlloc(MEM_LARGE_PAGES)", error) ?? string.Empty;
        }

        return address != 0;
    }

    private string? RefusalOfPrivilege()
    {
        const uint AdjustAndQuery = 0x28;
        if (!_windows.CanAskForPrivileges)
            return "the functions that ask for SeLockMemoryPrivilege are absent";

        nint token;
        if (_windows.OpenProcessToken(ThisProcess, AdjustAndQuery, &token) == 0)
            return Errno.Describe("OpenProcessToken", Marshal.GetLastSystemError());

        int error = SwitchOn(token, "SeLockMemoryPrivilege");
        _ = _windows.CloseHandle(token);
        return Errno.Refusal("SeLockMemoryPrivilege", error);
    }

    private int SwitchOn(nint token, string privilegeName)
    {
        const uint Enabled = 2;
        long luid;
        fixed (char* name = privilegeName)
        {
            if (_windows.LookupPrivilegeValue(null, name, &luid) == 0)
                return Marshal.GetLastSystemError();
        }

        // A refusal is success with the error "not all were assigned" (1300).
        var privilege = new TokenPrivilege { Count = 1, Luid = luid, Attributes = Enabled };
        Marshal.SetLastSystemError(0);
        _ = _windows.AdjustTokenPrivileges(token, 0, &privilege, 0, null, null);
        return Marshal.GetLastSystemError();
    }
}
