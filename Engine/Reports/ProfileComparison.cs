using System.Globalization;
using SuperSlab.Diagnostics;

namespace SuperSlab.Reports;

/// <summary>
/// Two profiles of one program side by side: frames, what a hot loop must not do, memory, arenas, tags, call sites,
/// size classes and page faults, the largest regression first.
/// </summary>
/// <remarks>
/// More is worse in every row. A row counts by what its change is of the whole: of all arenas' live bytes where it is
/// one arena's, of its own value where there is no whole. What was 0 and is not counts most. What frames do is
/// compared for each frame or for each 1,000 frames, so that runs may be of different lengths. Estimates from samples
/// that differ by at most three standard deviations are the same. Immutable; any thread.
/// </remarks>
public sealed class ProfileComparison
{
    private const double FramesOfRate = 1000;
    private const string HotLoop = "hot loop";
    private const string Frames = "frames";
    private const string SiteGroup = "call sites";

    /// <summary>An estimate may differ from the truth by this many standard deviations.</summary>
    private const double DeviationsOfNoise = 3;

    /// <summary>Percentiles are those of buckets of a 32nd: smaller differences of times are none.</summary>
    private const double TimeTolerance = 1.0 / 32;

    /// <summary>Which group comes first among rows that changed alike.</summary>
    private static readonly string[] s_groups =
        [HotLoop, "faults", Frames, "memory", "arenas", "tags", SiteGroup, "size classes"];

    /// <summary>Compares two profiles. Not for the hot loop.</summary>
    /// <param name="before">The one that the other is held against.</param>
    /// <param name="after">The one that may be worse.</param>
    public ProfileComparison(ProfileDocument before, ProfileDocument after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        (Before, After) = (before, after);
        Measure[] measures = [.. FrameMeasures(), .. MemoryMeasures(), .. RowMeasures()];
        Rows =
        [
            .. measures.SelectMany(Compared).OrderBy(row => row.Verdict)
                .ThenByDescending(row => Math.Abs(row.Growth ?? 0))
                .ThenBy(row => Array.IndexOf(s_groups, row.Group))
                .ThenByDescending(row => Math.Abs(row.Change ?? 0)),
        ];
    }

    /// <summary>What a row's change means, in the order of <see cref="Rows"/>.</summary>
    public enum Verdict
    {
        /// <summary>More than before.</summary>
        Worse,

        /// <summary>Less than before.</summary>
        Better,

        /// <summary>One of the profiles does not know it.</summary>
        Unknown,

        /// <summary>No difference; of times none above 3 %, of estimates none above their noise.</summary>
        Same,
    }

    /// <summary>The profile that the other is held against.</summary>
    public ProfileDocument Before { get; }

    /// <summary>The profile that may be worse.</summary>
    public ProfileDocument After { get; }

    /// <summary>What is worse, the largest regression first, then what is better, not known, and the same.</summary>
    public IReadOnlyList<Row> Rows { get; }

    private IEnumerable<Measure> FrameMeasures()
    {
        foreach ((string name, Func<ProfileFrames.TimePercentiles, long> of) in TimeMeasures())
        {
            yield return new(Frames, name, ProfileTable.Unit.Nanoseconds, document =>
                One(document.Frames.Count == 0 ? null : of(document.Frames.Percentiles)));
        }

        long budget = Before.Frames.BudgetNanoseconds;
        if (budget != 0 && budget == After.Frames.BudgetNanoseconds)
        {
            yield return new(Frames, "over budget, of 1,000", ProfileTable.Unit.Count, document =>
                One(Share(document.Frames.OverBudgetCount, document.Frames.Count) * FramesOfRate));
        }

        foreach (ProfileTable.Column column in ProfileTable.Frames.ColumnsOf(ProfileTable.Outputs.Page))
        {
            bool isAlarm = column.Outputs.HasFlag(ProfileTable.Outputs.Alarm);
            yield return new(
                isAlarm ? HotLoop : Frames,
                column.Title + (isAlarm ? ", in 1,000 frames" : ", in a frame"),
                column.Unit,
                document => One(Rate(document, column.Name) * (isAlarm ? FramesOfRate : 1)));
        }
    }

    private static IEnumerable<(string Name, Func<ProfileFrames.TimePercentiles, long> Of)> TimeMeasures() =>
    [
        ("p50", times => times.P50), ("p99", times => times.P99), ("p99.9", times => times.P999),
        ("longest", times => times.Maximum),
    ];

    private static IEnumerable<Measure> MemoryMeasures() =>
    [
        new("memory", "held by arenas", ProfileTable.Unit.Bytes, document =>
            One((long)document.Totals.OwnedSuperSlabCount << SuperSlabShift)),
        new("memory", "ready", ProfileTable.Unit.Bytes, document =>
            One((long)document.Totals.ReadySuperSlabCount << SuperSlabShift)),
        new("memory", "resident", ProfileTable.Unit.Bytes, document =>
            One(document.Totals.ResidentBytes < 0 ? null : document.Totals.ResidentBytes)),
        new("memory", "own tables", ProfileTable.Unit.Bytes, document => One(document.Totals.MetadataBytes)),
        new("memory", "OS calls", ProfileTable.Unit.Count, document => One(document.Totals.OsCallCount)),
    ];

    private const int SuperSlabShift = 21;

    private IEnumerable<Measure> RowMeasures()
    {
        yield return new("arenas", "live", ProfileTable.Unit.Bytes, document =>
            document.Arenas.Select(arena => (arena.Name.ToString(), (double)arena.LiveBytes)));
        yield return new("arenas", "peak held", ProfileTable.Unit.Bytes, PeaksOfArenas);

        bool isPerFrame = Before.Frames.Count > 0 && After.Frames.Count > 0;
        string inWhat = isPerFrame ? ", for each frame" : "";
        yield return new("tags", "allocated" + inWhat, ProfileTable.Unit.Bytes, document =>
            Tags(document, isPerFrame, tag => tag.AllocatedBytes));
        yield return new("tags", "allocations" + inWhat, ProfileTable.Unit.Count, document =>
            Tags(document, isPerFrame, tag => tag.AllocationCount));

        yield return new("tags", "live, estimated", ProfileTable.Unit.Bytes, document =>
            Estimates(document, sites => sites.Tags, site => site.LiveBytes))
        {
            DeviationOf = document => Estimates(document, sites => sites.Tags, site => site.LiveDeviation),
        };
        yield return new(SiteGroup, "live, estimated", ProfileTable.Unit.Bytes, document =>
            Estimates(document, sites => sites.Sites, site => site.LiveBytes))
        {
            DeviationOf = document => Estimates(document, sites => sites.Sites, site => site.LiveDeviation),
        };
        double ForEach(ProfileDocument document) => isPerFrame ? 1.0 / document.Frames.Count : 1;
        yield return new(SiteGroup, "allocated, estimated" + inWhat, ProfileTable.Unit.Bytes, document =>
            Estimates(document, sites => sites.Sites, site => site.AllocatedBytes * ForEach(document)))
        {
            DeviationOf = document =>
                Estimates(document, sites => sites.Sites, site => site.AllocatedDeviation * ForEach(document)),
        };

        yield return new("size classes", "live", ProfileTable.Unit.Bytes, document =>
            document.Classes.Select(row => (ClassName(row), (double)row.LiveCount * row.BlockBytes)));
        yield return new("size classes", "free, cached and waste", ProfileTable.Unit.Bytes, document =>
            document.Classes.Select(row =>
                (ClassName(row), ((double)(row.FreeCount + row.CachedCount) * row.BlockBytes) + row.WasteBytes)));
        yield return new("faults", "in all", ProfileTable.Unit.Count, document =>
            document.Faults.Unavailable.Length != 0
                ? null
                : document.Faults.Owners.Select(owner => ($"{owner.Kind}: {owner.Name}", (double)owner.Count)));
    }

    /// <summary>The most that one arena of the name held, alive or disposed.</summary>
    private static IEnumerable<(string Name, double Value)> PeaksOfArenas(ProfileDocument document) => document.Arenas
        .Select(arena => (Name: arena.Name.ToString(), arena.PeakBytes))
        .Concat(document.DisposedArenas.Select(arena => (arena.Name, arena.PeakBytes)))
        .GroupBy(arena => arena.Name)
        .Select(arenas => (arenas.Key, (double)arenas.Max(arena => arena.PeakBytes)));

    private static IEnumerable<(string Name, double Value)>? Tags(
        ProfileDocument document, bool isPerFrame, Func<TagRow, long> of) => document.HasCounters
        ? document.Tags.Select(tag => (
            tag.Number == 0 ? "(no tag)" : tag.Name.ToString(),
            of(tag) / (double)(isPerFrame ? document.Frames.Count : 1)))
        : null;

    /// <summary>A value of each call site or tag; null where nothing was sampled.</summary>
    private static IEnumerable<(string Name, double Value)>? Estimates(
        ProfileDocument document, Func<ProfileCallSites, IReadOnlyList<ProfileCallSites.SiteRow>> rows,
        Func<ProfileCallSites.SiteRow, double> of) => document.CallSites.Unavailable.Length == 0
        ? rows(document.CallSites).Select(row => (row.Name, of(row)))
        : null;

    private static string ClassName(SizeClassRow row) =>
        row.BlockBytes == 0 ? "above 32 MiB" : row.BlockBytes.ToString("N0", CultureInfo.InvariantCulture) + " B";

    /// <summary>What a frame did on average, of those that counted it; null where none did.</summary>
    private static double? Rate(ProfileDocument document, string column)
    {
        if (document.Frames.Totals.TryGetValue(column, out ProfileFrames.Total? total))
            return Share(total.Sum, total.Frames);

        IReadOnlyList<long> values = document.Frames[column];
        return Share(values.Sum(), values.Count);
    }

    private static double? Share(long sum, long count) => count == 0 ? null : sum / (double)count;

    private static IEnumerable<(string Name, double Value)>? One(double? value) =>
        value is { } known ? [("", known)] : null;

    private IEnumerable<Row> Compared(Measure measure)
    {
        Dictionary<string, double>? before = Values(measure.Of(Before));
        Dictionary<string, double>? after = Values(measure.Of(After));
        double whole = before?.Values.Sum() ?? 0;
        double tolerance = measure.Unit == ProfileTable.Unit.Nanoseconds ? TimeTolerance : 0;
        Dictionary<string, double> none = [];
        Dictionary<string, double> deviationBefore = Values(measure.DeviationOf?.Invoke(Before)) ?? none;
        Dictionary<string, double> deviationAfter = Values(measure.DeviationOf?.Invoke(After)) ?? none;
        IEnumerable<string> names = (before ?? none).Keys.Union((after ?? none).Keys);
        return names.Select(name => new Row(measure.Group, name, measure.Name, measure.Unit)
        {
            Before = before is null ? null : before.GetValueOrDefault(name),
            After = after is null ? null : after.GetValueOrDefault(name),
            Whole = whole,
            Tolerance = tolerance,
            Noise = DeviationsOfNoise * double.Hypot(
                deviationBefore.GetValueOrDefault(name), deviationAfter.GetValueOrDefault(name)),
        });
    }

    /// <summary>Rows of one name are one.</summary>
    private static Dictionary<string, double>? Values(IEnumerable<(string Name, double Value)>? rows) =>
        rows?.GroupBy(row => row.Name).ToDictionary(group => group.Key, group => group.Sum(row => row.Value));

    /// <summary>One value of both profiles.</summary>
    /// <param name="Group">"hot loop", "faults", "frames", "memory", "arenas", "tags", "call sites" or
    /// "size classes".</param>
    /// <param name="Name">The arena, tag, call site, class or owner; empty where the value is the whole run's.</param>
    /// <param name="Measure">What is compared, such as "live" or "p99".</param>
    /// <param name="Unit">Of both values: bytes, nanoseconds, or a count, which may be a fraction.</param>
    public sealed record Row(string Group, string Name, string Measure, ProfileTable.Unit Unit)
    {
        /// <summary>Null where the profile does not know it; 0 for an arena, tag, class or owner it lacks.</summary>
        public double? Before { get; init; }

        /// <inheritdoc cref="Before"/>
        public double? After { get; init; }

        /// <summary>The difference; null where it is not known.</summary>
        public double? Change => After - Before;

        /// <summary>
        /// The change as a share of <see cref="Whole"/>: positive infinity where that was 0 and no longer is; null
        /// where it is not known.
        /// </summary>
        public double? Growth => Change switch
        {
            null => null,
            0 => 0,
            { } change => Whole == 0 ? double.PositiveInfinity : change / Whole,
        };

        /// <summary>What all rows of the measure together were before.</summary>
        public double Whole { get; internal init; }

        /// <summary>Whether it is worse.</summary>
        public Verdict Verdict => Change is not { } change ? Verdict.Unknown
            : Math.Abs(change) <= Math.Max(Noise, Tolerance * (Before ?? 0)) ? Verdict.Same
            : change > 0 ? Verdict.Worse
            : Verdict.Better;

        internal double Tolerance { get; init; }

        /// <summary>What an estimate may differ by without a difference behind it.</summary>
        internal double Noise { get; init; }
    }

    /// <summary>A value of the profile, or of each of its rows by name; null where it does not know it.</summary>
    private sealed record Measure(
        string Group,
        string Name,
        ProfileTable.Unit Unit,
        Func<ProfileDocument, IEnumerable<(string Name, double Value)>?> Of)
    {
        /// <summary>The standard deviations of values that are estimates.</summary>
        public Func<ProfileDocument, IEnumerable<(string Name, double Value)>?>? DeviationOf { get; init; }
    }
}
