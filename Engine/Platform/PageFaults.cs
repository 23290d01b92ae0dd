namespace Engine.Platform;

/// <summary>
/// How many page faults a thread or the process took so far: read it before and after a piece of work, and subtract.
/// On Linux this includes pages that the kernel faulted in on request (a populate call); the faults that really
/// interrupted the program are counted by <see cref="PageFaultRecorder"/>.
/// </summary>
public static class PageFaults
{
    private static readonly IFaultCounter Counter = ThisPlatform.CreateFaultCounter(null);

    /// <summary>Whether the system counts page faults at all. Where it does not, every count is 0.</summary>
    public static bool IsSupported => Counter.IsSupported;

    /// <summary>Whether threads are counted apart. Where they are not, <see cref="OfThread"/> counts the whole process.</summary>
    public static bool IsPerThread => Counter.IsPerThread;

    /// <summary>
    /// Page faults, minor and major, of the calling thread since it began. Allocates nothing; about 0.2 microseconds, so
    /// once or twice a frame is fine in the hot loop. Any thread.
    /// </summary>
    public static long OfThread() => Counter.OfThread();

    /// <summary>Page faults, minor and major, of all threads of the process. Allocates nothing; hot-loop safe as above. Any thread.</summary>
    public static long OfProcess() => Counter.OfProcess();
}
