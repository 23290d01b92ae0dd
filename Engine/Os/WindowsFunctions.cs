using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// The functions of kernel32, kernelbase and advapi32 that the engine calls, as memoryapi.h, psapi.h and winbase.h
/// declare them. A function that an older Windows lacks is null.
/// </summary>
internal sealed unsafe class WindowsFunctions
{
    public const uint MemCommit = 0x1000;
    public const uint MemReserve = 0x2000;
    public const uint MemDecommit = 0x4000;
    public const uint MemRelease = 0x8000;
    public const uint MemLargePages = 0x20000000;
    public const uint PageNoAccess = 1;
    public const uint PageReadWrite = 4;

    public readonly delegate* unmanaged<nint, nuint, uint, uint, nint> VirtualAlloc;
    public readonly delegate* unmanaged<nint, nint, nuint, uint, uint, ExtendedParameter*, uint, nint> VirtualAlloc2;
    public readonly delegate* unmanaged<nint, nuint, uint, int> VirtualFree;
    public readonly delegate* unmanaged<nint, nuint, int> VirtualLock;
    public readonly delegate* unmanaged<nint, nuint, MemoryRange*, uint, int> PrefetchVirtualMemory;
    public readonly delegate* unmanaged<nint, nuint*, nuint*, int> GetProcessWorkingSetSize;
    public readonly delegate* unmanaged<nint, nuint, nuint, int> SetProcessWorkingSetSize;
    public readonly delegate* unmanaged<nint, WorkingSetEntry*, uint, int> QueryWorkingSetEx;
    public readonly delegate* unmanaged<nint, MemoryCounters*, uint, int> GetProcessMemoryInfo;
    public readonly delegate* unmanaged<MemoryStatus*, int> GlobalMemoryStatusEx;
    public readonly delegate* unmanaged<SystemInfo*, void> GetSystemInfo;
    public readonly delegate* unmanaged<nuint> GetLargePageMinimum;
    public readonly delegate* unmanaged<nint, uint, nint*, int> OpenProcessToken;
    public readonly delegate* unmanaged<char*, char*, long*, int> LookupPrivilegeValue;
    public readonly delegate* unmanaged<nint, int, TokenPrivilege*, uint, void*, uint*, int> AdjustTokenPrivileges;
    public readonly delegate* unmanaged<nint, int> CloseHandle;

    public WindowsFunctions(INativeContext context)
    {
        VirtualAlloc = (delegate* unmanaged<nint, nuint, uint, uint, nint>)context.Require("VirtualAlloc");
        VirtualAlloc2 = (delegate* unmanaged<nint, nint, nuint, uint, uint, ExtendedParameter*, uint, nint>)
            context.Find("VirtualAlloc2");
        VirtualFree = (delegate* unmanaged<nint, nuint, uint, int>)context.Require("VirtualFree");
        VirtualLock = (delegate* unmanaged<nint, nuint, int>)context.Find("VirtualLock");
        PrefetchVirtualMemory =
            (delegate* unmanaged<nint, nuint, MemoryRange*, uint, int>)context.Find("PrefetchVirtualMemory");
        GetProcessWorkingSetSize =
            (delegate* unmanaged<nint, nuint*, nuint*, int>)context.Find("GetProcessWorkingSetSize");
        SetProcessWorkingSetSize =
            (delegate* unmanaged<nint, nuint, nuint, int>)context.Find("SetProcessWorkingSetSize");
        QueryWorkingSetEx =
            (delegate* unmanaged<nint, WorkingSetEntry*, uint, int>)context.Find("K32QueryWorkingSetEx");
        GetProcessMemoryInfo =
            (delegate* unmanaged<nint, MemoryCounters*, uint, int>)context.Find("K32GetProcessMemoryInfo");
        GlobalMemoryStatusEx = (delegate* unmanaged<MemoryStatus*, int>)context.Find("GlobalMemoryStatusEx");
        GetSystemInfo = (delegate* unmanaged<SystemInfo*, void>)context.Require("GetSystemInfo");
        GetLargePageMinimum = (delegate* unmanaged<nuint>)context.Find("GetLargePageMinimum");
        OpenProcessToken = (delegate* unmanaged<nint, uint, nint*, int>)context.Find("OpenProcessToken");
        LookupPrivilegeValue = (delegate* unmanaged<char*, char*, long*, int>)context.Find("LookupPrivilegeValueW");
        AdjustTokenPrivileges = (delegate* unmanaged<nint, int, TokenPrivilege*, uint, void*, uint*, int>)
            context.Find("AdjustTokenPrivileges");
        CloseHandle = (delegate* unmanaged<nint, int>)context.Find("CloseHandle");
    }

    /// <summary>What GetCurrentProcess returns, always.</summary>
    public static nint ThisProcess => -1;

    public bool CanAskForPrivileges =>
        OpenProcessToken != null && LookupPrivilegeValue != null && AdjustTokenPrivileges != null
        && CloseHandle != null;

    /// <summary>What GetProcessMemoryInfo says of this process; all zero where it does not answer.</summary>
    public MemoryCounters ReadCounters()
    {
        uint size = (uint)sizeof(MemoryCounters);
        MemoryCounters counters = new() { Size = size };
        bool isRead = GetProcessMemoryInfo != null && GetProcessMemoryInfo(ThisProcess, &counters, size) != 0;
        return isRead ? counters : default;
    }

    public struct ExtendedParameter
    {
        public ulong Type; // 1: address requirements
        public AddressRequirements* Requirements;
    }

    public struct AddressRequirements
    {
        public nint Lowest, Highest;
        public nuint Alignment;
    }

    public struct MemoryRange
    {
        public nint Address;
        public nuint Bytes;
    }

    public struct WorkingSetEntry
    {
        public nint Address;
        public nuint Attributes; // bit 0: valid
    }

    public struct MemoryCounters
    {
        public uint Size, PageFaultCount;
        public nuint PeakWorkingSetSize, WorkingSetSize;
        public nuint QuotaPeakPagedPoolUsage, QuotaPagedPoolUsage, QuotaPeakNonPagedPoolUsage, QuotaNonPagedPoolUsage;
        public nuint PagefileUsage, PeakPagefileUsage;
    }

    public struct MemoryStatus
    {
        public uint Size, Load;
        public ulong TotalPhysical, AvailablePhysical, TotalPageFile, AvailablePageFile;
        public ulong TotalVirtual, AvailableVirtual, AvailableExtendedVirtual;
    }

    public struct SystemInfo
    {
        public uint Architecture, PageSize;
        public nint MinimumAddress, MaximumAddress;
        public nuint ActiveProcessorMask;
        public uint ProcessorCount, ProcessorType, AllocationGranularity;
        public ushort ProcessorLevel, ProcessorRevision;
    }

    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    public struct TokenPrivilege
    {
        public uint Count;
        public long Luid;
        public uint Attributes;
    }
}

/// <summary>
/// PageFaultCount of GetProcessMemoryInfo, for the whole process: Windows counts none for a thread. Some
/// implementations of the API (Wine) always answer 0, so construction tries whether the count rises.
/// </summary>
internal sealed unsafe class WindowsFaultCounter : FaultCounter
{
    private const int TriedPages = 16;

    private readonly WindowsFunctions _windows;

    public WindowsFaultCounter(WindowsFunctions windows)
    {
        _windows = windows;
        IsSupported = windows.GetProcessMemoryInfo != null && Counts();
    }

    public override bool IsSupported { get; }

    public override long OfProcess() => IsSupported ? _windows.ReadCounters().PageFaultCount : 0;

    private bool Counts()
    {
        nuint pageBytes = (nuint)Environment.SystemPageSize;
        const uint ReserveAndCommit = WindowsFunctions.MemReserve | WindowsFunctions.MemCommit;
        nint pages = _windows.VirtualAlloc(0, TriedPages * pageBytes, ReserveAndCommit, WindowsFunctions.PageReadWrite);
        if (pages == 0)
            return false;

        long before = _windows.ReadCounters().PageFaultCount;
        PageToucher.Touch(pages, TriedPages * pageBytes, pageBytes);
        long taken = _windows.ReadCounters().PageFaultCount - before;
        _ = _windows.VirtualFree(pages, 0, WindowsFunctions.MemRelease);
        return taken >= TriedPages;
    }
}
