using Engine.Profiling;

namespace Engine.Tests.Samples;

/// <summary>--profile of the samples: a profile with frames, allocations and what the sample is known to do.</summary>
internal sealed class ProfileOptionTests
{
    private string _folder = "";

    [SetUp]
    public void NameFolder() => _folder = Path.Combine(Path.GetTempPath(), $"profile-{Environment.ProcessId}-{TestContext.CurrentContext.Test.ID}");

    [TearDown]
    public void DeleteFolder()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    [TestCase("handle")]
    [TestCase("engine")]
    public void RandomMixed(string allocator)
    {
        ProfileDocument document = ProfileOf("RandomMixed", "--operations", "100000", "--allocator", allocator);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(document.Frames.Count, Is.EqualTo(100));
            Assert.That(document.Frames.PageFaults, Is.All.Zero, "it is prewarmed");
            Assert.That(document.Frames.Allocations.Sum(), Is.InRange(49_000, 51_200), "half of the operations allocate");
            Assert.That(document.Plans, Has.Count.EqualTo(1));
        }
    }

    [Test]
    public void RandomMixed_cold()
    {
        ProfileDocument document = ProfileOf("RandomMixed", "--operations", "100000", "--cold");
        Assert.That(document.Plans, Is.Empty);
        Assert.That(document.Events.Select(one => one.Track), Has.Some.EqualTo("SuperSlabs"), "its memory comes in the frames");
    }

    [Test]
    public void GameReplay()
    {
        ProfileDocument document = ProfileOf("GameReplay");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(document.Frames.Count, Is.EqualTo(2045));
            Assert.That(document.ThreadCaches, Has.Count.EqualTo(22));
            Assert.That(document.Frames.Allocations.Sum(), Is.InRange(960_240, 961_000), "what the trace allocates in its frames, and blocks that moved");
            Assert.That(
                document.Tags.Single().LiveBytes,
                Is.EqualTo(document.Classes.Sum(row => row.Live * (long)row.BlockBytes)),
                "counted one by one, and as the arena's tables say");
        }
    }

    [Test]
    public void LevelStreaming()
    {
        ProfileDocument document = ProfileOf("LevelStreaming", "--frames", "120");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(document.Frames.Count, Is.EqualTo(120));
            Assert.That(document.Tags.Single(tag => tag.Name == "animals").Allocations, Is.Positive);
            Assert.That(document.Events.Select(one => one.Track), Has.Some.EqualTo("levels"));
            Assert.That(document.Plans, Is.Not.Empty);
        }
    }

    [Test]
    public void Soak()
    {
        ProfileDocument document = ProfileOf("Soak", "--seconds", "3");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(document.Frames.Count, Is.GreaterThan(50));
            Assert.That(document.Tags.Single(tag => tag.Name == "churn").Allocations, Is.Positive);
            Assert.That(document.Arenas.Select(arena => arena.Name), Is.SupersetOf((string[])["world", "frame"]));
        }
    }

    [TestCase("RandomMixed", "--allocator", "malloc")]
    [TestCase("RandomMixed", "--matrix")]
    [TestCase("GameReplay", "--allocator", "gc")]
    [TestCase("GameReplay", "--record-plan", "plan.json")]
    public void What_is_not_the_engine_is_not_profiled(string sample, params string[] arguments) =>
        SampleProcess.Run(sample, [.. arguments, "--profile", _folder]).MustBeBadInput("--profile");

    [Test]
    public void A_folder_that_cannot_be_made_is_one_line_and_exit_code_2() =>
        SampleProcess.Run("RandomMixed", "--operations", "1000", "--profile", "/proc/no/such/folder").MustBeBadInput("no folder can be made");

    private ProfileDocument ProfileOf(string sample, params string[] arguments)
    {
        SampleProcess run = SampleProcess.Run(sample, [.. arguments, "--profile", _folder]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        ProfileDocument document = ProfileDocument.Read(Path.Combine(_folder, "profile.json"));
        Assert.That(document.HasCounters);
        Assert.That(document.Frames.Nanoseconds, Has.Count.EqualTo(Math.Min(document.Frames.Count, 16_384)).And.All.Positive);
        return document;
    }
}
