using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Engine.Tests.Analyzers;

/// <summary>docs/analyzers.md has a section for each rule, and its examples are as wrong and as right as it says.
/// </summary>
internal sealed partial class PageTests
{
    private static readonly DiagnosticDescriptor[] s_rules =
        [.. new EngineUseAnalyzer().SupportedDiagnostics, .. new ManagedTypeAnalyzer().SupportedDiagnostics];

    private static IEnumerable<string> Ids => s_rules.Select(rule => rule.Id);

    [Test]
    public void Every_rule_has_a_section_and_every_section_a_rule()
    {
        string[] ids = [.. typeof(RuleIds).GetFields().Select(field => (string)field.GetValue(null)!)];
        Assert.That(Ids, Is.EqualTo(ids));
        Assert.That(Sections().Select(section => section.Id), Is.EqualTo(ids));
    }

    [TestCaseSource(nameof(Ids))]
    public void A_rules_link_title_and_fix_are_those_of_its_section(string id)
    {
        DiagnosticDescriptor rule = s_rules.Single(one => one.Id == id);
        Section section = Sections().Single(one => one.Id == id);
        Assert.That(rule.HelpLinkUri, Is.EqualTo("docs/analyzers.md#" + section.Anchor));
        Assert.That(rule.Category, Is.EqualTo("SuperSlab"));
        Assert.That(section.Text, Does.Contain($"**{rule.Title}.**"));
        ImmutableArray<string> fixable =
        [
            .. typeof(OpenScopeFix).Assembly.GetTypes()
                .Where(type => type.IsDefined(typeof(ExportCodeFixProviderAttribute)))
                .SelectMany(type => ((CodeFixProvider)Activator.CreateInstance(type)!).FixableDiagnosticIds),
        ];
        Assert.That(section.Text.Contains("Fix: none", StringComparison.Ordinal), Is.EqualTo(!fixable.Contains(id)));
    }

    [TestCaseSource(nameof(Ids))]
    public async Task The_first_example_is_wrong_by_its_rule_and_the_second_is_right(string id)
    {
        string[] examples = Sections().Single(one => one.Id == id).Examples;
        Assert.That(examples, Has.Length.EqualTo(2));
        Assert.That((await Reported(examples[0])).Distinct(), Is.EqualTo([id]), examples[0]);
        Assert.That(await Reported(examples[1]), Is.Empty, examples[1]);
    }

    private static async Task<string[]> Reported(string example)
    {
        string code = example.Contains("class ", StringComparison.Ordinal) ? Check.Types(example)
            : example.StartsWith("private", StringComparison.Ordinal) ? Check.Members(example)
            : Check.Statements(example);
        CSharpCompilation compilation = CSharpCompilation.Create(
            "Example", [CSharpSyntaxTree.ParseText(code)], Check.References,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true));
        ImmutableArray<Diagnostic> found = await compilation
            .WithAnalyzers([new EngineUseAnalyzer(), new ManagedTypeAnalyzer()]).GetAllDiagnosticsAsync();
        string[] ids = [.. found.Where(one => one.Severity >= DiagnosticSeverity.Warning).Select(one => one.Id)];
        string[] compilers = [.. found.Where(one => one.Severity == DiagnosticSeverity.Error && one.Id[..2] == "CS")
            .Select(one => one.ToString())];
        if (!ids.Contains(RuleIds.ManagedType))
            Assert.That(compilers, Is.Empty, code);

        return [.. ids.Where(one => one.StartsWith("SSE", StringComparison.Ordinal))];
    }

    private static Section[] Sections([CallerFilePath] string here = "")
    {
        string page = Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "docs", "analyzers.md");
        string[] parts = Heading().Split(File.ReadAllText(page));
        return [.. parts.Skip(1).Chunk(2).Select(part => new Section(part[0], part[1]))];
    }

    [GeneratedRegex(@"^## (SSE\d{4})$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();

    /// <summary>What stands under a heading of the page.</summary>
    private sealed record Section(string Id, string Text)
    {
        /// <summary>The heading as links write it.</summary>
        public string Anchor => Id.ToLowerInvariant();

        public string[] Examples => [.. Example().Matches(Text).Select(match => match.Groups[1].Value)];
    }
}
