using System.Diagnostics;
using System.Runtime.InteropServices;
using Samples.Common;
using Samples.Profiler.Listening;
using Spectre.Console;

namespace Samples.Profiler.Showing;

/// <summary>Shows a process until it ends, the time is over, or somebody stops it: a live view in a terminal, else a
/// line a second.</summary>
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

        // The second signal ends the viewer at once, whatever it waits for.
        Action<PosixSignalContext> onSignal = signal =>
        {
            signal.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        };
        using PosixSignalRegistration interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, onSignal);
        using PosixSignalRegistration terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, onSignal);
        using PosixSignalRegistration hungUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, onSignal);
        using EngineSession? opened = TryOpen(target, stop.Token);
        if (opened is not { } session)
            return;

        LiveView view = new(target);
        if (Screen.IsOn(AnsiConsole.Console))
        {
            using (Screen screen = new(AnsiConsole.Console))
            {
                screen.Draw((width, _) => view.DrawWaiting(width));
                Watch(target, session, options, s_redraw, moment => screen.Draw((width, height) =>
                    view.Draw(moment, width, height)), stop);
            }

            // The screen is gone; what it showed last stays as a line.
            Console.Out.WriteLine(PlainLine.Of(target, session.State.Now()));
        }
        else
        {
            Watch(target, session, options, s_line, moment =>
                Console.Out.WriteLine(PlainLine.Of(target, moment)), stop);
        }

        if (options.SaveView is not null)
        {
            SaveView(view.Draw(session.State.Now(), LiveView.Saved.Width, LiveView.Saved.Height), options.SaveView);
        }

        if (session.HasEnded)
        {
            if (options.Seconds is not null)
            {
                throw target.Vanished();
            }

            Console.Error.WriteLine(target.Vanished().Message);
        }
    }

    /// <summary>Null where somebody stopped the viewer first.</summary>
    private static EngineSession? TryOpen(Target target, CancellationToken stop)
    {
        try
        {
            return new EngineSession(target, stop);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    private static void Watch(
        Target target, EngineSession session, ProfilerOptions options, TimeSpan interval, Action<LiveMoment> show,
            CancellationTokenSource stop)
    {
        AwaitReading(target, session, stop.Token);
        if (options.Seconds is { } seconds)
        {
            stop.CancelAfter(TimeSpan.FromSeconds(seconds));
        }

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
        while (session.State.Now().State is null && !stop.IsCancellationRequested)
        {
            if (session.HasEnded)
            {
                throw target.Vanished();
            }

            if (Stopwatch.GetElapsedTime(began) > s_firstReading)
            {
                throw target.WithoutEngine();
            }

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
            path, "<!doctype html><meta charset=\"utf-8\"><body "
            + $"style=\"background:#15171b;color:#d7d9de;padding:12px 16px\">{recorder.ExportHtml()}</body>\n");
    }
}
