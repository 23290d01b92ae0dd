using System.Text.Json;
using SuperSlab.Diagnostics;

namespace SuperSlab.Reports;

/// <summary>
/// Writes a profile as one HTML file that holds all it needs: it opens from a disk, a mail or a build server's
/// artifacts, and its content security policy forbids it any request.
/// </summary>
/// <remarks>
/// The page's markup, styles and scripts are in Assets. Its data are two pieces of JSON: the profile without the rows
/// of its tables, and the tables with their columns, in the order and with the titles of <see cref="ProfileTable"/>.
/// The page of a comparison has its rows.
/// </remarks>
public static class HtmlReport
{
    /// <summary>The scripts in the order in which they use each other.</summary>
    private static readonly string[] s_scripts =
    [
        "format.js", "download.js", "elements.js", "data.js", "axis.js", "chart.js", "time.js", "lanes.js", "opened.js",
        "selection.js", "state.js", "search.js", "frames.js", "memory.js", "superslabs.js", "tables.js", "callsites.js",
        "faults.js", "page.js",
    ];

    private static readonly string[] s_comparisonScripts =
        ["format.js", "download.js", "elements.js", "axis.js", "chart.js", "comparison.js"];

    /// <summary>Writes the report and replaces an existing file. Not for the hot loop.</summary>
    /// <param name="document">The profile; its names may hold any characters.</param>
    /// <param name="path">A file name, usually with the ending .html.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(ProfileDocument document, string path)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using FileStream file = File.Create(path);
        Write(document, file);
    }

    /// <inheritdoc cref="Write(ProfileDocument, string)"/>
    public static void Write(ProfileDocument document, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentNullException.ThrowIfNull(stream);
        HtmlPage.Write(
            stream,
            "report.html",
            s_scripts,
            ("/*profile*/", WithoutTables(document).Write),
            ("/*tables*/", to => WriteTables(to, document)));
    }

    /// <summary>
    /// Writes a page that shows two profiles side by side, and replaces an existing file. Not for the hot loop.
    /// </summary>
    /// <param name="comparison">The profiles; their names may hold any characters.</param>
    /// <param name="path">A file name, usually with the ending .html.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(ProfileComparison comparison, string path)
    {
        ArgumentNullException.ThrowIfNull(comparison);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using FileStream file = File.Create(path);
        Write(comparison, file);
    }

    /// <inheritdoc cref="Write(ProfileComparison, string)"/>
    public static void Write(ProfileComparison comparison, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(comparison);
        ArgumentNullException.ThrowIfNull(stream);
        HtmlPage.Write(
            stream, "comparison.html", s_comparisonScripts, ("/*comparison*/", to => WriteComparison(to, comparison)));
    }

    private static ProfileDocument WithoutTables(ProfileDocument document) => document with
    {
        Classes = [],
        Lanes = [],
        ThreadCaches = [],
        Tags = [],
        Faults = document.Faults with { Owners = [], Frames = [] },
    };

    /// <summary>As {"arenas":{"columns":[{"name","title","unit","isAlarm"},...],"rows":[[...],...]},...}.</summary>
    private static void WriteTables(Stream stream, ProfileDocument document)
    {
        using Utf8JsonWriter json = new(stream);
        json.WriteStartObject();
        foreach (ProfileTable table in ProfileTable.All)
        {
            ProfileTable.Column[] columns = [.. table.ColumnsOf(ProfileTable.Outputs.Page)];
            if (columns.Length != 0)
                WriteTable(json, document, table, columns);
        }

        json.WriteEndObject();
    }

    private static void WriteTable(
        Utf8JsonWriter json, ProfileDocument document, ProfileTable table, ProfileTable.Column[] columns)
    {
        json.WriteStartObject(table.Name);
        json.WriteStartArray("columns");
        foreach (ProfileTable.Column column in columns)
        {
            json.WriteStartObject();
            json.WriteString("name", column.Name);
            json.WriteString("title", column.Title);
            json.WriteString("unit", UnitText(column.Unit));
            json.WriteBoolean("isAlarm", column.Outputs.HasFlag(ProfileTable.Outputs.Alarm));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("rows");

        // The frames' values are in the profile, column by column.
        int rows = table == ProfileTable.Frames ? 0 : table.RowCount(document);
        for (int row = 0; row < rows; row++)
        {
            json.WriteStartArray();
            foreach (ProfileTable.Column column in columns)
                WriteValue(json, column, document, row);

            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter json, ProfileTable.Column column, ProfileDocument document, int row)
    {
        if (column.Unit == ProfileTable.Unit.Text)
            json.WriteStringValue(column.Text(document, row));
        else if (column.Number(document, row) is { } number)
            json.WriteNumberValue(number);
        else
            json.WriteNullValue();
    }

    private static string UnitText(ProfileTable.Unit unit) => unit switch
    {
        ProfileTable.Unit.Count => "count",
        ProfileTable.Unit.Bytes => "bytes",
        ProfileTable.Unit.Nanoseconds => "nanoseconds",
        _ => "text",
    };

    /// <summary>As {"before":{...},"after":{...},"rows":[{"group","name","measure","unit",...},...]}.</summary>
    private static void WriteComparison(Stream stream, ProfileComparison comparison)
    {
        using Utf8JsonWriter json = new(stream);
        json.WriteStartObject();
        WriteSide(json, "before", comparison.Before);
        WriteSide(json, "after", comparison.After);
        json.WriteStartArray("rows");
        foreach (ProfileComparison.Row row in comparison.Rows)
        {
            json.WriteStartObject();
            json.WriteString("group", row.Group);
            json.WriteString("name", row.Name);
            json.WriteString("measure", row.Measure);
            json.WriteString("unit", UnitText(row.Unit));
            json.WriteString("verdict", VerdictText(row.Verdict));
            WriteNumber(json, "before", row.Before);
            WriteNumber(json, "after", row.After);
            WriteNumber(json, "whole", row.Whole);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteSide(Utf8JsonWriter json, string name, ProfileDocument document)
    {
        json.WriteStartObject(name);
        json.WriteString("application", document.Application);
        json.WriteString("machine", document.Machine);
        json.WriteString("began", document.Began);
        json.WriteNumber("frames", document.Frames.Count);
        json.WriteStartArray("histogram");
        foreach (ProfileFrames.Bucket bucket in document.Frames.Histogram)
        {
            json.WriteStartArray();
            json.WriteNumberValue(bucket.FromNanoseconds);
            json.WriteNumberValue(bucket.Count);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, double? number)
    {
        if (number is { } known)
            json.WriteNumber(name, known);
        else
            json.WriteNull(name);
    }

    private static string VerdictText(ProfileComparison.Verdict verdict) => verdict switch
    {
        ProfileComparison.Verdict.Worse => "worse",
        ProfileComparison.Verdict.Better => "better",
        ProfileComparison.Verdict.Same => "same",
        _ => "unknown",
    };
}
