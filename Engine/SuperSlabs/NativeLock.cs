using System.Runtime.CompilerServices;
using Engine.Platform;

namespace Engine.SuperSlabs;

/// <summary>
/// A lock that is one <see cref="int"/> in native memory: 0 free, 1 taken, 2 taken and perhaps waited for. It guards slow paths of well under
/// a microsecond, so a thread that finds it taken looks again for some microseconds; then the holder has lost its processor, and the thread
/// sleeps until the holder, which so may run whatever its priority is, wakes it. It is not re-entrant and allocates nothing.
/// (U. Drepper, "Futexes Are Tricky", mutex2.)
/// Ordering: taking it is an acquire, leaving it a release, on every CPU that .NET runs on.
/// </summary>
internal static unsafe class NativeLock
{
    private const int SpinsBeforeSleep = 40;
    private static readonly int s_spins = Environment.ProcessorCount == 1 ? 0 : SpinsBeforeSleep;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Enter(int* word)
    {
        if (Interlocked.CompareExchange(ref *word, 1, 0) != 0)
        {
            EnterContended(word);
        }
    }

    /// <summary>Takes the lock if it is free.</summary>
    public static bool TryEnter(int* word) => Volatile.Read(ref *word) == 0 && Interlocked.CompareExchange(ref *word, 1, 0) == 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Exit(int* word)
    {
        if (Interlocked.Exchange(ref *word, 0) == 2)
        {
            AddressWait.WakeOne(word);
        }
    }

    /// <summary>Runs the code that waits and wakes, so that it is not compiled when two threads meet in a hot loop for the first time.</summary>
    public static void Rehearse()
    {
        int word = 0;
        EnterContended(&word);
        word = 0;
        AddressWait.Wait(&word, 2); // returns at once, because the word is not 2
        word = 2;
        Exit(&word);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void EnterContended(int* word)
    {
        for (int attempt = 0; attempt < s_spins; attempt++)
        {
            if (TryEnter(word))
            {
                return;
            }

            Thread.SpinWait(8);
        }

        // A thread that may have slept takes the lock as 2, so that its exit wakes the next sleeper.
        while (Interlocked.Exchange(ref *word, 2) != 0)
        {
            AddressWait.Wait(word, 2);
        }
    }
}
