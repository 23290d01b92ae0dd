using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// Windows. Reserve, commit and decommit are its own words. A commit is charged at once and can be refused cleanly; the
/// pages come with the first touch. PrefetchVirtualMemory may do nothing for pages that never were touched, and VirtualLock
/// needs room in the working set. QueryWorkingSetEx tells which pages are there.
/// </summary>
internal sealed unsafe class WindowsVirtualMemory : VirtualMemory
{
    private const int EntriesAtOnce = 256;

    private readonly WindowsFunctions _windows;
    private readonly WindowsLargePages _largePages;
    private readonly Lock _workingSetLock = new();

    public WindowsVirtualMemory(INativeContext context)
    {
        _windows = new WindowsFunctions(context);
        _largePages = new WindowsLargePages(_windows);
        FaultCounter = new WindowsFaultCounter(_windows);
        WindowsFunctions.SystemInfo info;
        _windows.GetSystemInfo(&info);
        Facts = new PlatformFacts
        {
            System = SystemKinds.Windows,
            PageBytes = info.PageSize,
            AllocationGranularityBytes = info.AllocationGranularity,
        };
        Facts = Facts with { TellsWhichPagesWouldFault = _windows.QueryWorkingSetEx != null && TellsTheTruth() };
    }

    public override nuint ResidentBytes => ReadCounters().WorkingSetSize;

    public override nuint PeakResidentBytes => ReadCounters().PeakWorkingSetSize;

    public override nuint AvailableBytes(out string source)
    {
        var status = new WindowsFunctions.MemoryStatus { Size = (uint)sizeof(WindowsFunctions.MemoryStatus) };
        if (_windows.GlobalMemoryStatusEx == null || _windows.GlobalMemoryStatusEx(&status) == 0)
            return base.AvailableBytes(out source);

        bool isPhysical = status.AvailablePhysical < status.AvailablePageFile;
        source = isPhysical ? "available physical memory of GlobalMemoryStatusEx" : "commit limit of GlobalMemoryStatusEx";
        return (nuint)(isPhysical ? status.AvailablePhysical : status.AvailablePageFile);
    }

    public override string NameOf(PageKind pages) => pages == PageKind.ExplicitHuge ? "MEM_LARGE_PAGES" : base.NameOf(pages);

    public override string NameOf(PrefaultPolicy policy) => policy switch
    {
        PrefaultPolicy.Lock => "VirtualLock",
        PrefaultPolicy.Prefetch => "PrefetchVirtualMemory and touch",
        _ => base.NameOf(policy),
    };

    public override string? ReasonAgainst(PageKind pages) => pages == PageKind.ExplicitHuge
        ? _largePages.Refusal ?? "only in a reservation of their own, which this range is not in"
        : base.ReasonAgainst(pages);

    protected override bool TryReserveCore(nuint bytes, nuint alignment, out nint address)
    {
        if (_windows.VirtualAlloc2 != null && alignment > Facts.AllocationGranularityBytes)
        {
            var requirements = new WindowsFunctions.AddressRequirements { Alignment = alignment };
            var parameter = new WindowsFunctions.ExtendedParameter { Type = 1, Requirements = &requirements };
            CountOsCall();
            address = _windows.VirtualAlloc2(
                WindowsFunctions.ThisProcess, 0, bytes, WindowsFunctions.Reserve, WindowsFunctions.NoAccess, &parameter, 1);
            if (address != 0)
                return true;
        }

        return TryReserveByTrying(bytes, alignment, out address);
    }

    /// <summary>
    /// Before VirtualAlloc2 there is no asking for an alignment, and a reservation cannot be trimmed: find room for more,
    /// give it back, and take the aligned part of it, unless another thread was faster.
    /// </summary>
    private bool TryReserveByTrying(nuint bytes, nuint alignment, out nint address)
    {
        const int Attempts = 16;
        address = Allocate(0, bytes, WindowsFunctions.Reserve, WindowsFunctions.NoAccess, out _);
        for (int attempt = 0; attempt < Attempts && address != 0; attempt++)
        {
            if (((nuint)address & (alignment - 1)) == 0)
                return true;

            ReleaseCore(address, bytes);
            address = Allocate(0, bytes + alignment, WindowsFunctions.Reserve, WindowsFunctions.NoAccess, out _);
            if (address == 0)
                return false;

            ReleaseCore(address, bytes + alignment);
            nuint aligned = ((nuint)address + alignment - 1) & ~(alignment - 1);
            address = Allocate((nint)aligned, bytes, WindowsFunctions.Reserve, WindowsFunctions.NoAccess, out _);
            if (address == 0)
                address = Allocate(0, bytes, WindowsFunctions.Reserve, WindowsFunctions.NoAccess, out _);
        }

        if (address != 0 && ((nuint)address & (alignment - 1)) != 0)
        {
            ReleaseCore(address, bytes);
            address = 0;
        }

        return address != 0;
    }

    protected override void CommitCore(nint address, nuint bytes)
    {
        if (Allocate(address, bytes, WindowsFunctions.Commit, WindowsFunctions.ReadWrite, out int error) == 0)
            ThrowCannotCommit(bytes, error);
    }

    protected override bool TryPrepareCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        bool isDone = Allocate(address, bytes, WindowsFunctions.Commit, WindowsFunctions.ReadWrite, out int error) != 0;
        failure = isDone ? default : new PrefaultFailure(Errno.Describe("VirtualAlloc", error), IsLasting: false);
        return isDone;
    }

    protected override bool TryPopulateCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        failure = default;
        switch (step.Policy)
        {
            case PrefaultPolicy.None:
                return true;
            case PrefaultPolicy.Touch:
                PageToucher.Touch(address, bytes, Facts.PageBytes);
                return true;
            case PrefaultPolicy.Clear:
                PageToucher.Clear(address, bytes);
                return true;
            case PrefaultPolicy.Lock:
                return TryLock(address, bytes, out failure);
            case PrefaultPolicy.Prefetch:
                return TryPrefetch(address, bytes, out failure);
            default:
                failure = new PrefaultFailure("not known on this system", IsLasting: true);
                return false;
        }
    }

    protected override bool TryDecommitCore(nint address, nuint bytes, out string reason)
    {
        CountOsCall();
        bool isDone = _windows.VirtualFree(address, bytes, WindowsFunctions.Decommit) != 0;
        reason = isDone ? string.Empty : Errno.Describe("VirtualFree", Marshal.GetLastSystemError());
        return isDone;
    }

    protected override void DiscardCore(nint address, nuint bytes)
    {
        if (!TryDecommitCore(address, bytes, out string reason))
            ThrowRefused("Decommit", bytes, reason);

        if (Allocate(address, bytes, WindowsFunctions.Commit, WindowsFunctions.ReadWrite, out int error) == 0)
            ThrowRefused("Discard", bytes, Errno.Describe("VirtualAlloc", error));
    }

    protected override bool TryReleasePartCore(nint address, nuint bytes)
    {
        if (!TryDecommitCore(address, bytes, out string reason))
            ThrowRefused("Decommit", bytes, reason);

        return false;
    }

    protected override void ReleaseCore(nint address, nuint bytes)
    {
        CountOsCall();
        if (_windows.VirtualFree(address, 0, WindowsFunctions.Release) == 0)
            ThrowRefused("Release", bytes, Errno.Describe("VirtualFree", Marshal.GetLastSystemError()));
    }

    protected override bool TryReserveExplicitHugeCore(nuint bytes, out nint address, out string reason)
    {
        CountOsCall();
        return _largePages.TryReserve(bytes, out address, out reason);
    }

    protected override long PagesThatWouldFaultCore(nint address, nuint bytes)
    {
        WindowsFunctions.WorkingSetEntry* entries = stackalloc WindowsFunctions.WorkingSetEntry[EntriesAtOnce];
        long faulting = 0;
        for (nuint done = 0; done < bytes;)
        {
            uint count = (uint)nuint.Min(EntriesAtOnce, (bytes - done) / Facts.PageBytes);
            for (uint i = 0; i < count; i++)
            {
                entries[i].Address = (nint)((nuint)address + done + (i * Facts.PageBytes));
                entries[i].Attributes = 0;
            }

            uint size = count * (uint)sizeof(WindowsFunctions.WorkingSetEntry);
            if (_windows.QueryWorkingSetEx(WindowsFunctions.ThisProcess, entries, size) == 0)
                return -1;

            for (uint i = 0; i < count; i++)
                faulting += (entries[i].Attributes & 1) == 0 ? 1 : 0;

            done += count * Facts.PageBytes;
        }

        return faulting;
    }

    private bool TryPrefetch(nint address, nuint bytes, out PrefaultFailure failure)
    {
        if (_windows.PrefetchVirtualMemory == null)
        {
            failure = new PrefaultFailure("PrefetchVirtualMemory is absent (it came with Windows 8)", IsLasting: true);
            return false;
        }

        var range = new WindowsFunctions.MemoryRange { Address = address, Bytes = bytes };
        CountOsCall();
        bool isDone = _windows.PrefetchVirtualMemory(WindowsFunctions.ThisProcess, 1, &range, 0) != 0;
        failure = isDone ? default : new PrefaultFailure(Errno.Describe("PrefetchVirtualMemory", Marshal.GetLastSystemError()), IsLasting: true);
        if (isDone)
        {
            PageToucher.Touch(address, bytes, Facts.PageBytes); // it is a hint, and this makes it true
        }

        return isDone;
    }

    private bool TryLock(nint address, nuint bytes, out PrefaultFailure failure)
    {
        if (_windows.VirtualLock == null)
        {
            failure = new PrefaultFailure("VirtualLock is absent", IsLasting: true);
            return false;
        }

        CountOsCall();
        bool isDone = _windows.VirtualLock(address, bytes) != 0;
        if (!isDone)
        {
            // Only as many pages can be locked as the working set is sure to have.
            GrowWorkingSet(bytes);
            CountOsCall();
            isDone = _windows.VirtualLock(address, bytes) != 0;
        }

        failure = isDone ? default : new PrefaultFailure(Errno.Describe("VirtualLock", Marshal.GetLastSystemError()), IsLasting: false);
        return isDone;
    }

    private void GrowWorkingSet(nuint bytes)
    {
        if (_windows.GetProcessWorkingSetSize == null || _windows.SetProcessWorkingSetSize == null)
            return;

        lock (_workingSetLock)
        {
            nuint least;
            nuint most;
            if (_windows.GetProcessWorkingSetSize(WindowsFunctions.ThisProcess, &least, &most) != 0)
            {
                CountOsCall();
                _ = _windows.SetProcessWorkingSetSize(WindowsFunctions.ThisProcess, least + bytes, most + bytes);
            }
        }
    }

    private nint Allocate(nint address, nuint bytes, uint type, uint protection, out int error)
    {
        CountOsCall();
        nint allocated = _windows.VirtualAlloc(address, bytes, type, protection);
        error = allocated == 0 ? Marshal.GetLastSystemError() : 0;
        return allocated;
    }

    private WindowsFunctions.MemoryCounters ReadCounters()
    {
        WindowsFunctions.MemoryCounters counters = default;
        uint size = (uint)sizeof(WindowsFunctions.MemoryCounters);
        counters.Size = size;
        return _windows.GetProcessMemoryInfo != null && _windows.GetProcessMemoryInfo(WindowsFunctions.ThisProcess, &counters, size) != 0
            ? counters
            : default;
    }

    [DoesNotReturn]
    private static void ThrowCannotCommit(nuint bytes, int error) => throw new EngineOutOfMemoryException(
        $"Windows refused to commit {bytes} bytes ({Errno.Describe("VirtualAlloc", error)}): its commit limit or a limit of the job is reached.");
}

/// <summary>
/// Large pages of Windows. They need the privilege SeLockMemoryPrivilege ("Lock pages in memory", given by a policy and
/// switched on here), and they are reserved, committed and made resident in one call, for good.
/// </summary>
internal sealed unsafe class WindowsLargePages
{
    private readonly WindowsFunctions _windows;
    private readonly nuint _pageBytes;
    private readonly string? _refusal;

    public WindowsLargePages(WindowsFunctions windows)
    {
        _windows = windows;
        _pageBytes = windows.GetLargePageMinimum == null ? 0 : windows.GetLargePageMinimum();
        _refusal = _pageBytes == 0 ? "this processor or Windows has no large pages" : RefusalOfPrivilege();
    }

    /// <summary>Why there are none here; null when they can be asked for.</summary>
    public string? Refusal => _refusal;

    public bool TryReserve(nuint bytes, out nint address, out string reason)
    {
        address = 0;
        reason = _refusal ?? string.Empty;
        if (_refusal is null && bytes % _pageBytes != 0)
        {
            reason = $"the size is not a multiple of the large page, {_pageBytes} bytes";
        }
        else if (_refusal is null)
        {
            uint type = WindowsFunctions.Reserve | WindowsFunctions.Commit | WindowsFunctions.LargePages;
            address = _windows.VirtualAlloc(0, bytes, type, WindowsFunctions.ReadWrite);
            reason = address == 0 ? Errno.Describe("VirtualAlloc(MEM_LARGE_PAGES)", Marshal.GetLastSystemError()) : string.Empty;
        }

        return address != 0;
    }

    private string? RefusalOfPrivilege()
    {
        const uint AdjustAndQuery = 0x28;
        const uint Enabled = 2;
        if (_windows.OpenProcessToken == null || _windows.LookupPrivilegeValue == null || _windows.AdjustTokenPrivileges == null
            || _windows.CloseHandle == null)
        {
            return "the functions that ask for SeLockMemoryPrivilege are absent";
        }

        nint token;
        if (_windows.OpenProcessToken(WindowsFunctions.ThisProcess, AdjustAndQuery, &token) == 0)
            return Errno.Describe("OpenProcessToken", Marshal.GetLastSystemError());

        long luid;
        int error;
        fixed (char* name = "SeLockMemoryPrivilege")
            error = _windows.LookupPrivilegeValue(null, name, &luid) == 0 ? Marshal.GetLastSystemError() : 0;

        if (error == 0)
        {
            var privilege = new WindowsFunctions.TokenPrivilege { Count = 1, Luid = luid, Attributes = Enabled };

            // Success with the error "not all were assigned" (1300) is a refusal.
            Marshal.SetLastSystemError(0);
            _ = _windows.AdjustTokenPrivileges(token, 0, &privilege, 0, null, null);
            error = Marshal.GetLastSystemError();
        }

        _ = _windows.CloseHandle(token);
        return error == 0 ? null : Errno.Describe("SeLockMemoryPrivilege", error);
    }
}
