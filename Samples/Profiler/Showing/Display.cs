using Samples.Profiler.Listening;
using Spectre.Console;

namespace Samples.Profiler.Showing;

/// <summary>
/// Where a process is shown: a screen that keys change where standard output is a terminal, else lines. The keys are
/// read by a thread of their own; all else is for one thread.
/// </summary>
internal sealed class Display : IDisposable
{
    private static readonly TimeSpan s_redraw = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan s_line = TimeSpan.FromSeconds(1);

    private readonly Screen? _screen;
    private readonly CancellationTokenSource _stop;
    private readonly AutoResetEvent _pressed = new(initialState: false);
    private volatile ViewState _state = new();
    private LiveMoment? _paused;

    /// <param name="stop">Is cancelled by the key that ends the view.</param>
    public Display(CancellationTokenSource stop)
    {
        _stop = stop;
        if (!Screen.IsOn(AnsiConsole.Console))
            return;

        _screen = new Screen(AnsiConsole.Console);
        if (!Console.IsInputRedirected)
            new Thread(ReadKeys) { IsBackground = true, Name = "keys" }.Start();
    }

    /// <summary>Whether it is a screen, of which nothing stays.</summary>
    public bool IsScreen => _screen is not null;

    /// <summary>Nothing is known of the process yet.</summary>
    public void ShowWaiting(Target target) =>
        _screen?.Draw((width, _) => new LiveView(target).DrawWaiting(width));

    public void Show(Target target, LiveMoment moment)
    {
        if (_screen is null)
        {
            Console.Out.WriteLine(PlainLine.Of(target, moment));
            return;
        }

        ViewState state = _state;
        _paused = state.IsPaused ? _paused ?? moment : null;
        LiveMoment shown = _paused ?? moment;
        _screen.Draw((width, height) => new LiveView(target).Draw(shown, state, width, height));
    }

    /// <summary>The process has ended, and another one of its name is waited for.</summary>
    public void ShowEnded(Target target)
    {
        if (_screen is null)
            Console.Out.WriteLine($"{target.Vanished().Message} Waiting for a process called '{target.Name}'.");
        else
            _screen.Draw((width, _) => new LiveView(target).DrawEnded(width));
    }

    /// <summary>Waits until it is time to show the next moment, or a key asks for it.</summary>
    /// <returns>False when the view is to end.</returns>
    public bool Wait()
    {
        WaitHandle.WaitAny([_stop.Token.WaitHandle, _pressed], _screen is null ? s_line : s_redraw);
        return !_stop.IsCancellationRequested;
    }

    /// <summary>Restores the terminal. The thread of the keys waits for one more, and ends with it or the
    /// process.</summary>
    public void Dispose()
    {
        _screen?.Dispose();
        _pressed.Dispose();
    }

    private void ReadKeys()
    {
        try
        {
            while (!_state.HasQuit)
            {
                _state = _state.After(Console.ReadKey(intercept: true));
                if (_state.HasQuit)
                    _stop.Cancel();

                _pressed.Set();
            }
        }
        catch (Exception error) when (error is InvalidOperationException or IOException or ObjectDisposedException)
        {
            // The terminal is gone, or the view has ended in this moment.
        }
    }
}
