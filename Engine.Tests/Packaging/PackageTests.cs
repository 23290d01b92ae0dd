using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using Engine.Tests.Documents;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Packaging;

/// <summary>
/// The packages, as strangers meet them: packed, referred to from a new project called Engine with an empty cache, and
/// run in each way that .NET programs are published.
/// </summary>
[Category(Lane.Slow)]
[Parallelizable(ParallelScope.Self)]
[Category(Machine.NeedsRealKernel)]
internal sealed class PackageTests
{
    private const string ExamplesLastLine = "1,000 frames, 0 system calls, entity 1 is 1.0 old";

    private const string Project = """
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <OutputType>Exe</OutputType>
            <TargetFramework>net10.0</TargetFramework>
            <ImplicitUsings>enable</ImplicitUsings>
            <Nullable>enable</Nullable>
            <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
            <ScenePlanSchemaFolder>Plans</ScenePlanSchemaFolder>
          </PropertyGroup>
          <ItemGroup>
            <PackageReference Include="SuperSlab.Engine" Version="VERSION" />
          </ItemGroup>
        </Project>
        """;

    private string _folder = null!;
    private string _packages = null!;

    [OneTimeSetUp]
    public void Pack()
    {
        string sources = Sources();
        _folder = Directory.CreateTempSubdirectory("superslab-packages-").FullName;
        _packages = Path.Combine(_folder, "packages");
        DotnetCommand dotnet = new(sources);
        string configuration = AppContext.BaseDirectory.Contains("Release", StringComparison.Ordinal)
            ? "Release" : "Debug";
        foreach (string project in (string[])["Engine", "Engine/Reports", "Engine/Vulkan"])
            dotnet.Run("pack", project, "-c", configuration, "--no-build", "-o", _packages, "--nologo");

        dotnet.Run("pack", "Samples/Templates", "-o", _packages, "--nologo");
        dotnet.Run("pack", "Samples/Profiler", "-c", configuration, "-o", _packages, "--nologo");
        File.WriteAllText(Path.Combine(_folder, "nuget.config"), """
            <configuration>
              <packageSources><add key="packed" value="packages" /></packageSources>
            </configuration>
            """);
    }

    [OneTimeTearDown]
    public void DeletePackages()
    {
        if (_folder is not null)
            Directory.Delete(_folder, recursive: true);
    }

    [TestCase("SuperSlab.Engine")]
    [TestCase("SuperSlab.Reports")]
    [TestCase("SuperSlab.Vulkan")]
    public void A_package_has_what_a_registry_shows_and_names_no_folder_of_the_machine(string id)
    {
        using ZipArchive package = ZipFile.OpenRead(PackageOf(id));
        string[] names = [.. package.Entries.Select(entry => entry.FullName)];
        Assert.That(
            names,
            Is.SupersetOf(
                new[] { "README.md", "icon.png", "CHANGELOG.md", $"lib/net10.0/{id}.dll", $"lib/net10.0/{id}.xml" }));
        string nuspec = Encoding.UTF8.GetString(ContentsOf(package, $"{id}.nuspec"));
        Assert.That(
            nuspec,
            Does.Contain("<license type=\"expression\">MIT</license>").And.Contain("<readme>README.md</readme>")
                .And.Contain("<icon>icon.png</icon>").And.Contain("<tags>").And.Contain("<description>"));
        Assert.That(
            names.Where(name => name.StartsWith("analyzers/dotnet/cs/", StringComparison.Ordinal)).Count(),
            Is.EqualTo(id == "SuperSlab.Engine" ? 2 : 0));
        byte[] folder = Encoding.UTF8.GetBytes(Sources());
        Assert.That(ContentsOf(package, $"lib/net10.0/{id}.dll").AsSpan().IndexOf(folder), Is.EqualTo(-1));
        using ZipArchive symbols = ZipFile.OpenRead(Path.ChangeExtension(PackageOf(id), ".snupkg"));
        Assert.That(ContentsOf(symbols, $"lib/net10.0/{id}.pdb").AsSpan().IndexOf(folder), Is.EqualTo(-1));
    }

    [TestCase("SuperSlab.Engine")]
    [TestCase("SuperSlab.Reports")]
    [TestCase("SuperSlab.Vulkan")]
    [TestCase("SuperSlab.Templates")]
    [TestCase("SuperSlab.Profiler")]
    public void A_package_brings_the_documentation_along_and_each_link_in_it_leads_somewhere(string id)
    {
        using ZipArchive package = ZipFile.OpenRead(PackageOf(id));
        HashSet<string> names = [.. package.Entries.Select(entry => entry.FullName)];
        string[] sources = [.. Directory.GetFiles(Path.Combine(Sources(), "docs"), "*.md").Select(Path.GetFileName)!];
        Assert.That(names, Is.SupersetOf(sources.Where(name => name != "package.md").Select(name => "docs/" + name)));
        Dictionary<string, string> pages = names.Where(name => name.EndsWith(".md", StringComparison.Ordinal))
            .ToDictionary(name => name, name => Encoding.UTF8.GetString(ContentsOf(package, name)));
        using (Assert.EnterMultipleScope())
        {
            foreach ((string page, string text) in pages)
            {
                foreach ((string path, string anchor) in Pages.Links(text))
                {
                    string place = Path.Combine("/", Path.GetDirectoryName(page)!, path);
                    string target = path.Length == 0 ? page : Path.GetFullPath(place)[1..];
                    Assert.That(names, Does.Contain(target), $"{page}: {path}");
                    if (anchor.Length != 0)
                        Assert.That(Pages.Anchors(pages[target]), Does.Contain(anchor), $"{page}: {path}#{anchor}");
                }
            }
        }

        Assert.That(pages["README.md"], Does.Contain("docs/getting-started.md"));
    }

    [Test]
    public void The_first_example_runs_as_it_is_pasted_with_the_JIT_and_finds_the_plans_schema()
    {
        DotnetCommand dotnet = NewProject("jit", out string folder);
        Assert.That(dotnet.Run("run", "-c", "Release").Trim(), Does.EndWith(ExamplesLastLine));
        string schema = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "scene-plan.schema.json"));
        string[] places = ["bin/Release/net10.0", "Plans"];
        foreach (string place in places)
            Assert.That(File.ReadAllText(Path.Combine(folder, place, "scene-plan.schema.json")), Is.EqualTo(schema));
    }

    [TestCase("trimmed", "PublishTrimmed", "PublishSingleFile")]
    [TestCase("aot", "PublishAot")]
    public void The_first_example_runs_as_it_is_published(string name, params string[] properties)
    {
        Lane.SkipUnlessAll(name == "trimmed"); // ahead of time is trimmed, too
        DotnetCommand dotnet = NewProject(name, out string folder);
        string system = RuntimeInformation.RuntimeIdentifier;
        dotnet.Run(
            ["publish", "-c", "Release", "-r", system, "--self-contained", "-o", "out",
             .. properties.Select(property => $"-p:{property}=true")]);
        string program = Path.Combine(folder, "out", OperatingSystem.IsWindows() ? "Engine.exe" : "Engine");
        Assert.That(dotnet.RunProgram(program).Trim(), Does.EndWith(ExamplesLastLine));
    }

    [Test]
    public void The_templates_make_a_game_whose_frames_and_tests_pass()
    {
        DotnetCommand dotnet = NewFolder("templates", out string folder);
        dotnet.Environment["DOTNET_CLI_HOME"] = Path.Combine(folder, "home");
        dotnet.Run("new", "install", PackageOf("SuperSlab.Templates"));
        dotnet.Run("new", "engine-game", "-n", "my-harbour");
        DotnetCommand inGame = NewFolder("templates/my-harbour/my-harbour", out string game);
        Assert.That(
            File.ReadAllText(Path.Combine(game, "my-harbour.csproj")), Does.Contain($"Version=\"{Version()}\""));
        inGame.Environment["DOTNET_CLI_HOME"] = Path.Combine(folder, "home");
        inGame.Run("restore"); // a scene's namespace is the project's, which is known from then on
        inGame.Run("new", "engine-scene", "-n", "Forest");
        File.AppendAllText(
            Path.Combine(game, "World.cs"),
            "internal static class Use { public static Forest Load(SuperSlab.EngineMemory memory) => new(memory); }\n");
        inGame.Run("build", "-c", "Release", "-warnaserror");
        Assert.That(inGame.Run("run", "-c", "Release", "--no-build", "--", "60"), Does.Contain("60 frames, "));
        Assert.That(File.Exists(Path.Combine(game, "Plans", "scene-plan.schema.json")));
        Assert.That(
            dotnet.Run("test", "my-harbour/my-harbour.slnx", "-c", "Release"), Does.Contain("Passed:     1"));
        ScenePlan forest = ScenePlan.Load(Path.Combine(game, "bin/Release/net10.0/Plans/forest.json"));
        Assert.That(forest.Name, Is.EqualTo("forest"));
    }

    /// <summary>A folder whose restores see the packages, and an empty cache beside the machine's.</summary>
    private DotnetCommand NewFolder(string name, out string folder)
    {
        folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        DotnetCommand dotnet = new(folder);
        string machines = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        if (Directory.Exists(machines))
            dotnet.Environment["RestoreFallbackFolders"] = machines;

        dotnet.Environment["NUGET_PACKAGES"] = Path.Combine(_folder, "cache");
        return dotnet;
    }

    private DotnetCommand NewProject(string name, out string folder)
    {
        DotnetCommand dotnet = NewFolder(name, out folder);
        File.WriteAllText(Path.Combine(folder, "Engine.csproj"), Project.Replace("VERSION", Version()));
        File.WriteAllText(Path.Combine(folder, "Program.cs"), Pages.Block("README.md", "csharp"));
        return dotnet;
    }

    private string Version() =>
        Path.GetFileNameWithoutExtension(PackageOf("SuperSlab.Engine"))["SuperSlab.Engine.".Length..];

    private string PackageOf(string id) => Directory.GetFiles(_packages, id + ".*.nupkg").Single();

    private static byte[] ContentsOf(ZipArchive archive, string name)
    {
        using Stream stream = archive.GetEntry(name)!.Open();
        using MemoryStream contents = new();
        stream.CopyTo(contents);
        return contents.ToArray();
    }

    private static string Sources() => Path.GetDirectoryName(Pages.PathOf("Engine.sln"))!;
}
