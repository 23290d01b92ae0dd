using Spectre.Console.Rendering;
using Spectre.Console;

namespace Samples.Profiler;

/// <summary>
/// The process as a screen of text: frames above, arenas and tags below, the system's side at the bottom. It fits the
/// screen: where rows are few, the smaller arenas and tags are left out and counted; where columns are few, the bars
/// are left out.
/// </summary>
internal sealed class LiveView(Target target)
{
    /// <summary>The columns and rows of a view that is saved.</summary>
    public static readonly (int Width, int Height) Saved = (112, 60);

    /// <summary>On wider screens the numbers would stand too far from the names that they belong to.</summary>
    private const int MostColumns = 132;

    private const int ColumnsForBars = 96;
    private const int FrameColumns = 4;
    private const int FrameRows = 2;
    private const int TenthsKept = (int)(LiveState.Window * 10);
    private const string Bars = " ▁▂▃▄▅▆▇█";

    /// <summary>Nothing is known of the process yet.</summary>
    public IRenderable DrawWaiting(int width) => Boxed(
        Math.Min(width, MostColumns), [new Text("waiting for what it tells of the engine's memory", ViewTable.Quiet)]);

    /// <summary>Draws a moment for a size in columns and rows.</summary>
    public IRenderable Draw(LiveMoment moment, int width, int height)
    {
        width = Math.Min(width, MostColumns);
        int inner = Math.Max(1, width - FrameColumns);
        List<IRenderable> frames = Frames(moment, inner);
        List<IRenderable> system = System(moment, inner);
        LiveTag[] tags = [.. moment.Tags.Where(tag => tag.Allocations > 0)];

        // Without their headings; the tags get up to half of what is left, and whatever the arenas do not need.
        int left = Math.Max(0, height - frames.Count - system.Count - (4 * FrameRows) - 2);
        int arenaRows = Math.Min(moment.Arenas.Count, Math.Max(left - tags.Length, left - (left / 2)));
        return new Rows(
            Boxed(width, frames),
            Titled("arenas", width, [Arenas(moment.Arenas, inner, arenaRows)]),
            Titled("tags", width, [Tags(tags, inner, left - arenaRows)]),
            Titled("memory, faults, collector", width, system));
    }

    private static Panel Titled(string title, int width, List<IRenderable> content) => new(new Rows(content))
    {
        Header = new PanelHeader(Markup.Escape(title)),
        Border = BoxBorder.Rounded,
        BorderStyle = ViewTable.Quiet,
        Width = width,
        Padding = new Padding(1, 0),
    };

    private Panel Boxed(int width, List<IRenderable> content) =>
        Titled($"{target.Name} · process {target.Id}", width, content);

    private static List<IRenderable> Frames(LiveMoment moment, int width)
    {
        if (moment.LastFrames.Count == 0)
            return [new Text("no frame has ended since this view began", ViewTable.Quiet)];

        long[] tenths = moment.Columns(TenthsKept)[^Math.Min(TenthsKept, width)..];
        long median = moment.Percentile(0.5);
        long longest = Math.Max(1, tenths.Max());
        string line = string.Concat(
            tenths.Select(time => time == 0 ? ' ' : Bars[1 + (int)(time * (Bars.Length - 2) / longest)]));
        const string Legend = "longest frame of each tenth of a second";
        double seconds = tenths.Length / 10.0;
        string heard = moment.Frames.ToString("N0", Texts.Culture);
        return
        [
            .. Facts(
                width,
                ("frames/s", moment.FramesPerSecond.ToString("0.0", Texts.Culture)),
                ("p50", Texts.Time(median)),
                ("p90", Texts.Time(moment.Percentile(0.9))),
                ("p99", Texts.Time(moment.Percentile(0.99))),
                ("p99.9", Texts.Time(moment.Percentile(0.999))),
                ("max", Texts.Time(moment.Percentile(1)))),
            new Text(line, new Style(longest > 4 * Math.Max(1, median) ? Color.Yellow : Color.Green)),
            ViewTable.Line(string.Create(Texts.Culture, $"{Legend}, {seconds:0.#} s; {heard} frames heard"), width),
        ];
    }

    private static IRenderable Arenas(IReadOnlyList<LiveArena> arenas, int width, int rows)
    {
        if (arenas.Count == 0)
            return new Text("none", ViewTable.Quiet);

        ViewTable table = new(
            width >= ColumnsForBars, "arena", "SuperSlabs", "live", "cached", "peak", "budget", "overflows");
        long most = arenas.Max(arena => arena.SuperSlabs);
        table.Add(arenas.OrderByDescending(arena => arena.SuperSlabs), rows, arena =>
        {
            long budget = arena.HardBudget != 0 ? arena.HardBudget : arena.SoftBudget;
            bool isOver = arena.SoftBudget != 0 && arena.PeakBytes > arena.SoftBudget;
            return new ViewRow(
                arena.Name,
                arena.Kind,
                arena.SuperSlabs / (double)Math.Max(1, most),
                [
                    new(arena.SuperSlabs.ToString(Texts.Culture)),
                    new(Texts.Bytes(arena.LiveBytes)),
                    new(arena.Kind == "frame" ? "" : Texts.Bytes(arena.CachedBytes)),
                    new(Texts.Bytes(arena.PeakBytes), isOver),
                    new(budget == 0 ? "none" : Texts.Bytes(budget)),
                    new(arena.Overflows.ToString(Texts.Culture), arena.Overflows > 0),
                ]);
        });
        return table.Content;
    }

    private static IRenderable Tags(LiveTag[] tags, int width, int rows)
    {
        if (tags.Length == 0)
            return ViewTable.Line(
                "none: the process registered no tags, or its counters are off (SuperSlab.MemoryCounters)", width);

        ViewTable table = new(width >= ColumnsForBars, "tag", "live", "budget", "allocations", "frees");
        long most = Math.Max(1, tags.Max(tag => tag.LiveBytes));
        table.Add(tags.OrderByDescending(tag => tag.LiveBytes), rows, tag =>
        {
            bool isOver = tag.BudgetBytes != 0 && tag.LiveBytes > tag.BudgetBytes;
            return new ViewRow(
                tag.Name.Length == 0 ? "(no tag)" : tag.Name,
                "",
                tag.LiveBytes / (double)most,
                [
                    new(Texts.Bytes(tag.LiveBytes), isOver),
                    new(tag.BudgetBytes == 0 ? "none" : Texts.Bytes(tag.BudgetBytes)),
                    new(tag.Allocations.ToString("N0", Texts.Culture)),
                    new(tag.Frees.ToString("N0", Texts.Culture)),
                ]);
        });
        return table.Content;
    }

    private List<IRenderable> System(LiveMoment moment, int width)
    {
        if (moment.Totals is not { } totals)
            return [new Text("no reading yet", ViewTable.Quiet)];

        List<IRenderable> rows = Facts(
            width,
            ("SuperSlabs owned", totals.OwnedSuperSlabs.ToString(Texts.Culture)),
            ("ready", totals.ReadySuperSlabs.ToString(Texts.Culture)),
            ("resident", totals.ResidentBytes < 0 ? "not known" : Texts.Bytes(totals.ResidentBytes)),
            ("own tables", Texts.Bytes(totals.MetadataBytes)),
            ("OS calls", totals.OsCalls.ToString("N0", Texts.Culture)));
        rows.AddRange(Facts(
            width,
            ("faults in frames", moment.PageFaults.ToString("N0", Texts.Culture)),
            ("of the process", ProcessFaults.Of(target.Id)?.ToString("N0", Texts.Culture) ?? "not known"),
            ("managed in frames", Texts.Bytes(moment.ManagedBytes)),
            ("collections 0/1/2", string.Join('/', moment.Collections)),
            ("longest pause", string.Create(Texts.Culture, $"{moment.LongestPauseMilliseconds:0.##} ms"))));
        if (moment.Spans.Count > 0)
            rows.Add(ViewTable.Line(string.Join("; ", moment.Spans.Reverse().Select(Said)), width));

        return rows;
    }

    /// <summary>What took no time was a moment.</summary>
    private static string Said(LiveSpan span) =>
        span.Nanoseconds == 0 ? span.Name : $"{span.Name} {Texts.Time(span.Nanoseconds)}";

    /// <summary>Facts in as few lines as they fit in; a title and its value stay together.</summary>
    private static List<IRenderable> Facts(int width, params (string Title, string Value)[] facts)
    {
        const int Gap = 3;
        List<IRenderable> lines = [];
        Paragraph line = new();
        int used = 0;
        foreach ((string title, string value) in facts)
        {
            int length = title.Length + 1 + value.Length;
            if (used > 0 && used + Gap + length > width)
            {
                lines.Add(line);
                line = new Paragraph();
                used = 0;
            }

            line.Append(used == 0 ? "" : new string(' ', Gap)).Append(title + " ", ViewTable.Quiet)
                .Append(value, new Style(decoration: Decoration.Bold));
            used += (used == 0 ? 0 : Gap) + length;
        }

        lines.Add(line);
        return lines;
    }
}
