using System.Globalization;
using System.Text.RegularExpressions;
using Engine.Tests.Reports.Support;
using Engine.Tests.Support;

namespace Engine.Tests.Reports;

/// <summary>Samples/Profiler on real processes: one with the engine, one without, one that dies, and none.</summary>
[Parallelizable(ParallelScope.Self)]
internal sealed partial class ProfilerSampleTests
{
    private string _path = "";

    [SetUp]
    public void MakeFile() => _path = Path.Combine(Path.GetTempPath(), $"engine-profiler-{Guid.NewGuid():n}");

    [TearDown]
    public void DeleteFile() => File.Delete(_path);

    [Test]
    [Category(Lane.Slow)]
    public void A_running_process_is_shown_line_by_line_where_there_is_no_terminal()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        (int code, string output, string error) = ChildProgram.RunProfiler("--attach", Text(game.Id), "--seconds", "3");
        Assert.That(code, Is.Zero, error);
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(lines, Has.Length.InRange(2, 6));
        Assert.That(
            lines[^1],
            Does.Match(
            @"^frames [1-9][\d,.]*/s p50 .* p99 .* max .*, SuperSlabs [1-9]\d* owned \d+ ready, OS calls [1-9][\d,]*, faults in frames \d+"));
    }

    [Test]
    [Category(Lane.Slow)]
    public void The_view_names_arenas_tags_and_loads()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        (int code, _, string error) =
            ChildProgram.RunProfiler("--attach", Text(game.Id), "--seconds", "2", "--save-view", _path);
        Assert.That(code, Is.Zero, error);
        string view = Tag().Replace(File.ReadAllText(_path), "");
        Assert.That(
            view, Does.Contain("world").And.Contains("scratch").And.Contains("physics").And.Contains(
            "SuperSlabs owned").And.Match("[▁▂▃▄▅▆▇█]{20}"));
    }

    [Test]
    public void The_report_of_a_running_process_holds_its_frames_and_arenas()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        (int code, string output, string error) =
            ChildProgram.RunProfiler("--attach", Text(game.Id), "--report", _path);
        Assert.That(code, Is.Zero, error);
        Match said = Regex.Match(output, @": (\d+) frames of ");
        Assert.That(int.Parse(said.Groups[1].Value, CultureInfo.InvariantCulture), Is.GreaterThan(100));
        Assert.That(
            File.ReadAllText(_path),
            Does.Contain("\"name\":\"world\"").And.Contains("[\"physics\",").And.Contains("load \\u0027meadow\\u0027"));
    }

    [Test]
    public void The_report_of_a_finished_process_is_made_of_its_profile()
    {
        string profile = _path + ".json";
        SampleProfile.Create(500).Write(profile);
        (int code, string output, string error) = ChildProgram.RunProfiler("--profile", profile, "--report", _path);
        File.Delete(profile);
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain("500 frames"));
        Assert.That(File.ReadAllText(_path), Does.Contain("a game that never ran"));
    }

    [Test]
    [Category(Lane.Slow)]
    public void A_process_that_ends_while_it_is_watched_is_a_failure()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        using ChildProgram profiler = ChildProgram.StartProfiler("--attach", Text(game.Id), "--seconds", "100");
        Assert.That(profiler.ReadLine(), Is.Not.Null, "it is watching");
        game.Kill();
        (int code, _, string error) = profiler.Result();
        Assert.That(code, Is.EqualTo(1));
        MustBeOneLine(error, $"process {game.Id} (Engine.Tests.Re");
        Assert.That(error, Does.Contain("has ended"));
    }

    [Test]
    [Category(Lane.Slow)]
    public void A_process_without_the_engine_is_refused()
    {
        using ChildProgram idle = ChildProgram.StartTarget("idle");
        (int code, _, string error) = ChildProgram.RunProfiler("--attach", Text(idle.Id), "--seconds", "1");
        Assert.That(code, Is.EqualTo(2));
        MustBeOneLine(error, "tells nothing of an engine's memory");
    }

    [TestCase("--seconds", "3")]
    [TestCase("--report", "report.html")]
    [Category(Lane.Slow)]
    public void A_process_whose_library_is_newer_is_refused_with_the_versions(params string[] options)
    {
        using ChildProgram newer = ChildProgram.StartTarget("newer");
        (int code, _, string error) = ChildProgram.RunProfiler(["--attach", Text(newer.Id), .. options]);
        Assert.That(code, Is.EqualTo(2), error);
        MustBeOneLine(error, "tells cannot be read: It is a profile of version 3; this program reads versions 1 to 2");
    }

    /// <summary>As by a debugger's breakpoint: the runtime of the process answers nothing.</summary>
    [Test]
    [Category(Lane.Slow)]
    [Platform("Linux", Reason = "Signals stop the process.")]
    public void A_process_that_is_stopped_while_it_is_watched_does_not_keep_the_viewer()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        using ChildProgram profiler = ChildProgram.StartProfiler("--attach", Text(game.Id), "--seconds", "3");
        Assert.That(profiler.ReadLine(), Is.Not.Null, "it is watching");
        game.Signal("STOP");
        (int code, _, string error) = profiler.Result();
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.StartWith("warning: process").And.Contains("does not answer"));
    }

    [Test]
    [Category(Lane.Slow)]
    [Platform("Linux", Reason = "Signals stop the process and the viewer.")]
    public void A_second_signal_ends_the_viewer_at_once()
    {
        using ChildProgram game = ChildProgram.StartTarget("game");
        using ChildProgram profiler = ChildProgram.StartProfiler("--attach", Text(game.Id));
        Assert.That(profiler.ReadLine(), Is.Not.Null, "it is watching");
        game.Signal("STOP");
        profiler.SignalUntilEnd("TERM");
        Assert.That(profiler.Result().ExitCode, Is.EqualTo(128 + 15), "it did not wait for the process's answer");
    }

    [Test]
    [Category(Lane.Slow)]
    public void Two_real_profiles_are_compared_in_the_terminal_and_on_a_page()
    {
        string[] profiles = [_path + "-a.json", _path + "-b.json"];
        foreach ((string profile, int blockBytes) in profiles.Zip((int[])[100, 400]))
            Play(blockBytes).Write(profile);

        (int code, string output, string error) =
            ChildProgram.RunProfiler("--diff", profiles[0], profiles[1], "--report", _path);
        Array.ForEach(profiles, File.Delete);
        Assert.That(code, Is.Zero, error);
        string[] lines = output.Split('\n');
        Assert.That(lines[0], Does.StartWith("A: ").And.EndsWith("real run, 50 frames"));
        Assert.That(output, Does.Match(@"\d+ worse, \d+ better, \d+ the same, \d+ not known"));
        Assert.That(output, Does.Match(@"size classes: 416 B, live +0 B +20.3 KiB +\+20.3 KiB "));
        Assert.That(
            output,
            Does.Match(@"\nbetter .*\n-+\n(.*\n)*size classes: 112 B, live +5.47 KiB +0 B +-5.47 KiB +-100 %"));
        Assert.That(File.ReadAllText(_path), Does.Contain("\"name\":\"416 B\""));
    }

    [Test]
    public void A_profile_of_a_newer_program_is_refused_with_a_sentence()
    {
        File.WriteAllText(_path, "{\"version\":3}");
        (int code, _, string error) = ChildProgram.RunProfiler("--diff", _path, _path);
        Assert.That(code, Is.EqualTo(2), error);
        MustBeOneLine(
            error, "It is a profile of version 3; this program reads versions 1 to 2, and a newer one wrote it.");
    }

    [TestCase("takes two profiles, not 1", "--diff", "a.json")]
    [TestCase("takes two profiles, not 0", "--diff")]
    [TestCase("'/dev/null' cannot be read as a profile", "--diff", "/dev/null", "/dev/null")]
    [TestCase("--diff: '/no/such/file' cannot be read", "--diff", "/no/such/file", "/dev/null")]
    [TestCase("are for a running process", "--diff", "a.json", "b.json", "--seconds", "3")]
    [TestCase("one of --attach PID|NAME", "--diff", "a.json", "b.json", "--profile", "c.json")]
    [TestCase("there is no process", "--attach", "999999999")]
    [TestCase("no .NET process is called 'no such game'", "--attach", "no such game")]
    [TestCase("one of --attach PID|NAME", "--seconds", "3")]
    [TestCase("--profile needs --report", "--profile", "x.json")]
    [TestCase("cannot be read as a profile", "--profile", "/dev/null", "--report", "report.html")]
    [TestCase("no file can be written", "--attach", "1", "--report", "/no/such/folder/report.html")]
    [TestCase("--seconds takes", "--attach", "1", "--seconds", "0")]
    public void Wrong_input_is_one_line_and_exit_code_2(string message, params string[] arguments)
    {
        (int code, _, string error) = ChildProgram.RunProfiler(arguments);
        Assert.That(code, Is.EqualTo(2), error);
        MustBeOneLine(error, message);
    }

    [Test]
    [Platform("Linux")]
    public void A_process_that_is_not_dotnet_is_refused()
    {
        using System.Diagnostics.Process sleep = System.Diagnostics.Process.Start("sleep", "60");
        (int code, _, string error) = ChildProgram.RunProfiler("--attach", Text(sleep.Id));
        sleep.Kill();
        Assert.That(code, Is.EqualTo(2), error);
        MustBeOneLine(error, "cannot be listened to");
    }

    /// <summary>The profile of fifty frames, each with a block of the size given.</summary>
    private static unsafe ProfileDocument Play(int blockBytes)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = 1 << 28 });
        using LongLivedArena arena = memory.CreateLongLivedArena("world");
        using SuperSlab.Diagnostics.Profiler profiler = new(memory);
        for (int frame = 0; frame < 50; frame++)
        {
            profiler.BeginFrame();
            arena.Allocate((nuint)blockBytes);
            profiler.EndFrame();
        }

        return profiler.ToDocument("real run");
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static void MustBeOneLine(string error, string message)
    {
        Assert.That(error, Does.StartWith("error: ").And.Contains(message));
        Assert.That(error.TrimEnd().Split('\n'), Has.Length.EqualTo(1), error);
    }

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tag();
}
