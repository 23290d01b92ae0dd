using System.Runtime.InteropServices;
using System.Text.Json;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Samples;

/// <summary>
/// The game in a window that nobody sees: a display of Xvfb, OpenGL by llvmpipe and Vulkan by lavapipe. What is missing
/// is named, and its tests are skipped; .ci/native-libraries installs it.
/// </summary>
[TestFixture]
[Category(Lane.Slow)]
[Parallelizable(ParallelScope.Self)]
[Category(Machine.NeedsRealKernel)]
[Platform("Linux")]
internal sealed class GameWindowTests
{
    private const int Frames = 120;
    private const string OpenGL = "opengl";
    private const string Vulkan = "vulkan";
    private static readonly string[] s_mustBeZero =
    [
        "violations", "engineFaults", "osCalls", "managedBytes", "collections", "engineFaultsInDriver",
        "osCallsInDriver", "managedBytesInDriver",
    ];

    private static readonly string[] s_recorded = ["frame-00019.png", "frame-00020.png", "frame-00021.png"];

    private string _folder = null!;
    private VirtualDisplay _display = null!;

    [OneTimeSetUp]
    public void Begin()
    {
        Require("libSDL2-2.0.so.0", "libsdl2-2.0-0");
        _display = VirtualDisplay.Start();
        _folder = Directory.CreateTempSubdirectory("game-").FullName;
    }

    [OneTimeTearDown]
    public void End()
    {
        _display?.Dispose();
        if (_folder is not null)
            Directory.Delete(_folder, recursive: true);
    }

    /// <summary>That nothing is left is part of the exit code: each library's arena and tables are looked at.</summary>
    [Test]
    public void Frames_in_a_window_keep_the_rules_and_leave_nothing([Values(OpenGL, Vulkan)] string api)
    {
        Lane.SkipUnlessAll(api == Vulkan);
        SampleProcess run = Play(
            api, "--unattended", $"{Frames}", "--level-frames", "30", "--overlay", "--json", "-");
        Assert.That(run.ExitCode, Is.Zero, run.Error + run.Output);
        JsonElement result = JsonDocument.Parse(run.Output).RootElement;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.GetProperty("frames").GetInt32(), Is.EqualTo(Frames));
            foreach (string name in s_mustBeZero)
                Assert.That(result.GetProperty(name).GetInt64(), Is.Zero, name);
        }
    }

    [Test]
    public void Both_drivers_draw_the_same_picture()
    {
        RequireVulkan();
        PngPicture opengl = Screenshot(OpenGL, "city");
        PngPicture vulkan = Screenshot(Vulkan, "city");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((opengl.Width, opengl.Height), Is.EqualTo((960, 540)));
            Assert.That(opengl.ColorCount, Is.GreaterThan(100), "a picture of something");
            Assert.That(vulkan.DifferenceFrom(opengl), Is.LessThan(0.01), "the share of pixels that differ");
            Assert.That(vulkan.DifferenceFrom(Screenshot(Vulkan, "swarm")), Is.GreaterThan(0.1), "it can differ");
        }
    }

    [Test]
    public void A_window_of_another_size_gets_pictures_of_that_size([Values(OpenGL, Vulkan)] string api)
    {
        Lane.SkipUnlessAll(api == Vulkan);
        Require("libX11.so.6", "libx11-6");
        string path = PathOf($"resized-{api}.png");
        var run = Task.Run(() => Play(
            api, "--unattended", "400", "--level", "city", "--level-frames", "100", "--screenshot", path));
        foreach ((int width, int height) in new[] { (320, 240), (500, 150), (401, 303) })
        {
            bool isThere = _display.Resize(width, height, until: run);
            Assert.That(isThere, Is.True, "the window is there");
            Thread.Sleep(50); // some frames of this size
        }

        Assert.That(run.Result.ExitCode, Is.Zero, run.Result.Error + run.Result.Output);
        PngPicture picture = PngPicture.Read(path);
        Assert.That((picture.Width, picture.Height), Is.EqualTo((401, 303)));
        Assert.That(picture.ColorCount, Is.GreaterThan(100));
    }

    [Test]
    public void The_frames_that_were_asked_for_are_recorded([Values(OpenGL, Vulkan)] string api)
    {
        Lane.SkipUnlessAll(api == Vulkan);
        string folder = PathOf($"frames-{api}");
        SampleProcess run = Play(
            api, "--unattended", "40", "--level-frames", "20", "--record", folder, "--record-from", "19",
            "--record-frames", "3");
        Assert.That(run.ExitCode, Is.Zero, run.Error + run.Output);
        string[] names = [.. Directory.GetFiles(folder).Select(path => Path.GetFileName(path)!).Order()];
        Assert.That(names, Is.EqualTo(s_recorded));
        var last = PngPicture.Read(Path.Combine(folder, names[1]));
        var first = PngPicture.Read(Path.Combine(folder, names[2]));
        Assert.That(first.DifferenceFrom(last), Is.GreaterThan(0.1), "another level begins with the 21st frame");
    }

    [TestCase("libvulkan1", "SDL_VULKAN_LIBRARY", "/no/such/library.so")]
    [TestCase("mesa-vulkan-drivers", "VK_ICD_FILENAMES", "/no/such/driver.json")]
    [TestCase("mesa-vulkan-drivers", "SDL_VIDEODRIVER", "dummy")]
    public void What_is_missing_for_Vulkan_is_named_in_one_line(string package, string variable, string value)
    {
        RequireVulkan();
        SampleProcess run = SampleProcess.Run(
            "Game", ["--vulkan", "--unattended", "10"], ("DISPLAY", _display.Name), (variable, value));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.EqualTo(1));
            Assert.That(run.Error, Does.Contain(package).And.Contains("--headless"));
            Assert.That(run.Error.TrimEnd().Split('\n'), Has.Length.EqualTo(1), run.Error);
        }
    }

    [Test]
    public void With_Vulkan_its_plan_is_recorded_too()
    {
        Lane.SkipUnlessAll();
        string folder = PathOf("plans");
        SampleProcess run = Play(
            Vulkan, "--record-plans", folder, "--unattended", "60", "--level-frames", "20");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        ScenePlan plan = ScenePlan.Load(Path.Combine(folder, "vulkan.json"));
        ArenaPlan arena = plan.Arenas.Single();
        Assert.That(arena.Blocks, Has.Count.GreaterThan(10), "the driver really asked it");
        Assert.That(arena.Budget.SoftBytes, Is.GreaterThan((nuint)0));
        Assert.That(
            ScenePlan.Load(Path.Combine(folder, "libraries.json")).Arenas.Select(other => other.Name),
            Does.Not.Contain(arena.Name));
    }

    private static void Require(string library, string package)
    {
        if (!NativeLibrary.TryLoad(library, out nint loaded))
            Assert.Ignore($"{library} is not installed (Debian: {package}).");

        NativeLibrary.Free(loaded);
    }

    private static void RequireVulkan()
    {
        Require("libvulkan.so.1", "libvulkan1");
        Require("libvulkan_lvp.so", "mesa-vulkan-drivers");
    }

    private PngPicture Screenshot(string api, string level)
    {
        string path = PathOf($"{level}-{api}.png");
        SampleProcess run = Play(
            api, "--unattended", "30", "--level", level, "--level-frames", "30", "--screenshot", path);
        Assert.That(run.ExitCode, Is.Zero, run.Error + run.Output);
        return PngPicture.Read(path);
    }

    private string PathOf(string name) => Path.Combine(_folder, name);

    private SampleProcess Play(string api, params string[] arguments)
    {
        if (api == Vulkan)
            RequireVulkan();

        return SampleProcess.RunUndisturbed(
            "Game", api == Vulkan ? ["--vulkan", .. arguments] : arguments, ("DISPLAY", _display.Name));
    }
}
