using System.Text.Json.Serialization;

#pragma warning disable CS1591, CS1573 // Fields whose names and units say everything have no comment.
namespace SuperSlab.Diagnostics;

/// <summary>
/// Where memory came from, by call stack and tag: estimates from samples, which
/// <see cref="ProfilerOptions.SampleAllocationsEvery"/> asks for. Of long-lived and small arenas; what lanes of frame
/// arenas allocate is not sampled.
/// </summary>
/// <remarks>
/// A block of b bytes is sampled with probability p = 1 - exp(-b / <see cref="IntervalBytes"/>), and then stands for
/// b / p bytes. Sums of that are unbiased; two thirds of them lie within one standard deviation of the truth, which a
/// row has beside its bytes. A block counts as live until it is freed, by whichever thread and under whichever tag:
/// so live bytes of a tag are of blocks that were allocated under it. Sizes are rounded up to size classes.
/// </remarks>
public sealed record ProfileCallSites
{
    private const string NotAsked = "ProfilerOptions.SampleAllocationsEvery is 0";

    /// <summary>Empty where allocations were sampled, else why they were not.</summary>
    public string Unavailable { get; init => field = value ?? NotAsked; } = NotAsked;

    /// <summary>
    /// Why samples have no call stacks, as outside of Linux; empty where they have. Tags they have always.
    /// </summary>
    public string NoStacks { get; init => field = value ?? ""; } = "";

    /// <summary>Bytes between two samples, on average.</summary>
    public long IntervalBytes { get; init; }

    /// <summary>Samples in all, and of blocks that lived when the profile was taken.</summary>
    public long SampleCount { get; init; }

    /// <inheritdoc cref="SampleCount"/>
    public long LiveSampleCount { get; init; }

    /// <summary>Samples whose blocks found no room: they count as allocated, and never as live.</summary>
    public long UnkeptBlockCount { get; init; }

    /// <summary>Samples whose call stacks found no room: they count for their tag only.</summary>
    public long UnkeptStackCount { get; init; }

    /// <summary>The places in the program that stacks consist of: methods, or "library!function".</summary>
    public IReadOnlyList<string> Places { get; init => field = ProfileVersions.Rows(value); } = [];

    public IReadOnlyList<StackRow> Stacks { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>The stacks together by their innermost place, the most live bytes first.</summary>
    [JsonIgnore]
    public IReadOnlyList<SiteRow> Sites => field ??= Together(stack => PlaceOf(stack));

    /// <summary>The stacks together by their tags.</summary>
    [JsonIgnore]
    public IReadOnlyList<SiteRow> Tags => field ??= Together(static stack => stack.Tag);

    /// <summary>The innermost place of a stack.</summary>
    public string PlaceOf(StackRow stack)
    {
        ArgumentNullException.ThrowIfNull(stack);
        return stack.Places is [int innermost, ..] ? Place(innermost) : NoPlace;
    }

    /// <summary>All places of a stack from the inside out, as in "Game.Spawn &lt; Game.Run".</summary>
    public string TextOf(StackRow stack)
    {
        ArgumentNullException.ThrowIfNull(stack);
        return stack.Places.Count == 0 ? NoPlace : string.Join(" < ", stack.Places.Select(Place));
    }

    /// <summary>The row of a tag; zeros where no sample is of it.</summary>
    internal SiteRow OfTag(string tag) =>
        Tags.FirstOrDefault(row => row.Name == tag) ?? new SiteRow(tag, 0, 0, 0, 0, 0, 0);

    /// <summary>What stands for samples without a call stack.</summary>
    private string NoPlace => NoStacks.Length == 0 ? "(call stack not kept)" : "(no call stacks here)";

    /// <summary>A file may name a place that it lacks.</summary>
    private string Place(int number) => number >= 0 && number < Places.Count ? Places[number] : "(not in the profile)";

    private SiteRow[] Together(Func<StackRow, string> name) =>
    [
        .. Stacks.GroupBy(name).Select(stacks => new SiteRow(
            stacks.Key,
            stacks.Sum(static stack => stack.LiveBytes),
            Deviation(stacks.Select(static stack => stack.LiveDeviation)),
            stacks.Sum(static stack => stack.LiveSampleCount),
            stacks.Sum(static stack => stack.AllocatedBytes),
            Deviation(stacks.Select(static stack => stack.AllocatedDeviation)),
            stacks.Sum(static stack => stack.SampleCount)))
            .OrderByDescending(static site => site.LiveBytes).ThenByDescending(static site => site.AllocatedBytes),
    ];

    /// <summary>Of a sum: variances add up.</summary>
    private static long Deviation(IEnumerable<long> ofParts) =>
        (long)Math.Round(Math.Sqrt(ofParts.Sum(static part => (double)part * part)));

    /// <summary>What was allocated by one call stack under one tag.</summary>
    /// <param name="Places">Indices in <see cref="ProfileCallSites.Places"/>, the innermost first.</param>
    /// <param name="Tag">"(no tag)" for code without one.</param>
    /// <param name="LiveBytes">Estimate of the bytes that lived when the profile was taken.</param>
    /// <param name="LiveDeviation">Its standard deviation in bytes.</param>
    /// <param name="AllocatedBytes">Estimate of the bytes allocated since sampling began.</param>
    /// <param name="AllocatedDeviation">Its standard deviation in bytes.</param>
    public sealed record StackRow(
        IReadOnlyList<int> Places,
        string Tag,
        long LiveBytes,
        long LiveDeviation,
        long LiveSampleCount,
        long AllocatedBytes,
        long AllocatedDeviation,
        long SampleCount)
    {
        public IReadOnlyList<int> Places { get; init => field = ProfileVersions.Rows(value); } =
            ProfileVersions.Rows(Places);
    }

    /// <summary>Stacks of one place, or of one tag, together.</summary>
    /// <param name="Name">The place, or the tag.</param>
    /// <inheritdoc cref="StackRow"/>
    public sealed record SiteRow(
        string Name,
        long LiveBytes,
        long LiveDeviation,
        long LiveSampleCount,
        long AllocatedBytes,
        long AllocatedDeviation,
        long SampleCount);
}
