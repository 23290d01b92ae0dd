using System.Globalization;
using Spectre.Console.Rendering;

namespace Samples.Profiler.Showing;

/// <summary>
/// Names that are wider than their column. The middle is cut out, because a scene's arenas begin alike, and two names
/// never come out the same.
/// </summary>
internal static class CutNames
{
    private const int Least = 6;
    private const string Cut = "…";

    /// <summary>The names in at most so many columns of the terminal, and no fewer than six.</summary>
    public static string[] Fit(IReadOnlyList<string> names, int columns)
    {
        columns = Math.Max(Least, columns);
        HashSet<string> taken = [.. names.Where(name => Width(name) <= columns)];
        string[] fitted = new string[names.Count];
        for (int index = 0; index < names.Count; index++)
        {
            fitted[index] = names[index];
            string end = "";
            for (int number = 2; Width(names[index]) > columns; number++)
            {
                fitted[index] = WithoutMiddle(names[index], columns - end.Length) + end;
                if (taken.Add(fitted[index]))
                    break;

                end = string.Create(CultureInfo.InvariantCulture, $"#{number}");
            }
        }

        return fitted;
    }

    /// <summary>The beginning of a text, marked where it is cut.</summary>
    public static string Start(string text, int columns) =>
        Width(text) <= columns ? text : string.Concat(Taken(Characters(text), columns - 1)) + Cut;

    private static string WithoutMiddle(string name, int columns)
    {
        string[] characters = Characters(name);
        int end = (columns - 1) / 2;
        IEnumerable<string> last = Taken(characters.Reverse(), end).Reverse();
        return string.Concat(Taken(characters, columns - 1 - end)) + Cut + string.Concat(last);
    }

    /// <summary>As many whole characters as fit.</summary>
    private static IEnumerable<string> Taken(IEnumerable<string> characters, int columns) =>
        characters.TakeWhile(character => (columns -= Width(character)) >= 0);

    private static string[] Characters(string text)
    {
        List<string> characters = [];
        for (TextElementEnumerator all = StringInfo.GetTextElementEnumerator(text); all.MoveNext();)
            characters.Add(all.GetTextElement());

        return [.. characters];
    }

    private static int Width(string text) => new Segment(text).CellCount();
}
