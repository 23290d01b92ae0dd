using Samples.Common;

namespace Engine.Tests.Samples;

/// <summary>The figures and the table that the samples print.</summary>
[TestFixture]
internal sealed class ReportingTests
{
    [Test]
    public void Percentiles_are_of_the_nearest_rank()
    {
        long[] hundred = [.. Enumerable.Range(1, 100).Select(value => (long)value)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Statistics.Percentile(hundred, 50), Is.EqualTo(50));
            Assert.That(Statistics.Percentile(hundred, 99), Is.EqualTo(99));
            Assert.That(Statistics.Percentile(hundred, 100), Is.EqualTo(100));
            Assert.That(Statistics.Percentile([7], 1), Is.EqualTo(7));
            Assert.That(Statistics.Percentile([], 50), Is.Zero);
        }
    }

    [Test]
    public void The_median_is_a_value_that_was_measured()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Statistics.Median([3L, 1L, 2L]), Is.EqualTo(2));
            Assert.That(Statistics.Median([4L, 1L, 2L, 3L]), Is.EqualTo(2));
            Assert.That(() => Statistics.Median(Array.Empty<long>()), Throws.ArgumentException);
        }
    }

    [TestCase(0, 7, 9, 0, "row 1 of 7, repeat 1 of 9")]
    [TestCase(23, 7, 9, 23, "row 3 of 7, repeat 4 of 9, 40 s left")]
    [TestCase(1, 3, 1, 120, "row 2 of 3, 4 min left")]
    public void Progress_says_which_row_and_how_long(int done, int rows, int repeats, int seconds, string line) =>
        Assert.That(RunProgress.Line(done, rows, repeats, TimeSpan.FromSeconds(seconds)), Is.EqualTo(line));

    [Test]
    [Category(Support.Lane.Slow)]
    public void FastPath_explains_itself()
    {
        SampleProcess run = SampleProcess.Run("FastPath", "--help");
        Assert.That((run.ExitCode, run.Error), Is.EqualTo((0, "")));
        Assert.That(run.Output, Does.Contain("FastPath WAY N").And.Contain("handle-variable"));
    }

    [TestCase(30, 2)]
    [TestCase(80, 1)]
    [TestCase(1, 4)]
    public void A_table_that_is_too_wide_stands_in_parts_that_fit(int width, int parts)
    {
        TextTable table = new(["row", "first", "second", "third", "fourth"]);
        table.Add("apples", "1", "22", "333", "4444");
        string[] lines = table.Print(width).Split(Environment.NewLine);
        Assert.That(lines.Count(line => line.StartsWith("row", StringComparison.Ordinal)), Is.EqualTo(parts));
        Assert.That(lines.Count(line => line.StartsWith("apples", StringComparison.Ordinal)), Is.EqualTo(parts));
        Assert.That(lines.Max(line => line.Length), Is.LessThanOrEqualTo(Math.Max(width, "apples  second".Length)));
        foreach (string cell in (string[])["first", "second", "third", "fourth", " 1", "22", "333", "4444"])
            Assert.That(lines.Count(line => line.Contains(cell, StringComparison.Ordinal)), Is.EqualTo(1), cell);
    }

    [Test]
    public void Tables_are_aligned()
    {
        var table = new TextTable(["", "count"], ["", "pieces"]);
        table.Add("apples", "7");
        table.Add("figs", "1,000,000");
        string[] lines = table.ToString().Split(Environment.NewLine);
        string[] expected =
        [
            "            count",
            "           pieces",
            "-----------------",
            "apples          7",
            "figs    1,000,000",
            "",
        ];
        Assert.That(lines, Is.EqualTo(expected));
    }

    [Test]
    public void The_peak_of_resident_memory_is_seen()
    {
        const int Bytes = 64 << 20;
        byte[] block = GC.AllocateUninitializedArray<byte>(Bytes, pinned: true);
        block.AsSpan().Fill(1);
        long peak = ResidentMemory.PeakBytes();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ResidentMemory.Bytes(), Is.GreaterThan(Bytes));
            Assert.That(peak, Is.GreaterThanOrEqualTo(ResidentMemory.Bytes() - (1 << 20)));
        }

        GC.KeepAlive(block);
    }
}
