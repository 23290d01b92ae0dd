using System.Diagnostics;

namespace Samples.Benchmarks.Measuring;

/// <summary>
/// Times the repetitions of a piece of work. The first is the warm-up and does not count: it has the code compiled and the memory found.
/// <code>
///   do { clock.Start(); work; clock.Stop(); } while (clock.GoesOn);
/// </code>
/// </summary>
/// <param name="repetitions">How many count.</param>
internal sealed class RepetitionClock(int repetitions)
{
    private readonly long[] _ticks = new long[repetitions + 1];
    private int _done;
    private long _start;

    /// <summary>Whether there is another repetition to do.</summary>
    public bool GoesOn => _done < _ticks.Length;

    /// <summary>Begins a repetition.</summary>
    public void Start() => _start = Stopwatch.GetTimestamp();

    /// <summary>Ends it.</summary>
    public void Stop() => Add(Stopwatch.GetTimestamp() - _start);

    /// <summary>Adds a repetition that threads timed themselves.</summary>
    public void Add(long ticks) => _ticks[_done++] = ticks;

    /// <summary>Nanoseconds per operation of the repetitions that count.</summary>
    /// <param name="operations">The operations of each.</param>
    public double[] Nanoseconds(long operations) =>
        Array.ConvertAll(_ticks[1..], ticks => ticks * (1e9 / Stopwatch.Frequency) / operations);
}
