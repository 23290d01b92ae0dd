using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Engine.Tests.Support;

/// <summary>
/// On Linux, keeps the thread on one core, the first that it may use, until this is disposed. Threads that do so take
/// turns there. Elsewhere it does nothing.
/// </summary>
internal readonly unsafe ref struct OneCore
{
    private readonly Cores _before;

    public OneCore()
    {
        if (!OperatingSystem.IsLinux())
            return;

        Cores before;
        _ = sched_getaffinity(0, sizeof(Cores), &before);
        _before = before;
        int word = ((ReadOnlySpan<ulong>)before).IndexOfAnyExcept(0UL);
        if (word < 0)
            return; // more cores than are asked for: the kernel says nothing

        Cores one = default;
        one[word] = before[word] & (0 - before[word]);
        _ = sched_setaffinity(0, sizeof(Cores), &one);
    }

    public void Dispose()
    {
        if (!OperatingSystem.IsLinux())
            return;

        Cores before = _before;
        _ = sched_setaffinity(0, sizeof(Cores), &before);
    }

    [DllImport("libc")]
    private static extern int sched_getaffinity(int thread, nint bytes, Cores* cores);

    [DllImport("libc")]
    private static extern int sched_setaffinity(int thread, nint bytes, Cores* cores);

    /// <summary>A bit for each of 1,024 cores, as the kernel keeps them.</summary>
    [InlineArray(16)]
    private struct Cores
    {
        private ulong _first;
    }
}
