using System.Globalization;
using static SuperSlab.Diagnostics.ProfileTable.Outputs;

#pragma warning disable CS1591 // Tables and columns are documented by their titles.
namespace SuperSlab.Diagnostics;

/// <summary>
/// One table of a profile: its columns, each with name, unit, source and the outputs that show it.
/// </summary>
/// <remarks>
/// The CSV files, the report's page, the live view, the trace's counters and the meter's instruments all read these
/// tables. A new column is one line here, beside the field that it reads; a new column of the frames is one line of
/// <see cref="FrameColumns"/> and a parameter of the event.
/// </remarks>
public sealed class ProfileTable
{
    private const Outputs Everywhere = Csv | Page | Live;
    private const string Overrun = "How often an arena wanted more than a budget.";
    private const string Overflow = "How often a lane of a frame arena needed more than its share.";

    private readonly Func<ProfileDocument, int> _rowCount;

    private ProfileTable(string name, Func<ProfileDocument, int> rowCount, params IReadOnlyList<Column> columns)
    {
        Name = name;
        _rowCount = rowCount;
        Columns = columns;
    }

    public enum Unit
    {
        Text,

        Count,

        Bytes,

        Nanoseconds,
    }

    /// <summary>The outputs that show a column.</summary>
    [Flags]
    public enum Outputs
    {
        /// <summary>Only the meter, or none.</summary>
        None = 0,

        /// <summary>The CSV files.</summary>
        Csv = 1,

        /// <summary>The report's page, and the trace for columns of frames.</summary>
        Page = 2,

        /// <summary>The live view.</summary>
        Live = 4,

        /// <summary>A value above 0 is a fault: outputs mark it, and a frame that has one is noted.</summary>
        Alarm = 8,
    }

    /// <summary>What frames count, in the order of the event's numbers. The source of all outputs of frames.</summary>
    internal static IReadOnlyList<FrameColumn> FrameColumns { get; } =
    [
        new("start", "start", Unit.Nanoseconds, Csv, static frame => frame.StartNanoseconds),
        new("nanoseconds", "time", Unit.Nanoseconds, Csv, static frame => frame.Nanoseconds),
        new("allocations", "allocations", Unit.Count, Csv | Page, static frame => frame.AllocationCount)
            { Source = FrameSource.Counters },
        new("allocated_bytes", "allocated bytes", Unit.Bytes, Csv | Page, static frame => frame.AllocatedBytes)
            { Source = FrameSource.Counters },
        new("page_faults", "page faults", Unit.Count, Csv | Page | Alarm, static frame => frame.PageFaultCount)
            { Source = FrameSource.FaultCounts },
        new("overflows", "lane overflows", Unit.Count, Csv | Page | Alarm, static frame => frame.OverflowCount),
        new("managed_bytes", "managed bytes", Unit.Bytes, Csv | Page | Alarm, static frame => frame.ManagedBytes),
        new("collections", "garbage collections", Unit.Count, Csv | Page | Alarm, static frame => frame.Collections),
    ];

    /// <summary>The last frames. A column that a profile lacks has no numbers.</summary>
    public static ProfileTable Frames { get; } = new("frames", static d => d.Frames.Nanoseconds.Count,
    [
        Count("frame", "frame", Csv, static (d, i) => d.Frames.First + i),
        .. FrameColumns.Select(column => new Column(column.Name, column.Title, column.Unit, column.Outputs)
        {
            NumberOf = (d, i) => i < d.Frames[column.Name].Count ? d.Frames[column.Name][i] : null,
        }),
    ]);

    public static ProfileTable Totals { get; } = new("totals", static _ => 1,
        Count("owned", "SuperSlabs owned", Live, static (d, _) => d.Totals.OwnedSuperSlabCount)
            .Level("superslab.superslab.count", "SuperSlabs of 2 MiB, by state.", "{superslab}", ("state", "owned")),
        Count("ready", "ready", Live, static (d, _) => d.Totals.ReadySuperSlabCount)
            .Level("superslab.superslab.count", "SuperSlabs of 2 MiB, by state.", "{superslab}", ("state", "ready")),
        Bytes("resident_bytes", "resident", Live, static (d, _) => Known(d.Totals.ResidentBytes)),
        Bytes("metadata_bytes", "own tables", Live, static (d, _) => d.Totals.MetadataBytes)
            .Level("superslab.metadata.size", "Resident bytes of the allocator's own tables."),
        Count("os_calls", "OS calls", Live, static (d, _) => d.Totals.OsCallCount)
            .Total("superslab.os.calls", "Calls to the system's memory functions.", "{call}"));

    /// <summary>The arenas. A budget that is not set has no number, nor has what only other arenas count.</summary>
    public static ProfileTable Arenas { get; } = new("arenas", static d => d.Arenas.Count,
        Text("name", "Arena", Everywhere, static (d, i) => d.Arenas[i].Name.ToString()),
        Text("kind", "Kind", Everywhere, static (d, i) => d.Arenas[i].IsFrame ? "frame" : "long-lived"),
        Count("superslabs", "SuperSlabs", Everywhere, static (d, i) => d.Arenas[i].SuperSlabCount),
        Bytes("held_bytes", "Held", None, static (d, i) => HeldBytes(d.Arenas[i]))
            .Level("superslab.arena.size", "SuperSlab bytes that an arena holds."),
        Bytes("live_bytes", "Live", Everywhere, static (d, i) => d.Arenas[i].LiveBytes)
            .Level("superslab.arena.live", "Bytes of blocks that callers hold."),
        Bytes("cached_bytes", "Cached", Everywhere, static (d, i) => Cached(d.Arenas[i]))
            .Level("superslab.arena.cached", "Bytes of free blocks in thread caches."),
        Bytes("absent_bytes", "No memory", Csv | Page, static (d, i) => d.Arenas[i].AbsentBytes)
            .Level("superslab.arena.absent", "Bytes of SuperSlabs that a trim gave back, or a prewarm left out."),
        Bytes("peak_bytes", "Peak held", Everywhere, static (d, i) => d.Arenas[i].PeakBytes),
        Bytes("soft_budget", "Soft budget", Csv | Page, static (d, i) => Limit(d.Arenas[i].SoftBudgetBytes))
            .Level("superslab.arena.limit", "An arena's budgets, where it has any.", attribute: ("limit", "soft")),
        Bytes("hard_budget", "Hard budget", Csv | Page, static (d, i) => Limit(d.Arenas[i].HardBudgetBytes))
            .Level("superslab.arena.limit", "An arena's budgets, where it has any.", attribute: ("limit", "hard")),
        Bytes("budget", "Budget", Live, static (d, i) => Budget(d.Arenas[i])),
        Count("soft_overruns", "Soft overruns", Csv | Page | Alarm, static (d, i) => SoftOverruns(d.Arenas[i]))
            .Total("superslab.arena.overruns", Overrun, "{overrun}", ("limit", "soft")),
        Count("hard_overruns", "Hard overruns", Csv | Page | Alarm, static (d, i) => HardOverruns(d.Arenas[i]))
            .Total("superslab.arena.overruns", Overrun, "{overrun}", ("limit", "hard")),
        Count("overflows", "Overflows", Live | Alarm, static (d, i) => Overflows(d.Arenas[i]))
            .Total("superslab.arena.overflows", Overflow, "{overflow}"))
    {
        MetricAttribute = "arena",
    };

    public static ProfileTable DisposedArenas { get; } = new("disposed-arenas", static d => d.DisposedArenas.Count,
        Text("name", "Arena", Csv | Page, static (d, i) => d.DisposedArenas[i].Name),
        Text("kind", "Kind", Csv | Page, static (d, i) => d.DisposedArenas[i].IsFrame ? "frame" : "long-lived"),
        Count("count", "Disposed", Csv | Page, static (d, i) => d.DisposedArenas[i].Count),
        Bytes("peak_bytes", "Peak held", Csv | Page, static (d, i) => d.DisposedArenas[i].PeakBytes));

    /// <summary>
    /// What was allocated and freed while a tag was in force. A block counts as freed under the tag that frees it, so
    /// the difference is not what lives under a tag, and no output shows it. What lives is estimated, by the tag that
    /// allocated it, where allocations were sampled; else those columns have no numbers.
    /// </summary>
    public static ProfileTable Tags { get; } = new("tags", static d => d.Tags.Count,
        Text("name", "Tag", Everywhere, static (d, i) => d.Tags[i].Text),
        Bytes("allocated_bytes", "Allocated", Everywhere, static (d, i) => d.Tags[i].AllocatedBytes)
            .Total("superslab.tag.allocated", "Bytes allocated under a tag.", "By"),
        Bytes("freed_bytes", "Freed", Everywhere, static (d, i) => d.Tags[i].FreedBytes)
            .Total("superslab.tag.freed", "Bytes freed under a tag, of blocks of any tag.", "By"),
        Count("allocations", "Allocations", Everywhere, static (d, i) => d.Tags[i].AllocationCount)
            .Total("superslab.tag.allocations", "Blocks allocated under a tag.", "{allocation}"),
        Count("frees", "Frees", Everywhere, static (d, i) => d.Tags[i].FreeCount),
        Bytes("live_estimate", "Live, estimated", Csv | Page, static (d, i) => EstimateOf(d, i)?.LiveBytes),
        Bytes("live_deviation", "± of live", Csv | Page, static (d, i) => EstimateOf(d, i)?.LiveDeviation))
    {
        MetricAttribute = "tag",
    };

    /// <summary>Where memory came from, by the innermost place of call stacks. Bytes are estimates.</summary>
    public static ProfileTable CallSites { get; } = new("call-sites", static d => d.CallSites.Sites.Count,
        Text("site", "Call site", Csv | Page, static (d, i) => d.CallSites.Sites[i].Name),
        Bytes("live_bytes", "Live", Csv | Page, static (d, i) => d.CallSites.Sites[i].LiveBytes),
        Bytes("live_deviation", "± of live", Csv | Page, static (d, i) => d.CallSites.Sites[i].LiveDeviation),
        Count("live_samples", "Live samples", Csv | Page, static (d, i) => d.CallSites.Sites[i].LiveSampleCount),
        Bytes("allocated_bytes", "Allocated", Csv | Page, static (d, i) => d.CallSites.Sites[i].AllocatedBytes),
        Bytes("allocated_deviation", "± of allocated", Csv | Page,
            static (d, i) => d.CallSites.Sites[i].AllocatedDeviation),
        Count("samples", "Samples", Csv | Page, static (d, i) => d.CallSites.Sites[i].SampleCount));

    /// <summary>The same by whole call stacks and tags.</summary>
    public static ProfileTable CallStacks { get; } = new("call-stacks", static d => d.CallSites.Stacks.Count,
        Text("stack", "Call stack", Csv, static (d, i) => d.CallSites.TextOf(d.CallSites.Stacks[i])),
        Text("tag", "Tag", Csv, static (d, i) => d.CallSites.Stacks[i].Tag),
        Bytes("live_bytes", "Live", Csv, static (d, i) => d.CallSites.Stacks[i].LiveBytes),
        Bytes("live_deviation", "± of live", Csv, static (d, i) => d.CallSites.Stacks[i].LiveDeviation),
        Count("live_samples", "Live samples", Csv, static (d, i) => d.CallSites.Stacks[i].LiveSampleCount),
        Bytes("allocated_bytes", "Allocated", Csv, static (d, i) => d.CallSites.Stacks[i].AllocatedBytes),
        Bytes("allocated_deviation", "± of allocated", Csv,
            static (d, i) => d.CallSites.Stacks[i].AllocatedDeviation),
        Count("samples", "Samples", Csv, static (d, i) => d.CallSites.Stacks[i].SampleCount));

    public static ProfileTable Classes { get; } = new("classes", static d => d.Classes.Count,
        Text("arena", "Arena", Csv | Page, static (d, i) => d.ArenaName(d.Classes[i].ArenaNumber)),
        Bytes("block_bytes", "Block", Csv | Page, static (d, i) => d.Classes[i].BlockBytes),
        Count("live", "Live", Csv | Page, static (d, i) => d.Classes[i].LiveCount),
        Count("free", "Free", Csv | Page, static (d, i) => d.Classes[i].FreeCount),
        Count("cached", "Cached", Csv | Page, static (d, i) => d.Classes[i].CachedCount),
        Bytes("waste_bytes", "Waste", Csv | Page, static (d, i) => d.Classes[i].WasteBytes));

    public static ProfileTable SuperSlabs { get; } = new("superslabs", static d => d.SuperSlabs.Count,
        Count("index", "SuperSlab", Csv, static (d, i) => d.SuperSlabs[i].Index),
        Text("state", "State", Csv, static (d, i) => d.SuperSlabs[i].StateText),
        Text("pages", "Pages", Csv, static (d, i) => SettingWords.Pages.WordOf(d.SuperSlabs[i].Pages) ?? ""),
        Text("arena", "Arena", Csv, static (d, i) => d.ArenaName(d.SuperSlabs[i].ArenaNumber)),
        Bytes("used_bytes", "Used", Csv, static (d, i) => d.SuperSlabs[i].UsedBytes));

    public static ProfileTable Lanes { get; } = new("lanes", static d => d.Lanes.Count,
        Text("arena", "Arena", Csv | Page, static (d, i) => d.ArenaName(d.Lanes[i].ArenaNumber)),
        Count("lane", "Lane", Csv | Page, static (d, i) => d.Lanes[i].Lane),
        Bytes("capacity_bytes", "Capacity", Csv | Page, static (d, i) => d.Lanes[i].CapacityBytes),
        Bytes("used_bytes", "Used", Csv | Page, static (d, i) => d.Lanes[i].UsedBytes),
        Bytes("high_water_bytes", "High water", Csv | Page, static (d, i) => d.Lanes[i].HighWaterBytes));

    public static ProfileTable ThreadCaches { get; } = new("thread-caches", static d => d.ThreadCaches.Count,
        Text("arena", "Arena", Csv | Page, static (d, i) => d.ArenaName(d.ThreadCaches[i].ArenaNumber)),
        Count("slot", "Slot", Csv | Page, static (d, i) => d.ThreadCaches[i].Slot),
        Text("thread", "Thread", Csv | Page, static (d, i) => d.ThreadCaches[i].ThreadText),
        Count("blocks", "Blocks", Csv | Page, static (d, i) => d.ThreadCaches[i].BlockCount),
        Bytes("bytes", "Bytes", Csv | Page, static (d, i) => d.ThreadCaches[i].Bytes));

    public static ProfileTable Hitches { get; } = new("hitches", static d => d.Hitches.Count,
        Count("frame", "Frame", Csv, static (d, i) => d.Hitches[i].Frame),
        Time("nanoseconds", "Time", Csv, static (d, i) => d.Hitches[i].Nanoseconds),
        Text("reason", "Reason", Csv, static (d, i) => d.Hitches[i].Reason));

    public static ProfileTable Notes { get; } = new("notes", static d => d.Notes.Count,
        Count("frame", "Frame", Csv, static (d, i) => d.Notes[i].Frame),
        Time("nanoseconds", "Time", Csv, static (d, i) => d.Notes[i].Nanoseconds),
        Text("text", "What happened", Csv, static (d, i) => d.Notes[i].Reason));

    public static ProfileTable Faults { get; } = new("faults", static d => d.Faults.Owners.Count,
        Text("kind", "Owner", Csv | Page, static (d, i) => d.Faults.Owners[i].Kind),
        Text("name", "Name", Csv | Page, static (d, i) => d.Faults.Owners[i].Name),
        Count("count", "Faults", Csv | Page, static (d, i) => d.Faults.Owners[i].Count),
        Text("call_site", "First at", Csv | Page, static (d, i) => d.Faults.Owners[i].CallSite));

    public static ProfileTable FrameFaults { get; } = new("frame-faults", static d => d.Faults.Frames.Count,
        Count("frame", "Frame", Csv | Page, static (d, i) => d.Faults.Frames[i].Frame),
        Text("kind", "Owner", Csv | Page, static (d, i) => d.Faults.Frames[i].Kind),
        Text("name", "Name", Csv | Page, static (d, i) => d.Faults.Frames[i].Name),
        Count("count", "Faults", Csv | Page, static (d, i) => d.Faults.Frames[i].Count));

    public static ProfileTable Events { get; } = new("events", static d => d.Events.Count,
        Text("track", "Track", Csv, static (d, i) => d.Events[i].Track),
        Text("name", "Name", Csv, static (d, i) => d.Events[i].Name),
        Time("start", "Start", Csv, static (d, i) => d.Events[i].StartNanoseconds),
        Time("nanoseconds", "Time", Csv, static (d, i) => d.Events[i].Nanoseconds));

    public static IReadOnlyList<ProfileTable> All { get; } =
    [
        Frames, Totals, Arenas, DisposedArenas, Tags, CallSites, CallStacks, Classes, SuperSlabs, Lanes, ThreadCaches,
        Hitches, Notes, Faults, FrameFaults, Events,
    ];

    /// <summary>The table's name, for files and scripts.</summary>
    public string Name { get; }
    public IReadOnlyList<Column> Columns { get; }

    /// <summary>The attribute of metrics that names a row; null for a table of one row.</summary>
    internal string? MetricAttribute { get; private init; }

    public int RowCount(ProfileDocument document)
    {
        ArgumentNullException.ThrowIfNull(document);
        return _rowCount(document);
    }

    /// <summary>The columns that an output shows.</summary>
    public IEnumerable<Column> ColumnsOf(Outputs output) => Columns.Where(column => column.Outputs.HasFlag(output));

    private static Column Text(string name, string title, Outputs outputs, Func<ProfileDocument, int, string> text) =>
        new(name, title, Unit.Text, outputs) { TextOf = text };

    private static Column Count(string name, string title, Outputs outputs, Func<ProfileDocument, int, long?> number) =>
        new(name, title, Unit.Count, outputs) { NumberOf = number };

    private static Column Bytes(string name, string title, Outputs outputs, Func<ProfileDocument, int, long?> number) =>
        new(name, title, Unit.Bytes, outputs) { NumberOf = number };

    private static Column Time(string name, string title, Outputs outputs, Func<ProfileDocument, int, long?> number) =>
        new(name, title, Unit.Nanoseconds, outputs) { NumberOf = number };

    /// <summary>What a tag's row has of sampled blocks; null where none were sampled.</summary>
    private static ProfileCallSites.SiteRow? EstimateOf(ProfileDocument document, int tag) =>
        document.CallSites.Unavailable.Length == 0 ? document.CallSites.OfTag(document.Tags[tag].Text) : null;

    private static long? Known(long bytes) => bytes < 0 ? null : bytes;

    private static long? Limit(long bytes) => bytes == 0 ? null : bytes;

    private static long? Budget(in ArenaRow arena) => Limit(arena.HardBudgetBytes) ?? Limit(arena.SoftBudgetBytes);

    private static long HeldBytes(in ArenaRow arena) => (long)arena.SuperSlabCount << SlabGeometry.SuperSlabShift;

    private static long? Cached(in ArenaRow arena) => arena.IsFrame ? null : arena.CachedBytes;

    private static long? Overflows(in ArenaRow arena) => arena.IsFrame ? arena.OverflowCount : null;

    private static long? SoftOverruns(in ArenaRow arena) =>
        arena.SoftBudgetBytes == 0 ? null : arena.SoftOverrunCount;

    private static long? HardOverruns(in ArenaRow arena) =>
        arena.HardBudgetBytes == 0 ? null : arena.HardOverrunCount;

    /// <summary>Who counts a column of the frames.</summary>
    internal enum FrameSource
    {
        /// <summary>The profiler itself, in every frame.</summary>
        Profiler,

        /// <summary><see cref="MemoryCounters"/>, while they are on.</summary>
        Counters,

        /// <summary>
        /// The profiler by <see cref="ProfilerOptions.CountsPageFaults"/>, or the caller that ends a frame with counts.
        /// </summary>
        FaultCounts,
    }

    public sealed class Column
    {
        internal Column(string name, string title, Unit unit, Outputs outputs) =>
            (Name, Title, Unit, Outputs) = (name, title, unit, outputs);

        /// <summary>Its name in files and scripts, as in "live_bytes".</summary>
        public string Name { get; }

        public string Title { get; }

        public Unit Unit { get; }

        public Outputs Outputs { get; }

        internal Func<ProfileDocument, int, string>? TextOf { get; init; }

        internal Func<ProfileDocument, int, long?>? NumberOf { get; init; }

        /// <summary>The instrument of the meter that it feeds, if any.</summary>
        internal Metric? Metric { get; private set; }

        /// <summary>A row's number; null in a column of text, and where the column does not apply to the row.</summary>
        public long? Number(ProfileDocument document, int row) => NumberOf?.Invoke(document, row);

        /// <summary>A row's text, or its number in digits; empty where the column does not apply to the row.</summary>
        public string Text(ProfileDocument document, int row) => TextOf is not null
            ? TextOf(document, row)
            : Number(document, row)?.ToString(CultureInfo.InvariantCulture) ?? "";

        internal Column Level(
            string name, string description, string unit = "By", (string Name, string Value)? attribute = null) =>
            With(new Metric(name, unit, description, IsTotal: false, attribute));

        internal Column Total(
            string name, string description, string unit, (string Name, string Value)? attribute = null) =>
            With(new Metric(name, unit, description, IsTotal: true, attribute));

        private Column With(Metric metric)
        {
            Metric = metric;
            return this;
        }
    }

    /// <summary>
    /// An instrument of <see cref="MemoryMeter"/>, which rises only if it is a total. Columns of one name share it,
    /// and their attributes tell them apart.
    /// </summary>
    internal sealed record Metric(
        string Name, string Unit, string Description, bool IsTotal, (string Name, string Value)? Attribute);

    /// <summary>A column of the frames, with its source in a frame's record.</summary>
    internal sealed record FrameColumn(
        string Name, string Title, Unit Unit, Outputs Outputs, Func<FrameRecord, long> Of)
    {
        public FrameSource Source { get; init; }

        /// <summary>Whether a sum over frames has a meaning.</summary>
        public bool IsSummed => Name != "start";
    }
}
