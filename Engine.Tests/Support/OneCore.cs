using System.Runtime.InteropServices;

namespace Engine.Tests.Support;

/// <summary>
/// On Linux, keeps the thread on one core, the first that it may use, until this is disposed. Threads that do so take
/// turns there. Elsewhere it does nothing.
/// </summary>
internal readonly unsafe ref struct OneCore
{
    private const int Words = 16;

    private readonly Cores _before;

    public OneCore()
    {
        if (!OperatingSystem.IsLinux())
            return;

        Cores before;
        _ = sched_getaffinity(0, sizeof(Cores), &before);
        _before = before;
        Span<ulong> cores = before;
        int word = cores.IndexOfAnyExcept(0UL);
        ulong first = cores[word] & (0 - cores[word]);
        cores.Clear();
        cores[word] = first;
        _ = sched_setaffinity(0, sizeof(Cores), &before);
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

    /// <summary>A bit for each core, as the kernel keeps them.</summary>
    [System.Runtime.CompilerServices.InlineArray(Words)]
    private struct Cores
    {
        private ulong _first;
    }
}
