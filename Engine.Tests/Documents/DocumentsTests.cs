using System.Text;
using System.Text.RegularExpressions;

namespace Engine.Tests.Documents;

/// <summary>The documents are of one piece: their links lead somewhere, what they name is there, their code runs.</summary>
internal sealed partial class DocumentsTests
{
    [Test]
    public void Scene_plan_in_the_documents_is_valid()
    {
        string json = Pages.Block("docs/scenes.md", "json");
        ScenePlan plan = ScenePlan.Parse(Encoding.UTF8.GetBytes(json), name => Encoding.UTF8.GetBytes("{ }"));
        Assert.That((plan.Name, plan.Arenas.Count), Is.EqualTo(("forest", 2)));
    }

    [Test]
    public void The_landing_page_fits_in_120_lines() =>
        Assert.That(Pages.Text("README.md").Split('\n'), Has.Length.LessThanOrEqualTo(125));

    [Test]
    public void Every_link_leads_to_a_file_and_a_heading()
    {
        string top = Pages.PathOf("README.md")[..^"README.md".Length];
        string[] pages = [.. Pages.All];
        using (Assert.EnterMultipleScope())
        {
            foreach (string page in pages)
            {
                // The packages' page stands at their top.
                string folder = page == "docs/package.md" ? "" : Path.GetDirectoryName(page)!;
                foreach ((string path, string anchor) in Pages.Links(File.ReadAllText(top + page)))
                {
                    string target = top + (path.Length == 0 ? page : Path.Combine(folder, path));
                    Assert.That(Path.Exists(target), $"{page}: {path}");
                    if (anchor.Length != 0)
                        Assert.That(Pages.Anchors(File.ReadAllText(target)), Does.Contain(anchor), $"{page}: #{anchor}");
                }
            }
        }
    }

    /// <summary>
    /// But the landing page's, which is a program and runs as one (PackageTests), and those of wrong use, which the
    /// analyzers' tests are about.
    /// </summary>
    [Test]
    public void Every_example_in_CSharp_is_code_of_a_test()
    {
        string[] sources = [.. Directory.GetFiles(Pages.PathOf("Engine.Tests/Documents"), "*Snippets.cs")
            .Select(source => Flat(File.ReadAllText(source)))];
        string[] strange = [.. from page in Pages.All
            where page is not ("README.md" or "docs/analyzers.md")
            from block in Pages.Blocks(page, "csharp")
            where !sources.Any(source => source.Contains(Flat(block), StringComparison.Ordinal))
            select $"{page}:\n{block}"];
        Assert.That(strange, Is.Empty, string.Join("\n\n", strange));
    }

    [Test]
    public void Every_test_that_the_page_of_promises_names_is_there()
    {
        HashSet<string> tests =
        [
            .. from source in Directory.GetFiles(
                Pages.PathOf("Engine.Tests"), "*Tests.cs", SearchOption.AllDirectories)
               from method in Test().Matches(File.ReadAllText(source))
               select method.Groups[1].Value,
        ];
        string text = Pages.Text("docs/checks.md") + Pages.Text("docs/where-it-runs.md");
        string[] named = [.. Name().Matches(text).Select(match => match.Groups[1].Value)];
        Assert.That(named, Has.Length.GreaterThan(50));
        Assert.That(named.Where(name => !tests.Contains(name)), Is.Empty);
    }

    /// <summary>Lines without what stands before them, so that code may be indented.</summary>
    private static string Flat(string code) =>
        "\n" + string.Join('\n', code.Split('\n').Select(line => line.Trim())) + "\n";

    [GeneratedRegex("`([A-Z][A-Za-z0-9]*(?:_[A-Za-z0-9]+){2,})`")]
    private static partial Regex Name();

    [GeneratedRegex(@"^    public (?:async )?(?:void|Task) ([A-Z]\w*)\(", RegexOptions.Multiline)]
    private static partial Regex Test();
}
