using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// Lets threads sleep until another changes a word in memory and says so: futex on Linux, WaitOnAddress on Windows, __ulock on macOS. Where
/// there is none of these, a thread sleeps a millisecond at a time. Never counted among the calls of the memory functions.
/// </summary>
internal static unsafe class AddressWait
{
    private const int FutexWaitPrivate = 128;
    private const int FutexWakePrivate = 129;
    private const int CompareAndWait = 1; // UL_COMPARE_AND_WAIT
    private const uint Infinite = uint.MaxValue;

    private static readonly SystemLibraries s_system = ThisPlatform.CreateContext();

    private static readonly nint s_futexNumber = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 202,
        Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => 98,
        _ => 0,
    };

    private static readonly delegate* unmanaged<nint, int*, nint, nint, nint, nint, nint, nint> s_futex =
        (delegate* unmanaged<nint, int*, nint, nint, nint, nint, nint, nint>)(ThisPlatform.HasFutexes && s_futexNumber != 0 ? Find("syscall") : 0);

    private static readonly delegate* unmanaged<int*, int*, nuint, uint, int> s_waitOnAddress = (delegate* unmanaged<int*, int*, nuint, uint, int>)Find("WaitOnAddress");
    private static readonly delegate* unmanaged<int*, void> s_wakeByAddress = (delegate* unmanaged<int*, void>)Find("WakeByAddressSingle");
    private static readonly delegate* unmanaged<uint, int*, ulong, uint, int> s_ulockWait = (delegate* unmanaged<uint, int*, ulong, uint, int>)Find("__ulock_wait");
    private static readonly delegate* unmanaged<uint, int*, ulong, int> s_ulockWake = (delegate* unmanaged<uint, int*, ulong, int>)Find("__ulock_wake");

    /// <summary>Sleeps while the word has a value, until <see cref="WakeOne"/>, or without a reason: the caller looks again.</summary>
    public static void Wait(int* word, int value)
    {
        if (s_futex != null)
            _ = s_futex(s_futexNumber, word, FutexWaitPrivate, value, 0, 0, 0);
        else if (s_waitOnAddress != null && s_wakeByAddress != null)
            _ = s_waitOnAddress(word, &value, sizeof(int), Infinite);
        else if (s_ulockWait != null && s_ulockWake != null)
            _ = s_ulockWait(CompareAndWait, word, (ulong)value, 0);
        else
            Thread.Sleep(1);
    }

    /// <summary>Wakes one of the threads that sleep on a word, if there are any.</summary>
    public static void WakeOne(int* word)
    {
        if (s_futex != null)
            _ = s_futex(s_futexNumber, word, FutexWakePrivate, 1, 0, 0, 0);
        else if (s_waitOnAddress != null && s_wakeByAddress != null)
            s_wakeByAddress(word);
        else if (s_ulockWait != null && s_ulockWake != null)
            _ = s_ulockWake(CompareAndWait, word, 0);
    }

    private static nint Find(string function) => s_system.TryGetProcAddress(function, out nint address) ? address : 0;
}
