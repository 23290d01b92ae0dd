using System.Runtime.CompilerServices;

namespace Engine.Core;

/// <summary>
/// A lock that is one <see cref="int"/> in native memory: spins a little, then yields its core. It guards slow paths of well under a
/// microsecond. It is not re-entrant and allocates nothing.
/// Ordering: taking it is an acquire, leaving it a release, on every CPU that .NET runs on.
/// </summary>
internal static unsafe class NativeLock
{
    private const int SpinsBeforeYield = 64;

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
    public static void Exit(int* word) => Volatile.Write(ref *word, 0);

    /// <summary>Runs the code that waits, so that it is not compiled when two threads meet in a hot loop for the first time.</summary>
    public static void Rehearse()
    {
        int word = 0;
        EnterContended(&word);
        Thread.Yield();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void EnterContended(int* word)
    {
        for (int attempt = 0; ; attempt++)
        {
            if (Volatile.Read(ref *word) == 0 && Interlocked.CompareExchange(ref *word, 1, 0) == 0)
            {
                return;
            }

            if (attempt < SpinsBeforeYield)
            {
                Thread.SpinWait(8);
            }
            else
            {
                // The holder was preempted, or makes an OS call for everybody: let it run. Sleep(1) where yielding finds nobody on this core.
                if (!Thread.Yield() && attempt > 4 * SpinsBeforeYield)
                {
                    Thread.Sleep(1);
                }
            }
        }
    }
}
