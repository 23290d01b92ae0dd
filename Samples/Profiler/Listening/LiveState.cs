using SuperSlab.Diagnostics;

namespace Samples.Profiler.Listening;

/// <summary>
/// What was heard of a process so far: the frames of the last ten seconds one by one, sums since the session began, and
/// the memory at its last reading. The session's thread adds, another looks.
/// </summary>
internal sealed class LiveState
{
    /// <summary>How long frames are kept, in seconds.</summary>
    public const double Window = 10;

    private const int SpansKept = 4;

    private readonly Lock _lock = new();
    private readonly Queue<LiveFrame> _frames = new();
    private readonly Queue<LiveSpan> _spans = new();
    private readonly int[] _collections = new int[3];
    private LiveMoment _moment = new();
    private double _pauseBegan = double.NaN;

    public void Add(LiveFrame frame)
    {
        lock (_lock)
        {
            _frames.Enqueue(frame);
            while (_frames.Peek().Seconds < frame.Seconds - Window)
            {
                _frames.Dequeue();
            }

            _moment = _moment with
            {
                Frames = _moment.Frames + 1,
                PageFaults = _moment.PageFaults + frame.PageFaults,
                ManagedBytes = _moment.ManagedBytes + frame.ManagedBytes,
                Overflows = _moment.Overflows + frame.Overflows,
            };
        }
    }

    public void Add(LiveSpan span)
    {
        lock (_lock)
        {
            _spans.Enqueue(span);
            if (_spans.Count > SpansKept)
            {
                _spans.Dequeue();
            }
        }
    }

    /// <summary>Keeps a reading of the memory.</summary>
    public void Complete(ProfileDocument state)
    {
        lock (_lock)
        {
            _moment = _moment with { State = state };
        }
    }

    public void AddCollection(int generation)
    {
        lock (_lock)
        {
            _collections[Math.Clamp(generation, 0, 2)]++;
        }
    }

    public void BeginPause(double milliseconds) => _pauseBegan = milliseconds;

    public void EndPause(double milliseconds)
    {
        if (double.IsNaN(_pauseBegan))
        {
            return;
        }

        lock (_lock)
        {
            _moment =
                _moment with
                {
                    LongestPauseMilliseconds =
                Math.Max(_moment.LongestPauseMilliseconds, milliseconds - _pauseBegan)
                };
        }
    }

    /// <summary>Everything as it is now.</summary>
    public LiveMoment Now()
    {
        lock (_lock)
        {
            return _moment with { LastFrames = [.. _frames], Spans = [.. _spans], Collections = [.. _collections] };
        }
    }
}
