using Samples.Profiler.Listening;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Samples.Profiler.Showing;

/// <summary>The process as a screen of text: frames above, arenas and tags below, the system's side at the bottom.</summary>
internal sealed class LiveView(Target target)
{
    /// <summary>How many characters wide the view is where it is saved.</summary>
    public const int SavedWidth = 112;

    private const string Bars = " ▁▂▃▄▅▆▇█";
    private const int MeterWidth = 14;
    private static readonly Style s_quiet = new(Color.Grey);

    public IRenderable Draw(LiveMoment moment) => new Rows(
        Boxed($"{target.Name} · process {target.Id}", Frames(moment)),
        Boxed("arenas", Arenas(moment)),
        Boxed("tags", Tags(moment)),
        Boxed("memory, faults, collector", System(moment)));

    private static Panel Boxed(string title, IRenderable content) => new(content)
    {
        Header = new PanelHeader($" {Markup.Escape(title)} "),
        Border = BoxBorder.Rounded,
        BorderStyle = s_quiet,
        Expand = true,
        Padding = new Padding(1, 0),
    };

    private static IRenderable Frames(LiveMoment moment)
    {
        if (moment.LastFrames.Count == 0)
        {
            return new Text("no frame has ended since this view began", s_quiet);
        }

        const int Width = 100;
        long[] columns = moment.Columns(Width);
        long median = moment.Percentile(0.5);
        long longest = Math.Max(1, columns.Max());
        string line = string.Concat(columns.Select(time => time == 0 ? ' ' : Bars[1 + (int)(time * (Bars.Length - 2) / longest)]));
        string color = longest > 4 * Math.Max(1, median) ? "yellow" : "green";
        return new Rows(
            Facts(
                ("frames/s", moment.FramesPerSecond.ToString("0.0", Texts.Culture)),
                ("p50", Texts.Time(median)),
                ("p90", Texts.Time(moment.Percentile(0.9))),
                ("p99", Texts.Time(moment.Percentile(0.99))),
                ("p99.9", Texts.Time(moment.Percentile(0.999))),
                ("max", Texts.Time(moment.Percentile(1)))),
            new Markup($"[{color}]{line}[/]"),
            new Text($"the longest frame of each tenth of a second, last {LiveState.Window:0} seconds; {moment.Frames.ToString("N0", Texts.Culture)} frames heard", s_quiet));
    }

    private static IRenderable Arenas(LiveMoment moment)
    {
        if (moment.Arenas.Count == 0)
        {
            return new Text("none", s_quiet);
        }

        Table table = NumberTable("arena", "kind");
        foreach (string heading in new[] { "SuperSlabs", "live", "cached", "peak", "budget", "overflows" })
        {
            table.AddColumn(new TableColumn(new Text(heading, s_quiet)).RightAligned());
        }

        long most = moment.Arenas.Max(arena => arena.SuperSlabs);
        foreach (LiveArena arena in moment.Arenas)
        {
            long budget = arena.HardBudget != 0 ? arena.HardBudget : arena.SoftBudget;
            bool isOver = arena.SoftBudget != 0 && arena.PeakBytes > arena.SoftBudget;
            table.AddRow(
                new Text(arena.Name), new Text(arena.Kind, s_quiet), Meter(arena.SuperSlabs, most, "cornflowerblue"), Number(arena.SuperSlabs.ToString(Texts.Culture)),
                Number(Texts.Bytes(arena.LiveBytes)), Number(arena.Kind == "frame" ? "" : Texts.Bytes(arena.CachedBytes)), Number(Texts.Bytes(arena.PeakBytes), isOver),
                Number(budget == 0 ? "none" : Texts.Bytes(budget)), Number(arena.Overflows.ToString(Texts.Culture), arena.Overflows > 0));
        }

        return table;
    }

    private static IRenderable Tags(LiveMoment moment)
    {
        LiveTag[] tags = [.. moment.Tags.Where(tag => tag.Allocations > 0).OrderByDescending(tag => tag.LiveBytes)];
        if (tags.Length == 0)
        {
            return new Text("none: the process registered no tags, or its counters are off (Engine.Core.MemoryCounters)", s_quiet);
        }

        Table table = NumberTable("tag", "");
        foreach (string heading in new[] { "live", "budget", "allocations", "frees" })
        {
            table.AddColumn(new TableColumn(new Text(heading, s_quiet)).RightAligned());
        }

        long most = Math.Max(1, tags.Max(tag => tag.LiveBytes));
        foreach (LiveTag tag in tags)
        {
            bool isOver = tag.BudgetBytes != 0 && tag.LiveBytes > tag.BudgetBytes;
            table.AddRow(
                new Text(tag.Name.Length == 0 ? "(no tag)" : tag.Name), Text.Empty, Meter(tag.LiveBytes, most, isOver ? "red" : "cornflowerblue"), Number(Texts.Bytes(tag.LiveBytes), isOver),
                Number(tag.BudgetBytes == 0 ? "none" : Texts.Bytes(tag.BudgetBytes)), Number(tag.Allocations.ToString("N0", Texts.Culture)),
                Number(tag.Frees.ToString("N0", Texts.Culture)));
        }

        return table;
    }

    private IRenderable System(LiveMoment moment)
    {
        if (moment.Totals is not { } totals)
        {
            return new Text("no reading yet", s_quiet);
        }

        List<IRenderable> rows =
        [
            Facts(
                ("SuperSlabs owned", totals.OwnedSuperSlabs.ToString(Texts.Culture)),
                ("ready", totals.ReadySuperSlabs.ToString(Texts.Culture)),
                ("resident", totals.ResidentBytes < 0 ? "not known" : Texts.Bytes(totals.ResidentBytes)),
                ("own tables", Texts.Bytes(totals.MetadataBytes)),
                ("OS calls", totals.OsCalls.ToString("N0", Texts.Culture))),
            Facts(
                ("faults in frames", moment.PageFaults.ToString("N0", Texts.Culture)),
                ("of the process", ProcessFaults.Of(target.Id)?.ToString("N0", Texts.Culture) ?? "not known"),
                ("managed in frames", Texts.Bytes(moment.ManagedBytes)),
                ("collections 0/1/2", string.Join('/', moment.Collections)),
                ("longest pause", string.Create(Texts.Culture, $"{moment.LongestPauseMilliseconds:0.##} ms"))),
        ];
        if (moment.Spans.Count > 0)
        {
            rows.Add(new Text(string.Join("; ", moment.Spans.Select(span => $"{span.Name} {Texts.Time(span.Nanoseconds)}")), s_quiet));
        }

        return new Rows(rows);
    }

    private static Columns Facts(params (string Title, string Value)[] facts) =>
        new(facts.Select(fact => new Markup($"[grey]{Markup.Escape(fact.Title)}[/] [bold]{Markup.Escape(fact.Value)}[/]"))) { Expand = false, Padding = new Padding(0, 0, 3, 0) };

    /// <summary>A table whose first columns are a name, a kind and a bar.</summary>
    private static Table NumberTable(string name, string kind)
    {
        Table table = new() { Border = TableBorder.None, Expand = true };
        table.AddColumn(new TableColumn(new Text(name, s_quiet)));
        table.AddColumn(new TableColumn(new Text(kind, s_quiet)));
        table.AddColumn(new TableColumn(Text.Empty) { Width = MeterWidth, NoWrap = true });
        return table;
    }

    private static Text Number(string text, bool isWrong = false) => new(text, isWrong ? new Style(Color.Red) : Style.Plain);

    private static Markup Meter(long value, long most, string color)
    {
        int length = most <= 0 ? 0 : (int)(Math.Clamp(value, 0, most) * MeterWidth / most);
        return new Markup($"[{color}]{new string('━', length)}[/][grey23]{new string('━', MeterWidth - length)}[/]");
    }
}
