using System.Text.Json;
using Engine.Tests.Support;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Engine.Tests.Samples;

/// <summary>The benchmarks as a user runs them, on the smallest workload, and each workload with hardly any
/// work.</summary>
[TestFixture]
[Category(Lane.Slow)]
internal sealed class BenchmarksTests
{
    private const string Shape =
        "{workloads:[{name,parameters:{bytes,pairs},contestants:[{name,nanosecondsPerOperation:{min,median,max},ratioToBestPeer}]}]}";

    private static readonly byte[] PngSignature = [0x89, 0x50, 0x4E, 0x47];

    // The other native allocators are not loaded into the tests' own process.
    private static readonly string[] Everywhere =
        ["null", "handle", "engine", "malloc", "NativeMemory", "GC", "ArrayPool"];

    [Test]
    public void A_quick_run_writes_tables_JSON_and_a_chart()
    {
        string folder = Directory.CreateTempSubdirectory("benchmarks-").FullName;
        string json = Path.Combine(folder, "result.json");
        string chart = Path.Combine(folder, "chart.png");
        SampleProcess run =
            SampleProcess.Run(
            "Benchmarks", "--quick", "--workload", "pair-16", "--repeat", "1", "--json", json, "--chart", chart);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(File.ReadAllText(json));
        JsonElement work = document.RootElement.GetProperty("workloads")[0];
        JsonElement[] contestants = [.. work.GetProperty("contestants").EnumerateArray()];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(JsonShape.Of(document.RootElement), Is.EqualTo(Shape));
            Assert.That(work.GetProperty("name").GetString(), Is.EqualTo("pair"));
            Assert.That(work.GetProperty("parameters").GetProperty("bytes").GetInt32(), Is.EqualTo(16));
            Assert.That(contestants.Select(Name), Is.SupersetOf(Everywhere));
            Assert.That(contestants.Select(contestant =>
                contestant.GetProperty("nanosecondsPerOperation").GetProperty("min").GetDouble()), Is.All.Positive);
            Assert.That(run.Output, Does.Contain("handle").And.Contains("median"));
            Assert.That(File.ReadAllBytes(chart).Take(PngSignature.Length), Is.EqualTo(PngSignature));
        }

        // The fastest native allocator is what the ratios are of; without a C compiler there is none.
        JsonElement[] natives = Array.FindAll(contestants, contestant =>
            ContestantNames.NativePeers.Contains(Name(contestant)));
        Assert.That(natives.Length == 0 ? 1.0 : natives.Min(contestant =>
            contestant.GetProperty("ratioToBestPeer").GetDouble()), Is.EqualTo(1.0));
        Directory.Delete(folder, recursive: true);
    }

    [Test]
    public void Small_arenas_keep_their_promises_and_are_written_as_JSON()
    {
        SampleProcess run = SampleProcess.Run("Benchmarks", "--small-arenas", "--quick", "--json", "-");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(run.Output);
        JsonElement[] rows = [.. document.RootElement.GetProperty("rows").EnumerateArray()];
        Assert.That(rows.Select(Name), Is.EqualTo(["one thread at a time", "any threads", "long-lived arenas"]));
        Assert.That(rows.Select(row => row.GetProperty("createNanoseconds").GetInt64()), Is.All.Positive);
        Assert.That(rows[..2].Select(row => row.GetProperty("osCalls").GetInt64()), Is.All.Zero);
        SampleProcess.Run("Benchmarks", "--small-arenas", "--threads", "1").MustBeBadInput("measures nothing else");
    }

    [TestCaseSource(typeof(SmallWorkloads), nameof(SmallWorkloads.All))]
    public void All_contestants_do_the_same_work(Workload work)
    {
        ulong[] checksums = [.. work.Contestants.Where(IsEverywhere).Select(contestant =>
            work.Measure(contestant).Checksum)];
        Assert.That(checksums, Has.Length.GreaterThan(5).And.All.EqualTo(checksums[0]));
    }

    [TestCaseSource(typeof(SmallWorkloads), nameof(SmallWorkloads.All))]
    public void What_is_prewarmed_for_the_engine_suffices(Workload work) =>
        Assert.That(
            new[] { work.Measure(ContestantNames.Handle).OsCalls, work.Measure(ContestantNames.Engine).OsCalls },
            Is.All.EqualTo(0L));

    [Test]
    public void Cold_memory_is_counted()
    {
        var work = new MixedColdWorkload(65_536, 200_000);
        long peak = work.Measure(ContestantNames.HandleCold).PeakResidentBytes!.Value;

        // Tens of thousands of blocks of half a kilobyte on average.
        Assert.That(peak, Is.InRange(10L << 20, 100L << 20));
    }

    [Test]
    public void Blocks_of_drifting_sizes_take_their_bytes_and_not_a_multiple()
    {
        // In the first turn's beginning sizes hardly drift: nothing but free blocks and tables comes on top.
        long peak = new DriftWorkload(600_000).Measure(ContestantNames.HandleCold).PeakResidentBytes!.Value;
        Assert.That(peak, Is.InRange(64L << 20, 128L << 20));
    }

    [Test]
    public void A_library_that_is_not_there_is_left_out_with_a_reason()
    {
        var absent = new Peer("absent", "libabsent.so.1", "", "libabsent1");
        Assert.That(absent.TryLoad(out _, out string reason), Is.False);
        Assert.That(reason, Does.Contain("libabsent.so.1").And.Contains("libabsent1"));
    }

    [Test]
    public void A_contestant_that_is_not_there_is_an_error() =>
        Assert.That(() =>
            SmallWorkloads.All[0].Measure("nobody"),
            Throws.TypeOf<RunFailedException>().With.Message.Contains("nobody"));

    [TestCase("There is no workload 'pear'", "--workload", "pear")]
    [TestCase("takes 1 to 1000, not 0", "--repeat", "0")]
    [TestCase("'x'", "--repeat", "x")]
    [TestCase("--json: no file can be written", "--json", "/nowhere/at/all.json")]
    [TestCase("--chart: no file can be written", "--chart", "/nowhere/at/all.png")]
    public void Wrong_options_are_one_line_and_exit_code_2(string message, params string[] arguments) =>
        SampleProcess.Run("Benchmarks", arguments).MustBeBadInput(message);

    private static bool IsEverywhere(string contestant) => !Array.Exists(Peer.All[1..], peer =>
        peer.Name == contestant);

    private static string Name(JsonElement contestant) => contestant.GetProperty("name").GetString()!;
}
