using Samples.Benchmarks.Measuring;
using Samples.Benchmarks.Reporting;
using Samples.Benchmarks.Workloads;

namespace Engine.Tests.Samples;

/// <summary>The benchmarks' arithmetic, on made-up measurements: ratios, targets and the comparison of
/// checksums.</summary>
[TestFixture]
internal sealed class TargetsTests
{
    [Test]
    public void The_best_peer_is_the_fastest_by_median_of_those_in_C()
    {
        WorkloadResult result =
            Result(new PairWorkload(64, 1, 1), ("handle", [1]), ("malloc (C)", [1, 9, 9]), ("tcmalloc (C)", [4, 5, 6]),
            ("mimalloc", [2]));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.BestPeer!.Name, Is.EqualTo("tcmalloc (C)"));
            Assert.That(result.RatioToBestPeer(result.Find("handle")!), Is.EqualTo(0.2));
            Assert.That(
                (result.BestPeer.Min, result.BestPeer.Median, result.BestPeer.Max), Is.EqualTo((4.0, 5.0, 6.0)));
        }
    }

    [Test]
    public void A_ratio_is_met_up_to_its_limit()
    {
        WorkloadResult result =
            Result(new PairWorkload(64, 1, 1), ("handle", [2]), ("engine", [3.1]), ("malloc", [8]),
            ("tcmalloc (C)", [4]));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Find("pair of 64 bytes by handle, of best peer", result).IsMet, Is.True);
            Assert.That(Find("pair of 64 bytes implicit, of best peer", result).IsMet, Is.False);
            Assert.That(Find("pair of 64 bytes by handle, of the fastest pick", result).Reached, Is.EqualTo(0.25));
            Assert.That(Find("random-mixed 4096", result).IsMet, Is.Null, "not measured");
        }
    }

    [Test]
    public void The_empty_loop_is_taken_off_each_in_its_own_language()
    {
        WorkloadResult result = Result(
            new MixedWorkload(256, 1, 1), ("null", [8]), ("handle", [9]), ("malloc", [12]), ("null (C)", [7]),
                ("tcmalloc (C)", [11]));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                Find("random-mixed 256 by handle, above the empty loop, of best", result).Reached, Is.EqualTo(0.25));
            Assert.That(
                Find("random-mixed 256 by handle, above the empty loop, of the fastest pick", result).Reached,
                Is.EqualTo(0.25));
        }
    }

    [Test]
    public void Of_several_workloads_the_worst_counts()
    {
        WorkloadResult good =
            Result(new BatchWorkload(isRandom: false, 16, 1, 1), ("handle", [1]), ("malloc (C)", [4]));
        WorkloadResult bad =
            Result(new BatchWorkload(isRandom: false, 1024, 1, 1), ("handle", [3]), ("malloc (C)", [4]));
        WorkloadResult beyond =
            Result(new BatchWorkload(isRandom: false, 65_536, 1, 1), ("handle", [9]), ("malloc (C)", [4]));
        Target target = Find("FIFO batches", good, bad, beyond);
        Assert.That((target.Reached, target.Where), Is.EqualTo((0.75, "batch-fifo-1024")));
    }

    [Test]
    public void Other_work_is_noticed()
    {
        WorkloadResult result = Result(new PairWorkload(64, 1, 1), ("handle", [1]), ("malloc", [1]));
        Assert.That(result.Difference(), Is.Null);
        result.Add("malloc", new Measurement { Workload = "pair-64", Nanoseconds = [1], Checksum = 8 });
        Assert.That(result.Difference(), Does.Contain("malloc").And.Contains("pair-64"));
    }

    private static Target Find(string name, params WorkloadResult[] results) =>
        new Targets(results).All().First(target => target.Name.StartsWith(name, StringComparison.Ordinal));

    private static WorkloadResult Result(Workload work, params (string Contestant, double[] Nanoseconds)[] rows)
    {
        var result = new WorkloadResult(work);
        foreach ((string contestant, double[] nanoseconds) in rows)
            result.Add(contestant, new Measurement { Workload = work.Id, Nanoseconds = nanoseconds, Checksum = 7 });

        return result;
    }
}
