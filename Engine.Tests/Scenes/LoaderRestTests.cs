using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>Whatever a load or an unload throws, and when ever the loader is disposed, its scenes come to rest, nobody
/// waits for ever, and its threads go on.</summary>
internal sealed unsafe class LoaderRestTests
{
    private static readonly ScenePlan s_plan = new()
    {
        Name = "level",
        FrameArena = new FrameArenaOptions { BytesPerLane = 64 * 1024 },
        Arenas =
            [new ArenaPlan { Name = "world", Blocks = [new(64, 1000)] },
            new ArenaPlan { Name = "sounds", Blocks = [new(4096, 10)] }],
    };

    [Test]
    public void Scenes_of_a_disposed_loader_are_at_rest_and_take_no_order()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        BackgroundLoader loader = new(memory);
        StreamedScene never = loader.Add(s_plan);
        StreamedScene loaded = loader.Add(s_plan);
        StreamedScene failed = loader.Add(s_plan with { Arenas = [new ArenaPlan { Blocks = [new(1 << 20, 10_000)] }] });
        loaded.Load();
        failed.Load();
        Assert.That((loaded.Wait(), failed.Wait()), Is.EqualTo((StreamState.Loaded, StreamState.Failed)));
        loader.Dispose();
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
        (StreamedScene Scene, StreamState Last)[] all =
            [(never, StreamState.Unloaded), (loaded, StreamState.Unloaded), (failed, StreamState.Failed)];
        foreach ((StreamedScene scene, StreamState last) in all)
        {
            Assert.That(scene.Load, Throws.TypeOf<ObjectDisposedException>());
            Assert.That(scene.Unload, Throws.TypeOf<ObjectDisposedException>());
            Assert.That(scene.Cancel, Throws.Nothing);
            Assert.That(scene.Wait(), Is.EqualTo(last));
            Assert.That(() => scene.Scene, Throws.InvalidOperationException);
        }

        Assert.That(loaded.UnloadReport, Is.Not.Null);
    }

    [Test]
    public void Who_waits_for_a_load_is_told_when_the_loader_is_disposed_under_it()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(512) });
        using ManualResetEventSlim inside = new();
        using ManualResetEventSlim go = new();
        BackgroundLoader loader = new(memory);
        StreamedScene running = loader.Add(
            s_plan with { FrameArena = new FrameArenaOptions { BytesPerLane = 64 << 20 } },
            new SceneLoadOptions { PrefaultThreadCount = 1, Progress = new Gate(inside, go) });
        StreamedScene queued = loader.Add(s_plan);
        running.Load();
        queued.Load();
        inside.Wait();
        Task<StreamState> first = Task.Factory.StartNew(running.Wait, TaskCreationOptions.LongRunning);
        Task<StreamState> second = Task.Factory.StartNew(queued.Wait, TaskCreationOptions.LongRunning);
        Task disposal = Task.Factory.StartNew(loader.Dispose, TaskCreationOptions.LongRunning);
        while (Stopped(queued) is not ObjectDisposedException)
        {
            Thread.Yield(); // until the loader takes no order
        }

        go.Set();
        disposal.GetAwaiter().GetResult();
        Assert.That(
            (first.GetAwaiter().GetResult(), second.GetAwaiter().GetResult()),
            Is.EqualTo((StreamState.Failed, StreamState.Failed)));
        Assert.That(running.Error, Is.InstanceOf<OperationCanceledException>());
        Assert.That(queued.Error, Is.InstanceOf<OperationCanceledException>());
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
    }

    [Test]
    public void A_scene_or_an_arena_that_the_game_disposed_itself_unloads()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        using BackgroundLoader loader = new(memory);
        StreamedScene scene = loader.Add(s_plan);
        foreach (Action dispose in (Action[])[() => scene.Scene.Dispose(), () => scene.Scene.Arena.Dispose(), () =>
            scene.Scene.FrameArena.Dispose()])
        {
            scene.Load();
            Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded));
            dispose();
            scene.Unload();
            Assert.That(scene.Wait(), Is.EqualTo(StreamState.Unloaded));
            Assert.That(scene.Error, Is.Null);
            Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
        }
    }

    [Test]
    public void A_load_whose_cancellation_is_disposed_comes_to_rest()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        using BackgroundLoader loader = new(memory);
        CancellationTokenSource cancellation = new();
        StreamedScene scene = loader.Add(s_plan, new SceneLoadOptions { Cancellation = cancellation.Token });
        cancellation.Dispose();
        scene.Load();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded).Or.EqualTo(StreamState.Failed));
        StreamedScene next = loader.Add(s_plan);
        next.Load();
        Assert.That(next.Wait(), Is.EqualTo(StreamState.Loaded), "the thread goes on");
    }

    [Test]
    public void A_scene_unloads_where_the_system_opens_a_guard_page_late([Range(1, 4)] int refusals)
    {
        Assume.That(OperatingSystem.IsLinux(), "the calls that are made to fail are Linux's");
        using FailingContext context = new();
        using EngineMemory memory = CheckedMemory(context);
        using BackgroundLoader loader = new(memory);
        StreamedScene scene = LoadWithGuardPages(loader);
        context.Fail("mprotect", refusals, 12);
        scene.Unload();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Unloaded));
        context.Heal("mprotect");
        Assert.That(scene.Error, Is.Null, "a page that stays closed is prefaulted anew by the next owner");
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero, "all parts are disposed");
        memory.Validate();
        scene.Load();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded), "the thread goes on");
    }

    [Test]
    public void A_scene_comes_to_rest_where_the_system_opens_no_guard_page()
    {
        Assume.That(OperatingSystem.IsLinux(), "the calls that are made to fail are Linux's");
        using FailingContext context = new();
        using EngineMemory memory = CheckedMemory(context);
        using BackgroundLoader loader = new(memory);
        StreamedScene scene = LoadWithGuardPages(loader);
        FrameArena frame = scene.Scene.FrameArena;
        LongLivedArena sounds = scene.Scene.GetArena("sounds");
        context.FailAlways("mprotect", 12, argument: 3);
        scene.Unload();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Unloaded));
        context.Heal("mprotect");
        Assert.That(scene.Error, Is.Null);
        Assert.That(frame.NextFrame, Throws.TypeOf<ObjectDisposedException>(), "the other parts are disposed");
        Assert.That(sounds.PeakBlocks, Throws.TypeOf<ObjectDisposedException>());
        scene.Load();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded), "the thread goes on");
    }

    private static EngineMemory CheckedMemory(FailingContext context) => new(new EngineMemoryOptions
    {
        ReservationBytes = Size.MiB(128),
        NativeContext = context,
        Checks = MemoryChecks.Full,
        CheckSettings = new CheckSettings { Report = _ => { } },
    });

    private static StreamedScene LoadWithGuardPages(BackgroundLoader loader)
    {
        StreamedScene scene = loader.Add(s_plan);
        scene.Load();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded));
        for (int block = 0; block < 3; block++)
            *(byte*)scene.Scene.Arena.Allocate(100_000) = 1;

        return scene;
    }

    private static Exception? Stopped(StreamedScene scene)
    {
        try
        {
            scene.Load();
            return null;
        }
        catch (Exception exception)
        {
            return exception;
        }
    }

    private sealed class Gate(ManualResetEventSlim inside, ManualResetEventSlim go) : IProgress<double>
    {
        public void Report(double value)
        {
            inside.Set();
            go.Wait();
        }
    }
}
