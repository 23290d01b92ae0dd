using Engine.Tests.Support;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Benchmarks.Native;
using Samples.Benchmarks.Workloads;
using Samples.GameReplay.Tracing;

namespace Engine.Tests.Samples;

/// <summary>The benchmarks' C driver: compiled here, and that it does what the C# loops do.</summary>
[TestFixture]
[Category(Lane.Slow)]
internal sealed class NativeDriverTests
{
    private NativeDriver? _driver;

    // Only what is not installed is a reason to skip: sources that gcc refuses are a failure.
    [OneTimeSetUp]
    public void Compile()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("The native driver is for Linux.");

        try
        {
            _driver = NativeDriver.Create();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("gcc is not installed.");
        }
    }

    [OneTimeTearDown]
    public void RemoveFolder() => _driver?.Dispose();

    [TestCaseSource(typeof(SmallWorkloads), nameof(SmallWorkloads.All))]
    public void Does_the_work_that_CSharp_does(Workload work)
    {
        ulong expected = work.Measure(ContestantNames.Handle).Checksum;
        IReadOnlyList<string> arguments = _driver!.ArgumentsOf(work);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                NativeOutput.Parse(_driver.Run(arguments, Peer.All[0]), work).Checksum, Is.EqualTo(expected), "malloc");
            Assert.That(
                NativeOutput.Parse(_driver.Run(arguments, null), work).Checksum, Is.EqualTo(expected),
                "the empty loop");
        }
    }

    [Test]
    public void Does_the_work_that_CSharp_does_on_cold_memory()
    {
        Workload[] cold = [new MixedColdWorkload(4096, 100_000), new DriftWorkload(600_000)];
        foreach (Workload work in cold)
        {
            Measurement native =
                NativeOutput.Parse(_driver!.Run(_driver.ArgumentsOf(work), Peer.All[0]), work);
            Assert.That(
                native.Checksum, Is.EqualTo(work.Measure(ContestantNames.HandleCold).Checksum), work.Id);
            Assert.That(native.PeakResidentBytes, Is.Positive, work.Id);
        }
    }

    [Test]
    public void Replays_every_frame_of_a_recorded_game()
    {
        var work = new TraceWorkload(new TraceReplay("extremetuxracer-race"), 100);
        TraceReader frames = new(TraceFile.Find("extremetuxracer-race").Open(), "frames", 1 << 16);
        string output = _driver!.Run(_driver.ArgumentsOf(work), Peer.All[0]);
        using (frames)
        using (Assert.EnterMultipleScope())
        {
            Assert.That(NativeOutput.Parse(output, work).Checksum, Is.EqualTo((ulong)frames.Header.Frames - 1));
            Assert.That(NativeOutput.Parse(output, work).PeakResidentBytes, Is.Positive);
            Assert.That(output, Does.Contain("p50 ").And.Contains("p99 ").And.Contains("max "));
        }
    }

    [Test]
    public void A_library_that_cannot_be_preloaded_is_not_taken_for_the_C_librarys_malloc()
    {
        Assert.That(_driver!.Has(new Peer("absent", "libabsent.so.1", "", "libabsent1"), out string reason), Is.False);
        Assert.That(reason, Does.Contain("libabsent.so.1").And.Contains("libabsent1"));
    }
}
