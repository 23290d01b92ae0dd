using System.Text;
using Samples.Common;
using SuperSlab.Diagnostics;
using SuperSlab.Reports;

namespace Samples.Profiler.Showing;

/// <summary>Two profiles side by side as text: what is worse, then what is better, the largest change first.</summary>
internal static class ComparisonText
{
    /// <summary>How many rows of each kind stand in the text; the page has all.</summary>
    private const int MostRows = 20;

    private const int NameColumns = 40;

    /// <param name="comparison">The profiles.</param>
    /// <param name="before">The path of the one that the other is held against.</param>
    /// <param name="after">The other's path.</param>
    public static string Of(ProfileComparison comparison, string before, string after)
    {
        StringBuilder text = new();
        text.AppendLine(Side("A", before, comparison.Before)).AppendLine(Side("B", after, comparison.After));
        if (comparison.Before.Machine != comparison.After.Machine)
            text.AppendLine("The machines differ, so times tell little.");

        text.AppendLine(
            Texts.Culture,
            $"{Count(ProfileComparison.Verdict.Worse):N0} worse, {Count(ProfileComparison.Verdict.Better):N0} better, "
            + $"{Count(ProfileComparison.Verdict.Same):N0} the same, "
            + $"{Count(ProfileComparison.Verdict.Unknown):N0} not known");
        Append(text, "worse", Rows(ProfileComparison.Verdict.Worse));
        Append(text, "better", Rows(ProfileComparison.Verdict.Better));
        return text.ToString();

        ProfileComparison.Row[] Rows(ProfileComparison.Verdict verdict) =>
            [.. comparison.Rows.Where(row => row.Verdict == verdict)];

        int Count(ProfileComparison.Verdict verdict) => Rows(verdict).Length;
    }

    private static string Side(string letter, string path, ProfileDocument document) => string.Create(
        Texts.Culture, $"{letter}: {path}: {document.Application}, {FigureText.Count(document.Frames.Count, "frame")}");

    private static void Append(StringBuilder text, string title, ProfileComparison.Row[] rows)
    {
        if (rows.Length == 0)
            return;

        ProfileComparison.Row[] first = [.. rows.Take(MostRows)];
        string[] distinct = [.. first.Select(row => row.Name).Distinct()];
        Dictionary<string, string> names = distinct.Zip(CutNames.Fit([.. distinct.Select(Plain)], NameColumns))
            .ToDictionary(pair => pair.First, pair => pair.Second);
        TextTable table = new([title, "A", "B", "change", "of the whole"]);
        foreach (ProfileComparison.Row row in first)
        {
            string sign = row.Change < 0 ? "-" : "+";
            string growth = row.Growth is { } share && double.IsFinite(share)
                ? string.Create(Texts.Culture, $"{sign}{Math.Abs(share) * 100:#,0.#} %")
                : "from 0";
            string whose = row.Name.Length == 0 ? "" : names[row.Name] + ", ";
            table.Add(
                $"{row.Group}: {whose}{row.Measure}",
                Amount(row.Before, row.Unit),
                Amount(row.After, row.Unit),
                sign + Amount(Math.Abs(row.Change ?? 0), row.Unit),
                growth);
        }

        text.AppendLine().Append(table);
        if (rows.Length > MostRows)
            text.AppendLine(Texts.Culture, $"and {rows.Length - MostRows:N0} more; the page of --report has them");
    }

    /// <summary>A name may hold line feeds and a terminal's control characters.</summary>
    private static string Plain(string name) =>
        string.Concat(name.Select(character => char.IsControl(character) ? ' ' : character));

    private static string Amount(double? amount, ProfileTable.Unit unit) => amount switch
    {
        null => "not known",
        { } known when unit == ProfileTable.Unit.Bytes => FigureText.Bytes((long)Math.Round(known)),
        { } known when unit == ProfileTable.Unit.Nanoseconds => FigureText.Time((long)known),
        { } known => known.ToString(known == Math.Floor(known) || known >= 100 ? "N0" : "0.##", Texts.Culture),
    };
}
