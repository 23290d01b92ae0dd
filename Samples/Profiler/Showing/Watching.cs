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
    private static readonly TimeSpan s_firstReading = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(0.5);

    /// <exception cref="BadInputException">The process has no engine, or cannot be listened to.</exception>
    /// <exception cref="RunFailedException">It ended before the time was over.</exception>
    /// <returns>The process that was watched last: by its name, another one may take its place.</returns>
    public static Target Run(Target target, ProfilerOptions options)
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
        if (TryOpen(target, stop.Token) is not { } session)
            return target;

        try
        {
            bool isScreen;
            using (Display display = new(stop))
            {
                isScreen = display.IsScreen;
                display.ShowWaiting(target);
                AwaitReading(target, session, stop.Token);
                if (options.Seconds is { } seconds)
                    stop.CancelAfter(TimeSpan.FromSeconds(seconds));

                Watch(target, session, display);
                while (options.AttachesByName && session.HasEnded && !stop.IsCancellationRequested)
                {
                    display.ShowEnded(target);
                    if (Reopen(target, stop.Token) is not { } next)
                        break;

                    session.Dispose();
                    (target, session) = next;
                    Watch(target, session, display);
                }
            }

            // The screen is gone; what it showed last stays as a line.
            if (isScreen)
                Console.Out.WriteLine(PlainLine.Of(target, session.State.Now()));

            End(target, session, options);
            return target;
        }
        finally
        {
            session.Dispose();
        }
    }

    private static void End(Target target, EngineSession session, ProfilerOptions options)
    {
        if (options.SaveView is not null)
        {
            (int width, int height) = LiveView.Saved;
            SaveView(
                new LiveView(target).DrawTab(session.State.Now(), new ViewState(), width, height), options.SaveView);
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

    /// <summary>Waits for another process of the target's name that can be listened to; null where somebody stopped
    /// the viewer first.</summary>
    private static (Target Target, EngineSession Session)? Reopen(Target ended, CancellationToken stop)
    {
        while (!stop.WaitHandle.WaitOne(s_look))
        {
            if (Target.Named(ended.Name).LastOrDefault(one => one.Id != ended.Id) is not { } next)
                continue;

            try
            {
                return TryOpen(next, stop) is { } session ? (next, session) : null;
            }
            catch (Exception error) when (error is BadInputException or RunFailedException)
            {
                // It has just begun, or has ended again.
            }
        }

        return null;
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

    private static void Watch(Target target, EngineSession session, Display display)
    {
        do
        {
            display.Show(target, session.State.Now());
        }
        while (display.Wait() && !session.HasEnded);
        display.Show(target, session.State.Now());
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

            if (session.Unreadable is { } reason)
            {
                throw target.Unreadable(reason);
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
        OutputFile.Write(
            path, "<!doctype html><meta charset=\"utf-8\"><body "
            + $"style=\"background:#15171b;color:#d7d9de;padding:12px 16px\">{recorder.ExportHtml()}</body>\n");
    }
}
