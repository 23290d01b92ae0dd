using System.Text;
using SuperSlab.Diagnostics;

namespace SuperSlab.Reports;

/// <summary>
/// Writes a profile as CSV files for spreadsheets and scripts, one for each table, in the format of RFC 4180: UTF-8, a
/// comma between fields, a heading, quotes where a field needs them.
/// </summary>
/// <remarks>
/// Numbers have no separators, sizes are bytes, times nanoseconds. A field that does not apply to a row, such as the
/// budget of an arena without one, is empty. <see cref="ProfileTable"/> has the columns.
/// </remarks>
public static class CsvFile
{
    /// <summary>Writes all tables and replaces existing files. Not for the hot loop.</summary>
    /// <param name="document">The profile.</param>
    /// <param name="folder">The files' folder; made if it is not there.</param>
    /// <returns>The files' paths.</returns>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static IReadOnlyList<string> Write(ProfileDocument document, string folder)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        Directory.CreateDirectory(folder);
        List<string> files = [WriteMemory(document.Memory, Path.Combine(folder, "memory.csv"))];
        foreach (ProfileTable table in ProfileTable.All)
        {
            ProfileTable.Column[] columns = [.. table.ColumnsOf(ProfileTable.Outputs.Csv)];
            if (columns.Length == 0)
                continue;

            files.Add(Path.Combine(folder, table.Name + ".csv"));
            IEnumerable<int> rows = Enumerable.Range(0, table.RowCount(document));
            WriteFile(
                files[^1],
                columns.Select(column => column.Name),
                rows.Select(row => columns.Select(column => column.Text(document, row))));
        }

        return files;
    }

    /// <summary>The table whose columns are the memory's uses, arenas and tags.</summary>
    private static string WriteMemory(ProfileSeries memory, string path)
    {
        ProfileSeries.Curve[] curves = [.. memory.Use, .. memory.Arenas, .. memory.AllocatedByTag];
        IEnumerable<string> uses = memory.Use.Select(curve => "use " + curve.Name);
        IEnumerable<string> arenas = memory.Arenas.Select(curve => "arena " + curve.Name);
        IEnumerable<string> tags = memory.AllocatedByTag.Select(curve => "allocated by tag " + curve.Name);
        WriteFile(
            path,
            ["nanoseconds", .. uses, .. arenas, .. tags],
            memory.Times.Select((time, row) => curves.Select(curve => curve.Values[row]).Prepend(time).Select(Text)));
        return path;
    }

    private static string Text(long number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static void WriteFile(string path, IEnumerable<string> heading, IEnumerable<IEnumerable<string>> rows)
    {
        UTF8Encoding plain = new(encoderShouldEmitUTF8Identifier: false);
        using StreamWriter writer = new(path, append: false, plain) { NewLine = "\r\n" };
        foreach (IEnumerable<string> row in rows.Prepend(heading))
            writer.WriteLine(string.Join(',', row.Select(Quoted)));
    }

    private static string Quoted(string field) => field.AsSpan().IndexOfAny("\",\r\n") < 0
        ? field
        : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
