using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Engine.Tests;

/// <summary>The page of promises names tests: each of them must be there.</summary>
internal sealed partial class PromisesTests
{
    [Test]
    public void Every_test_that_the_page_names_is_there()
    {
        HashSet<string> tests = [.. typeof(PromisesTests).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            .Select(method => method.Name)];
        string[] named = [.. Name().Matches(File.ReadAllText(Page())).Select(match => match.Groups[1].Value)];
        Assert.That(named, Has.Length.GreaterThan(50));
        Assert.That(named.Where(name => !tests.Contains(name)), Is.Empty);
    }

    private static string Page([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "docs", "checks.md");

    [GeneratedRegex("`([A-Z][A-Za-z0-9]*(?:_[A-Za-z0-9]+){2,})`")]
    private static partial Regex Name();
}
