using System.Diagnostics;
using Samples.Common;
using Samples.Profiler.Listening;
using Spectre.Console;

namespace Samples.Profiler.Showing;

/// <summary>Shows a process until it ends, the time is over, or somebody stops it: a live view in a terminal, else a line a second.</summary>
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
        ConsoleCancelEventHandler onCancel = (_, pressed) =>
        {
            pressed.Cancel = true;
            stop.Cancel();
        };
        Console.CancelKeyPress += onCancel;
        using EngineSession session = new(target);
        LiveView view = new(target);
        try
        {
            AwaitReading(target, session, stop.Token);
            if (options.Seconds is { } seconds)
            {
                stop.CancelAfter(TimeSpan.FromSeconds(seconds));
            }

            if (AnsiConsole.Profile.Out.IsTerminal)
            {
                AnsiConsole.Live(view.Draw(session.State.Now())).Start(display => Repeat(session, s_redraw, moment => display.UpdateTarget(view.Draw(moment)), stop.Token));
            }
            else
            {
                Repeat(session, s_line, moment => Console.Out.WriteLine(PlainLine.Of(target, moment)), stop.Token);
            }
        }
        finally
        {
            Console.CancelKeyPress -= onCancel;
        }

        if (options.SaveView is not null)
        {
            SaveView(view.Draw(session.State.Now()), options.SaveView);
        }

        if (session.HasEnded && options.Seconds is not null)
        {
            throw target.Vanished();
        }
    }

    /// <summary>A process with an engine tells its state at once; one that tells nothing has none.</summary>
    private static void AwaitReading(Target target, EngineSession session, CancellationToken stop)
    {
        long began = Stopwatch.GetTimestamp();
        while (session.State.Now().Totals is null && !stop.IsCancellationRequested)
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

    private static void Repeat(EngineSession session, TimeSpan interval, Action<LiveMoment> show, CancellationToken stop)
    {
        do
        {
            show(session.State.Now());
        }
        while (!stop.WaitHandle.WaitOne(interval) && !session.HasEnded);
        show(session.State.Now());
    }

    private static void SaveView(Spectre.Console.Rendering.IRenderable view, string path)
    {
        using Recorder recorder = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.TrueColor,
            Out = new AnsiConsoleOutput(TextWriter.Null),
        }).CreateRecorder();
        recorder.Profile.Width = LiveView.SavedWidth;
        recorder.Write(view);
        File.WriteAllText(path, $"<!doctype html><meta charset=\"utf-8\"><body style=\"background:#15171b;color:#d7d9de;padding:12px 16px\">{recorder.ExportHtml()}</body>\n");
    }
}
