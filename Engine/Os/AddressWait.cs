namespace SuperSlab;

/// <summary>
/// Puts a thread to sleep until another thread changes a word in memory: futex on Linux, WaitOnAddress on Windows,
/// __ulock on macOS, and sleeps of one millisecond elsewhere. <see cref="VirtualMemory.OsCalls"/> excludes these calls.
/// </summary>
internal static unsafe class AddressWait
{
    private const int FutexWaitPrivate = 128;
    private const int FutexWakePrivate = 129;
    private const int CompareAndWait = 1; // UL_COMPARE_AND_WAIT
    private const int WakeAllFlag = 0x100; // ULF_WAKE_ALL
    private const uint Infinite = uint.MaxValue;

    private static readonly SystemLibraries s_system = ThisPlatform.CreateContext();
    private static readonly LinuxSystemCall s_futex = new(s_system, LinuxCall.Futex);

    private static readonly delegate* unmanaged<int*, int*, nuint, uint, int> s_waitOnAddress =
        (delegate* unmanaged<int*, int*, nuint, uint, int>)s_system.Find("WaitOnAddress");
    private static readonly delegate* unmanaged<int*, void> s_wakeByAddress =
        (delegate* unmanaged<int*, void>)s_system.Find("WakeByAddressSingle");
    private static readonly delegate* unmanaged<int*, void> s_wakeAllByAddress =
        (delegate* unmanaged<int*, void>)s_system.Find("WakeByAddressAll");
    private static readonly delegate* unmanaged<uint, int*, ulong, uint, int> s_ulockWait =
        (delegate* unmanaged<uint, int*, ulong, uint, int>)s_system.Find("__ulock_wait");
    private static readonly delegate* unmanaged<uint, int*, ulong, int> s_ulockWake =
        (delegate* unmanaged<uint, int*, ulong, int>)s_system.Find("__ulock_wake");

    /// <summary>
    /// Sleeps while the word has the value, until <see cref="WakeOne"/> or earlier: callers check it.
    /// </summary>
    public static void Wait(int* word, int value)
    {
        if (s_futex.IsAvailable)
            _ = s_futex.Invoke((nint)word, FutexWaitPrivate, value);
        else if (s_waitOnAddress != null && s_wakeByAddress != null)
            _ = s_waitOnAddress(word, &value, sizeof(int), Infinite);
        else if (s_ulockWait != null && s_ulockWake != null)
            _ = s_ulockWait(CompareAndWait, word, (ulong)value, 0);
        else
            Thread.Sleep(1);
    }

    /// <summary>Wakes one of the threads that sleep on the word, if there are any.</summary>
    public static void WakeOne(int* word) => Wake(word, 1, s_wakeByAddress, CompareAndWait);

    /// <summary>Wakes all threads that sleep on the word.</summary>
    public static void WakeAll(int* word) =>
        Wake(word, int.MaxValue, s_wakeAllByAddress, CompareAndWait | WakeAllFlag);

    private static void Wake(int* word, int count, delegate* unmanaged<int*, void> wakeByAddress, uint ulockFlags)
    {
        if (s_futex.IsAvailable)
            _ = s_futex.Invoke((nint)word, FutexWakePrivate, count);
        else if (s_waitOnAddress != null && wakeByAddress != null)
            wakeByAddress(word);
        else if (s_ulockWait != null && s_ulockWake != null)
            _ = s_ulockWake(ulockFlags, word, 0);
    }
}
