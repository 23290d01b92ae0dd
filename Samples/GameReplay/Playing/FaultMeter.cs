using SuperSlab;

namespace Samples.GameReplay.Playing;

/// <summary>
/// Counts the page faults of the thread that made it, between Start and Stop. Where the system lets it, each fault's address
/// is recorded, which tells those in the allocator's own memory from the rest; where it does not, the kernel's count per thread
/// must do, and only a total of 0 says something about the parts.
/// </summary>
internal sealed class FaultMeter : IDisposable
{
    // An ordinary user may lock about this many records in all.
    private const int RecordsOfAllThreads = 32 * 1024;
    private readonly PageFaultRecorder? _recorder;
    private long _countBefore;
    private long _lostBefore;

    /// <summary>Makes a meter for the calling thread.</summary>
    /// <param name="threads">How many threads make one, as they share what the system grants.</param>
    /// <param name="records">Whether addresses are to be recorded where possible.</param>
    public FaultMeter(int threads, bool records)
    {
        if (records)
        {
            _recorder = new PageFaultRecorder(Math.Clamp(RecordsOfAllThreads / threads, 256, 4096));
        }
    }

    /// <summary>Page faults between Start and Stop.</summary>
    public long Count { get; private set; }

    /// <summary>Begins to count.</summary>
    public void Start()
    {
        if (_recorder is null)
        {
            _countBefore = PageFaults.OfThread();
            return;
        }

        _countBefore = _recorder.Count;
        _lostBefore = _recorder.LostCount;
        _recorder.Start();
    }

    /// <summary>Ends counting.</summary>
    public void Stop()
    {
        _recorder?.Stop();
        Count = (_recorder?.Count ?? PageFaults.OfThread()) - _countBefore;
    }

    /// <summary>
    /// How many of the faults lay in the range; null when that is not known. Faults whose address was lost, because there were too
    /// many of them at once, are taken to lie in it. Once after each Stop.
    /// </summary>
    public long? CountWithin(nint start, nuint bytes)
    {
        if (_recorder is null)
        {
            return Count == 0 || bytes == 0 ? 0 : null;
        }

        long within = _recorder.DrainWithin(start, bytes);
        return bytes == 0 ? 0 : within + _recorder.LostCount - _lostBefore;
    }

    /// <inheritdoc/>
    public void Dispose() => _recorder?.Dispose();
}
