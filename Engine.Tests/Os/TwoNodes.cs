using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace Engine.Tests.Os;

/// <summary>
/// A machine with two memory nodes of two processors each: the files that tell of them, on which processor a thread
/// runs, and what mbind and sched_setaffinity are told. One lives at a time, because native code calls static
/// functions.
/// </summary>
internal sealed unsafe class TwoNodes : INativeContext
{
    private const int MemoryBind = 237; // x86-64

    private static nint s_syscall;
    private static nint s_madvise;
    private static int s_bindsLeft;
    [ThreadStatic]
    private static ulong s_processors;

    private readonly RedirectedFiles _files;

    /// <param name="bindsThatSucceed">The kernel refuses later calls of mbind.</param>
    public TwoNodes(int bindsThatSucceed = int.MaxValue)
    {
        Assume.That(RuntimeInformation.ProcessArchitecture, Is.EqualTo(Architecture.X64), "mbind's number is x86-64's");
        _files = new RedirectedFiles("/proc/self/status", "/sys/devices/system/node/");
        _files.Write("/proc/self/status", "Name:\tgame\nMems_allowed_list:\t0,4\nvoluntary_ctxt_switches:\t1");
        _files.Write("/sys/devices/system/node/node0/cpulist", "0-1");
        _files.Write("/sys/devices/system/node/node4/cpulist", "2-3");
        s_bindsLeft = bindsThatSucceed;
        Binds.Clear();
        Populated.Clear();
    }

    /// <summary>What mbind was told: addresses, mode, nodes.</summary>
    public static ConcurrentQueue<(nint Address, nint Bytes, nint Mode, ulong Nodes)> Binds { get; } = [];

    /// <summary>What was populated, and the processors of the thread that did it; 0 for all.</summary>
    public static ConcurrentQueue<(nint Address, nuint Bytes, ulong Processors)> Populated { get; } = [];

    /// <summary>The processors that the calling thread runs on; 0 for all.</summary>
    public static ulong Processors
    {
        get => s_processors;
        set => s_processors = value;
    }

    public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
    {
        bool isFound = _files.TryGetProcAddress(proc, out addr, slot);
        (s_syscall, s_madvise) = proc switch
        {
            "syscall" => (addr, s_madvise),
            "madvise" => (s_syscall, addr),
            _ => (s_syscall, s_madvise),
        };
        addr = proc switch
        {
            "syscall" => (nint)(delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)&Syscall,
            "madvise" => (nint)(delegate* unmanaged<nint, nuint, int, int>)&Madvise,
            "sched_getcpu" => (nint)(delegate* unmanaged<int>)&GetProcessor,
            "sched_getaffinity" => (nint)(delegate* unmanaged<int, nuint, ulong*, int>)&GetProcessors,
            "sched_setaffinity" => (nint)(delegate* unmanaged<int, nuint, ulong*, int>)&SetProcessors,
            _ => addr,
        };
        return isFound;
    }

    public nint GetProcAddress(string proc, int? slot = default) =>
        TryGetProcAddress(proc, out nint address) ? address : throw new EntryPointNotFoundException(proc);

    public void Dispose()
    {
        s_processors = 0;
        _files.Dispose();
    }

    [UnmanagedCallersOnly]
    private static nint Syscall(nint number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth)
    {
        if (number != MemoryBind)
        {
            return ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)s_syscall)(
                number, first, second, third, fourth, fifth, sixth);
        }

        if (Interlocked.Decrement(ref s_bindsLeft) < 0)
        {
            const int NotPermitted = 1;
            Marshal.SetLastSystemError(NotPermitted);
            return -1;
        }

        Binds.Enqueue((first, second, third, *(ulong*)fourth));
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int Madvise(nint address, nuint bytes, int advice)
    {
        const int PopulateWrite = 23;
        if (advice == PopulateWrite)
            Populated.Enqueue((address, bytes, s_processors));

        return ((delegate* unmanaged<nint, nuint, int, int>)s_madvise)(address, bytes, advice);
    }

    [UnmanagedCallersOnly]
    private static int GetProcessor() => s_processors == 0 ? 0 : (int)ulong.TrailingZeroCount(s_processors);

    [UnmanagedCallersOnly]
    private static int GetProcessors(int thread, nuint bytes, ulong* processors)
    {
        *processors = s_processors == 0 ? 0b1111 : s_processors;
        return (int)bytes;
    }

    [UnmanagedCallersOnly]
    private static int SetProcessors(int thread, nuint bytes, ulong* processors)
    {
        s_processors = *processors == 0b1111 ? 0 : *processors;
        return 0;
    }
}
