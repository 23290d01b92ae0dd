namespace Engine.Platform;

/// <summary>
/// PageFaultCount of GetProcessMemoryInfo, for the whole process: Windows counts no thread by itself. Some
/// implementations of the API (Wine) always answer 0, so it is tried once whether the count counts.
/// </summary>
internal sealed unsafe class WindowsFaultCounter : IFaultCounter
{
    private const int TriedPages = 16;

    private readonly WindowsFunctions _windows;

    public WindowsFaultCounter(WindowsFunctions windows)
    {
        _windows = windows;
        IsSupported = windows.GetProcessMemoryInfo != null && Counts();
    }

    public bool IsSupported { get; }

    public bool IsPerThread => false;

    public long OfThread() => OfProcess();

    public long OfProcess() => IsSupported ? Read() : 0;

    private long Read()
    {
        WindowsFunctions.MemoryCounters counters = default;
        uint size = (uint)sizeof(WindowsFunctions.MemoryCounters);
        counters.Size = size;
        return _windows.GetProcessMemoryInfo(WindowsFunctions.ThisProcess, &counters, size) != 0 ? counters.PageFaultCount : 0;
    }

    private bool Counts()
    {
        nuint pageBytes = (nuint)Environment.SystemPageSize;
        nint pages = _windows.VirtualAlloc(
            0, TriedPages * pageBytes, WindowsFunctions.Reserve | WindowsFunctions.Commit, WindowsFunctions.ReadWrite);
        if (pages == 0)
        {
            return false;
        }

        long before = Read();
        PageToucher.Touch(pages, TriedPages * pageBytes, pageBytes);
        long taken = Read() - before;
        _ = _windows.VirtualFree(pages, 0, WindowsFunctions.Release);
        return taken >= TriedPages;
    }
}
