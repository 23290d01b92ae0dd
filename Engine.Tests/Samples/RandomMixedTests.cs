using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Engine.Tests.Support;
using Samples.Common;
using Samples.RandomMixed;

namespace Engine.Tests.Samples;

/// <summary>The random-mixed benchmark: its names, its promises, and that it does the work it says.</summary>
[TestFixture]
[Category(Lane.Slow)]
internal sealed class RandomMixedTests
{
    private const string Shape =
        "{allocator,prewarmed,prefault,operations,workingSet,seed,operationsPerSecond,pageFaultsInLoop,managedBytesInLoop,collectionsInLoop}";

    // What the same loop leaves behind when it is compiled from C: 1,000,000 operations, working set 256, seed 42.
    private const uint ChecksumOfC = 3194050451;

    [Test]
    public void One_processor_is_enough()
    {
        // There a thread does not spin for a lock: it sleeps at once.
        SampleProcess run = SampleProcess.Run("FastPath", ["handle", "1000"], processors: 1);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
    }

    /// <summary>As by docker stop, a supervisor or an editor's stop button: the parent alone gets the signal.</summary>
    [TestCase("TERM")]
    [TestCase("KILL")]
    [Platform("Linux", Reason = "The child is found in /proc.")]
    public void A_row_ends_with_the_process_that_asked_for_it(string signal)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "RandomMixed"))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in (string[])["--operations", "4000000000", "--allocator", "engine", "--repeat", "1"])
            start.ArgumentList.Add(argument);

        using Process parent = Process.Start(start)!;
        using Process child = ChildOf(parent);
        using Process kill = Process.Start("kill", ["-" + signal, $"{parent.Id}"]);
        Assert.That(parent.WaitForExit(TimeSpan.FromMinutes(2)));
        bool hasEnded = child.WaitForExit(TimeSpan.FromMinutes(2));
        if (!hasEnded)
            child.Kill();

        Assert.That(hasEnded);
    }

    [Test]
    public void All_rows_with_few_operations()
    {
        SampleProcess run =
            SampleProcess.Run(
            "RandomMixed", "--operations", "50000", "--working-set", "1000", "--seed", "7", "--repeat", "1", "--json",
            "-");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(run.Output);
        JsonElement runs = document.RootElement.GetProperty("runs");
        string[] rows =
            ["engine True", "engine False", "handle True", "malloc True", "gc True", "arraypool True", "null True"];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(JsonShape.Of(document.RootElement), Does.StartWith("{runs:[{").And.EndsWith("}]}"));
            Assert.That(JsonShape.Of(runs[3]), Is.EqualTo(Shape));
            Assert.That(
                JsonShape.Of(runs[0]), Does.StartWith(Shape[..^1] + ",engineMemory:{policy,pages,osCallsInLoop"));
            Assert.That(runs.EnumerateArray().Select(row =>
                $"{row.GetProperty("allocator")} {row.GetProperty("prewarmed")}"), Is.EqualTo(rows));
            Assert.That(runs[0].GetProperty("pageFaultsInLoop").GetInt64(), Is.Zero);
            Assert.That(runs[2].GetProperty("pageFaultsInLoop").GetInt64(), Is.Zero);
            Assert.That(runs[0].GetProperty("operations").GetInt64(), Is.EqualTo(50_000));
            Assert.That(runs[0].GetProperty("workingSet").GetInt64(), Is.EqualTo(1000));
            Assert.That(runs[0].GetProperty("seed").GetInt64(), Is.EqualTo(7));
            Assert.That(runs[0].GetProperty("prefault").GetString(), Is.Not.Empty.And.Not.EqualTo("none"));
            Assert.That(runs.EnumerateArray().Select(row =>
                row.GetProperty("operationsPerSecond").GetInt64()), Is.All.Positive);
        }
    }

    [Test]
    public void Each_fault_of_a_cold_loop_has_an_owner()
    {
        SampleProcess run =
            SampleProcess.Run(
            "RandomMixed", "--working-set", "20000", "--prefault", "none", "--pages", "normal", "--cold", "--faults",
            "--repeat", "1", "--json", "-");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        foreach (RunDocument row in JsonSerializer.Deserialize(run.Output, MixedJson.Default.MixedDocument)!.Runs)
        {
            Assert.That(row.Faults!.Owners.Sum(owner =>
                owner.Count), Is.EqualTo(row.Faults.KernelCount), row.Allocator);
            Assert.That(row.Faults.KernelCount, Is.GreaterThanOrEqualTo(row.PageFaultsInLoop), row.Allocator);
        }
    }

    [Test]
    public void Every_allocator_does_the_work_that_C_does(
        [Values("engine", "handle", "malloc", "gc", "arraypool", "null")] string name)
    {
        var row = new RowSpec(EnumNames<AllocatorKind>.Find(name)!.Value, IsPrewarmed: true);
        Measurement measurement = RowRun.Measure(row, new MixedWork(1_000_000, 256, 42));
        Assert.That(measurement.Checksum, Is.EqualTo(ChecksumOfC));
    }

    [Test]
    public void Cold_rows_are_chosen_by_cold()
    {
        SampleProcess run =
            SampleProcess.Run(
            "RandomMixed", "--operations", "1000", "--allocator", "malloc", "--cold", "--repeat", "1");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            Assert.That(run.Output, Does.Contain("malloc cold").And.Not.Contains("prewarmed"));
        }
    }

    [Test]
    public void The_prefault_of_the_engines_rows_is_chosen_and_explained()
    {
        SampleProcess run = SampleProcess.Run(
            "RandomMixed", "--operations", "1000", "--allocator", "engine", "--prewarm", "--prefault", "touch",
                "--pages", "normal", "--repeat", "1");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            Assert.That(run.Output, Does.Contain("the engine's pages: touch on normal pages: ok"));
        }
    }

    [TestCase("takes 1 to 1000000000000, not 0", "--operations", "0")]
    [TestCase("takes 1 to 1048576, not -3", "--working-set", "-3")]
    [TestCase("takes 1 to 1048576, not 1048577", "--working-set", "1048577")]
    [TestCase("'x'", "--seed", "x")]
    [TestCase("'tcmalloc'", "--allocator", "tcmalloc")]
    [TestCase("'populate-write'", "--prefault", "hope")]
    [TestCase("'transparent-huge'", "--pages", "giant")]
    [TestCase("--allocator can be engine or handle", "--matrix", "--allocator", "malloc")]
    public void Wrong_options_are_one_line_and_exit_code_2(string message, params string[] arguments) =>
        SampleProcess.Run("RandomMixed", arguments).MustBeBadInput(message);

    private static Process ChildOf(Process parent)
    {
        string children = $"/proc/{parent.Id}/task/{parent.Id}/children";
        for (int attempt = 0; attempt < 1000; attempt++)
        {
            if (File.ReadAllText(children).Trim() is { Length: > 0 } found)
                return Process.GetProcessById(int.Parse(found, CultureInfo.InvariantCulture));

            Thread.Sleep(100);
        }

        throw new AssertionException("The row has no process of its own.");
    }
}
