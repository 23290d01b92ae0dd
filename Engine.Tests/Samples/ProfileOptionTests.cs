using System.Text.Json;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Samples;

/// <summary>--profile of the samples: a profile with frames, allocations and what the sample is known to do.</summary>
[Category(Lane.Slow)]
[Parallelizable(ParallelScope.Self)]
internal sealed class ProfileOptionTests
{
    private static readonly string[] s_ofEngine =
        [FaultKinds.Payload, FaultKinds.FrameLane, FaultKinds.ThreadCache, FaultKinds.Metadata, FaultKinds.Unowned];

    private string _folder = "";
    private string _output = "";

    [SetUp]
    public void NameFolder() =>
        _folder =
        Path.Combine(Path.GetTempPath(), $"profile-{Environment.ProcessId}-{TestContext.CurrentContext.Test.ID}");

    [TearDown]
    public void DeleteFolder()
    {
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    [TestCase("handle")]
    [TestCase("engine")]
    public void RandomMixed(string allocator)
    {
        ProfileDocument document = ProfileOf("RandomMixed", "--operations", "100000", "--allocator", allocator);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(document.Frames.Count, Is.EqualTo(100));
            Assert.That(EngineFaults(document), Is.All.Zero, "it is prewarmed");
            Assert.That(
                document.Frames["allocations"].Sum(), Is.InRange(49_000, 51_200), "half of the operations allocate");
            Assert.That(document.Plans, Has.Count.EqualTo(1));
        }
    }

    [Test]
    public void RandomMixed_cold()
    {
        ProfileDocument document = ProfileOf("RandomMixed", "--operations", "100000", "--cold");
        Assert.That(document.Plans, Is.Empty);
        Assert.That(document.Events.Select(one =>
            one.Track), Has.Some.EqualTo("SuperSlabs"), "its memory comes in the frames");
    }

    [Test]
    public void GameReplay()
    {
        ProfileDocument document = ProfileOf("GameReplay");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(document.Frames.Count, Is.EqualTo(2045));
            Assert.That(document.ThreadCaches, Has.Count.EqualTo(22));
            Assert.That(
                document.Frames["allocations"].Sum(), Is.InRange(960_240, 961_000),
                "what the trace allocates in its frames, and blocks that moved");
            Assert.That(
                document.Tags.Single().LiveBytes,
                Is.EqualTo(document.Classes.Sum(row => row.LiveCount * row.BlockBytes)),
                "counted one by one, and as the arena's tables say");
        }
    }

    [TestCase("pair-64", 1_000_000, 0)]
    [TestCase("threads-2", 500_000, 20_000)]
    public void Benchmarks(string workload, int allocations, int tolerance)
    {
        ProfileDocument document = ProfileOf("Benchmarks", "--workload", workload, "--repeat", "2");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(document.Frames.Count, Is.EqualTo(6), "three repetitions twice, without those that warm up");
            Assert.That(document.Frames["allocations"], Is.All.EqualTo(allocations).Within(tolerance));
            Assert.That(document.Plans, Has.Count.EqualTo(1));
            Assert.That(
                _output, Does.Contain(workload).And.Contains("no figure of the benchmarks").And.Not.Contains("median"));
        }
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void PlatformProbe()
    {
        const int SuperSlabs = 8;
        ProfileDocument document = ProfileOf("PlatformProbe");
        string[] policies = [.. document.Events.Where(one =>
            one.Track == "policies" && one.Nanoseconds > 0).Select(one => one.Name).Where(name =>
            !name.Contains("not here"))];
        long[] faults = [.. EngineFaults(document).Chunk(SuperSlabs).Select(frames => frames.Sum())];
        Assert.That(policies, Does.Contain("none, normal").And.Contains("touch, normal"));
        Assert.That(faults, Has.Length.EqualTo(policies.Length));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                faults[Array.IndexOf(policies, "none, normal")],
                Is.EqualTo(SuperSlabs * (2 << 20) / Environment.SystemPageSize));
            Assert.That(faults.Where((_, index) =>
                !policies[index].StartsWith("none", StringComparison.Ordinal)), Is.All.Zero);
            Assert.That(document.Plans.Select(plan => plan.Scene), Is.EquivalentTo(policies));
            Assert.That(_output, Does.Contain("no figure of the probe").And.Not.Contains("µs/MiB"));
        }
    }

    [TestCase("handle", 1000)]
    [TestCase("empty", 0)]
    public void FastPath(string way, int ofFullFrame)
    {
        ProfileDocument document = ProfileOf("FastPath", way, "3500");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                document.Frames["allocations"],
                Is.EqualTo(new long[] { ofFullFrame, ofFullFrame, ofFullFrame, ofFullFrame / 2 }));
            Assert.That(_output, Does.Contain(way).And.Contains("not to be counted"));
        }
    }

    [Test]
    public void LevelStreaming()
    {
        ProfileDocument document = ProfileOf("LevelStreaming", "--frames", "120");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(document.Frames.Count, Is.EqualTo(120));
            Assert.That(document.Tags.Single(tag => tag.Name.Is("animals")).AllocationCount, Is.Positive);
            Assert.That(document.Events.Select(one => one.Track), Has.Some.EqualTo("levels"));
            Assert.That(document.Plans, Is.Not.Empty);
            Assert.That(
                document.Application,
                Is.EqualTo($"LevelStreaming --frames 120 --profile {Path.GetFileName(_folder)}"),
                "the user's command, not that of the process that measures");
            string json = File.ReadAllText(Path.Combine(_folder, "profile.json"));
            Assert.That(json, Does.Not.Contain(Path.GetTempPath()).And.Not.Contain(AppContext.BaseDirectory));
            Assert.That(json, Does.Not.Contain(
                Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + Path.DirectorySeparatorChar));
        }

        // 12 visits; the first two levels are loaded before the first frame, the others while frames go on.
        ProfileDocument.TrackEvent[] loads = [.. document.Events.Where(one => one.Track == "background loads")];
        ProfileDocument.TrackEvent[] levels = [.. document.Events.Where(one => one.Track == "levels")];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(loads.Select(load => load.Name), Is.EqualTo(levels.Select(level => $"load '{level.Name}'")));
            Assert.That(loads.Select(load => load.Nanoseconds), Is.All.Positive);
            Assert.That(loads.Zip(levels).Select(pair =>
                pair.Second.StartNanoseconds
                + pair.Second.Nanoseconds - pair.First.StartNanoseconds - pair.First.Nanoseconds), Is.All.Positive,
                "loaded before it is left");
            Assert.That(loads[2..].Count(load =>
                load.StartNanoseconds > levels[0].StartNanoseconds), Is.EqualTo(loads.Length - 2));
        }

        using var trace = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, "trace.json")));
        string[] phases = [.. trace.RootElement.GetProperty("traceEvents").EnumerateArray()
            .Where(item => item.TryGetProperty("cat", out JsonElement track) && track.GetString() == "background loads")
            .Select(item => item.GetProperty("ph").GetString()!)];
        Assert.That(phases.CountBy(phase =>
            phase).ToDictionary(),
            Is.EquivalentTo(new Dictionary<string, int> { ["b"] = loads.Length, ["e"] = loads.Length }));
    }

    [Test]
    public void Soak()
    {
        ProfileDocument document = ProfileOf("Soak", "--seconds", "3");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(document.Frames.Count, Is.Positive, "as many as a busy machine does in 3 seconds");
            Assert.That(document.Tags.Single(tag => tag.Name.Is("churn")).AllocationCount, Is.Positive);
            Assert.That(document.Arenas.Select(arena =>
                arena.Name.ToString()), Is.SupersetOf((string[])["world", "frame"]));
        }
    }

    [Test]
    public void Call_sites_are_sampled_in_the_process_that_runs_the_row()
    {
        const long Every = 64 * 1024;
        ProfileDocument document = ProfileOf("RandomMixed", "--operations", "200000", "--call-sites", $"{Every}");
        ProfileCallSites sites = document.CallSites;
        TestContext.Out.WriteLine(string.Join('\n', sites.Stacks.Select(sites.TextOf)));
        long counted = document.Frames["allocated_bytes"].Sum();
        ProfileCallSites.SiteRow all = sites.Tags.Single();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((sites.Unavailable, sites.IntervalBytes), Is.EqualTo(("", Every)));
            Assert.That(all.SampleCount, Is.GreaterThan(100));

            // What was allocated before the frames is sampled, too, and not counted in them.
            Assert.That(all.AllocatedBytes, Is.GreaterThan(counted - (5 * all.AllocatedDeviation)));
            string table = Path.Combine(_folder, "tables", "call-stacks.csv");
            Assert.That(File.ReadAllText(table), Does.StartWith("stack,tag"));
            if (sites.NoStacks.Length == 0)
                Assert.That(sites.Sites.Select(site => site.Name), Has.Some.StartsWith("Samples."));
        }
    }

    [Test]
    public void Call_sites_without_a_number_are_sampled_as_usual()
    {
        ProfileDocument document = ProfileOf("Soak", "--seconds", "3", "--call-sites");
        Assert.That(
            (document.CallSites.Unavailable, document.CallSites.IntervalBytes), Is.EqualTo(("", 512L * 1024)));
    }

    [TestCase("RandomMixed", "--call-sites is for a profile: give --profile DIR, too.", "--call-sites")]
    [TestCase("Soak", "--call-sites takes 1 to 1099511627776 bytes, not 0.", "--profile", "x", "--call-sites", "0")]
    public void Call_sites_need_a_profile_and_a_size(string sample, string message, params string[] arguments) =>
        SampleProcess.Run(sample, arguments).MustBeBadInput(message);

    [TestCase("RandomMixed", "--allocator", "malloc")]
    [TestCase("RandomMixed", "--matrix")]
    [TestCase("GameReplay", "--allocator", "gc")]
    [TestCase("GameReplay", "--record-plan", "plan.json")]
    [TestCase("Benchmarks", "--workload", "batch")]
    [TestCase("Benchmarks", "--workload", "prewarm")]
    [TestCase("Benchmarks", "--json", "-")]
    [TestCase("PlatformProbe", "--json", "-")]
    public void What_is_not_the_engine_is_not_profiled(string sample, params string[] arguments) =>
        SampleProcess.Run(sample, [.. arguments, "--profile", _folder]).MustBeBadInput("--profile");

    [TestCase("FastPath", "a way", "handle")]
    [TestCase("FastPath", "'handel' is not a way", "handel", "1000")]
    [TestCase("FastPath", "expected a way", "handle", "many")]
    [TestCase("PlatformProbe", "'--jason'", "--jason")]
    public void Wrong_arguments_are_one_line_and_exit_code_2(
        string sample, string message, params string[] arguments) =>
        SampleProcess.Run(sample, arguments).MustBeBadInput(message);

    [Test]
    public void A_folder_that_cannot_be_made_is_one_line_and_exit_code_2() =>
        SampleProcess.Run("RandomMixed", "--operations", "1000", "--profile", "/proc/no/such/folder").MustBeBadInput(
            "no folder can be made");

    /// <summary>
    /// The page faults of each frame in the engine's memory: the runtime may take its own in a thread at any time.
    /// Where the system tells no addresses, those of the whole thread.
    /// </summary>
    private static long[] EngineFaults(ProfileDocument document)
    {
        if (document.Faults.Unavailable.Length != 0)
            return [.. document.Frames["page_faults"]];

        long[] faults = new long[document.Frames.Count];
        foreach (ProfileFaults.OwnerInFrame row in document.Faults.Frames.Where(row => s_ofEngine.Contains(row.Kind)))
            faults[row.Frame] += row.Count;

        return faults;
    }

    private ProfileDocument ProfileOf(string sample, params string[] arguments)
    {
        SampleProcess run = SampleProcess.Run(sample, [.. arguments, "--profile", _folder]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        _output = run.Output;
        ProfileDocument document = ProfileDocument.Read(Path.Combine(_folder, "profile.json"));
        Assert.That(document.HasCounters);
        Assert.That(
            document.Frames.Nanoseconds, Has.Count.EqualTo(Math.Min(document.Frames.Count, 16_384)).And.All.Positive);
        return document;
    }
}
