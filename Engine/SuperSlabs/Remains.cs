using Engine.Core;
using Engine.Platform;

namespace Engine.SuperSlabs;

/// <summary>
/// What is left of the reservations of disposed memories: address space that reads as 0, for handles and lanes that outlived them. The last
/// few are kept, process-wide. They go by the system's own functions: those of the memory's native context may be gone.
/// </summary>
internal static class Remains
{
    /// <summary>A program has one memory, and tests have some at a time; what outlives its memory is used soon after or never.</summary>
    public const int Most = 16;

    private static readonly Lock s_lock = new();
    private static readonly Queue<(nint Address, nuint Bytes)> s_kept = [];
    private static VirtualMemory? s_os;

    /// <summary>Keeps what is left of a reservation, and gives back the oldest beyond <see cref="Most"/>.</summary>
    public static void Add(nint address, nuint bytes)
    {
        lock (s_lock)
        {
            s_kept.Enqueue((address, bytes));
            try
            {
                while (s_kept.Count > Most)
                {
                    (nint oldest, nuint length) = s_kept.Peek();
                    s_os ??= VirtualMemory.Create();
                    s_os.Release(oldest, length);
                    s_kept.Dequeue();
                }
            }
            catch (EngineMemoryException)
            {
                // The next one tries again.
            }
        }
    }
}
