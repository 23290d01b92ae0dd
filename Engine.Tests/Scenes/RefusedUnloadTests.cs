using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>
/// The system refuses to take an unloaded scene's memory back (madvise, and mmap, which is the other way): the scene is
/// unloaded all the same, the caller is told, nothing else stops, and the memory is used again.
/// </summary>
internal sealed class RefusedUnloadTests
{
    private const int OutOfMemory = 12;

    private static readonly ScenePlan s_plan = new()
    {
        Name = "level",
        FrameArena = new FrameArenaOptions { BytesPerLane = 64 * 1024 },
        Arenas =
        [
            new ArenaPlan { Name = "world", Blocks = [new BlockCount(64, 1_000)] },
            new ArenaPlan { Name = "sounds", SuperSlabCount = 2 },
        ],
    };

    private FailingContext _context = null!;
    private EngineMemory _memory = null!;

    [SetUp]
    public void SetUp()
    {
        Assume.That(OperatingSystem.IsLinux(), "the calls that are made to fail are Linux's");
        _context = new FailingContext();
        _memory =
            new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.MiB(128), NativeContext = _context });
    }

    [TearDown]
    public void TearDown()
    {
        _context?.Heal("mmap");
        _context?.Heal("madvise");
        _memory?.Dispose();
        _context?.Dispose();
    }

    [Test]
    public void A_disposed_scene_loses_all_its_arenas_and_says_what_was_refused()
    {
        Scene scene = Scene.Load(_memory, s_plan);
        Refuse();
        Assert.That(scene.Dispose, Throws.TypeOf<EngineMemoryException>().With.Message.Contains("refused"));
        Assert.That(_memory.OwnedSuperSlabCount, Is.Zero);
        Assert.That(scene.Dispose, Throws.Nothing, "a second call does nothing");
        LoadsAgain();
    }

    [Test]
    public void A_scene_that_is_unloaded_in_the_background_is_unloaded_and_says_what_was_refused()
    {
        using BackgroundLoader loader = new(_memory);
        StreamedScene scene = loader.Add(s_plan);
        scene.Load();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded));
        Refuse();
        scene.Unload();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Unloaded));
        Assert.That(scene.Error, Is.TypeOf<EngineMemoryException>().With.Message.Contains("refused"));
        Assert.That(_memory.OwnedSuperSlabCount, Is.Zero);
        LoadsAgain();
        scene.Load();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded), "the loader's thread goes on");
        scene.Unload();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Unloaded));
        Assert.That(scene.Error, Is.Null);
        Assert.That(scene.UnloadReport, Is.Not.Null);
    }

    [Test]
    public void A_loader_that_is_disposed_unloads_all_its_scenes()
    {
        BackgroundLoader loader = new(_memory);
        StreamedScene[] scenes = [loader.Add(s_plan), loader.Add(s_plan with { Name = "other" })];
        foreach (StreamedScene scene in scenes)
        {
            scene.Load();
            Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded));
        }

        Refuse();
        Assert.That(loader.Dispose, Throws.TypeOf<EngineMemoryException>().With.Message.Contains("refused"));
        Assert.That(_memory.OwnedSuperSlabCount, Is.Zero);
        LoadsAgain();
    }

    [Test]
    public void A_load_that_fails_says_why_it_failed_and_leaves_no_arena()
    {
        using CancellationTokenSource cancellation = new();
        Then then = new(() =>
        {
            cancellation.Cancel();
            Refuse();
        });
        ScenePlan large =
            s_plan with { FrameArena = new FrameArenaOptions { BytesPerLane = 48 << 20, BufferCount = 2 } };
        Assert.That(
            () => Scene.Load(
                _memory, large, new SceneLoadOptions { Cancellation = cancellation.Token, Progress = then }),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(_memory.OwnedSuperSlabCount, Is.Zero);
        LoadsAgain();
    }

    private void Refuse()
    {
        const int DontNeed = 4;
        _context.FailAlways("madvise", OutOfMemory, DontNeed);
        _context.FailAlways("mmap", OutOfMemory);
    }

    private void LoadsAgain()
    {
        _context.Heal("mmap");
        _context.Heal("madvise");
        _memory.Validate();
        using Scene again = Scene.Load(_memory, s_plan);
        again.Arena.AllocateSpan<byte>(1_000_000).Fill(1);
        _memory.Validate();
    }

    private sealed class Then(Action action) : IProgress<double>
    {
        public void Report(double value) => action();
    }
}
