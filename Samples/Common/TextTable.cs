using System.Text;

namespace Samples.Common;

/// <summary>
/// A table for people: a head of one or more lines, then rows, every column as wide as its widest cell. The first column is
/// set to the left, the others, which hold numbers, to the right.
/// </summary>
public sealed class TextTable
{
    private const string Gap = "  ";
    private readonly List<string[]> _rows = [];
    private readonly int _headLines;

    /// <summary>Begins a table whose head is given line by line; all lines have the same number of cells.</summary>
    public TextTable(params string[][] head)
    {
        _headLines = head.Length;
        foreach (string[] line in head)
        {
            Add(line);
        }
    }

    /// <summary>Adds a row with as many cells as the head has.</summary>
    public void Add(params string[] cells)
    {
        if (_rows.Count > 0 && cells.Length != _rows[0].Length)
        {
            throw new ArgumentException($"The table has {_rows[0].Length} columns, the row {cells.Length} cells.", nameof(cells));
        }

        _rows.Add(cells);
    }

    /// <summary>The table as text, a line for each row and a rule under the head.</summary>
    public override string ToString()
    {
        int[] widths = Widths();
        var text = new StringBuilder();
        for (int row = 0; row < _rows.Count; row++)
        {
            if (row == _headLines)
            {
                text.Append('-', Sum(widths)).AppendLine();
            }

            AppendRow(text, _rows[row], widths);
        }

        return text.ToString();
    }

    private static void AppendRow(StringBuilder text, string[] cells, int[] widths)
    {
        var line = new StringBuilder();
        for (int column = 0; column < cells.Length; column++)
        {
            line.Append(column == 0 ? "" : Gap);
            line.Append(column == 0 ? cells[column].PadRight(widths[column]) : cells[column].PadLeft(widths[column]));
        }

        text.AppendLine(line.ToString().TrimEnd());
    }

    private static int Sum(int[] widths)
    {
        int sum = Gap.Length * (widths.Length - 1);
        foreach (int width in widths)
        {
            sum += width;
        }

        return sum;
    }

    private int[] Widths()
    {
        int[] widths = new int[_rows[0].Length];
        foreach (string[] cells in _rows)
        {
            for (int column = 0; column < cells.Length; column++)
            {
                widths[column] = Math.Max(widths[column], cells[column].Length);
            }
        }

        return widths;
    }
}
