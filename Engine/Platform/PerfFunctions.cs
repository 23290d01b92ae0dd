using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace Engine.Platform;

/// <summary>The C library's functions that a <see cref="PerfEvent"/> needs.</summary>
internal sealed unsafe class PerfFunctions
{
    private const int AttributeBytes = 112; // PERF_ATTR_SIZE_VER5

    private readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint> _syscall;

    private readonly nint _openNumber = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 298,
        Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => 241,
        _ => 0,
    };

    private PerfFunctions(INativeContext context)
    {
        _syscall = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint>)Optional(context, "syscall");
        Mmap = (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)Optional(context, "mmap");
        Munmap = (delegate* unmanaged<nint, nuint, int>)Optional(context, "munmap");
        Ioctl = (delegate* unmanaged<int, nuint, nint, int>)Optional(context, "ioctl");
        Read = (delegate* unmanaged<int, void*, nuint, nint>)Optional(context, "read");
        Close = (delegate* unmanaged<int, int>)Optional(context, "close");
    }

    /// <summary>What is counted: the numbers of perf_event_open's software events.</summary>
    public enum Event : ulong
    {
        PageFaults = 2,
        MinorFaults = 5,
        MajorFaults = 6,
    }

    public delegate* unmanaged<nint, nuint, int, int, int, nint, nint> Mmap { get; }

    public delegate* unmanaged<nint, nuint, int> Munmap { get; }

    public delegate* unmanaged<int, nuint, nint, int> Ioctl { get; }

    public delegate* unmanaged<int, void*, nuint, nint> Read { get; }

    public delegate* unmanaged<int, int> Close { get; }

    private bool IsComplete => _syscall != null && Mmap != null && Munmap != null && Ioctl != null && Read != null && Close != null;

    /// <summary>The functions, or null with the reason.</summary>
    public static PerfFunctions? Find(INativeContext context, out string reason)
    {
        PerfFunctions functions = new(context);
        if (!ThisPlatform.HasPerfEvents || functions._openNumber == 0)
        {
            reason = "recording faults needs perf_event_open, which is known here for 64-bit Linux only";
            return null;
        }

        reason = functions.IsComplete ? "available" : "the C library lacks syscall, mmap, ioctl or read";
        return functions.IsComplete ? functions : null;
    }

    /// <summary>An event of the calling thread. A leader begins disabled; another event is counted with its leader.</summary>
    /// <param name="counted">Which.</param>
    /// <param name="leader">The event that it belongs to, or -1.</param>
    /// <param name="withKernel">Whether those count that the kernel takes in the thread's system calls.</param>
    /// <param name="callers">0 samples addresses only; else also the time and so many callers.</param>
    /// <returns>Its file, negative where the system refuses.</returns>
    public int Open(Event counted, int leader, bool withKernel, int callers)
    {
        const ulong SampleAddress = 1 << 3;
        const ulong SampleInDetail = SampleAddress | (1 << 2) | (1 << 5); // time and call chain
        const ulong Disabled = 1;
        const ulong ExcludeKernel = 1 << 5;
        const ulong ExcludeHypervisor = 1 << 6;
        const ulong ExcludeKernelCallers = 1 << 21;
        const ulong UseClock = 1 << 25;
        const int MonotonicClock = 1; // that of Stopwatch
        const nint CloseOnExec = 8;

        bool inDetail = callers != 0;
        byte* attribute = stackalloc byte[AttributeBytes];
        new Span<byte>(attribute, AttributeBytes).Clear();
        *(uint*)attribute = 1; // type: software
        *(uint*)(attribute + 4) = AttributeBytes;
        *(ulong*)(attribute + 8) = (ulong)counted;
        *(ulong*)(attribute + 16) = 1; // sample_period: every one
        *(ulong*)(attribute + 24) = inDetail ? SampleInDetail : SampleAddress;
        *(ulong*)(attribute + 40) = ExcludeHypervisor
            | (leader < 0 ? Disabled : 0)
            | (withKernel ? 0 : ExcludeKernel)
            | (inDetail ? ExcludeKernelCallers | UseClock : 0);
        *(int*)(attribute + 92) = inDetail ? MonotonicClock : 0;
        *(ushort*)(attribute + 108) = (ushort)callers; // sample_max_stack
        return (int)_syscall(_openNumber, (nint)attribute, 0, -1, leader, CloseOnExec);
    }

    private static nint Optional(INativeContext context, string name) => context.TryGetProcAddress(name, out nint address) ? address : 0;
}
