using Silk.NET.Core.Contexts;

namespace Engine.Platform;

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
        {
            _getrusage = (delegate* unmanaged[SuppressGCTransition]<int, long*, int>)getrusage;
        }

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
        {
            return 0;
        }

        long* usage = stackalloc long[32];
        return _getrusage(scope, usage) == 0 ? usage[MinorFaultsIndex] + usage[MajorFaultsIndex] : 0;
    }
}
