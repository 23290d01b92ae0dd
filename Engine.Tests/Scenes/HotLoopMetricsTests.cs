namespace Engine.Tests.Scenes;

/// <summary>Counts by metric, their table, and rules for them.</summary>
internal sealed class HotLoopMetricsTests
{
    [Test]
    public void Counts_are_added_and_subtracted_each_for_itself()
    {
        HotLoopCounts one = Counts(1);
        HotLoopCounts ten = Counts(10);
        Assert.That(HotLoopCounts.Add(one, ten), Is.EqualTo(Counts(11)));
        Assert.That(HotLoopCounts.Subtract(ten, one), Is.EqualTo(Counts(9)).And.Not.EqualTo(one));
        long[] expected = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130];
        Assert.That(Enum.GetValues<HotLoopMetric>().Select(metric => ten[metric]), Is.EqualTo(expected));
        Assert.That(ten.SoftOverruns, Is.EqualTo(60 - 80));
        Assert.That(
            one.ToString(),
            Does.StartWith("1 page fault, 2 OS calls, 3 managed bytes").And.EndsWith("13 waits"));
        Assert.That(default(HotLoopCounts).ToString(), Does.EndWith("0 overruns of hard budgets"));

        static HotLoopCounts Counts(int factor) => new()
        {
            PageFaults = factor,
            OsCalls = 2 * factor,
            ManagedBytes = 3 * factor,
            Collections = 4 * factor,
            FrameOverflows = 5 * factor,
            BudgetOverruns = 6 * factor,
            TagOverruns = 7 * factor,
            HardOverruns = 8 * factor,
            EngineFaults = 9 * factor,
            RuntimeFaults = 10 * factor,
            HeapFaults = 11 * factor,
            NativeFaults = 12 * factor,
            Waits = 13 * factor,
        };
    }

    [Test]
    public void The_table_of_metrics_is_in_the_order_of_the_enumeration() => Assert.That(
        HotLoopMetrics.All.Select(row => row.Metric).ToArray(),
        Is.EqualTo(Enum.GetValues<HotLoopMetric>()).And.Length.EqualTo(HotLoopMetrics.Count));

    [Test]
    public void Rules_are_equal_by_their_values()
    {
        HotLoopRules rules = new() { WarmUpFrameCount = 3, OsCalls = new(2, HotLoopAction.Log) };
        Assert.That(
            rules, Is.EqualTo(
            new HotLoopRules { WarmUpFrameCount = 3, OsCalls = new(2, HotLoopAction.Log), PageFaults = default }));
        Assert.That(rules.GetHashCode(), Is.EqualTo((rules with { }).GetHashCode()));
        Assert.That(rules with { TagOverrun = default(HotLoopRule) }, Is.Not.EqualTo(rules));
        Assert.That(rules with { OsCalls = default }, Is.Not.EqualTo(rules));
        Assert.That(
            rules.OsCalls, Is.EqualTo(new HotLoopRule(2, HotLoopAction.Log)), "a changed copy leaves the original");
    }
}
