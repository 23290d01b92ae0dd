using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace Engine.Tests.Os;

/// <summary>
/// The functions that the engine asks of Windows, made of Linux's own: memory is really reserved, committed and given
/// back, so what the code for Windows does with it can be seen without Windows, and each refusal be had at will. Only
/// one may live at a time, because native code calls static functions.
/// </summary>
internal sealed unsafe class WindowsFunctionsHere : INativeContext
{
    public const int NotEnoughMemory = 8;
    public const int WorkingSetQuota = 1453;
    public const int NotAllAssigned = 1300;
    public const int PrivilegeNotHeld = 1314;
    private const int PageBytes = 4096;
    private const nuint Granularity = 65536;
    private const int PrivateAnonymousNoReserve = 0x4022;
    private const int FixedNoReplace = 0x100000;
    private const int Fixed = 0x10;
    private const int ReadWrite = 3;

    private static readonly SystemLibraries s_system = new();
    private static readonly delegate* unmanaged<nint, nuint, int, int, int, nint, nint> s_mmap =
        (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)s_system.GetProcAddress("mmap");
    private static readonly delegate* unmanaged<nint, nuint,
        int> s_munmap = (delegate* unmanaged<nint, nuint, int>)s_system.GetProcAddress("munmap");
    private static readonly delegate* unmanaged<nint, nuint, int, int> s_mprotect =
        (delegate* unmanaged<nint, nuint, int, int>)s_system.GetProcAddress("mprotect");
    private static readonly delegate* unmanaged<nint, nuint, byte*, int> s_mincore =
        (delegate* unmanaged<nint, nuint, byte*, int>)s_system.GetProcAddress("mincore");
    private static readonly ConcurrentDictionary<nint, nuint> s_reserved = [];

    private static readonly Dictionary<string, nint> s_functions = new()
    {
        ["VirtualAlloc"] = (nint)(delegate* unmanaged<nint, nuint, uint, uint, nint>)&VirtualAlloc,
        ["VirtualAlloc2"] =
            (nint)(delegate* unmanaged<nint, nint, nuint, uint, uint, WindowsFunctions.ExtendedParameter*, uint,
            nint>)&VirtualAlloc2,
        ["VirtualFree"] = (nint)(delegate* unmanaged<nint, nuint, uint, int>)&VirtualFree,
        ["VirtualLock"] = (nint)(delegate* unmanaged<nint, nuint, int>)&VirtualLock,
        ["PrefetchVirtualMemory"] =
            (nint)(delegate* unmanaged<nint, nuint, WindowsFunctions.MemoryRange*, uint, int>)&PrefetchVirtualMemory,
        ["GetProcessWorkingSetSize"] = (nint)(delegate* unmanaged<nint, nuint*, nuint*, int>)&GetProcessWorkingSetSize,
        ["SetProcessWorkingSetSize"] = (nint)(delegate* unmanaged<nint, nuint, nuint, int>)&SetProcessWorkingSetSize,
        ["K32QueryWorkingSetEx"] =
            (nint)(delegate* unmanaged<nint, WindowsFunctions.WorkingSetEntry*, uint, int>)&QueryWorkingSetEx,
        ["K32GetProcessMemoryInfo"] =
            (nint)(delegate* unmanaged<nint, WindowsFunctions.MemoryCounters*, uint, int>)&GetProcessMemoryInfo,
        ["GlobalMemoryStatusEx"] =
            (nint)(delegate* unmanaged<WindowsFunctions.MemoryStatus*, int>)&GlobalMemoryStatusEx,
        ["GetSystemInfo"] = (nint)(delegate* unmanaged<WindowsFunctions.SystemInfo*, void>)&GetSystemInfo,
        ["GetLargePageMinimum"] = (nint)(delegate* unmanaged<nuint>)&GetLargePageMinimum,
        ["OpenProcessToken"] = (nint)(delegate* unmanaged<nint, uint, nint*, int>)&OpenProcessToken,
        ["LookupPrivilegeValueW"] = (nint)(delegate* unmanaged<char*, char*, long*, int>)&LookupPrivilegeValue,
        ["AdjustTokenPrivileges"] =
            (nint)(delegate* unmanaged<nint, int, WindowsFunctions.TokenPrivilege*, uint, void*, uint*,
            int>)&AdjustTokenPrivileges,
        ["CloseHandle"] = (nint)(delegate* unmanaged<nint, int>)&CloseHandle,
    };

    private static readonly HashSet<string> s_refused = [];
    private static int s_living;
    private static nuint s_workingSet;
    private static int s_openTokens;

    private readonly HashSet<string> _absent;

    /// <param name="absent">Functions that an older Windows does not have.</param>
    public WindowsFunctionsHere(params string[] absent)
    {
        Assume.That(OperatingSystem.IsLinux(), "they are made of Linux's functions");
        if (Interlocked.Exchange(ref s_living, 1) != 0)
            throw new InvalidOperationException("Another one is alive; dispose of it first.");

        _absent = [.. absent];
        s_refused.Clear();
        s_workingSet = 1 << 20;
        s_openTokens = 0;
        LargePageBytes = 0;
        PrivilegeError = 0;
        CountsFaults = true;
        AvailablePhysical = AvailablePageFile = 1 << 30;
    }

    /// <summary>0 where the machine has none.</summary>
    public static nuint LargePageBytes { get; set; }

    /// <summary>What asking for SeLockMemoryPrivilege comes to; 0 is success.</summary>
    public static int PrivilegeError { get; set; }

    /// <summary>Whether the process's page faults are counted, which some implementations of the API do not.</summary>
    public static bool CountsFaults { get; set; }

    public static ulong AvailablePhysical { get; set; }

    public static ulong AvailablePageFile { get; set; }

    /// <summary>Handles that were opened and not closed.</summary>
    public static int OpenTokens => s_openTokens;

    /// <summary>The function fails from now on, or what it does for this flag: "VirtualAlloc", "VirtualAlloc/commit",
    /// "VirtualFree/release", ...</summary>
    public static void Refuse(string function) => s_refused.Add(function);

    public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
    {
        addr = 0;
        return !_absent.Contains(proc) && s_functions.TryGetValue(proc, out addr);
    }

    public nint GetProcAddress(string proc, int? slot = default) =>
        TryGetProcAddress(proc, out nint address) ? address : throw new EntryPointNotFoundException(proc);

    public void Dispose() => Interlocked.Exchange(ref s_living, 0);

    private static bool Refuses(string function, int error)
    {
        bool refuses = s_refused.Contains(function);
        if (refuses)
            Marshal.SetLastSystemError(error);

        return refuses;
    }

    private static nint Fail(int error)
    {
        Marshal.SetLastSystemError(error);
        return 0;
    }

    private static nint Reserve(nint address, nuint bytes, nuint alignment, int protection)
    {
        nuint around = bytes + (address == 0 ? alignment : 0);
        nint mapped =
            s_mmap(address, around, protection, PrivateAnonymousNoReserve | (address == 0 ? 0 : FixedNoReplace), -1, 0);
        if (mapped == -1)
            return Fail(NotEnoughMemory);

        nuint start = ((nuint)mapped + alignment - 1) & ~(alignment - 1);
        if (address == 0)
        {
            Cut((nuint)mapped, start);
            Cut(start + bytes, (nuint)mapped + around);
        }

        s_reserved[(nint)start] = bytes;
        return (nint)start;
    }

    private static void Cut(nuint from, nuint to)
    {
        if (to > from)
            s_munmap((nint)from, to - from);
    }

    [UnmanagedCallersOnly]
    private static nint VirtualAlloc(nint address, nuint bytes, uint type, uint protection)
    {
        if ((type & WindowsFunctions.MemLargePages) != 0)
            return Refuses("VirtualAlloc/large", NotEnoughMemory) ? 0 : Reserve(0, bytes, LargePageBytes, ReadWrite);

        if ((type & WindowsFunctions.MemReserve) != 0)
        {
            return Refuses("VirtualAlloc/reserve", NotEnoughMemory)
                ? 0
                : Reserve(address, bytes, Granularity, (type & WindowsFunctions.MemCommit) != 0 ? ReadWrite : 0);
        }

        return Refuses("VirtualAlloc/commit", NotEnoughMemory) || s_mprotect(address, bytes, ReadWrite) != 0 ? 0
            : address;
    }

    [UnmanagedCallersOnly]
    private static nint VirtualAlloc2(
        nint process, nint address, nuint bytes, uint type, uint protection,
        WindowsFunctions.ExtendedParameter* parameters, uint count) =>
        Refuses("VirtualAlloc2", NotEnoughMemory) ? 0 : Reserve(0, bytes, parameters->Requirements->Alignment, 0);

    [UnmanagedCallersOnly]
    private static int VirtualFree(nint address, nuint bytes, uint type)
    {
        if ((type & WindowsFunctions.MemRelease) != 0)
        {
            return !Refuses("VirtualFree/release", NotEnoughMemory)
                && s_reserved.TryRemove(address, out nuint reserved) && s_munmap(address, reserved) == 0 ? 1 : 0;
        }

        return !Refuses("VirtualFree/decommit", NotEnoughMemory)
            && s_mmap(address, bytes, 0, PrivateAnonymousNoReserve | Fixed, -1, 0) == address ? 1 : 0;
    }

    [UnmanagedCallersOnly]
    private static int VirtualLock(nint address, nuint bytes)
    {
        if (bytes > s_workingSet || Refuses("VirtualLock", WorkingSetQuota))
            return (int)Fail(WorkingSetQuota);

        PageToucher.Touch(address, bytes, PageBytes);
        return 1;
    }

    [UnmanagedCallersOnly]
    private static int PrefetchVirtualMemory(
        nint process, nuint count, WindowsFunctions.MemoryRange* ranges, uint flags) =>
        Refuses("PrefetchVirtualMemory", NotEnoughMemory) ? 0 : 1;

    [UnmanagedCallersOnly]
    private static int GetProcessWorkingSetSize(nint process, nuint* least, nuint* most)
    {
        *least = s_workingSet;
        *most = s_workingSet;
        return Refuses("GetProcessWorkingSetSize", NotEnoughMemory) ? 0 : 1;
    }

    [UnmanagedCallersOnly]
    private static int SetProcessWorkingSetSize(nint process, nuint least, nuint most)
    {
        s_workingSet = least;
        return 1;
    }

    [UnmanagedCallersOnly]
    private static int QueryWorkingSetEx(nint process, WindowsFunctions.WorkingSetEntry* entries, uint bytes)
    {
        if (Refuses("QueryWorkingSetEx", NotEnoughMemory))
            return 0;

        for (uint index = 0; index < bytes / sizeof(WindowsFunctions.WorkingSetEntry); index++)
        {
            byte isThere = 0;
            entries[index].Attributes = s_mincore(entries[index].Address, PageBytes, &isThere) == 0 ? isThere & 1u : 0;
        }

        return 1;
    }

    [UnmanagedCallersOnly]
    private static int GetProcessMemoryInfo(nint process, WindowsFunctions.MemoryCounters* counters, uint bytes)
    {
        if (Refuses("GetProcessMemoryInfo", NotEnoughMemory))
            return 0;

        // The tenth field of proc(5)'s stat is the process's minor faults, the 24th its resident pages.
        string[] fields = File.ReadAllText("/proc/self/stat").Split(' ');
        counters->PageFaultCount = CountsFaults ? uint.Parse(fields[9]) : 0;
        counters->WorkingSetSize = counters->PeakWorkingSetSize = nuint.Parse(fields[23]) * PageBytes;
        return 1;
    }

    [UnmanagedCallersOnly]
    private static int GlobalMemoryStatusEx(WindowsFunctions.MemoryStatus* status)
    {
        status->AvailablePhysical = AvailablePhysical;
        status->AvailablePageFile = AvailablePageFile;
        return Refuses("GlobalMemoryStatusEx", NotEnoughMemory) ? 0 : 1;
    }

    [UnmanagedCallersOnly]
    private static void GetSystemInfo(WindowsFunctions.SystemInfo* info) =>
        *info = new WindowsFunctions.SystemInfo
        {
            PageSize = PageBytes,
            AllocationGranularity = (uint)Granularity,
            ProcessorCount = 2
        };

    [UnmanagedCallersOnly]
    private static nuint GetLargePageMinimum() => LargePageBytes;

    [UnmanagedCallersOnly]
    private static int OpenProcessToken(nint process, uint access, nint* token)
    {
        if (Refuses("OpenProcessToken", PrivilegeNotHeld))
            return 0;

        *token = 77;
        s_openTokens++;
        return 1;
    }

    [UnmanagedCallersOnly]
    private static int LookupPrivilegeValue(char* system, char* name, long* luid)
    {
        *luid = 4;
        return Refuses("LookupPrivilegeValue", PrivilegeNotHeld) ? 0 : 1;
    }

    [UnmanagedCallersOnly]
    private static int AdjustTokenPrivileges(
        nint token, int disables, WindowsFunctions.TokenPrivilege* privilege, uint bytes, void* previous, uint* needed)
    {
        Marshal.SetLastSystemError(PrivilegeError);
        return 1;
    }

    [UnmanagedCallersOnly]
    private static int CloseHandle(nint handle)
    {
        s_openTokens--;
        return 1;
    }
}
