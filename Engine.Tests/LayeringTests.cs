using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Engine.Tests;

/// <summary>
/// The layers of the engine, kept by reading its sources: which folder uses which namespace. A folder that is not in the table fails.
/// </summary>
internal sealed partial class LayeringTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Core"] = [],
        ["Platform"] = ["Core"],
        ["SuperSlabs"] = ["Platform", "Core"],
        ["Slabs"] = ["SuperSlabs", "Core"],
        ["Caches"] = ["Slabs", "SuperSlabs", "Core"],
        ["Checking"] = ["Caches", "Slabs", "SuperSlabs", "Core"],
        ["Arenas"] = ["Checking", "Caches", "Slabs", "SuperSlabs", "Core"],
        ["Scenes"] = ["Arenas", "Checking", "Slabs", "SuperSlabs", "Platform", "Core"],
        ["Reports"] = ["Profiling"],
        ["Profiling"] = ["Scenes", "Arenas", "Checking", "Caches", "Slabs", "SuperSlabs", "Platform", "Core"],
    };

    private static string Root([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "Engine");

    [Test]
    public void No_folder_uses_a_namespace_above_it()
    {
        List<string> wrong = [];
        foreach ((string folder, string name, string code) in Sources())
        {
            foreach (string used in EngineNamespace().Matches(code).Concat(RelativeNamespace().Matches(code)).Select(match => match.Groups[1].Value))
            {
                if (folder.Length != 0 && used != folder && Allowed.ContainsKey(used) && !Allowed.GetValueOrDefault(folder, []).Contains(used))
                {
                    wrong.Add($"{folder}/{name} uses Engine.{used}");
                }
            }
        }

        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void No_folder_below_the_root_uses_the_composition_root()
    {
        string[] wrong = [.. Sources().Where(source => source.Folder is not ("" or "Scenes" or "Profiling") && CompositionRoot().IsMatch(source.Code)).Select(source => source.Name)];
        Assert.That(wrong, Is.Empty, "EngineMemory builds the layers; none of them knows it, except scenes, which are made of its arenas");
    }

    [Test]
    public void Every_folder_is_in_the_table() =>
        Assert.That(Sources().Select(source => source.Folder).Where(folder => folder.Length != 0).Distinct(), Is.SubsetOf(Allowed.Keys));

    [Test]
    public void Every_files_namespace_is_its_folder()
    {
        List<string> wrong = [];
        foreach ((string folder, string name, string code) in Sources())
        {
            string declared = Declaration().Match(code).Groups[1].Value;
            string expected = folder.Length == 0 ? "Engine" : $"Engine.{folder.Replace('/', '.')}";
            if (declared != expected)
            {
                wrong.Add($"{folder}/{name} is in {declared}");
            }
        }

        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Every_public_type_has_a_file_of_its_name()
    {
        List<string> wrong = [];
        foreach ((string folder, string name, string code) in Sources())
        {
            foreach (string type in PublicType().Matches(code).Select(match => match.Groups[1].Value))
            {
                // A part of a type says after the type's name which part it is. The records of a document stand beside it.
                string file = name[..name.IndexOf('.', StringComparison.Ordinal)];
                if (type != file && file != "ProfileDocument")
                {
                    wrong.Add($"{folder}/{name} has the public type {type}");
                }
            }
        }

        Assert.That(wrong, Is.Empty);
    }

    /// <summary>All sources of the engine without their comments and string literals.</summary>
    private static IEnumerable<(string Folder, string Name, string Code)> Sources()
    {
        string root = Root();
        if (!Directory.Exists(root))
        {
            Assert.Ignore("The sources are not on this machine.");
        }

        string[] files = [.. Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)];
        Assert.That(files, Has.Length.GreaterThan(40), "this test has found the sources");
        foreach (string file in files)
        {
            string path = Path.GetRelativePath(root, file).Replace('\\', '/');
            if (!path.Split('/').Any(part => part is "obj" or "bin"))
            {
                string code = StringLiteral().Replace(Comment().Replace(File.ReadAllText(file), string.Empty), "\"\"");
                yield return (Path.GetDirectoryName(path)!.Replace('\\', '/'), Path.GetFileName(path), code);
            }
        }
    }

    [GeneratedRegex(@"\bEngine\.([A-Z]\w*)")]
    private static partial Regex EngineNamespace();

    /// <summary>Within Engine.Core, Slabs.SizeClasses means Engine.Slabs.SizeClasses; a member of that name is reached by a dot or declared.</summary>
    [GeneratedRegex(@"(?<![\w.])(Core|Platform|SuperSlabs|Slabs|Caches|Arenas|Scenes)\.[A-Z]\w*(?:\.|\s+\w|\()")]
    private static partial Regex RelativeNamespace();

    [GeneratedRegex(@"\bEngineMemory(Options)?\b")]
    private static partial Regex CompositionRoot();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Declaration();

    [GeneratedRegex(@"^public [\w ]*?(?:class|struct|interface|enum|record)(?: struct| class)? (\w+)", RegexOptions.Multiline)]
    private static partial Regex PublicType();

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"""(?:\\.|[^""\\\n])*""")]
    private static partial Regex StringLiteral();
}
