using System.Text.Json;
using Engine.Tests.Os;
using Engine.Tests.Support;
using Samples.Game;
using Samples.Game.Playing;

namespace Engine.Tests.Samples;

/// <summary>
/// The game as CI plays it: without a window, by itself, with few frames. Where the physics library is missing it has
/// one level less and says so.
/// </summary>
[TestFixture]
[Category(Lane.Slow)]
[Parallelizable(ParallelScope.Self)]
[Category(Machine.NeedsRealKernel)]
internal sealed class GameTests
{
    private const int Frames = 300;
    private static readonly string[] s_mustBeZero =
        ["violations", "engineFaults", "osCalls", "managedBytes", "collections"];
    private static readonly string[] s_plans = ["city", "libraries", "swarm", "towers"];

    [Test]
    public void Prewarmed_frames_keep_the_rules_and_leave_nothing()
    {
        JsonElement run = Play("engine", 42);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.GetProperty("frames").GetInt32(), Is.EqualTo(Frames));
            foreach (string name in s_mustBeZero)
                Assert.That(run.GetProperty(name).GetInt64(), Is.Zero, name);
        }
    }

    [Test]
    public void What_a_driver_does_to_the_engine_is_a_problem_though_no_frame_counts_it()
    {
        RunDocument run = Play("engine", 42).Deserialize(GameJson.Default.RunDocument)!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.Problem(), Is.Null);
            Assert.That((run with { DriverFaults = 9 }).Problem(), Is.Null, "its own memory is its own");
            Assert.That(
                (run with { EngineFaultsInDriver = 9 }).Problem(),
                Does.Contain("9 page faults in the engine's memory"));
            Assert.That((run with { OsCallsInDriver = 9 }).Problem(), Does.Contain("9 OS calls of the engine"));
            Assert.That((run with { ManagedBytesInDriver = 9 }).Problem(), Does.Contain("9 managed bytes"));
        }
    }

    /// <summary>The rules are written once: the memory behind them must not change what happens.</summary>
    [Test]
    public void The_same_seed_plays_the_same_game_in_each_kind_of_memory()
    {
        uint[] hashes =
        [
            Hash(Play("engine", 7)), Hash(Play("engine", 7)), Hash(Play("cold", 7)), Hash(Play("gc", 7)),
        ];
        Assert.That(hashes, Is.All.EqualTo(hashes[0]));
        Assert.That(Hash(Play("gc", 8)), Is.Not.EqualTo(hashes[0]), "another seed is another game");
    }

    [Test]
    public void Managed_objects_break_the_rules_in_each_frame()
    {
        JsonElement run = Play("gc", 42);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.GetProperty("violations").GetInt64(), Is.EqualTo(Frames));
            Assert.That(run.GetProperty("managedBytes").GetInt64(), Is.GreaterThan((long)Size.MiB(10)));
        }
    }

    [Test]
    public void Plans_are_recorded_by_one_command_and_can_be_read()
    {
        string folder = Directory.CreateTempSubdirectory("game-").FullName;
        try
        {
            SampleProcess run = SampleProcess.Run(
                "Game", "--record-plans", folder, "--unattended", "120", "--level-frames", "40");
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            string[] names = [.. Directory.GetFiles(folder).Select(path => Path.GetFileNameWithoutExtension(path)!)];
            Assert.That(names, Is.SubsetOf(s_plans).And.Contains("libraries").And.Contains("swarm"));
            ScenePlan swarm = ScenePlan.Load(Path.Combine(folder, "swarm.json"));
            Assert.That((long)swarm.FrameArena!.BytesPerLane, Is.GreaterThan((long)Size.MiB(1)), "the grid is in it");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void A_comparison_tells_the_kinds_side_by_side_and_draws_them()
    {
        string picture = Path.GetTempFileName();
        try
        {
            SampleProcess run = SampleProcess.RunUndisturbed(
                "Game", ["--compare", "--unattended", "90", "--level-frames", "30", "--picture", picture]);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(run.ExitCode, Is.Zero, run.Error);
                Assert.That(run.Output, Does.Match("engine +cold +gc").And.Contains("PASS: the same game three times"));
                Assert.That(File.ReadAllBytes(picture), Has.Length.GreaterThan(1000));
                Assert.That(File.ReadAllBytes(picture)[..4], Is.EqualTo(new byte[] { 0x89, 0x50, 0x4E, 0x47 }));
            }
        }
        finally
        {
            File.Delete(picture);
        }
    }

    [Test]
    public void Without_a_display_it_says_what_is_missing_and_what_to_do()
    {
        SampleProcess run = SampleProcess.Run("Game", ["--unattended", "10"], ("SDL_VIDEODRIVER", "nosuchdriver"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.EqualTo(1));
            Assert.That(run.Error, Does.Contain("Debian: ").And.Contains("--headless"));
            Assert.That(run.Error, Does.Not.Contain(" at "), "no stack trace");
        }
    }

    [TestCase("add --unattended N", "--headless")]
    [TestCase("'heap'", "--memory", "heap")]
    [TestCase("takes 10 to 1000000, not 1", "--level-frames", "1")]
    [TestCase("add --compare", "--picture", "x.png")]
    [TestCase("--headless plays without a window: not with --vulkan", "--headless", "--unattended", "9", "--vulkan")]
    [TestCase("--compare plays without a window: not with --record", "--compare", "--unattended", "9", "--record", "x")]
    [TestCase("add --unattended 70 or more", "--unattended", "69", "--record", "x", "--record-from", "11")]
    [TestCase("takes 1 to 10000, not 0", "--record-frames", "0")]
    [TestCase("no folder can be made", "--unattended", "99", "--record", "/dev/null/x")]
    [TestCase("cannot be used", "--headless", "--unattended", "10", "--save", "/no/such/folder/game.db")]
    public void Wrong_options_are_one_line_and_exit_code_2(string message, params string[] arguments) =>
        SampleProcess.Run("Game", arguments).MustBeBadInput(message);

    private static uint Hash(JsonElement run) => run.GetProperty("hash").GetUInt32();

    private static JsonElement Play(string memory, int seed)
    {
        SampleProcess run = SampleProcess.RunUndisturbed(
            "Game",
            [
                "--headless", "--unattended", $"{Frames}", "--level-frames", "60", "--memory", memory, "--seed",
                $"{seed}", "--json", "-",
            ]);
        Assert.That(run.ExitCode, Is.Zero, run.Error + run.Output);
        return JsonDocument.Parse(run.Output).RootElement;
    }
}
