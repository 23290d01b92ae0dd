using System.Text;

namespace Engine.Tests.Reports.Support;

/// <summary>
/// What a terminal of a fixed size shows of a program's output: the few control sequences that the profiler and the
/// runtime write, after ECMA-48 and xterm. One that is not known is an error.
/// </summary>
internal sealed class TerminalScreen(int width, int height)
{
    private readonly StringBuilder _sequence = new();
    private readonly char[][] _first = Blank(width, height);
    private char[][] _second = Blank(width, height);
    private (int Row, int Column) _cursor;
    private (int Row, int Column) _firstCursor;

    /// <summary>Whether the second screen is shown, which programs that draw switch to.</summary>
    public bool IsSecond { get; private set; }

    public bool ShowsCursor { get; private set; } = true;

    public bool SendsApplicationKeys { get; private set; }

    public bool HasColors { get; private set; }

    /// <summary>How often the whole screen was cleared.</summary>
    public int Clears { get; private set; }

    /// <summary>How often the second screen lost a line at its upper end.</summary>
    public int Scrolls { get; private set; }

    /// <summary>The first screen, where the shell is.</summary>
    public string First => Text(_first);

    /// <summary>The second screen as it was drawn last.</summary>
    public string Second => Text(_second);

    public void Write(char character)
    {
        if (_sequence.Length > 0 || character == '\e')
        {
            // Where the interrupt key made the kernel drop output, a sequence may lack its end: a new one stops it.
            if (character == '\e')
                _sequence.Clear();
            _sequence.Append(character);
            if (_sequence.Length > 1 && !(_sequence.Length == 2 && character == '[')
                && !(char.IsAsciiDigit(character) || character is ';' or '?'))
            {
                Control(_sequence.ToString()[1..]);
                _sequence.Clear();
            }
        }
        else if (character == '\r')
        {
            _cursor.Column = 0;
        }
        else if (character == '\n')
        {
            LineFeed();
        }
        else
        {
            Print(character);
        }
    }

    private static char[][] Blank(int width, int height) => [.. Enumerable.Range(0, height).Select(_ =>
        BlankRow(width))];

    private static char[] BlankRow(int width) => [.. Enumerable.Repeat(' ', width)];

    private static string Text(char[][] rows) => string.Join('\n', rows.Select(row =>
        new string(row).TrimEnd())).TrimEnd();

    /// <summary>A character behind the last column goes to the next row.</summary>
    private void Print(char character)
    {
        if (_cursor.Column == width)
        {
            _cursor.Column = 0;
            LineFeed();
        }

        Shown()[_cursor.Row][_cursor.Column++] = character;
    }

    private void LineFeed()
    {
        if (++_cursor.Row < height)
            return;

        _cursor.Row = height - 1;
        Scrolls += IsSecond ? 1 : 0;
        char[][] rows = Shown();
        Array.Copy(rows, 1, rows, 0, height - 1);
        rows[^1] = BlankRow(width);
    }

    private char[][] Shown() => IsSecond ? _second : _first;

    private void Control(string sequence)
    {
        switch (sequence)
        {
            case "[H":
                _cursor = (0, 0);
                break;
            case "[J":
                Erase(_cursor.Row, _cursor.Column);
                break;
            case "[2J":
                Clears++;
                Erase(0, 0);
                break;
            case "[?25h" or "[?25l":
                ShowsCursor = sequence[^1] == 'h';
                break;
            case "[?1h" or "[?1l":
                SendsApplicationKeys = sequence[^1] == 'h';
                break;
            case "[?1049h":
                (_firstCursor, IsSecond) = (_cursor, true);
                _second = Blank(width, height);
                break;
            case "[?1049l":
                (_cursor, IsSecond) = (_firstCursor, false);
                break;
            case "=" or ">":
                break;
            default:
                if (sequence[^1] != 'm')
                    throw new InvalidDataException($"The terminal does not know ESC {sequence}.");

                // 39 and 49 are the terminal's own colors.
                HasColors |= sequence[1..^1].Split(';').Any(code => code.Length > 1 && code is not ("39" or "49"));
                break;
        }
    }

    /// <summary>Everything from there on, the character under the cursor included.</summary>
    private void Erase(int row, int column)
    {
        char[][] rows = Shown();
        Array.Fill(rows[row], ' ', Math.Min(column, width - 1), width - Math.Min(column, width - 1));
        for (int below = row + 1; below < height; below++)
            rows[below] = BlankRow(width);
    }
}
