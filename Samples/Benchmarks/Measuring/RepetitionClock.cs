using System.Diagnostics;
using Samples.Common;

namespace Samples.Benchmarks.Measuring;

/// <summary>
/// Times the repetitions of a piece of work. The first is the warm-up and does not count: it has the code compiled and the memory found.
/// <code>
///   do { clock.Start(); work; clock.Stop(); } while (clock.GoesOn);
/// </code>
/// </summary>
/// <param name="repetitions">How many count.</param>
/// <param name="profile">Takes those for frames, where no times are measured.</param>
internal sealed class RepetitionClock(int repetitions, SampleProfile? profile = null)
{
    private readonly long[] _ticks = new long[repetitions + 1];
    private int _done;
    private long _start;

    /// <summary>Whether there is another repetition to do.</summary>
    public bool GoesOn => _done < _ticks.Length;

    /// <summary>Begins a repetition.</summary>
    public void Start()
    {
        BeginFrame();
        _start = Stopwatch.GetTimestamp();
    }

    /// <summary>Ends it.</summary>
    public void Stop()
    {
        long ticks = Stopwatch.GetTimestamp() - _start;
        EndFrame();
        Add(ticks);
    }

    /// <summary>Begins a repetition for the profile alone: threads time it themselves.</summary>
    public void BeginFrame()
    {
        if (_done > 0)
        {
            profile?.BeginPart();
        }
    }

    /// <summary>Ends it, before it is added.</summary>
    public void EndFrame()
    {
        if (_done > 0)
        {
            profile?.EndFrame();
        }
    }

    /// <summary>Adds a repetition that threads timed themselves.</summary>
    public void Add(long ticks) => _ticks[_done++] = ticks;

    /// <summary>Nanoseconds per operation of the repetitions that count.</summary>
    /// <param name="operations">The operations of each.</param>
    public double[] Nanoseconds(long operations) =>
        Array.ConvertAll(_ticks[1..], ticks => ticks * (1e9 / Stopwatch.Frequency) / operations);
}
