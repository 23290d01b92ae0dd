using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Engine.Tests.Documents;

/// <summary>The project's pages of Markdown: their blocks of code, their links, and what a link may lead to.</summary>
internal static partial class Pages
{
    /// <summary>All pages for people, by their paths from the top.</summary>
    public static IEnumerable<string> All
    {
        get
        {
            string top = PathOf("README.md")[..^"README.md".Length];
            string[] folders = ["docs", "Samples", ".github"];
            return Directory.GetFiles(top, "*.md")
                .Concat(folders.Where(folder => Directory.Exists(top + folder)).SelectMany(folder =>
                    Directory.GetFiles(top + folder, "*.md", SearchOption.AllDirectories)))
                .Where(path => !path.Contains("/bin/", StringComparison.Ordinal)
                    && !path.Contains("/obj/", StringComparison.Ordinal))
                .Select(path => path[top.Length..].Replace('\\', '/')).Order(StringComparer.Ordinal);
        }
    }

    public static string PathOf(string page, [CallerFilePath] string here = "")
    {
        string path = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", page));
        Assume.That(Path.Exists(path), "the sources are not on this machine");
        return path;
    }

    public static string Text(string page) => File.ReadAllText(PathOf(page));

    /// <summary>The first fenced block of a language.</summary>
    public static string Block(string page, string language) => Blocks(page, language).First();

    /// <summary>The fenced blocks of a language, in the page's order.</summary>
    public static IEnumerable<string> Blocks(string page, string language)
    {
        List<string>? block = null;
        foreach (string line in File.ReadLines(PathOf(page)))
        {
            if (block is null)
            {
                block = line == "```" + language ? [] : null;
            }
            else if (line == "```")
            {
                yield return string.Join('\n', block);
                block = null;
            }
            else
            {
                block.Add(line);
            }
        }
    }

    /// <summary>The links to files and headings here: path, which may be empty, and anchor, which may be.</summary>
    public static IEnumerable<(string Path, string Anchor)> Links(string text) =>
        from match in Link().Matches(Fence().Replace(text, ""))
        let link = match.Groups[1].Value
        where !link.Contains("://", StringComparison.Ordinal)
        let parts = link.Split('#', 2)
        select (parts[0], parts.Length == 2 ? parts[1] : "");

    /// <summary>The anchors of a page's headings, as GitHub and DocFX make them.</summary>
    public static IEnumerable<string> Anchors(string text) =>
        from match in Heading().Matches(Fence().Replace(text, ""))
        select NotInAnchors().Replace(match.Groups[1].Value.Trim().ToLowerInvariant(), "").Replace(' ', '-');

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^```.*?^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchors();
}
