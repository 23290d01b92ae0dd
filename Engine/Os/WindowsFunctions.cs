using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// The functions of kernel32, kernelbase and advapi32 that are used here, as memoryapi.h, psapi.h and winbase.h declare them.
/// What an older Windows lacks is a null pointer.
/// </summary>
internal sealed unsafe class WindowsFunctions
{
    public const uint Commit = 0x1000;
    public const uint Reserve = 0x2000;
    public const uint Decommit = 0x4000;
    public const uint Release = 0x8000;
    public const uint LargePages = 0x20000000;
    public const uint NoAccess = 1;
    public const uint ReadWrite = 4;

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
        VirtualAlloc = (delegate* unmanaged<nint, nuint, uint, uint, nint>)Required(context, "VirtualAlloc");
        VirtualFree = (delegate* unmanaged<nint, nuint, uint, int>)Required(context, "VirtualFree");
        GetSystemInfo = (delegate* unmanaged<SystemInfo*, void>)Required(context, "GetSystemInfo");
        VirtualAlloc2 = (delegate* unmanaged<nint, nint, nuint, uint, uint, ExtendedParameter*, uint, nint>)Optional(context, "VirtualAlloc2");
        VirtualLock = (delegate* unmanaged<nint, nuint, int>)Optional(context, "VirtualLock");
        PrefetchVirtualMemory = (delegate* unmanaged<nint, nuint, MemoryRange*, uint, int>)Optional(context, "PrefetchVirtualMemory");
        GetProcessWorkingSetSize = (delegate* unmanaged<nint, nuint*, nuint*, int>)Optional(context, "GetProcessWorkingSetSize");
        SetProcessWorkingSetSize = (delegate* unmanaged<nint, nuint, nuint, int>)Optional(context, "SetProcessWorkingSetSize");
        QueryWorkingSetEx = (delegate* unmanaged<nint, WorkingSetEntry*, uint, int>)Optional(context, "K32QueryWorkingSetEx");
        GetProcessMemoryInfo = (delegate* unmanaged<nint, MemoryCounters*, uint, int>)Optional(context, "K32GetProcessMemoryInfo");
        GlobalMemoryStatusEx = (delegate* unmanaged<MemoryStatus*, int>)Optional(context, "GlobalMemoryStatusEx");
        GetLargePageMinimum = (delegate* unmanaged<nuint>)Optional(context, "GetLargePageMinimum");
        OpenProcessToken = (delegate* unmanaged<nint, uint, nint*, int>)Optional(context, "OpenProcessToken");
        LookupPrivilegeValue = (delegate* unmanaged<char*, char*, long*, int>)Optional(context, "LookupPrivilegeValueW");
        AdjustTokenPrivileges =
            (delegate* unmanaged<nint, int, TokenPrivilege*, uint, void*, uint*, int>)Optional(context, "AdjustTokenPrivileges");
        CloseHandle = (delegate* unmanaged<nint, int>)Optional(context, "CloseHandle");
    }

    /// <summary>What GetCurrentProcess returns, always.</summary>
    public static nint ThisProcess => -1;

    private static nint Optional(INativeContext context, string function) =>
        context.TryGetProcAddress(function, out nint address) ? address : 0;

    private static nint Required(INativeContext context, string function) =>
        context.TryGetProcAddress(function, out nint address)
            ? address
            : throw new EngineMemoryException($"Windows has no function named {function}, without which no memory can be managed.");

    [StructLayout(LayoutKind.Sequential)]
    public struct ExtendedParameter
    {
        public ulong Type; // 1: address requirements
        public AddressRequirements* Requirements;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct AddressRequirements
    {
        public nint Lowest;
        public nint Highest;
        public nuint Alignment;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct MemoryRange
    {
        public nint Address;
        public nuint Bytes;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct WorkingSetEntry
    {
        public nint Address;
        public nuint Attributes; // bit 0: valid
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct MemoryCounters
    {
        public uint Size;
        public uint PageFaultCount;
        public nuint PeakWorkingSetSize;
        public nuint WorkingSetSize;
        public nuint QuotaPeakPagedPoolUsage;
        public nuint QuotaPagedPoolUsage;
        public nuint QuotaPeakNonPagedPoolUsage;
        public nuint QuotaNonPagedPoolUsage;
        public nuint PagefileUsage;
        public nuint PeakPagefileUsage;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct MemoryStatus
    {
        public uint Size;
        public uint Load;
        public ulong TotalPhysical;
        public ulong AvailablePhysical;
        public ulong TotalPageFile;
        public ulong AvailablePageFile;
        public ulong TotalVirtual;
        public ulong AvailableVirtual;
        public ulong AvailableExtendedVirtual;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct SystemInfo
    {
        public uint Architecture;
        public uint PageSize;
        public nint MinimumAddress;
        public nint MaximumAddress;
        public nuint ActiveProcessorMask;
        public uint ProcessorCount;
        public uint ProcessorType;
        public uint AllocationGranularity;
        public ushort ProcessorLevel;
        public ushort ProcessorRevision;
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
/// PageFaultCount of GetProcessMemoryInfo, for the whole process: Windows counts no thread by itself. Some
/// implementations of the API (Wine) always answer 0, so it is tried once whether the count counts.
/// </summary>
internal sealed unsafe class WindowsFaultCounter : IFaultCounter
{
    private const int TriedPages = 16;

    private readonly WindowsFunctions _windows;

    public WindowsFaultCounter(WindowsFunctions windows)
    {
        _windows = windows;
        IsSupported = windows.GetProcessMemoryInfo != null && Counts();
    }

    public bool IsSupported { get; }

    public bool IsPerThread => false;

    public long OfThread() => OfProcess();

    public long OfProcess() => IsSupported ? Read() : 0;

    private long Read()
    {
        WindowsFunctions.MemoryCounters counters = default;
        uint size = (uint)sizeof(WindowsFunctions.MemoryCounters);
        counters.Size = size;
        return _windows.GetProcessMemoryInfo(WindowsFunctions.ThisProcess, &counters, size) != 0 ? counters.PageFaultCount : 0;
    }

    private bool Counts()
    {
        nuint pageBytes = (nuint)Environment.SystemPageSize;
        nint pages = _windows.VirtualAlloc(
            0, TriedPages * pageBytes, WindowsFunctions.Reserve | WindowsFunctions.Commit, WindowsFunctions.ReadWrite);
        if (pages == 0)
            return false;

        long before = Read();
        PageToucher.Touch(pages, TriedPages * pageBytes, pageBytes);
        long taken = Read() - before;
        _ = _windows.VirtualFree(pages, 0, WindowsFunctions.Release);
        return taken >= TriedPages;
    }
}
