// Tables for people.
using System.Globalization;
using System.Text;
using SuperSlab;
using SuperSlab.Diagnostics;

namespace Samples.Common;

/// <summary>
/// A table for people: a head of one or more lines, then rows, every column as wide as its widest cell. The first
/// column is set to the left, the others, which hold numbers, to the right.
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
            Add(line);
    }

    public void Add(params string[] cells)
    {
        if (_rows.Count > 0 && cells.Length != _rows[0].Length)
        {
            throw new ArgumentException(
                $"The table has {_rows[0].Length} columns, the row {cells.Length} cells.", nameof(cells));
        }

        _rows.Add(cells);
    }

    /// <summary>The table as text, a line for each row and a rule under the head. On a terminal that is narrower it
    /// stands in parts, one below the other, each with the first column and as many others as fit.</summary>
    public override string ToString() => Print(
        !Console.IsOutputRedirected && Console.WindowWidth is var width and > 0 ? width : int.MaxValue);

    /// <summary>The table as text for a width in characters.</summary>
    internal string Print(int width)
    {
        int[] widths = Widths();
        var text = new StringBuilder();
        int first = 1;
        do
        {
            int end = first;
            int taken = widths[0];
            while (end < widths.Length && (end == first || taken + Gap.Length + widths[end] <= width))
                taken += Gap.Length + widths[end++];

            if (first != 1)
                text.AppendLine();

            AppendPart(text, widths, first, end, taken);
            first = end;
        }
        while (first < widths.Length);

        return text.ToString();
    }

    /// <summary>Appends the first column, and those from one to another.</summary>
    private void AppendPart(StringBuilder text, int[] widths, int first, int end, int width)
    {
        for (int row = 0; row < _rows.Count; row++)
        {
            if (row == _headLines)
                text.Append('-', width).AppendLine();

            string[] cells = _rows[row];
            var line = new StringBuilder(cells[0].PadRight(widths[0]));
            for (int column = first; column < end; column++)
                line.Append(Gap).Append(cells[column].PadLeft(widths[column]));

            text.AppendLine(line.ToString().TrimEnd());
        }
    }

    private int[] Widths()
    {
        int[] widths = new int[_rows[0].Length];
        foreach (string[] cells in _rows)
        {
            for (int column = 0; column < cells.Length; column++)
                widths[column] = Math.Max(widths[column], cells[column].Length);
        }

        return widths;
    }
}

/// <summary>Prints page faults by owner for people.</summary>
public static class FaultsTable
{
    /// <summary>The table, the most faults first; where faults are only counted, the counts and the reason.</summary>
    /// <param name="frames">What its frames are called: "in the frames".</param>
    public static string Print(string title, string frames, ProfileFaults faults)
    {
        Dictionary<(string, string), long> inFrames = [];
        foreach (ProfileFaults.OwnerInFrame row in faults.Frames)
            inFrames[(row.Kind, row.Name)] = inFrames.GetValueOrDefault((row.Kind, row.Name)) + row.Count;

        var text = new StringBuilder();
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"page faults of {title} by owner; the kernel counted {faults.KernelCount:N0} for the observed threads");
        text.AppendLine(faults.Unavailable.Length == 0 ? "" : $"only counted: {faults.Unavailable}");
        text.AppendLine(CultureInfo.InvariantCulture, $"{frames,14}  {"in all",10}  owner, and the place of the first");
        foreach (ProfileFaults.Owner owner in faults.Owners)
        {
            long within = inFrames.GetValueOrDefault((owner.Kind, owner.Name));
            string place = owner.CallSite.Length == 0 ? "" : $" [{owner.CallSite}]";
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"{within,14:N0}  {owner.Count,10:N0}  {owner.Kind}: {owner.Name}{place}");
        }

        return text.AppendLine(
            CultureInfo.InvariantCulture,
            $"{inFrames.Values.Sum(),14:N0}  {faults.Owners.Sum(owner => owner.Count),10:N0}  sum").ToString();
    }

    /// <summary>
    /// What must hold and does not, in words; null when every fault has an owner and the owners' sum is the kernel's
    /// count.
    /// </summary>
    public static string? Problem(ProfileFaults faults)
    {
        long sum = faults.Owners.Sum(owner => owner.Count);
        return sum != faults.KernelCount
            ? $"the owners have {FigureText.Count(sum, "page fault")}, and the kernel counted "
                + FigureText.Count(faults.KernelCount)
            : faults.LostCount != 0
                ? $"{FigureText.Count(faults.LostCount, "page fault")} found no room in the ring, and have no owner "
                + "(a larger /proc/sys/kernel/perf_event_mlock_kb gives an ordinary user larger rings)"
            : null;
    }
}

/// <summary>How figures stand in tables and sentences: sizes and times by the engine's own formatters.</summary>
internal static class FigureText
{
    /// <summary>What stands where there is no figure.</summary>
    public const string None = "-";

    private const double MebibyteBytes = 1 << 20;

    /// <summary>A whole number.</summary>
    public static string Count(long? value) => value is { } number ? Sizes.Number(number) : None;

    /// <summary>"1 page fault", "2,000 page faults"; without a plural, the word with an s.</summary>
    public static string Count(long value, string one, string? many = null) =>
        Sizes.Count(value, one, many ?? one + "s");

    /// <summary>A size, or a difference of sizes, with three significant digits: "1.5 MiB".</summary>
    public static string Bytes(long bytes) => Sizes.Cell(bytes);

    /// <summary>A size to the byte: "97.7 KiB (100,000 bytes)".</summary>
    public static string ExactBytes(long bytes) => Sizes.Exact((nuint)bytes);

    /// <summary>A time from 0 with three significant digits: "4.3 µs".</summary>
    public static string Time(long nanoseconds) => Times.Text(nanoseconds);

    /// <summary>Bytes as MiB.</summary>
    public static string Mebibytes(long? bytes) => Decimals(bytes / MebibyteBytes);

    /// <summary>A number with some decimals.</summary>
    public static string Decimals(double? value, int decimals = 1) =>
        value?.ToString("N" + decimals, CultureInfo.InvariantCulture) ?? None;
}
