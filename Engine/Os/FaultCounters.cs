using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// How many page faults a thread or the process took so far: read it before and after a piece of work, and subtract.
/// On Linux this includes pages that the kernel faulted in on request (a populate call); the faults that really
/// interrupted the program are counted by <see cref="PageFaultRecorder"/>.
/// </summary>
public static class PageFaults
{
    private static readonly IFaultCounter Counter = ThisPlatform.CreateFaultCounter();

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

/// <summary>Where the page faults of a thread and of the process are read.</summary>
internal interface IFaultCounter
{
    bool IsSupported { get; }

    bool IsPerThread { get; }

    long OfThread();

    long OfProcess();
}

/// <summary>For systems that do not count page faults.</summary>
internal sealed class NoFaultCounter : IFaultCounter
{
    public bool IsSupported => false;

    public bool IsPerThread => false;

    public long OfThread() => 0;

    public long OfProcess() => 0;
}

/// <summary>
/// getrusage. The count includes the pages that a populate call faults in; for exceptions alone see
/// <see cref="PageFaultRecorder"/>.
/// </summary>
internal sealed unsafe class PosixFaultCounter : IFaultCounter
{
    private const int ProcessScope = 0;
    private const int MinorFaultsIndex = 8; // struct rusage as longs: two timevals (4), maxrss, ixrss, idrss, isrss, minflt, majflt
    private const int MajorFaultsIndex = 9;

    private readonly delegate* unmanaged[SuppressGCTransition]<int, long*, int> _getrusage;
    private readonly int _threadScope;

    // threadScope: RUSAGE_THREAD, or RUSAGE_SELF where the system has no such thing.
    public PosixFaultCounter(INativeContext context, int threadScope)
    {
        if (context.TryGetProcAddress("getrusage", out nint getrusage))
            _getrusage = (delegate* unmanaged[SuppressGCTransition]<int, long*, int>)getrusage;

        long* usage = stackalloc long[32];
        IsPerThread = _getrusage != null && threadScope != ProcessScope && _getrusage(threadScope, usage) == 0;
        _threadScope = IsPerThread ? threadScope : ProcessScope;
    }

    public bool IsSupported => _getrusage != null;

    public bool IsPerThread { get; }

    public long OfThread() => Read(_threadScope);

    public long OfProcess() => Read(ProcessScope);

    private long Read(int scope)
    {
        if (_getrusage == null)
            return 0;

        long* usage = stackalloc long[32];
        return _getrusage(scope, usage) == 0 ? usage[MinorFaultsIndex] + usage[MajorFaultsIndex] : 0;
    }
}
