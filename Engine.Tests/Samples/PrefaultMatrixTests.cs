using System.Text.Json;
using Engine.Tests.Support;
using Samples.Common;
using Samples.RandomMixed;

namespace Engine.Tests.Samples;

/// <summary>The matrix of prefault policies: that it has them all, and that its rows tell where the faults
/// went.</summary>
[TestFixture]
[Category(Lane.Slow)]
internal sealed class PrefaultMatrixTests
{
    private static readonly bool[] s_firstIsNot = [false, true];
    private static readonly bool[] s_firstIs = [true, false];

    private static readonly MixedOptions s_everything = new()
    {
        Work = new MixedWork(1000, 256, 42),
        Allocator = null,
        Prewarm = false,
        Cold = false,
        Prefault = null,
        Pages = null,
        Matrix = true,
        Repeat = 1,
        Json = null,
        OnlyRow = null,
    };

    [Test]
    public void Every_policy_is_tried_with_both_kinds_of_pages()
    {
        List<PrefaultTrial> trials = MatrixRows.Try(s_everything);
        IEnumerable<(PrefaultPolicy, PageKind)> expected =
            from pages in new[] { PageKind.Normal, PageKind.TransparentHuge }
            from policy in Enum.GetValues<PrefaultPolicy>()
            where policy != PrefaultPolicy.Automatic
            select (policy, pages);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                trials.Select(trial => (trial.Policy, trial.Pages)),
                Is.EqualTo(expected.Prepend((PrefaultPolicy.Automatic, PageKind.Automatic))));
            Assert.That(trials.Select(trial => trial.Description), Is.All.Not.Empty);
            Assert.That(MatrixRows.Of(trials[0], s_everything).Select(row =>
                row.IsPrewarmed), Is.EqualTo(s_firstIsNot));
        }
    }

    [TestCase("none", 0)]
    [TestCase("clear", 512)]
    public void Faults_go_into_the_loop_or_before_it(string policy, int faultsWhenCold)
    {
        JsonElement[] runs = Run("--matrix", "--prefault", policy, "--pages", "normal");
        bool isPrefaulted = policy != "none";
        using (Assert.EnterMultipleScope())
        {
            Assert.That(runs.Select(run => run.GetProperty("prewarmed").GetBoolean()), Is.EqualTo(s_firstIsNot));
            Assert.That(runs.Select(run => Figure(run, "osCallsInLoop") > 0), Is.EqualTo(s_firstIs), "OS calls");
            if (PageFaults.IsSupported && Environment.SystemPageSize == 4096)
            {
                Assert.That(runs[0].GetProperty("pageFaultsInLoop").GetInt64(), Is.GreaterThan(faultsWhenCold), "cold");
                Assert.That(
                    runs[1].GetProperty("pageFaultsInLoop").GetInt64() > 0, Is.Not.EqualTo(isPrefaulted), "prewarmed");
            }

            foreach (JsonElement run in runs)
            {
                Assert.That(
                    Figure(run, "faultsLeft") is null || Figure(run, "faultsLeft") == 0 == isPrefaulted, "faults left");
                Assert.That(run.GetProperty("prefault").GetString(), Does.Contain("on normal pages: ok"));
            }
        }
    }

    [Test]
    [Platform("Linux")]
    public void What_the_machine_does_not_have_gets_a_row_and_the_reason()
    {
        SampleProcess run =
            SampleProcess.Run(
            "RandomMixed", "--matrix", "--prefault", "prefetch", "--pages", "normal", "--repeat", "1");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            Assert.That(run.Output, Does.Contain("4.01 million").And.Contains("132,500"), "the original's figures");
            Assert.That(run.Output, Does.Contain("prefetch, normal: not here, see below"));
            Assert.That(run.Output, Does.Contain("prefetch, normal: not here. Prefetch: not on this system"));
        }
    }

    [Test]
    public void The_row_that_repeats_the_original_is_marked()
    {
        SampleProcess run = SampleProcess.Run(
            "RandomMixed", "--operations", "1000", "--matrix", "--prefault", "clear", "--pages", "normal", "--cold",
                "--repeat", "1");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            Assert.That(run.Output, Does.Contain("clear, normal: cold *").And.Not.Contains("clear, normal: prewarmed"));
        }
    }

    [Test]
    public void Names_are_those_of_the_values()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                EnumNames<PrefaultPolicy>.Of(PrefaultPolicy.PopulateAtMapping), Is.EqualTo("populate-at-mapping"));
            Assert.That(EnumNames<PageKind>.All.Select(name =>
                EnumNames<PageKind>.Find(name)), Is.EqualTo(Enum.GetValues<PageKind>()));
            Assert.That(EnumNames<PageKind>.Find("giant"), Is.Null);
        }
    }

    private static JsonElement[] Run(params string[] arguments)
    {
        SampleProcess run =
            SampleProcess.Run("RandomMixed", ["--operations", "20000", "--repeat", "1", "--json", "-", .. arguments]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(run.Output);
        return [.. document.RootElement.Clone().GetProperty("runs").EnumerateArray()];
    }

    private static long? Figure(JsonElement run, string name) =>
        run.GetProperty("engineMemory").TryGetProperty(name, out JsonElement figure) ? figure.GetInt64() : null;
}
