using System.Globalization;
using Samples.Profiler.Showing;
using Spectre.Console.Rendering;

namespace Engine.Tests.Reports;

/// <summary>Names that are wider than a column of the live view.</summary>
internal sealed class CutNamesTests
{
    private static readonly string s_tree = "\U0001F332";

    [TestCase(6)]
    [TestCase(11)]
    [TestCase(20)]
    public void Names_fit_their_column_and_stay_apart(int columns)
    {
        string scene = "the forest by night, ";
        string trees = string.Concat(Enumerable.Repeat(s_tree, 40));
        string[] names =
        [
            "short", scene + "animals", scene + "animals and plants", scene + "animats", trees + "1", trees + "2", trees,
            .. Enumerable.Range(0, 30).Select(number => $"{scene}number {number} of a long list"),
        ];
        string[] fitted = CutNames.Fit(names, columns);
        Assert.That(fitted, Is.Unique);
        Assert.That(fitted.Select(name => new Segment(name).CellCount()), Is.All.LessThanOrEqualTo(columns));
        Assert.That(fitted[0], Is.EqualTo("short"));
        foreach (string name in fitted)
            Assert.That(name.EnumerateRunes().Select(rune => rune.Value), Has.None.EqualTo(0xFFFD), "no half of an emoji");
    }

    [Test]
    public void A_line_is_cut_between_characters()
    {
        string line = new string('x', 9) + s_tree + "and more";
        Assert.That(CutNames.Start(line, 11), Is.EqualTo(new string('x', 9) + "…"));
        Assert.That(CutNames.Start(line, 12), Is.EqualTo(new string('x', 9) + s_tree + "…"));
        Assert.That(CutNames.Start("short", 11), Is.EqualTo("short"));
        Assert.That(StringInfo.ParseCombiningCharacters(CutNames.Start(line, 12)), Has.Length.EqualTo(11));
    }
}
