using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace Engine.Tests.Support;

/// <summary>
/// Linux's memory functions, of which some calls in a row fail, whichever function is called: a call, and what is done
/// to undo it. One lives at a time, because native code calls static functions.
/// </summary>
internal sealed unsafe class RefusingSystem : INativeContext
{
    private const int OutOfMemory = 12;
    private static nint s_mmap;
    private static nint s_munmap;
    private static nint s_mprotect;
    private static nint s_madvise;
    private static nint s_mremap;
    private static long s_calls;
    private static long s_first;
    private static long s_count;
    private readonly SystemLibraries _libraries = new();

    public RefusingSystem() => Refuse(0, 0);

    /// <summary>Called in each call, by the thread that makes it.</summary>
    public static Action? Called { get; set; }

    /// <summary>Calls since <see cref="Refuse"/>.</summary>
    public static long Calls => Interlocked.Read(ref s_calls);

    /// <summary>So many calls from the Nth from now on (1 is the next) fail.</summary>
    public static void Refuse(int call, int count)
    {
        Volatile.Write(ref s_count, 0);
        Volatile.Write(ref s_calls, 0);
        Volatile.Write(ref s_first, call);
        Volatile.Write(ref s_count, count);
    }

    /// <summary>From now on all calls work; they are still counted.</summary>
    public static void Heal() => Volatile.Write(ref s_count, 0);

    public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
    {
        if (!_libraries.TryGetProcAddress(proc, out addr))
            return false;

        addr = proc switch
        {
            "mmap" =>
                Instead(ref s_mmap, addr, (nint)(delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)&Mmap),
            "munmap" => Instead(ref s_munmap, addr, (nint)(delegate* unmanaged<nint, nuint, int>)&Munmap),
            "mprotect" => Instead(ref s_mprotect, addr, (nint)(delegate* unmanaged<nint, nuint, int, int>)&Mprotect),
            "madvise" => Instead(ref s_madvise, addr, (nint)(delegate* unmanaged<nint, nuint, int, int>)&Madvise),
            "mremap" =>
                Instead(ref s_mremap, addr, (nint)(delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)&Mremap),
            _ => addr,
        };
        return true;
    }

    public nint GetProcAddress(string proc, int? slot = default) =>
        TryGetProcAddress(proc, out nint address, slot) ? address : throw new EntryPointNotFoundException(proc);

    public void Dispose()
    {
        Heal();
        Called = null;
    }

    private static nint Instead(ref nint forward, nint address, nint own)
    {
        forward = address;
        return own;
    }

    private static bool Fails()
    {
        Called?.Invoke();
        long call = Interlocked.Increment(ref s_calls) - Volatile.Read(ref s_first);
        if (call < 0 || call >= Volatile.Read(ref s_count))
            return false;

        Marshal.SetLastSystemError(OutOfMemory);
        return true;
    }

    [UnmanagedCallersOnly]
    private static nint Mmap(nint address, nuint bytes, int protection, int flags, int file, nint offset) =>
        Fails() ? -1
            : ((delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)s_mmap)(address, bytes, protection, flags,
            file, offset);

    [UnmanagedCallersOnly]
    private static int Munmap(nint address, nuint bytes) =>
        Fails() ? -1 : ((delegate* unmanaged<nint, nuint, int>)s_munmap)(address, bytes);

    [UnmanagedCallersOnly]
    private static int Mprotect(nint address, nuint bytes, int protection) =>
        Fails() ? -1 : ((delegate* unmanaged<nint, nuint, int, int>)s_mprotect)(address, bytes, protection);

    [UnmanagedCallersOnly]
    private static int Madvise(nint address, nuint bytes, int advice) =>
        Fails() ? -1 : ((delegate* unmanaged<nint, nuint, int, int>)s_madvise)(address, bytes, advice);

    [UnmanagedCallersOnly]
    private static nint Mremap(nint from, nuint oldBytes, nuint newBytes, int flags, nint to) =>
        Fails() ? -1
            : ((delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)s_mremap)(from, oldBytes, newBytes, flags, to);
}
