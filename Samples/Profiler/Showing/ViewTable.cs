using Spectre.Console;
using Spectre.Console.Rendering;

namespace Samples.Profiler.Showing;

/// <summary>A cell of numbers.</summary>
/// <param name="Text">What it says.</param>
/// <param name="IsWrong">Whether it is more than it should be: it is red then, and marked where there are no
/// colors.</param>
internal readonly record struct ViewCell(string Text, bool IsWrong = false);

/// <summary>A row of a <see cref="ViewTable"/>.</summary>
/// <param name="Name">Whose row it is.</param>
/// <param name="Kind">What is said of the name where there is room.</param>
/// <param name="Share">How long its bar is, 0 to 1.</param>
/// <param name="Cells">Its numbers.</param>
internal sealed record ViewRow(string Name, string Kind, double Share, ViewCell[] Cells);

/// <summary>A table of names and numbers, with a bar for the first number where there is room. A row is one line,
/// whatever its names are.</summary>
internal sealed class ViewTable
{
    public static readonly Style Quiet = new(Color.Grey);
    private const int BarWidth = 14;
    private readonly Table _table = new() { Border = TableBorder.None, Expand = true };
    private readonly bool _hasBars;
    private readonly int _width;
    private readonly string[] _numbers;
    private string _rest = "";

    public ViewTable(int width, bool hasBars, string name, params string[] numbers)
    {
        _width = width;
        _hasBars = hasBars;
        _numbers = numbers;
        _table.AddColumn(new TableColumn(new Text(name, Quiet)) { NoWrap = true });
        if (hasBars)
        {
            _table.AddColumn(new TableColumn(Text.Empty) { Width = BarWidth, NoWrap = true });
        }

        foreach (string heading in numbers)
        {
            _table.AddColumn(new TableColumn(new Text(heading, Quiet)) { NoWrap = true }.RightAligned());
        }
    }

    /// <summary>The table, and what it has no rows for.</summary>
    public IRenderable Content => _rest.Length == 0 ? _table : new Rows(_table, new Text(_rest, Quiet));

    /// <summary>A quiet line that is cut where it is too long.</summary>
    public static Text Line(string text, int width) => new(CutNames.Start(text, width), Quiet);

    /// <summary>Adds the first of the items, in so many lines at the most.</summary>
    public void Add<T>(IEnumerable<T> items, int lines, Func<T, ViewRow> row)
    {
        T[] all = [.. items];
        int shown = all.Length <= lines ? all.Length : Math.Max(0, lines - 1);
        ViewRow[] rows = [.. all.Take(shown).Select(row)];
        string[] names = CutNames.Fit([.. rows.Select(row => row.Name)], RoomForNames(rows));
        for (int index = 0; index < rows.Length; index++)
        {
            Add(rows[index] with { Name = names[index] });
        }

        _rest = shown == all.Length ? "" : string.Create(Texts.Culture, $"and {all.Length - shown:N0} more");
    }

    /// <summary>Columns that the numbers leave, each of which is as wide as its widest text and a gap.</summary>
    private int RoomForNames(ViewRow[] rows)
    {
        const int Gap = 2;
        const int Mark = 2;
        int left = _width - Gap - (_hasBars ? BarWidth + Gap : 0);
        for (int column = 0; column < _numbers.Length; column++)
        {
            int widest = rows.Max(row => row.Cells[column].Text.Length + (row.Cells[column].IsWrong ? Mark : 0));
            left -= Math.Max(_numbers[column].Length, widest) + Gap;
        }

        return left;
    }

    private void Add(ViewRow row)
    {
        Paragraph name = new(row.Name) { Overflow = Overflow.Ellipsis };
        List<IRenderable> cells = [name];
        if (_hasBars)
        {
            name.Append(row.Kind.Length == 0 ? "" : $" · {row.Kind}", Quiet);
            int length = (int)(Math.Clamp(row.Share, 0, 1) * BarWidth);
            cells.Add(
                new Paragraph().Append(new string('━', length), new Style(Color.CornflowerBlue)).Append(
                new string('╌', BarWidth - length), new Style(Color.Grey23)));
        }

        cells.AddRange(row.Cells.Select(cell =>
            cell.IsWrong ? new Text("! " + cell.Text, new Style(Color.Red)) : new Text(cell.Text)));
        _table.AddRow(cells);
    }
}
