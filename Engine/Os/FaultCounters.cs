using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// How many page faults a thread or the process took so far: read it before and after a piece of work, and subtract. On
/// Linux this includes pages that the kernel faulted in on request (a populate call); <see cref="PageFaultRecorder"/>
/// counts only the faults that interrupted the program.
/// </summary>
public static class PageFaults
{
    private static readonly FaultCounter Counter = ThisPlatform.CreateFaultCounter();

    /// <summary>Whether the system counts page faults at all. Where it does not, every count is 0.</summary>
    public static bool IsSupported => Counter.IsSupported;

    /// <summary>Whether threads are counted apart. If not, <see cref="OfThread"/> counts the whole process.</summary>
    public static bool IsPerThread => Counter.IsPerThread;

    /// <summary>
    /// Page faults, minor and major, of the calling thread since it began. Allocates nothing and takes about 0.2
    /// microseconds: once or twice a frame is fine in the hot loop. Any thread.
    /// </summary>
    public static long OfThread() => Counter.OfThread();

    /// <summary>Page faults, minor and major, of all threads. Allocates nothing; cheap as above. Any thread.</summary>
    public static long OfProcess() => Counter.OfProcess();

    /// <summary>Waits of the calling thread, as <see cref="OfThread"/> counts faults.</summary>
    internal static long WaitsOfThread() => Counter.WaitsOfThread();
}

/// <summary>Reads the page faults of a thread and of the process. This one is for systems that count none.</summary>
internal class FaultCounter
{
    public virtual bool IsSupported => false;

    public virtual bool IsPerThread => false;

    public virtual long OfProcess() => 0;

    public virtual long OfThread() => OfProcess();

    /// <summary>How often the calling thread gave its processor away to wait; 0 where that is not counted.</summary>
    public virtual long WaitsOfThread() => 0;
}

/// <summary>getrusage. The count includes the pages that a populate call faults in.</summary>
internal sealed unsafe class PosixFaultCounter : FaultCounter
{
    private const int ProcessScope = 0;
    private const int UsageLongs = 32; // struct rusage: two timevals (4), maxrss, ixrss, idrss, isrss, minflt, ...
    private const int MinorFaultsIndex = 8;
    private const int MajorFaultsIndex = 9;
    private const int WaitsIndex = 16;

    private readonly delegate* unmanaged[SuppressGCTransition]<int, long*, int> _getrusage;
    private readonly int _threadScope;

    /// <param name="context">Where getrusage is found.</param>
    /// <param name="threadScope">RUSAGE_THREAD, or RUSAGE_SELF where the system has no such thing.</param>
    public PosixFaultCounter(INativeContext context, int threadScope)
    {
        _getrusage = (delegate* unmanaged[SuppressGCTransition]<int, long*, int>)context.Find("getrusage");
        long* usage = stackalloc long[UsageLongs];
        IsPerThread = _getrusage != null && threadScope != ProcessScope && _getrusage(threadScope, usage) == 0;
        _threadScope = IsPerThread ? threadScope : ProcessScope;
    }

    public override bool IsSupported => _getrusage != null;

    public override bool IsPerThread { get; }

    public override long OfThread() => Read(_threadScope);

    public override long OfProcess() => Read(ProcessScope);

    public override long WaitsOfThread()
    {
        long* usage = stackalloc long[UsageLongs];
        return IsPerThread && _getrusage(_threadScope, usage) == 0 ? usage[WaitsIndex] : 0;
    }

    private long Read(int scope)
    {
        long* usage = stackalloc long[UsageLongs];
        bool isRead = _getrusage != null && _getrusage(scope, usage) == 0;
        return isRead ? usage[MinorFaultsIndex] + usage[MajorFaultsIndex] : 0;
    }
}
