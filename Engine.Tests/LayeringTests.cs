using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Engine.Tests;

/// <summary>
/// The layers of the engine, kept by reading its sources: which folder uses the types of which other. A folder that is
/// not in the table fails. Files of Api that use nothing but each other, such as exceptions and the words of options,
/// are every layer's vocabulary.
/// </summary>
internal sealed partial class LayeringTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Os"] = [],
        ["Heap"] = ["Os"],
        ["Checks"] = ["Heap", "Os"],
        ["Api"] = ["Checks", "Heap", "Os"],
        ["Collections"] = ["Api"],
        ["Interop"] = ["Api", "Heap"],
        ["Scenes"] = ["Api", "Checks", "Heap", "Os"],
        ["Diagnostics"] = ["Scenes", "Api", "Checks", "Heap", "Os"],
        ["Reports"] = ["Diagnostics"],
        ["NativeLibrary"] = ["Scenes", "Interop", "Api", "Heap"],
        ["Vulkan"] = ["Interop"],
        ["Analyzers"] = ["Scenes", "Api"],
    };

    private static readonly Dictionary<string, string> Namespaces = new()
    {
        ["Collections"] = "SuperSlab.Collections",
        ["Interop"] = "SuperSlab.Interop",
        ["Scenes"] = "SuperSlab.Scenes",
        ["Diagnostics"] = "SuperSlab.Diagnostics",
        ["Reports"] = "SuperSlab.Reports",
        ["NativeLibrary"] = "SuperSlab.NativeLibrary",
        ["Vulkan"] = "SuperSlab.Vulkan",
        ["Analyzers"] = "SuperSlab.Analyzers",
    };

    private readonly Source[] _sources = [.. Sources()];

    [Test]
    public void No_folder_uses_the_types_of_one_above_it()
    {
        HashSet<Source> vocabulary = Vocabulary();
        string[] wrong =
        [
            .. from source in _sources
               from used in UsedBy(source)
               where used.Source.Folder != source.Folder && !vocabulary.Contains(used.Source)
                   && !Allowed.GetValueOrDefault(source.Folder, []).Contains(used.Source.Folder)
               select $"{source.Path} uses {used.Type} of {used.Source.Path}",
        ];
        Assert.That(wrong, Is.Empty);
        Assert.That(vocabulary.Select(source =>
            source.Path), Does.Contain("Api/Exceptions.cs").And.Not.Contain("Api/EngineMemory.cs"));
    }

    [Test]
    public void Every_folder_is_in_the_table() =>
        Assert.That(_sources.Select(source => source.Folder).Distinct(), Is.EquivalentTo(Allowed.Keys));

    [Test]
    public void Every_file_has_the_namespace_that_its_users_know()
    {
        string[] wrong =
        [
            .. from source in _sources
               let declared = Declaration().Match(source.Code).Groups[1].Value
               where declared != Namespaces.GetValueOrDefault(source.Folder, "SuperSlab")
               select $"{source.Path} is in {declared}",
        ];
        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void A_type_above_is_noticed()
    {
        Source low = new("Os/Low.cs", "internal class Low { private Arena _arena; }");
        Source high = new("Api/Arena.cs", "public sealed class Arena { private Low _low; }");
        Assert.That(Used(low, [low, high]).Single(), Is.EqualTo(("Arena", high)));
    }

    private HashSet<Source> Vocabulary()
    {
        HashSet<Source> vocabulary = [.. _sources.Where(source => source.Folder == "Api")];
        while (vocabulary.RemoveWhere(source => UsedBy(source).Any(used => !vocabulary.Contains(used.Source))) != 0)
        {
        }

        return vocabulary;
    }

    private IEnumerable<(string Type, Source Source)> UsedBy(Source source) => Used(source, _sources);

    /// <summary>The types of other files that a source names, and not as a member of something.</summary>
    private static IEnumerable<(string Type, Source Source)> Used(Source source, IEnumerable<Source> sources) =>
        from other in sources
        where other != source
        from type in other.Types
        where source.Words.Contains(type) && !source.Types.Contains(type)
        select (type, other);

    /// <summary>All sources of the engine without their comments and string literals.</summary>
    private static IEnumerable<Source> Sources([CallerFilePath] string here = "")
    {
        string root = Path.Combine(Path.GetDirectoryName(here)!, "..", "Engine");
        if (!Directory.Exists(root))
            Assert.Ignore("The sources are not on this machine.");

        foreach (string file in Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories))
        {
            string path = Path.GetRelativePath(root, file).Replace('\\', '/');
            if (!path.Split('/').Any(part => part is "obj" or "bin"))
            {
                yield return new Source(
                    path, StringLiteral().Replace(Comment().Replace(File.ReadAllText(file), string.Empty), "\"\""));
            }
        }
    }

    private sealed class Source(string path, string code)
    {
        public string Path => path;

        public string Folder { get; } = path[..path.IndexOf('/', StringComparison.Ordinal)];

        public string Code => code;

        public HashSet<string> Types { get; } = [.. TypeDeclaration().Matches(code).Select(match =>
            match.Groups[1].Value)];

        public HashSet<string> Words { get; } = [.. Word().Matches(code).Select(match => match.Value)];
    }

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Declaration();

    [GeneratedRegex(
        @"^(?:public|internal) [\w ]*?(?:class|struct|interface|enum|record|delegate [\w<>]+)(?: struct| class)? (\w+)", RegexOptions.Multiline)]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex(@"(?<![\w.])[A-Z]\w*")]
    private static partial Regex Word();

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"""(?:\\.|[^""\\\n])*""")]
    private static partial Regex StringLiteral();
}
