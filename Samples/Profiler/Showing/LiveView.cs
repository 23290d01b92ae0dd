using Samples.Common;
using Samples.Profiler.Listening;
using Spectre.Console;
using Spectre.Console.Rendering;
using SuperSlab.Diagnostics;

namespace Samples.Profiler.Showing;

/// <summary>
/// The process as a screen of text. The first tab has frames above, arenas and tags below, the system's side at the
/// bottom: where rows are few, the smaller arenas and tags are left out and counted; where columns are few, the bars
/// are left out. Each other tab has one table, sorted and scrolled by keys. The last line names the keys.
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

    private static readonly string[] s_keys =
    [
        "1 2 3 4, Tab, ← →     overview, arenas, tags, frames of the last ten seconds",
        "↑ ↓, Page, Home       rows of the table",
        "s                     sort by the next column",
        "r                     the other way round",
        "p, space              the view stands still, or goes on; what is heard is kept",
        "?                     these keys",
        "q, Ctrl+C             end; the last line stays",
    ];

    private static readonly ProfileDocument s_noReading =
        new() { Application = "", Machine = "", Began = default, Nanoseconds = 0, Totals = default };

    /// <summary>Nothing is known of the process yet.</summary>
    public IRenderable DrawWaiting(int width) => Boxed(
        Math.Min(width, MostColumns), [new Text("waiting for what it tells of the engine's memory", ViewTable.Quiet)]);

    /// <summary>The process has ended, and another one of its name is waited for.</summary>
    public IRenderable DrawEnded(int width) => new Rows(
        Boxed(
            Math.Min(width, MostColumns),
            [new Text($"has ended; waiting for a process called '{target.Name}'", ViewTable.Quiet)]),
        ViewTable.Line("q quit", width));

    /// <summary>Draws a tab and the line of keys for so many columns and rows.</summary>
    public IRenderable Draw(LiveMoment moment, ViewState state, int width, int height) =>
        new Rows(DrawTab(moment, state, width, height - 1), Footer(state, Math.Min(width, MostColumns)));

    /// <summary>Draws what a tab shows of a moment.</summary>
    public IRenderable DrawTab(LiveMoment moment, ViewState state, int width, int height)
    {
        width = Math.Min(width, MostColumns);
        if (state.ShowsKeys)
            return Titled("keys", width, [.. s_keys.Select(line => ViewTable.Line(line, width - FrameColumns))]);

        if (state.Tab == ViewTab.Overview)
            return DrawOverview(moment, width, height);

        ProfileDocument read = moment.State ?? s_noReading;
        TabTable table = state.Tab switch
        {
            ViewTab.Arenas => TabTable.Of(ProfileTable.Arenas, read, _ => true),
            ViewTab.Tags => TabTable.Of(ProfileTable.Tags, read, row => read.Tags[row].AllocationCount > 0),
            _ => TabTable.Of(moment.LastFrames),
        };
        string title = $"{target.Name} · process {target.Id} · {state.Tab.ToString().ToLowerInvariant()}";
        return Titled(title, width, table.Draw(state, width - FrameColumns, height - FrameRows));
    }

    private static Text Footer(ViewState state, int width)
    {
        IEnumerable<string> tabs = Enum.GetValues<ViewTab>().Select((tab, index) =>
        {
            string text = string.Create(Texts.Culture, $"{index + 1} {tab.ToString().ToLowerInvariant()}");
            return tab == state.Tab ? $"[{text}]" : text;
        });
        string rows = state.Tab == ViewTab.Overview ? "" : "↑↓ rows  s sort  r reverse  ";
        return ViewTable.Line(
            $"{(state.IsPaused ? "PAUSED  " : "")}{string.Join("  ", tabs)}   {rows}p pause  ? keys  q quit", width);
    }

    private Rows DrawOverview(LiveMoment moment, int width, int height)
    {
        int inner = Math.Max(1, width - FrameColumns);
        List<IRenderable> frames = Frames(moment, inner);
        List<IRenderable> system = System(moment, inner);
        ProfileDocument state = moment.State ?? s_noReading;
        int[] arenas = [.. Enumerable.Range(0, state.Arenas.Count).OrderByDescending(row =>
            state.Arenas[row].SuperSlabCount)];
        int[] tags =
        [
            .. Enumerable.Range(0, state.Tags.Count).Where(row => state.Tags[row].AllocationCount > 0)
                .OrderByDescending(row => state.Tags[row].AllocatedBytes),
        ];

        // Without their headings; the tags get up to half of what is left, and whatever the arenas do not need.
        int left = Math.Max(0, height - frames.Count - system.Count - (4 * FrameRows) - 2);
        int arenaRows = Math.Min(arenas.Length, Math.Max(left - tags.Length, left - (left / 2)));
        return new Rows(
            Boxed(width, frames),
            Titled("arenas", width, [Arenas(state, arenas, inner, arenaRows)]),
            Titled("tags", width, [Tags(state, tags, inner, left - arenaRows)]),
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
        {
            return [new Text("no frame has ended since this view began", ViewTable.Quiet)];
        }

        long[] tenths = moment.Columns(TenthsKept)[^Math.Min(TenthsKept, width)..];
        long median = moment.Percentile(0.5);
        long longest = Math.Max(1, tenths.Max());
        string line = string.Concat(tenths.Select(time =>
            time == 0 ? ' ' : Bars[1 + (int)(time * (Bars.Length - 2) / longest)]));
        string heard = moment.Frames.ToString("N0", Texts.Culture);
        return
        [
            .. Facts(
                width,
                ("frames/s", moment.FramesPerSecond.ToString("#,0.0", Texts.Culture)),
                ("p50", FigureText.Time(median)),
                ("p90", FigureText.Time(moment.Percentile(0.9))),
                ("p99", FigureText.Time(moment.Percentile(0.99))),
                ("p99.9", FigureText.Time(moment.Percentile(0.999))),
                ("max", FigureText.Time(moment.Percentile(1)))),
            new Text(line, new Style(longest > 4 * Math.Max(1, median) ? Color.Yellow : Color.Green)),
            ViewTable.Line(
                string.Create(
                    Texts.Culture,
                    $"longest frame of each tenth of a second, {tenths.Length / 10.0:0.#} s; {heard:N0} frames heard"),
                width),
        ];
    }

    private static IRenderable Arenas(ProfileDocument state, int[] rows, int width, int lines) => rows.Length == 0
        ? new Text("none", ViewTable.Quiet)
        : Table(ProfileTable.Arenas, state, rows, width, lines, row =>
            state.Arenas[row].SuperSlabCount, (row, column) =>
            column == "peak_bytes" && state.Arenas[row] is { SoftBudgetBytes: > 0 } arena
                && arena.PeakBytes > arena.SoftBudgetBytes);

    private static IRenderable Tags(ProfileDocument state, int[] rows, int width, int lines) => rows.Length == 0
        ? ViewTable.Line(
            "none: the process registered no tags, or its counters are off (SuperSlab.MemoryCounters)", width)
        : Table(ProfileTable.Tags, state, rows, width, lines, row => state.Tags[row].AllocatedBytes, (_, _) => false);

    /// <summary>The columns of an engine's table: a name and perhaps a kind, then numbers.</summary>
    private static IRenderable Table(
        ProfileTable table, ProfileDocument state, int[] rows, int width, int lines, Func<int, long> bar, Func<int,
            string, bool> isOver)
    {
        ProfileTable.Column[] texts = [.. table.ColumnsOf(ProfileTable.Outputs.Live).Where(column =>
            column.Unit == ProfileTable.Unit.Text)];
        ProfileTable.Column[] numbers = [.. table.ColumnsOf(ProfileTable.Outputs.Live).Except(texts)];
        string[] titles = [.. numbers.Select(column => column.Title)];
        ViewTable view = new(width, width >= ColumnsForBars, texts[0].Title, titles);
        long most = Math.Max(1, rows.Max(bar));
        view.Add(rows, lines, row => new ViewRow(
            texts[0].Text(state, row),
            texts.Length > 1 ? texts[1].Text(state, row) : "",
            bar(row) / (double)most,
            [.. numbers.Select(column => new ViewCell(
                Texts.Value(column, state, row),
                isOver(row, column.Name)
                    || (column.Outputs.HasFlag(ProfileTable.Outputs.Alarm) && column.Number(state, row) > 0)))]));
        return view.Content;
    }

    private List<IRenderable> System(LiveMoment moment, int width)
    {
        if (moment.State is not { } state)
        {
            return [new Text("no reading yet", ViewTable.Quiet)];
        }

        List<IRenderable> rows = Facts(
            width,
            [.. ProfileTable.Totals.ColumnsOf(ProfileTable.Outputs.Live).Select(column =>
                (column.Title, Texts.Value(column, state, 0)))]);
        rows.AddRange(Facts(
            width,
            ("faults in frames", moment.PageFaults.ToString("N0", Texts.Culture)),
            ("of the process", ProcessFaults.Of(target.Id)?.ToString("N0", Texts.Culture) ?? "not known"),
            ("managed in frames", FigureText.Bytes(moment.ManagedBytes)),
            ("collections 0/1/2", string.Join('/', moment.Collections)),
            ("longest pause", FigureText.Time((long)(moment.LongestPauseMilliseconds * 1e6)))));
        if (moment.Spans.Count > 0)
        {
            rows.Add(ViewTable.Line(string.Join("; ", moment.Spans.Reverse().Select(Said)), width));
        }

        return rows;
    }

    /// <summary>What took no time was a moment.</summary>
    private static string Said(LiveSpan span) =>
        span.Nanoseconds == 0 ? span.Name : $"{span.Name} {FigureText.Time(span.Nanoseconds)}";

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

            line.Append(used == 0 ? "" : new string(' ', Gap)).Append(title + " ", ViewTable.Quiet).Append(
                value, new Style(decoration: Decoration.Bold));
            used += (used == 0 ? 0 : Gap) + length;
        }

        lines.Add(line);
        return lines;
    }
}
