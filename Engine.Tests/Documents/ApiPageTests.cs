using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Engine.Tests.Documents;

/// <summary>docs/api.md lists the public types of the libraries, for who has the packages and no site.</summary>
internal sealed partial class ApiPageTests
{
    private static readonly string[] s_libraries = ["SuperSlab.Engine", "SuperSlab.Reports", "SuperSlab.Vulkan"];

    /// <summary>With ENGINE_WRITE_SCHEMA set, the page is written anew.</summary>
    [Test]
    public void The_page_lists_every_public_type_with_the_first_sentence_of_its_comment()
    {
        string page = Write();
        if (Environment.GetEnvironmentVariable("ENGINE_WRITE_SCHEMA") is not null)
            File.WriteAllText(Pages.PathOf("docs") + "/api.md", page);

        Assert.That(Pages.Text("docs/api.md"), Is.EqualTo(page));
    }

    private static string Write()
    {
        StringBuilder text = new("""
            # API: every public type

            Written by a test from the comments of the code. Members and their comments show in editors, which find them beside the assemblies
            (`lib/net10.0/SuperSlab.Engine.xml` in the package); `.ci/site` in the sources makes a site of all.


            """);
        Type[] types =
        [
            .. s_libraries.SelectMany(name => Assembly.Load(name).GetExportedTypes()).Where(type => !type.IsNested),
        ];
        Dictionary<string, string> sentences = Sentences();
        foreach (IGrouping<string, Type> group in types.GroupBy(type => type.Namespace!).OrderBy(group => group.Key))
        {
            text.Append(
                CultureInfo.InvariantCulture, $"## {group.Key}\n\n| type | for |\n| --- | --- |\n");
            foreach (Type type in group.OrderBy(type => type.Name, StringComparer.Ordinal))
            {
                string name = type.Name.Split('`')[0];
                string arguments = type.IsGenericType
                    ? $"<{string.Join(", ", type.GetGenericArguments().Select(argument => argument.Name))}>" : "";
                text.Append(CultureInfo.InvariantCulture, $"| `{name}{arguments}` | {sentences[type.FullName!]} |\n");
            }

            text.Append('\n');
        }

        return text.ToString().TrimEnd() + "\n";
    }

    /// <summary>The first sentence of each type's comment, by the type's name.</summary>
    private static Dictionary<string, string> Sentences()
    {
        Dictionary<string, string> sentences = [];
        foreach (string file in Directory.GetFiles(AppContext.BaseDirectory, "SuperSlab.*.xml"))
        {
            foreach (XElement member in XDocument.Load(file).Descendants("member"))
            {
                string name = (string)member.Attribute("name")!;
                if (name.StartsWith("T:", StringComparison.Ordinal) && member.Element("summary") is { } summary)
                    sentences[name[2..]] = FirstSentence(summary);
            }
        }

        return sentences;
    }

    private static string FirstSentence(XElement summary)
    {
        string text = Space().Replace(string.Concat(summary.Nodes().Select(Text)), " ").Trim();
        Match end = SentenceEnd().Match(text);
        return (end.Success ? text[..(end.Index + 1)] : text).Replace("|", "\\|", StringComparison.Ordinal);
    }

    private static string Text(XNode node) => node switch
    {
        XText text => text.Value,
        XElement { Name.LocalName: "see" } link when link.Attribute("cref") is { } target =>
            $"`{Parameters().Replace(target.Value[2..], "").Split('.')[^1].Split('`')[0]}`",
        XElement { Name.LocalName: "see" } link => $"`{(string?)link.Attribute("langword")}`",
        XElement { Name.LocalName: "paramref" or "typeparamref" } name => $"`{(string?)name.Attribute("name")}`",
        XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
        XElement element => " " + element.Value,
        _ => "",
    };

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();

    [GeneratedRegex(@"\.(?= [A-Z`])|[:.]$")]
    private static partial Regex SentenceEnd();

    [GeneratedRegex(@"\(.*$")]
    private static partial Regex Parameters();
}
