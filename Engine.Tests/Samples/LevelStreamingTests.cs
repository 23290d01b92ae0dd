using System.Text.Json;
using Engine.Tests.Support;

namespace Engine.Tests.Samples;

/// <summary>The walk through streamed levels as a user takes it, with few frames.</summary>
[TestFixture]
[Category(Lane.Slow)]
[Parallelizable(ParallelScope.Self)]
internal sealed class LevelStreamingTests
{
    private const string Shape =
        "{rows:[{row,prefault,seed,frames,checksum,violations,firstViolation,processFaultsInFrames,pagesMovedByKernel,"
        + "millisecondsWaited,guardNanosecondsPerFrame,"
        + "levels:[{level,prewarmMilliseconds,bytes,frames,born,animals,p50Microseconds,p99Microseconds,"
        + "maxMicroseconds,"
        + "pageFaults,osCalls,managedBytes,collections,frameOverflows,violations}]}]}";

    private const string BesideShape =
        "{megabytes,frames,violations,firstViolation,pageFaults,ratio,repetitions:[{alone:{frames,p50Microseconds,p99Microseconds,maxMicroseconds},"
        + "loading:{frames,p50Microseconds,p99Microseconds,maxMicroseconds},unloading:{frames,p50Microseconds,p99Microseconds,maxMicroseconds},ratio}]}";

    private static readonly string[] s_levels = ["coast", "desert", "forest", "jungle", "meadow", "tundra"];
    private static readonly string[] s_rows = ["prewarmed", "cold", "gc"];
    private string _folder = "";

    [OneTimeSetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("level-streaming-").FullName;

    [OneTimeTearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void All_rows_do_the_same_work_and_the_prewarmed_one_keeps_its_promise()
    {
        SampleProcess run = Undisturbed("--frames", "240", "--seed", "7", "--json", "-");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(run.Output);
        JsonElement[] rows = [.. document.RootElement.GetProperty("rows").EnumerateArray()];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(JsonShape.Of(document.RootElement), Is.EqualTo(Shape));
            Assert.That(rows.Select(row => row.GetProperty("row").GetString()), Is.EqualTo(s_rows));
            Assert.That(rows.Select(row => row.GetProperty("checksum").GetUInt32()).Distinct().Count(), Is.EqualTo(1));
            Assert.That(rows.Select(row => row.GetProperty("frames").GetInt32()), Is.All.EqualTo(240));
            Assert.That(rows[0].GetProperty("violations").GetInt64(), Is.Zero);
            Assert.That(
                rows[1].GetProperty("violations").GetInt64(), Is.Positive,
                "without prewarming it shows what that costs");
            Assert.That(rows[2].GetProperty("violations").GetInt64(), Is.EqualTo(240), "each frame makes garbage");
            Assert.That(rows[0].GetProperty("levels").GetArrayLength(), Is.EqualTo(6));
            Assert.That(rows[0].GetProperty("levels").EnumerateArray().Select(level =>
                level.GetProperty("born").GetInt64()), Is.All.Positive);
        }
    }

    /// <summary>All code is compiled while it runs, also that which counts.</summary>
    [Test]
    public void The_faults_of_the_whole_process_are_never_fewer_than_none()
    {
        for (int round = 0; round < 2; round++)
        {
            SampleProcess run = SampleProcess.Run(
                "LevelStreaming", ["--frames", "120", "--row", "prewarmed", "--json", "-"], ("DOTNET_ReadyToRun", "0"));
            using var document = JsonDocument.Parse(run.Output);
            JsonElement row = document.RootElement.GetProperty("rows")[0];
            Assert.That(row.GetProperty("processFaultsInFrames").GetInt64(), Is.Not.Negative);
        }
    }

    [Test]
    public void Recorded_plans_are_read_back_and_hold()
    {
        string plans = Path.Combine(_folder, "plans");
        SampleProcess recording = SampleProcess.Run("LevelStreaming", "--frames", "120", "--record", plans);
        Assert.That(recording.ExitCode, Is.Zero, recording.Error);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                Directory.GetFiles(plans).Select(Path.GetFileNameWithoutExtension).Order(), Is.EqualTo(s_levels));
            Assert.That(ScenePlan.Load(Path.Combine(plans, "jungle.json")).Arenas[0].Blocks, Has.Count.GreaterThan(10));
        }

        SampleProcess walk = Undisturbed("--frames", "120", "--plans", plans, "--row", "prewarmed");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(walk.ExitCode, Is.Zero, walk.Error);
            Assert.That(
                walk.Output, Does.Contain("prewarmed: 0 violations in 120 frames").And.Contains("prewarmed: tundra"));
            Assert.That(walk.Output.Split('\n').Select(line => line.Length), Is.All.LessThanOrEqualTo(240));
        }
    }

    [Test]
    public void A_load_beside_a_level_takes_no_fault_from_its_frames()
    {
        SampleProcess run = Undisturbed("--beside", "64", "--json", "-");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(run.Output);
        JsonElement beside = document.RootElement.GetProperty("beside");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(JsonShape.Of(beside), Is.EqualTo(BesideShape));
            Assert.That(beside.GetProperty("megabytes").GetInt64(), Is.EqualTo(64));
            Assert.That(beside.GetProperty("pageFaults").GetInt64(), Is.Zero);
            Assert.That(beside.GetProperty("ratio").GetDouble(), Is.Positive);
            Assert.That(
                beside.GetProperty("repetitions").EnumerateArray().Select(one =>
                    one.GetProperty("loading").GetProperty("frames").GetInt32()),
                Is.All.GreaterThanOrEqualTo(1000));
        }
    }

    [TestCase("takes 1 to 1000000, not 0", "--frames", "0")]
    [TestCase("'x'", "--seed", "x")]
    [TestCase("'bump'", "--row", "bump")]
    [TestCase("takes 2 to 16384 MiB, not 1", "--beside", "1")]
    [TestCase("meadow.json' could not be read", "--plans", "/no/such/folder")]
    [TestCase("no file can be written", "--json", "/no/such/folder/result.json")]
    public void Wrong_options_are_one_line_and_exit_code_2(string message, params string[] arguments) =>
        SampleProcess.Run("LevelStreaming", arguments).MustBeBadInput(message);

    /// <summary>The kernel may take pages of code away from any process at any time, which is no fault of the walk: it
    /// may be taken three times.</summary>
    private static SampleProcess Undisturbed(params string[] arguments)
    {
        SampleProcess run = SampleProcess.Run("LevelStreaming", arguments);
        for (int again = 0; again < 2 && run.ExitCode == 1; again++)
        {
            TestContext.Out.WriteLine(run.Error);
            run = SampleProcess.Run("LevelStreaming", arguments);
        }

        return run;
    }
}
