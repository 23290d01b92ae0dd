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
        terminal.Press(ControlC);
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
        Assert.That(view, Does.Match(@"physics +\d+(\.\d)? MiB +0 B +[\d,]+ +0 "), "allocated, freed, and how often");
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

    /// <summary>Four whole boxes, nothing of them cut off at any side.</summary>
    private static void MustBeAView(string view, int width, int height, int process)
    {
        string[] rows = view.Split('\n');
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
