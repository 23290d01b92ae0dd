using System.Runtime.InteropServices;
using Samples.Soak.Load;
using Silk.NET.Core.Contexts;

namespace Samples.Soak;

/// <summary>
/// The operating system's functions, some calls of which fail on demand, in a row: mmap, mprotect, madvise
/// and mremap with the errno of a system without memory. Only one may live at a time, because native code calls static
/// functions. POSIX systems only.
/// </summary>
internal sealed unsafe class FailingSystem : INativeContext
{
    private const int OutOfMemory = 12;
    private const int CallsAhead = 30;
    private const int MostInARow = 6;

    private static nint s_mmap;
    private static nint s_mprotect;
    private static nint s_madvise;
    private static nint s_mremap;
    private static int s_callsLeft;
    private static int s_failing;
    private static long s_failures;

    private readonly nint _library = NativeLibrary.GetMainProgramHandle();

    /// <summary>Whether the functions are such as can be made to fail.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>Calls that were made to fail so far.</summary>
    public static long Failures => Interlocked.Read(ref s_failures);

    /// <summary>One of the next calls fails, or a few in a row; nothing happens where some are still to fail.</summary>
    public static void FailSoon(Random random)
    {
        if (Volatile.Read(ref s_callsLeft) == 0)
        {
            s_failing = 1 + random.Next(MostInARow);
            Volatile.Write(ref s_callsLeft, s_failing + random.Next(CallsAhead));
        }
    }

    /// <summary>From now on no call fails.</summary>
    public static void Heal() => Interlocked.Exchange(ref s_callsLeft, 0);

    public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
    {
        if (!NativeLibrary.TryGetExport(_library, proc, out nint own))
        {
            addr = 0;
            return false;
        }

        addr = proc switch
        {
            "mmap" =>
                Replace(ref s_mmap, own, (nint)(delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)&Mmap),
            "mprotect" => Replace(ref s_mprotect, own, (nint)(delegate* unmanaged<nint, nuint, int, int>)&Mprotect),
            "madvise" => Replace(ref s_madvise, own, (nint)(delegate* unmanaged<nint, nuint, int, int>)&Madvise),
            "mremap" =>
                Replace(ref s_mremap, own, (nint)(delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)&Mremap),
            _ => own,
        };
        return true;
    }

    public nint GetProcAddress(string proc, int? slot = default) =>
        TryGetProcAddress(proc, out nint address, slot) ? address : throw new EntryPointNotFoundException(proc);

    public void Dispose()
    {
    }

    private static nint Replace(ref nint kept, nint own, nint replacement)
    {
        kept = own;
        return replacement;
    }

    [UnmanagedCallersOnly]
    private static nint Mmap(nint address, nuint bytes, int protection, int flags, int file, nint offset) =>
        Fails()
            ? -1
            : ((delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)s_mmap)(
                address, bytes, protection, flags, file, offset);

    [UnmanagedCallersOnly]
    private static int Mprotect(nint address, nuint bytes, int protection) =>
        Fails() ? -1 : ((delegate* unmanaged<nint, nuint, int, int>)s_mprotect)(address, bytes, protection);

    [UnmanagedCallersOnly]
    private static int Madvise(nint address, nuint bytes, int advice) =>
        Fails() ? -1 : ((delegate* unmanaged<nint, nuint, int, int>)s_madvise)(address, bytes, advice);

    [UnmanagedCallersOnly]
    private static nint Mremap(nint from, nuint oldBytes, nuint newBytes, int flags, nint to) =>
        Fails()
            ? -1
            : ((delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)s_mremap)(from, oldBytes, newBytes, flags, to);

    private static bool Fails()
    {
        int left = Volatile.Read(ref s_callsLeft);
        while (left != 0)
        {
            int seen = Interlocked.CompareExchange(ref s_callsLeft, left - 1, left);
            if (seen == left)
                break;

            left = seen;
        }

        if (left == 0 || left > s_failing)
            return false;

        Interlocked.Increment(ref s_failures);
        Marshal.SetLastSystemError(OutOfMemory);
        return true;
    }
}
