using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

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

/// <summary>
/// A number that threads wait for to change. Nothing allocates after construction, as a monitor does at its first wait.
/// Any thread.
/// </summary>
internal sealed unsafe class WaitNumber
{
    private const int LineInts = 32; // two cache lines, which processors fetch together

    // Where nothing moves it, on lines of its own.
    private readonly int[] _lines = GC.AllocateArray<int>(3 * LineInts, pinned: true);
    private readonly int* _value;
    private int _sleeping;

    public WaitNumber() => _value = (int*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_lines)) + LineInts;

    public int Value => Volatile.Read(ref *_value);

    /// <summary>Changes it, and wakes all who wait. They see all that was written before.</summary>
    public void Advance()
    {
        Interlocked.Increment(ref *_value);
        if (Volatile.Read(ref _sleeping) != 0)
            AddressWait.WakeAll(_value);
    }

    /// <summary>Sleeps while it has a value.</summary>
    public void WaitWhile(int value)
    {
        Interlocked.Increment(ref _sleeping);
        while (Value == value)
            AddressWait.Wait(_value, value);

        Interlocked.Decrement(ref _sleeping);
    }
}
