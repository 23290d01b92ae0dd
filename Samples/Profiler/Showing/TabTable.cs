using Samples.Common;
using Samples.Profiler.Listening;
using Spectre.Console;
using Spectre.Console.Rendering;
using SuperSlab.Diagnostics;

namespace Samples.Profiler.Showing;

/// <summary>The table of a tab that has the whole screen: all columns, sorted and scrolled by keys.</summary>
internal sealed class TabTable
{
    private readonly Column[] _columns;
    private readonly int _rowCount;
    private readonly int _ownOrder;

    private TabTable(int rowCount, int ownOrder, Column[] columns) =>
        (_rowCount, _ownOrder, _columns) = (rowCount, ownOrder, columns);

    /// <summary>An engine's table, by its first column of numbers, the largest first.</summary>
    public static TabTable Of(ProfileTable table, ProfileDocument state, Func<int, bool> isShown)
    {
        ProfileTable.Column[] columns = [.. table.ColumnsOf(ProfileTable.Outputs.Live)];
        int[] rows = [.. Enumerable.Range(0, table.RowCount(state)).Where(isShown)];
        return new TabTable(
            rows.Length,
            Array.FindIndex(columns, column => column.Unit != ProfileTable.Unit.Text),
            [.. columns.Select(column => new Column(
                column.Title,
                row => column.Number(state, rows[row]),
                row => column.Unit == ProfileTable.Unit.Text
                    ? column.Text(state, rows[row])
                    : Texts.Value(column, state, rows[row]))
            {
                IsText = column.Unit == ProfileTable.Unit.Text,
                IsAlarm = column.Outputs.HasFlag(ProfileTable.Outputs.Alarm),
            })]);
    }

    /// <summary>The frames of the last seconds, the longest first.</summary>
    public static TabTable Of(IReadOnlyList<LiveFrame> frames) => new(frames.Count, 1,
    [
        new("frame", row => frames[row].Number, row => frames[row].Number.ToString("N0", Texts.Culture)),
        new("time", row => frames[row].Nanoseconds, row => FigureText.Time(frames[row].Nanoseconds)),
        Counted("allocations", row => frames[row].Allocations),
        new("allocated", row => frames[row].AllocatedBytes, row => FigureText.Bytes(frames[row].AllocatedBytes)),
        Counted("faults", row => frames[row].PageFaults) with { IsAlarm = true },
        Counted("overflows", row => frames[row].Overflows) with { IsAlarm = true },
        new("managed", row => frames[row].ManagedBytes, row => FigureText.Bytes(frames[row].ManagedBytes))
        {
            IsAlarm = true,
        },
        Counted("collections", row => frames[row].Collections) with { IsAlarm = true },
    ]);

    /// <summary>The rows that fit, and which of how many they are.</summary>
    public List<IRenderable> Draw(ViewState state, int width, int lines)
    {
        int sorted = state.SortColumn is { } asked ? asked % _columns.Length : _ownOrder;
        int[] rows = Sorted(_columns[sorted], state.IsAscending);
        int first = Math.Clamp(state.FirstRow, 0, Math.Max(0, rows.Length - 1));
        int shown = Math.Max(1, lines - 2);
        int[] seen = rows[first..Math.Min(rows.Length, first + shown)];
        Table table = new() { Border = TableBorder.None, Expand = true };
        for (int column = 0; column < _columns.Length; column++)
            table.AddColumn(Heading(_columns[column], column == sorted ? (state.IsAscending ? " ▲" : " ▼") : ""));

        string[] names = CutNames.Fit([.. seen.Select(_columns[0].Text)], RoomForNames(seen, width));
        for (int line = 0; line < seen.Length; line++)
        {
            int row = seen[line];
            table.AddRow(_columns.Select((column, index) =>
                Cell(column, row, index == 0 ? names[line] : column.Text(row))));
        }

        return
        [
            table,
            ViewTable.Line(
                rows.Length == 0
                    ? "none"
                    : string.Create(
                        Texts.Culture,
                        $"rows {first + 1:N0} to {first + seen.Length:N0} of {rows.Length:N0}, "
                        + $"by {_columns[sorted].Title}"),
                width),
        ];
    }

    private static Column Counted(string title, Func<int, long?> number) =>
        new(title, number, row => number(row)!.Value.ToString("N0", Texts.Culture));

    private static TableColumn Heading(Column column, string mark)
    {
        TableColumn heading = new(new Text(column.Title + mark, ViewTable.Quiet)) { NoWrap = true };
        return column.IsText ? heading : heading.RightAligned();
    }

    private static Text Cell(Column column, int row, string text) => column.IsAlarm && column.Number(row) > 0
        ? new Text("! " + text, new Style(Color.Red))
        : new Text(text) { Overflow = Overflow.Ellipsis };

    /// <summary>A row without a number is less than every other.</summary>
    private int[] Sorted(Column column, bool isAscending)
    {
        IEnumerable<int> rows = Enumerable.Range(0, _rowCount);
        IOrderedEnumerable<int> sorted = column.IsText
            ? rows.OrderBy(column.Text, StringComparer.Ordinal)
            : rows.OrderBy(row => column.Number(row) ?? long.MinValue);

        // The largest number first, and the first name.
        return isAscending == column.IsText ? [.. sorted.Reverse()] : [.. sorted];
    }

    private int RoomForNames(int[] rows, int width)
    {
        const int Gap = 2;
        const int Mark = 2;
        int numbers = 0;
        foreach (Column column in _columns[1..])
        {
            int widest = rows.Select(row => column.Text(row).Length).Append(column.Title.Length).Max();
            numbers += widest + Mark + Gap;
        }

        return width - numbers - Gap;
    }

    private sealed record Column(string Title, Func<int, long?> Number, Func<int, string> Text)
    {
        public bool IsText { get; init; }

        public bool IsAlarm { get; init; }
    }
}
