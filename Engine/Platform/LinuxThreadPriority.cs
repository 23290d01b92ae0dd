using Silk.NET.Core.Contexts;

namespace Engine.Platform;

/// <summary>
/// A thread's priority on Linux is its nice value, which setpriority changes for the calling thread alone. A thread of nice 19 gets about a
/// seventieth of a processor that one of nice 0 wants too, and all of one that nobody wants.
/// </summary>
internal static unsafe class LinuxThreadPriority
{
    public const int LowestNice = 19;
    private const int OfProcess = 0; // PRIO_PROCESS; with 0 for "who" it is the calling thread

    public static void Lower(INativeContext context)
    {
        if (context.TryGetProcAddress("setpriority", out nint setpriority))
        {
            // Raising one's nice value is always allowed.
            _ = ((delegate* unmanaged<int, uint, int, int>)setpriority)(OfProcess, 0, LowestNice);
        }
    }
}
