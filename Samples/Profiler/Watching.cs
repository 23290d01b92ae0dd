// Watches a process: on the screen, or line by line.
using System.Diagnostics;
using System.Runtime.InteropServices;
using Spectre.Console.Rendering;
using Spectre.Console;

namespace Samples.Profiler;

/// <summary>
/// Shows a process until it ends, the time is over, or somebody stops it: a live view in a terminal, else a line a
/// second.
/// </summary>
internal static class Watching
{
    private static readonly TimeSpan s_redraw = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan s_line = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_firstReading = TimeSpan.FromSeconds(10);

    /// <exception cref="BadInputException">The process has no engine, or cannot be listened to.</exception>
    /// <exception cref="RunFailedException">It ended before the time was over.</exception>
    public static void Run(Target target, ProfilerOptions options)
    {
        using CancellationTokenSource stop = new();
        Action<PosixSignalContext> onSignal = signal =>
        {
            signal.Cancel = true;
            stop.Cancel();
        };
        using PosixSignalRegistration interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, onSignal);
        using PosixSignalRegistration terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, onSignal);
        using PosixSignalRegistration hungUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, onSignal);
        using EngineSession session = new(target);
        LiveView view = new(target);
        if (Screen.IsOn(AnsiConsole.Console))
        {
            using (Screen screen = new(AnsiConsole.Console))
            {
                screen.Draw((width, _) => view.DrawWaiting(width));
                Watch(target, session, options, s_redraw, moment => screen.Draw(
                    (width, height) => view.Draw(moment, width, height)), stop);
            }

            // The screen is gone; what it showed last stays as a line.
            Console.Out.WriteLine(PlainLine.Of(target, session.State.Now()));
        }
        else
        {
            Watch(
                target, session, options, s_line, moment => Console.Out.WriteLine(PlainLine.Of(target, moment)), stop);
        }

        if (options.SaveView is not null)
            SaveView(view.Draw(session.State.Now(), LiveView.Saved.Width, LiveView.Saved.Height), options.SaveView);

        if (session.HasEnded)
        {
            if (options.Seconds is not null)
                throw target.Vanished();

            Console.Error.WriteLine(target.Vanished().Message);
        }
    }

    private static void Watch(
        Target target, EngineSession session, ProfilerOptions options, TimeSpan interval, Action<LiveMoment> show,
            CancellationTokenSource stop)
    {
        AwaitReading(target, session, stop.Token);
        if (options.Seconds is { } seconds)
            stop.CancelAfter(TimeSpan.FromSeconds(seconds));

        do
        {
            show(session.State.Now());
        }
        while (!stop.Token.WaitHandle.WaitOne(interval) && !session.HasEnded);
        show(session.State.Now());
    }

    /// <summary>A process with an engine tells its state at once; one that tells nothing has none.</summary>
    private static void AwaitReading(Target target, EngineSession session, CancellationToken stop)
    {
        long began = Stopwatch.GetTimestamp();
        while (session.State.Now().Totals is null && !stop.IsCancellationRequested)
        {
            if (session.HasEnded)
                throw target.Vanished();

            if (Stopwatch.GetElapsedTime(began) > s_firstReading)
                throw target.WithoutEngine();

            stop.WaitHandle.WaitOne(20);
        }
    }

    private static void SaveView(Spectre.Console.Rendering.IRenderable view, string path)
    {
        using Recorder recorder = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.TrueColor,
            Out = new AnsiConsoleOutput(TextWriter.Null),
        }).CreateRecorder();
        recorder.Profile.Width = LiveView.Saved.Width;
        recorder.Write(view);
        File.WriteAllText(
            path,
            $"<!doctype html><meta charset=\"utf-8\"><body style=\"background:#15171b;color:#d7d9de;padding:12px "
            + $"16px\">{recorder.ExportHtml()}</body>\n");
    }
}

/// <summary>
/// The terminal's second screen, which leaves what stood on the first as it was. Each view is drawn over the last one
/// in a single write, so nothing flickers, and in the size that the terminal has then; the screen is cleared only when
/// that size is another one.
/// </summary>
internal sealed class Screen : IDisposable
{
    private const string Enter = "\e[?1049h\e[?25l";

    // The last two: .NET turned the keypad's application mode on and leaves it on.
    private const string Leave = "\e[?25h\e[?1049l\e[?1l\e>";
    private readonly IAnsiConsole _terminal;
    private (int Width, int Height) _size;

    public Screen(IAnsiConsole terminal)
    {
        _terminal = terminal;
        Write(Enter);
    }

    /// <summary>Whether a console is a terminal that can do it.</summary>
    public static bool IsOn(IAnsiConsole console) =>
        console.Profile.Out.IsTerminal && console.Profile.Capabilities.Ansi;

    /// <summary>Draws a view.</summary>
    /// <param name="view">Makes the view for a number of columns and rows.</param>
    public void Draw(Func<int, int, IRenderable> view)
    {
        (int width, int height) = (_terminal.Profile.Width, _terminal.Profile.Height);
        using StringWriter text = new();
        IAnsiConsole page = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = (ColorSystemSupport)_terminal.Profile.Capabilities.ColorSystem,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(text),
        });
        page.Profile.Width = width;
        page.Profile.Capabilities.Unicode = _terminal.Profile.Capabilities.Unicode;
        page.Write(view(width, height));

        string[] rows = text.ToString().TrimEnd().ReplaceLineEndings("\n").Split('\n');
        int count = Math.Min(rows.Length, height);
        string below = count < height ? "\r\n\e[J" : "";
        Write((_size == (width, height) ? "\e[H" : "\e[H\e[2J") + string.Join("\r\n", rows[..count]) + below);
        _size = (width, height);
    }

    public void Dispose() => Write(Leave);

    private void Write(string text)
    {
        _terminal.Profile.Out.Writer.Write(text);
        _terminal.Profile.Out.Writer.Flush();
    }
}

/// <summary>The process as one line, for logs and for a standard output that is no terminal.</summary>
internal static class PlainLine
{
    public static string Of(Target target, LiveMoment moment)
    {
        string frames = moment.LastFrames.Count == 0
            ? "no frames"
            : string.Create(
                Texts.Culture,
                $"frames {moment.FramesPerSecond:0.0}/s p50 {Texts.Time(moment.Percentile(0.5))} p99 "
                + $"{Texts.Time(moment.Percentile(0.99))} max {Texts.Time(moment.Percentile(1))}");
        string memory = moment.Totals is { } totals
            ? string.Create(Texts.Culture,
                $"SuperSlabs {totals.OwnedSuperSlabs} owned {totals.ReadySuperSlabs} ready, OS calls {totals.OsCalls}")
            : "no reading";
        string faults = ProcessFaults.Of(target.Id) is { } count
            ? string.Create(Texts.Culture, $" (process {count})")
            : "";
        return string.Create(
            Texts.Culture,
            $"{frames}, {memory}, faults in frames {moment.PageFaults}{faults}, managed "
            + $"{Texts.Bytes(moment.ManagedBytes)}, collections {moment.Collections.Sum()}");
    }
}
