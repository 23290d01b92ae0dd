using System.Runtime.CompilerServices;
using Engine.Tests.Reports.Support;
using Engine.Tests.Support;

namespace Engine.Tests.Reports;

/// <summary>The viewer as a tool of .NET: packed, installed from a folder and run by its command.</summary>
[Category(Lane.Slow)]
internal sealed class ProfilerToolTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("engine-tool-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void It_is_packed_installed_from_a_folder_and_run_on_a_profile()
    {
        string project = Project();
        if (!File.Exists(project))
            Assert.Ignore("The sources are not on this machine.");

        string configuration = Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd('/', '\\')))!;
        string packages = Path.Combine(_folder, "packages");
        string tools = Path.Combine(_folder, "tools");
        string sources = Path.Combine(_folder, "nuget.config");
        File.WriteAllText(
            sources,
            $"""
            <configuration>
              <packageSources><clear /><add key="here" value="{packages}" /></packageSources>
            </configuration>
            """);
        DotnetCommand dotnet = new(_folder);
        dotnet.Run("pack", project, "-c", configuration, "--no-build", "-o", packages);
        dotnet.Run(
            "tool", "install", "SuperSlab.Profiler", "--prerelease", "--tool-path", tools, "--configfile", sources);

        string profile = Path.Combine(_folder, "profile.json");
        string report = Path.Combine(_folder, "report.html");
        SampleProfile.Create(frames: 70).Write(profile);
        string command = Path.Combine(tools, "superslab-profiler" + (OperatingSystem.IsWindows() ? ".exe" : ""));
        Assert.That(
            dotnet.RunProgram(command, "--profile", profile, "--report", report),
            Does.Contain("70 frames of test data"));
        Assert.That(File.ReadAllText(report), Does.Contain("a game that never ran"));
        Assert.That(dotnet.RunProgram(command, "--diff", profile, profile), Does.Contain("0 worse, 0 better"));
        Assert.That(
            dotnet.RunProgram(command, "--help"), Does.Contain("superslab-profiler"), "the usage names the command");
    }

    private static string Project([CallerFilePath] string here = "") => Path.GetFullPath(
        Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "Samples", "Profiler", "Profiler.csproj"));
}
