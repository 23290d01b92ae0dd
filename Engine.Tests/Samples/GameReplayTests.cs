using System.Diagnostics;
using System.Text.Json;
using Engine.Tests.Support;
using Samples.Common;
using Samples.GameReplay.Rows;
using Samples.GameReplay.Tracing;

namespace Engine.Tests.Samples;

/// <summary>The main job as a user runs it, on an embedded trace and on made-up ones.</summary>
[TestFixture]
[Category(Lane.Slow)]
[Parallelizable(ParallelScope.Self)]
internal sealed class GameReplayTests
{
    private const string Shape =
        "{trace,runs:[{allocator,prewarmed,frames,allocations,frameNanoseconds:{p50,p99,max},"
        + "hotLoop:{pageFaults,enginePageFaults,osCalls,managedBytes,collections},prewarmNanoseconds,peakResidentBytes}]}";

    private string _folder = "";

    [OneTimeSetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("game-replay-").FullName;

    [OneTimeTearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void All_rows_of_a_recorded_game()
    {
        string path = Path.Combine(_folder, "result.json");
        SampleProcess run = SampleProcess.Run("GameReplay", "--trace", "extremetuxracer-race", "--json", path);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(File.ReadAllText(path));
        JsonElement runs = document.RootElement.GetProperty("runs");
        string[] rows = ["engine True", "engine False", "malloc False", "gc False"];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(JsonShape.Of(document.RootElement), Is.EqualTo(Shape));
            Assert.That(runs.EnumerateArray().Select(row =>
                $"{row.GetProperty("allocator")} {row.GetProperty("prewarmed")}"), Is.EqualTo(rows));
            Assert.That(runs.EnumerateArray().Select(row =>
                row.GetProperty("frames").GetInt32()), Is.All.EqualTo(2999));
            Assert.That(runs.EnumerateArray().Select(row =>
                row.GetProperty("allocations").GetInt64()), Is.All.EqualTo(290_409));
            Assert.That(runs.EnumerateArray().Select(row =>
                row.GetProperty("frameNanoseconds").GetProperty("p50").GetInt64()), Is.All.Positive);
            Assert.That(runs.EnumerateArray().Select(row =>
                row.GetProperty("peakResidentBytes").GetInt64()), Is.All.Positive);
            Assert.That(
                runs[3].GetProperty("hotLoop").GetProperty("managedBytes").GetInt64(), Is.GreaterThan(1_000_000),
                "arrays are garbage");
            Assert.That(run.Output.Split('\n').Select(line => line.Length), Is.All.LessThanOrEqualTo(160));
            Assert.That(run.Output, Does.Contain("engine prewarmed").And.Contains("GC arrays"));
        }

        MustBeSilent(runs[0]);
    }

    [Test]
    public void Each_fault_of_a_cold_replay_has_an_owner()
    {
        SampleProcess run =
            SampleProcess.Run(
            "GameReplay", "--trace", "extremetuxracer-race", "--allocator", "malloc", "--faults", "--json", "-");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        RunDocument row = JsonSerializer.Deserialize(run.Output, ReplayJson.Default.ReplayDocument)!.Runs[0];
        Assert.That(row.Faults!.Owners.Sum(owner => owner.Count), Is.EqualTo(row.Faults.KernelCount));
        Assert.That(row.HotLoop.PageFaults, Is.Positive);

        // A user who may lock little memory has small rings, which lose some, or too few, and those are only counted.
        long withoutFrame = row.Faults.Owners.Sum(owner =>
            owner.Kind is FaultKinds.Thread or FaultKinds.Lost ? owner.Count : 0);
        Assert.That(
            row.Faults.Frames.Sum(frame => frame.Count) + withoutFrame,
            Is.GreaterThanOrEqualTo(row.HotLoop.PageFaults));
    }

    [Test]
    public void Verification_of_a_recorded_game_passes()
    {
        using JsonDocument document = Replay("--trace", "extremetuxracer-race", "--allocator", "engine", "--verify");
        MustBeSilent(document.RootElement.GetProperty("runs")[0]);
    }

    [Test]
    public void Blocks_that_go_from_thread_to_thread_within_a_frame_are_verified_on_every_allocator()
    {
        string path = Save("relay.alloctrace.gz", Relay().ToFile());
        using JsonDocument document = Replay("--trace", path, "--verify");
        JsonElement root = document.RootElement;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(root.GetProperty("trace").GetString(), Is.EqualTo("relay"));
            Assert.That(root.GetProperty("runs").GetArrayLength(), Is.EqualTo(4));
        }

        MustBeSilent(root.GetProperty("runs")[0]);
    }

    [Test]
    public void Repeats_show_ranges_and_touch_and_cold_are_taken()
    {
        string path = Save("touch.alloctrace.gz", Relay().ToFile());
        SampleProcess run = SampleProcess.Run(
            "GameReplay", "--trace", path, "--allocator", "engine", "--cold", "--touch", "all", "--repeat", "2");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            Assert.That(
                run.Output,
                Does.Contain("engine cold").And.Contains("least .. most").And.Contains("medians of 2 runs"));
            Assert.That(run.Output, Does.Not.Contain("engine prewarmed"));
        }
    }

    [Test]
    public void A_malformed_trace_is_one_line_and_exit_code_2() => SampleProcess
        .Run("GameReplay", "--trace", Save("bad.alloctrace.gz", TraceWriter.Pack("ATRC\x01\x01\x01\0\0\x09"u8)))
        .MustBeBadInput("bad: record 1 of 1, byte 9: there is no opcode 0x09");

    [Test]
    public void A_plan_recorded_from_a_game_holds_for_the_game_and_wastes_little(
        [Values("extremetuxracer-race", "supertuxkart-race")] string trace)
    {
        Lane.SkipUnlessAll(trace == "supertuxkart-race");
        string plan = Path.Combine(_folder, trace + ".json");
        using JsonDocument recorded = Replay("--trace", trace, "--record-plan", plan, "--repeat", "2");
        Assert.That(
            JsonShape.Of(recorded.RootElement.GetProperty("recording")),
            Is.EqualTo("{repeats,workNanosecondsWithout,workNanosecondsWith,planNanoseconds,addedSuperSlabs,percent}"));

        // Threads may take turns in another order than in the recording: a SuperSlab for what it has not seen.
        ScenePlan seen = ScenePlan.Load(plan);
        ArenaPlan arena = seen.Arenas[0];
        arena = arena with { TogetherSuperSlabCount = arena.TogetherSuperSlabCount + 1 };
        File.WriteAllText(plan, (seen with { Arenas = [arena] }).ToJson());
        string[] replay = ["--trace", trace, "--plan", plan, "--allocator", "engine"];
        using JsonDocument document = Replay(replay);
        JsonElement run = document.RootElement.GetProperty("runs")[0];
        JsonElement use = run.GetProperty("planUse");

        // Frames find their code compiled, also what runs when the arena is out of slabs. The kernel takes a page away
        // now and then, but not in each of three replays.
        long faults = FaultsOf(document);
        for (int again = 0; again < 2 && faults != 0; again++)
        {
            using JsonDocument next = Replay(replay);
            faults = FaultsOf(next);
        }

        Assert.That(faults, Is.Zero);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                JsonShape.Of(document.RootElement),
                Is.EqualTo(Shape[..^3] + ",planUse:{prewarmedBytes,usedBytes,arenas,wasteBytes,wasteLimitBytes}}]}"));
            Assert.That(use.GetProperty("arenas").GetInt32(), Is.EqualTo(1));
            Assert.That(
                use.GetProperty("usedBytes").GetInt64(),
                Is.InRange(40L << 20, use.GetProperty("prewarmedBytes").GetInt64()));
            Assert.That(
                run.GetProperty("peakResidentBytes").GetInt64(),
                Is.GreaterThan(use.GetProperty("prewarmedBytes").GetInt64()));
        }

        MustBeSilent(run);
    }

    [Test]
    public void A_plan_that_prewarms_too_little_or_too_much_is_a_broken_promise()
    {
        string trace = Save("planned.alloctrace.gz", Relay().ToFile());
        string little = Save("little.json", """{ "name": "little", "arenas": { "main": {} } }"""u8.ToArray());
        SampleProcess faulted =
            SampleProcess.Run("GameReplay", "--trace", trace, "--plan", little, "--allocator", "engine");
        string plan = Path.Combine(_folder, "much.json");
        SampleProcess recording =
            SampleProcess.Run("GameReplay", "--trace", trace, "--record-plan", plan, "--repeat", "3");
        ScenePlan recorded = ScenePlan.Load(plan);
        ArenaPlan arena = recorded.Arenas[0];

        // Twice the recorded blocks as well: threads that take turns otherwise than in the recordings may hold more at
        // once.
        arena = arena with
        {
            SuperSlabCount = 40,
            Blocks = [.. arena.Blocks.Select(block =>
            block with { Count = 2 * block.Count })]
        };
        File.WriteAllText(plan, (recorded with { Arenas = [arena] }).ToJson());
        SampleProcess wasted =
            SampleProcess.Run("GameReplay", "--trace", trace, "--plan", plan, "--allocator", "engine");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((faulted.ExitCode, recording.ExitCode, wasted.ExitCode), Is.EqualTo((1, 0, 1)));
            Assert.That(faulted.Error, Does.Match("OS calls? by the engine"));
            Assert.That(
                recording.Output, Does.Contain("engine recorded").And.Contains("recording: the frames' work took"));
            Assert.That(wasted.Error, Does.Contain("were never used"));
            Assert.That(wasted.Output, Does.Contain("plan:").And.Contains("waste"));
        }
    }

    [TestCase("engine.json", """{ "name": "no arena" }""", "has no long-lived arena")]
    [TestCase("typo.json", """{ "nam": "x" }""", "nam")]
    public void A_file_that_is_no_plan_to_replay_by_is_one_line_and_exit_code_2(
        string name, string text, string message) => SampleProcess
        .Run("GameReplay", "--plan", Save(name, System.Text.Encoding.UTF8.GetBytes(text)))
        .MustBeBadInput(message);

    [TestCase("there is no file", "--trace", "no-such-trace")]
    [TestCase("takes 1 to 1000, not 0", "--repeat", "0")]
    [TestCase("'many'", "--repeat", "many")]
    [TestCase("could not be read", "--plan", "/no/such/plan.json")]
    [TestCase("no file can be written", "--record-plan", "/no/such/folder/plan.json")]
    [TestCase("no file can be written", "--record-plan", "/proc/plan.json")]
    [TestCase("exclude each other", "--record-plan", "plan.json", "--plan", "plan.json")]
    [TestCase("exclude each other", "--plan", "plan.json", "--cold")]
    [TestCase("--record-plan is for the engine", "--record-plan", "plan.json", "--allocator", "malloc")]
    [TestCase("'jemalloc'", "--allocator", "jemalloc")]
    [TestCase("'some'", "--touch", "some")]
    [TestCase("no file can be written", "--json", "/no/such/folder/result.json")]
    [TestCase("--fast", "--fast")]
    public void Wrong_options_are_one_line_and_exit_code_2(string message, params string[] arguments) =>
        SampleProcess.Run("GameReplay", arguments).MustBeBadInput(message);

    [Test]
    [Platform("Linux", Reason = "Named pipes and /dev/zero are its.")]
    public void A_trace_that_can_be_read_only_once_is_refused()
    {
        SampleProcess.Run("GameReplay", "--trace", "/dev/zero").MustBeBadInput("is no regular file");
        string pipe = Path.Combine(_folder, "trace.pipe");
        using Process make = Process.Start("mkfifo", [pipe]);
        make.WaitForExit();
        using Process writer = Process.Start("sh", ["-c", $"echo trace > '{pipe}'"]);
        SampleProcess.Run("GameReplay", "--trace", pipe).MustBeBadInput("it is read twice, so save it first");
        writer.Kill();
    }

    [Test]
    public void An_output_that_cannot_be_written_is_told_first()
    {
        if (Environment.IsPrivilegedProcess)
            Assert.Ignore("A privileged user may write to everything.");

        string path = Path.Combine(_folder, "read-only.json");
        File.WriteAllText(path, "kept");
        File.SetAttributes(path, FileAttributes.ReadOnly);
        foreach (string option in (string[])["--record-plan", "--json"])
            SampleProcess.Run("GameReplay", option, path).MustBeBadInput($"{option}: no file can be written");

        Assert.That(File.ReadAllText(path), Is.EqualTo("kept"));
        File.SetAttributes(path, FileAttributes.Normal);
    }

    [Test]
    public void Looking_whether_an_output_can_be_written_changes_nothing()
    {
        string there = Path.Combine(_folder, "there.json");
        File.WriteAllText(there, "kept");
        OutputFile.Check("--json", there);
        OutputFile.Check("--json", Path.Combine(_folder, "not-there.json"));
        Assert.That(File.ReadAllText(there), Is.EqualTo("kept"));
        Assert.That(File.Exists(Path.Combine(_folder, "not-there.json")), Is.False);
    }

    [Test]
    public void A_block_that_no_allocator_can_give_is_one_line_and_exit_code_1()
    {
        var trace = new TraceWriter();
        trace.Alloc(1UL << 60);
        string path = Save("immense.alloctrace.gz", trace.ToFile());
        foreach (string allocator in (string[])["engine", "malloc", "gc"])
        {
            SampleProcess run = SampleProcess.Run("GameReplay", "--trace", path, "--allocator", allocator);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(run.ExitCode, Is.EqualTo(1), allocator);
                Assert.That(run.Error.TrimEnd().Split('\n'), Has.Length.EqualTo(1), run.Error);
            }
        }
    }

    private static JsonDocument Replay(params string[] arguments)
    {
        SampleProcess replay = SampleProcess.Run("GameReplay", [.. arguments, "--json", "-"]);
        Assert.That(replay.ExitCode, Is.Zero, replay.Error);
        return JsonDocument.Parse(replay.Output);
    }

    private static long FaultsOf(JsonDocument replay) =>
        replay.RootElement.GetProperty("runs")[0].GetProperty("hotLoop").GetProperty("pageFaults").GetInt64();

    private static void MustBeSilent(JsonElement run)
    {
        JsonElement hotLoop = run.GetProperty("hotLoop");
        using (Assert.EnterMultipleScope())
        {
            foreach (string name in (string[])["enginePageFaults", "osCalls", "managedBytes", "collections"])
            {
                JsonElement value = hotLoop.GetProperty(name);
                Assert.That(value.ValueKind == JsonValueKind.Null ? 0 : value.GetInt64(), Is.Zero, name);
            }
        }
    }

    /// <summary>Four threads; in every frame each makes blocks of all sizes, resizes its neighbour's and frees its
    /// other neighbour's.</summary>
    private static TraceWriter Relay()
    {
        const int Threads = 4;
        var trace = new TraceWriter();
        ulong[] sizes = [0, 1, 24, 100, 1000, 5000, 70_000, 3_145_736];
        for (int frame = 0; frame < 30; frame++)
        {
            List<ulong>[] blocks = [[], [], [], []];
            for (int phase = 0; phase < 3; phase++)
            {
                for (int thread = 0; thread < Threads; thread++)
                {
                    if (frame + phase + thread > 0)
                        trace.Thread(thread);

                    Play(trace, phase, blocks, thread, sizes);
                }
            }

            trace.Frame();
        }

        return trace;
    }

    private static void Play(TraceWriter trace, int phase, List<ulong>[] blocks, int thread, ulong[] sizes)
    {
        if (phase == 0)
        {
            foreach (ulong size in sizes)
            {
                blocks[thread].Add(trace.Alloc(size));
                blocks[thread].Add(trace.AllocZeroed(size));
                blocks[thread].Add(trace.AllocAligned(size, 256));
            }

            return;
        }

        foreach (ulong block in blocks[(thread + phase) % blocks.Length])
        {
            if (phase == 1)
                trace.Realloc(block, 1 + (block * 7919 % 9000));
            else
                trace.Free(block);
        }
    }

    private string Save(string name, byte[] file)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, file);
        return path;
    }
}
