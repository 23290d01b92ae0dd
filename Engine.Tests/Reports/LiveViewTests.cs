using System.Globalization;
using Engine.Tests.Reports.Support;
using Engine.Tests.Support;

namespace Engine.Tests.Reports;

/// <summary>The live view as somebody at a terminal sees it, and the terminal as it is left to them.</summary>
[Platform("Linux")]
[Parallelizable(ParallelScope.Self)]
internal sealed class LiveViewTests
{
    private const char ControlC = '\u0003';
    private const string DownArrow = "\eOB";
    private const string RightArrow = "\eOC";

    [TestCase(80, 24)]
    [TestCase(120, 40, Category = Lane.Slow)]
    [TestCase(200, 50, Category = Lane.Slow)]
    public void It_fills_a_screen_of_any_size_and_leaves_the_terminal_as_it_was(int width, int height)
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        using Terminal terminal =
            Terminal.StartProfiler(width, height, "", "--attach", Text(game.Id), "--seconds", "5");
        Assert.That(terminal.ExitCode(), Is.Zero);
        MustBeAView(terminal.See(screen => screen.Second), width, height, game.Id);
        Assert.That(terminal.See(screen =>
            (screen.Clears, screen.Scrolls, screen.HasColors)), Is.EqualTo((1, 0, true)),
            "cleared once, then drawn over");
        MustBeRestored(terminal);
        Assert.That(terminal.See(screen =>
            screen.First), Does.Match(@"frames \d+(\.\d+)?/s p50 "), "what it showed last stays as a line");
    }

    [Test]
    public void It_takes_the_size_that_the_window_gets()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        using Terminal terminal = Terminal.StartProfiler(120, 40, "", "--attach", Text(game.Id));
        terminal.Await(screen => screen.Second.Contains("frames/s", StringComparison.Ordinal));
        terminal.Resize(80, 24);
        terminal.Await(screen =>
            screen.Clears == 2 && screen.Second.Contains("collections 0/1/2", StringComparison.Ordinal));
        terminal.Press(ControlC.ToString());
        Assert.That(terminal.ExitCode(), Is.Zero);
        MustBeAView(terminal.See(screen => screen.Second), 80, 24, game.Id);
        MustBeRestored(terminal);
    }

    [Test]
    [Category(Lane.Slow)]
    public void Without_colors_it_says_the_same()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        using Terminal terminal =
            Terminal.StartProfiler(80, 24, "NO_COLOR=1", "--attach", Text(game.Id), "--seconds", "5");
        Assert.That(terminal.ExitCode(), Is.Zero);
        string view = terminal.See(screen => screen.Second);
        MustBeAView(view, 80, 24, game.Id);
        Assert.That(terminal.See(screen => screen.HasColors), Is.False);
        Assert.That(view, Does.Match(@"physics +\d+(\.\d+)? MiB +0 B +[\d,]+ +0 "), "allocated, freed, and how often");
    }

    [Test]
    [Category(Lane.Slow)]
    public void A_terminal_that_can_only_print_gets_lines()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        using Terminal terminal =
            Terminal.StartProfiler(80, 24, "TERM=dumb", "--attach", Text(game.Id), "--seconds", "5");
        Assert.That(terminal.ExitCode(), Is.Zero);
        Assert.That(terminal.See(screen => screen.First), Does.Match(@"frames \d+(\.\d+)?/s p50 "));
        Assert.That(terminal.See(screen => screen.Second), Is.Empty);
    }

    [Test]
    [Category(Lane.Slow)]
    public void When_the_process_ends_the_terminal_is_restored_and_told()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        using Terminal terminal = Terminal.StartProfiler(100, 30, "", "--attach", Text(game.Id));
        terminal.Await(screen => screen.Second.Contains("frames/s", StringComparison.Ordinal));
        game.Kill();
        Assert.That(terminal.ExitCode(), Is.Zero);
        MustBeRestored(terminal);
        Assert.That(terminal.See(screen =>
            screen.First), Does.Contain($"process {Text(game.Id)} ").And.Contains("has ended."));
    }

    [Test]
    [Category(Lane.Slow)]
    public void A_process_without_the_engine_is_waited_for_visibly_and_then_refused()
    {
        using ChildProgram idle = ChildProgram.StartTarget("idle");
        using Terminal terminal = Terminal.StartProfiler(200, 30, "", "--attach", Text(idle.Id));
        terminal.Await(screen =>
            screen.IsSecond && screen.Second.Contains("waiting for what it tells", StringComparison.Ordinal));
        Assert.That(terminal.ExitCode(), Is.EqualTo(2));
        MustBeRestored(terminal);
        Assert.That(terminal.See(screen =>
            screen.First),
            Does.Contain("error: --attach: process").And.Contains("tells nothing of an engine's memory"));
    }

    [Test]
    public void No_screen_is_opened_for_a_process_that_is_not_there()
    {
        using Terminal terminal = Terminal.StartProfiler(80, 24, "", "--attach", "999999999");
        Assert.That(terminal.ExitCode(), Is.EqualTo(2));
        Assert.That(terminal.See(screen => (screen.Second, screen.Clears)), Is.EqualTo(("", 0)));
    }

    [Test]
    [Category(Lane.Slow)]
    public void Keys_turn_tabs_sort_scroll_pause_explain_themselves_and_quit()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        using Terminal terminal = Terminal.StartProfiler(110, 20, "", "--attach", Text(game.Id));
        terminal.Await(screen => screen.Second.Contains("[1 overview]", StringComparison.Ordinal));
        terminal.Press("2");
        terminal.Await(screen => screen.Second.Contains("by SuperSlabs", StringComparison.Ordinal));
        terminal.Press("s");
        terminal.Await(screen => screen.Second.Contains("rows 1 to 2 of 2, by Arena", StringComparison.Ordinal));
        Assert.That(terminal.See(screen => screen.Second), Does.Match(@"scratch .*\n.*world "));
        terminal.Press("r");
        terminal.Await(screen => screen.Second.IndexOf("world ", StringComparison.Ordinal)
            < screen.Second.IndexOf("scratch ", StringComparison.Ordinal));
        terminal.Press(DownArrow);
        terminal.Await(screen => screen.Second.Contains("rows 2 to 2 of 2", StringComparison.Ordinal));
        terminal.Press(RightArrow);
        terminal.Await(screen => screen.Second.Contains("[3 tags]", StringComparison.Ordinal));
        terminal.Press("4");
        terminal.Await(screen => screen.Second.Contains("[4 frames]", StringComparison.Ordinal)
            && screen.Second.Contains("by time", StringComparison.Ordinal));
        terminal.Press("p");
        terminal.Await(screen => screen.Second.Contains("PAUSED", StringComparison.Ordinal));
        string paused = terminal.See(screen => screen.Second);
        terminal.Press("?");
        terminal.Await(screen => screen.Second.Contains("sort by the next column", StringComparison.Ordinal));
        terminal.Press("?");
        terminal.Await(screen => screen.Second == paused);
        terminal.Press("q");
        Assert.That(terminal.ExitCode(), Is.Zero);
        MustBeRestored(terminal);
    }

    [Test]
    [Category(Lane.Slow)]
    public void By_its_name_a_process_is_found_or_listed_and_the_next_one_is_shown_when_it_ends()
    {
        // Other tests have processes of the program's own name.
        string name = $"game-{Environment.ProcessId}";
        string copy = Path.Combine(AppContext.BaseDirectory, name);
        File.Copy(Path.Combine(AppContext.BaseDirectory, ChildProgram.Target), copy, overwrite: true);
        try
        {
            using ChildProgram first = ChildProgram.StartTarget("game", name);
            using Terminal terminal = Terminal.StartProfiler(100, 30, "", "--attach", name);
            terminal.Await(screen => Shows(screen, first.Id));
            first.Kill();
            terminal.Await(screen => screen.Second.Contains("waiting for a process called", StringComparison.Ordinal));
            using ChildProgram second = ChildProgram.StartTarget("game", name);
            terminal.Await(screen => Shows(screen, second.Id));
            using ChildProgram third = ChildProgram.StartTarget("idle", name);
            (int code, _, string error) = ChildProgram.RunProfiler("--attach", name);
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error, Does.Contain($"2 processes are called '{name}'").And.Contain(Text(second.Id)));
            terminal.Press("q");
            Assert.That(terminal.ExitCode(), Is.Zero);
            MustBeRestored(terminal);
        }
        finally
        {
            File.Delete(copy);
        }

        bool Shows(TerminalScreen screen, int process) =>
            screen.Second.Contains($"{name} · process {Text(process)}", StringComparison.Ordinal)
            && screen.Second.Contains("frames/s", StringComparison.Ordinal);
    }

    /// <summary>Four whole boxes, nothing of them cut off at any side, and the line of keys below.</summary>
    private static void MustBeAView(string view, int width, int height, int process)
    {
        string[] all = view.Split('\n');
        string[] rows = all[..^1];
        Assert.That(all, Has.Length.LessThanOrEqualTo(height), view);
        Assert.That(all[^1], Does.StartWith("[1 overview]").And.EndsWith("q quit"));
        Assert.Multiple(() =>
        {
            Assert.That(rows, Has.Length.InRange(16, height), view);
            Assert.That(rows.Select(row => row.Length), Is.All.EqualTo(Math.Min(width, 132)), view);
            Assert.That(rows.Count(row => row[0] == '╭' && row[^1] == '╮'), Is.EqualTo(4), view);
            Assert.That(rows.Count(row => row[0] == '╰' && row[^1] == '╯'), Is.EqualTo(4), view);
            Assert.That(rows[0], Does.Contain($" · process {Text(process)}─"));
            Assert.That(rows[1], Does.Match(@"^│ frames/s \d+\.\d +p50 .* p90 "));
            Assert.That(
                view, Does.Match("[▁▂▃▄▅▆▇█]{3}").And.Match(@"│ world .* MiB ").And.Match(@"│ scratch ").And.Match(
                @"│ physics .* [KMGT]iB "));
            Assert.That(
                view, Does.Contain("SuperSlabs owned").And.Contains("collections 0/1/2").And.Contains("longest pause"));
        });
    }

    private static void MustBeRestored(Terminal terminal) => Assert.That(
        terminal.See(screen =>
            (screen.IsSecond, screen.ShowsCursor, screen.SendsApplicationKeys)), Is.EqualTo((false, true, false)),
        "the second screen, the cursor, the keys' mode");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
