using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests;

/// <summary>What a reader pastes out of the documents does what they say.</summary>
internal sealed partial class ReadmeTests
{
    private const string Project = """
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <OutputType>Exe</OutputType>
            <TargetFramework>net10.0</TargetFramework>
            <ImplicitUsings>enable</ImplicitUsings>
            <Nullable>enable</Nullable>
            <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
          </PropertyGroup>
          <ItemGroup>
            <Reference Include="BIN/SuperSlab.Engine.dll;BIN/Silk.NET.Core.dll;BIN/CommunityToolkit.HighPerformance.dll" />
          </ItemGroup>
        </Project>
        """;

    [Test]
    [Category(Machine.NeedsRealKernel)]
    [Category(Lane.Slow)]
    public void First_example_runs_in_a_new_console_project_as_it_is_pasted()
    {
        string example = Block("README.md", "csharp");
        Assert.That(example, Does.StartWith("using SuperSlab;").And.Not.Contain("unsafe"));
        string folder = Directory.CreateTempSubdirectory("superslab-example-").FullName;
        try
        {
            string bin = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
            File.WriteAllText(
                Path.Combine(folder, "Example.csproj"), Project.Replace("BIN", bin, StringComparison.Ordinal));
            File.WriteAllText(Path.Combine(folder, "Program.cs"), example);
            Assert.That(Run(folder).Trim(), Does.EndWith("1,000 frames, 0 system calls, entity 1 is 1.0 old"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Scene_plan_in_the_documents_is_valid()
    {
        string json = Block("docs/scenes.md", "json");
        ScenePlan plan = ScenePlan.Parse(Encoding.UTF8.GetBytes(json), name => Encoding.UTF8.GetBytes("{ }"));
        Assert.That((plan.Name, plan.Arenas.Count), Is.EqualTo(("forest", 2)));
    }

    [Test]
    public void The_landing_page_fits_in_120_lines_and_its_links_lead_somewhere()
    {
        string readme = File.ReadAllText(Document("README.md"));
        Assert.That(readme.Split('\n'), Has.Length.LessThanOrEqualTo(125));
        foreach (string page in Directory.GetFiles(Document("docs"), "*.md").Append(Document("README.md")))
        {
            foreach (string link in Links(File.ReadAllText(page)))
                Assert.That(Path.Exists(Path.Combine(Path.GetDirectoryName(page)!, link)), $"{page} links to {link}");
        }
    }

    [Test]
    public void Every_test_that_the_page_of_promises_names_is_there()
    {
        HashSet<string> tests = [.. typeof(ReadmeTests).Assembly.GetTypes()
            .SelectMany(type =>
                type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            .Select(method => method.Name)];
        string text = File.ReadAllText(Document("docs/checks.md"))
            + File.ReadAllText(Document("docs/where-it-runs.md"));
        string[] named = [.. Name().Matches(text).Select(match => match.Groups[1].Value)];
        Assert.That(named, Has.Length.GreaterThan(50));
        Assert.That(named.Where(name => !tests.Contains(name)), Is.Empty);
    }

    private static string Run(string folder)
    {
        ProcessStartInfo start = new("dotnet", ["run", "--project", folder, "-c", "Release"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process run = Process.Start(start)!;
        Task<string> errors = run.StandardError.ReadToEndAsync();
        string output = run.StandardOutput.ReadToEnd();
        run.WaitForExit();
        Assert.That(run.ExitCode, Is.Zero, output + errors.Result);
        return output;
    }

    /// <summary>The first fenced block of a language in a document.</summary>
    private static string Block(string document, string language) => string.Join(
        '\n', File.ReadLines(Document(document)).SkipWhile(line => line != "```" + language).Skip(1).TakeWhile(line =>
            line != "```"));

    private static IEnumerable<string> Links(string text) =>
        from part in text.Split("](").Skip(1)
        let link = part[..part.IndexOf(')', StringComparison.Ordinal)].Split('#')[0]
        where link.Length != 0 && !link.Contains("://", StringComparison.Ordinal)
        select link;

    private static string Document(string name, [CallerFilePath] string here = "")
    {
        string path = Path.Combine(Path.GetDirectoryName(here)!, "..", name);
        Assume.That(Path.Exists(path), "the sources are not on this machine");
        return path;
    }

    [GeneratedRegex("`([A-Z][A-Za-z0-9]*(?:_[A-Za-z0-9]+){2,})`")]
    private static partial Regex Name();
}
