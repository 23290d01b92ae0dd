// What the engine sets out to reach.
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Samples.Benchmarks.Reporting;

/// <summary>
/// What the engine sets out to reach, and how far it has come. "Best peer" is the fastest of the native allocators run
/// from C; "above the empty loop" is the least time less the least of the same loop, in the same language, without an
/// allocator.
/// </summary>
/// <param name="results">All that was measured.</param>
internal sealed class Targets(IReadOnlyList<WorkloadResult> results)
{
    private static readonly string[] LimitedSizes = ["16", "64", "256", "1024", "8192"];

    /// <summary>The table; rows of what was not measured are left out.</summary>
    public string Print()
    {
        List<Target> measured = [.. All().Where(target => target.Reached is not null)];
        if (measured.Count == 0)
            return "";

        var table = new TextTable(["target", "at most", "reached", "met", "worst in"]);
        foreach (Target target in measured)
        {
            string met = target.IsMet == true ? "yes" : "no";
            table.Add(target.Name, TimeText.Ratio(target.Limit), TimeText.Ratio(target.Reached), met, target.Where);
        }

        return table.ToString();
    }

    public IEnumerable<Target> All()
    {
        yield return Ratio("pair of 64 bytes by handle, of best peer", 0.5, ContestantNames.Handle, "pair-64");
        yield return Ratio("pair of 64 bytes implicit, of best peer", 0.75, ContestantNames.Engine, "pair-64");
        yield return Ratio(
            "FIFO batches to 8 KiB by handle, of best peer", 0.9, ContestantNames.Handle,
            Ids("batch-fifo", LimitedSizes));
        yield return Ratio(
            "random batches to 8 KiB by handle, of best peer", 0.9, ContestantNames.Handle,
            Ids("batch-random", LimitedSizes));
        yield return AboveEmptyLoop(
            "random-mixed 256 by handle, above the empty loop, of best peer", 0.6, ContestantNames.Handle,
            "random-mixed-256");
        yield return AboveEmptyLoop(
            "random-mixed 256 implicit, above the empty loop, of best peer", 0.8, ContestantNames.Engine,
            "random-mixed-256");
        foreach (string workingSet in (string[])["4096", "65536", "1000000"])
        {
            yield return Ratio(
                $"random-mixed {workingSet} by handle, of best peer", 1.0, ContestantNames.Handle,
                "random-mixed-" + workingSet);
        }

        yield return AboveEmptyLoop(
            "producer-consumer by handle, above the empty ring, of best peer", 0.5, ContestantNames.Handle,
            "producer-consumer");
        yield return Time(
            "frame arena, ns per allocation with its share of the reset", 1.5, ContestantNames.FrameArena,
            "frame-arena");
        yield return AboveEmptyLoop(
            "game traces, frames' p50 above the empty replay, of best peer", 0.8, ContestantNames.Handle,
            Traces("p50"));
        yield return AboveEmptyLoop(
            "game traces, frames' p99 above the empty replay, of best peer", 0.7, ContestantNames.Handle,
            Traces("p99"));
        yield return AboveEmptyLoop(
            "game traces, longest frame above the empty replay, of best peer", 0.5, ContestantNames.Handle,
            Traces("max"));
        yield return Worst(
            "hardened mode on random-mixed 256, of plain mode",
            1.15,
            ["random-mixed-256"],
            result => result.Find(ContestantNames.HandleHardened)?.Median
                / result.Find(ContestantNames.Handle)?.Median);
        yield return LongestCall();
        yield return OsCalls();
        yield return PairOfPicks();
        yield return MixedOfPicks();
        yield return PeakResident();
        yield return Worst(
            "game traces, engine's tables in its peak resident, per cent", 1.6, Traces("p50"),
            result => 100 * MemoryTable.MetadataShare(result));
    }

    private static string[] Ids(string name, string[] variants) =>
        Array.ConvertAll(variants, variant => $"{name}-{variant}");

    // The least time of some contestants, less that of the empty loop: the difference of two medians is mostly the
    // machine's unrest. Below the resolution of the loops, a hundredth of a nanosecond, there is nothing to compare.
    private static double? Above(WorkloadResult result, string[] contestants, string emptyLoop) =>
        result.Find(emptyLoop) is { } empty
            && result.Contestants.Where(other => contestants.Contains(other.Name))
                .Min(other => (double?)other.Min) is { } least
            ? Math.Max(least - empty.Min, 0.01)
            : null;

    private string[] Traces(string figure) =>
        [.. results.Where(result => result.Work is TraceWorkload && result.Work.Variant == figure)
            .Select(result => result.Work.Id)];

    private Target Ratio(string name, double limit, string contestant, params string[] ids) =>
        Worst(name, limit, ids, result => result.Find(contestant) is { } found ? result.RatioToBestPeer(found) : null);

    private Target Time(string name, double limit, string contestant, string id) =>
        Worst(name, limit, [id], result => result.Find(contestant)?.Median);

    // Where the best peer takes less than a twentieth more than the empty loop, the difference is the machine's unrest
    // and no ratio is formed.
    private Target AboveEmptyLoop(string name, double limit, string contestant, params string[] ids) =>
        Worst(name, limit, ids, result =>
        Above(result, ContestantNames.NativePeers, ContestantNames.OfC(ContestantNames.Null)) is { } peer
            && peer > result.Find(ContestantNames.OfC(ContestantNames.Null))!.Min / 20
            ? Above(result, [contestant], ContestantNames.Null) / peer
            : null);

    private Target LongestCall() => Worst(
        "longest call by handle, of the empty loop's longest (least of all rounds)",
        1.5,
        ["longest-call"],
        result => result.Find(ContestantNames.Handle) is { } found && result.Find(ContestantNames.Null) is { } empty
            ? found.Min / empty.Min
            : null);

    private Target OsCalls() => Worst(
        "OS calls of the prewarmed engine, in all workloads",
        0,
        [.. results.Select(result => result.Work.Id)],
        result => ((string[])[ContestantNames.Handle, ContestantNames.Engine])
            .Max(name => result.Find(name)?.Most(measurement => measurement.OsCalls)));

    private Target PairOfPicks() => Worst(
        "pair of 64 bytes by handle, of the fastest pick of a C# user",
        0.5,
        ["pair-64"],
        result => result.Find(ContestantNames.Handle)?.Median / result.Best(ContestantNames.PicksOfCSharp)?.Median);

    private Target MixedOfPicks() => Worst(
        "random-mixed 256 by handle, above the empty loop, of the fastest pick of a C# user",
        0.7,
        ["random-mixed-256"],
        result => Above(result, [ContestantNames.Handle], ContestantNames.Null)
            / Above(result, ContestantNames.PicksOfCSharp, ContestantNames.Null));

    // Both replays have tables of their own, which the empty ones have too.
    private Target PeakResident() => Worst(
        "game traces, peak resident above the empty replay, without prewarm and prefault, of the least of the peers",
        1.0,
        Traces("p50"),
        result => AboveEmpty(result, [ContestantNames.HandleOnDemand], ContestantNames.Null)
            / AboveEmpty(result, ContestantNames.NativePeers, ContestantNames.OfC(ContestantNames.Null)));

    private static double? AboveEmpty(WorkloadResult result, string[] contestants, string empty) =>
        contestants.Min(name => result.Find(name) is { } contestant ? (double?)MemoryTable.Peak(contestant) : null)
            - (result.Find(empty) is { } loop ? (double?)MemoryTable.Peak(loop) : null);

    // Of several workloads the one with the largest figure counts.
    private Target Worst(string name, double limit, string[] ids, Func<WorkloadResult, double?> figure)
    {
        var figures = results
            .Where(result => ids.Contains(result.Work.Id))
            .Select(result => (result.Work.Id, Value: figure(result)))
            .Where(entry => entry.Value is not null)
            .ToList();
        if (figures.Count == 0)
            return new Target(name, limit, null, FigureText.None);

        (string id, double? worst) = figures.MaxBy(entry => entry.Value);
        return new Target(name, limit, worst, ids.Length > 1 ? id : FigureText.None);
    }
}

/// <summary>Something that the engine sets out to reach.</summary>
/// <param name="Limit">What the figure is to be at most.</param>
/// <param name="Reached">The figure; null when the workloads that it is made of were not measured.</param>
/// <param name="Where">The workload that it was reached in, where the worst of several counts.</param>
internal sealed record Target(string Name, double Limit, double? Reached, string Where)
{
    /// <summary>Whether it is met; null when it was not measured.</summary>
    public bool? IsMet => Reached is null ? null : Reached <= Limit;
}
