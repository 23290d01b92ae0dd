// How far a long run is, for people who watch.
using System.Diagnostics;

namespace Samples.Common;

/// <summary>
/// One line on a terminal, written over and over, taken away at the end: "row 3 of 7, repeat 4 of 9, 2 min left". Where
/// standard error is a file or a pipe, nothing.
/// </summary>
internal sealed class RunProgress(int rows, int repeats) : IDisposable
{
    private readonly bool _isShown = !Console.IsErrorRedirected && rows * repeats > 1;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private int _done;

    /// <summary>A measurement begins.</summary>
    public void Next()
    {
        if (_isShown)
            Console.Error.Write("\r" + Line(_done, rows, repeats, _clock.Elapsed).PadRight(60));

        _done++;
    }

    public void Dispose()
    {
        if (_isShown)
            Console.Error.Write("\r" + new string(' ', 60) + "\r");
    }

    /// <param name="done">Measurements that have ended.</param>
    /// <param name="rows">Rows that take turns.</param>
    /// <param name="repeats">How often each does.</param>
    /// <param name="elapsed">Since the first began.</param>
    internal static string Line(int done, int rows, int repeats, TimeSpan elapsed)
    {
        string line = $"row {(done % rows) + 1} of {rows}";
        if (repeats > 1)
            line += $", repeat {(done / rows) + 1} of {repeats}";

        if (done == 0)
            return line;

        double left = elapsed.TotalSeconds / done * ((rows * repeats) - done);
        return line + (left < 90 ? $", {Math.Ceiling(left):0} s left" : $", {Math.Round(left / 60):0} min left");
    }
}
