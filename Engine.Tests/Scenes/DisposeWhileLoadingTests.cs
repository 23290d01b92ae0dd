using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>Memories and arenas that are disposed while something goes on in them. A callback holds the moment
/// open.</summary>
internal sealed class DisposeWhileLoadingTests
{
    private readonly ManualResetEventSlim _isInside = new();
    private readonly ManualResetEventSlim _mayGoOn = new();
    private EngineMemory _memory = null!;

    [SetUp]
    public void MakeMemory()
    {
        _isInside.Reset();
        _mayGoOn.Reset();
        _memory = new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
    }

    [TearDown]
    public void Dispose() => _memory.Dispose();

    [OneTimeTearDown]
    public void DisposeEvents()
    {
        _isInside.Dispose();
        _mayGoOn.Dispose();
    }

    [Test]
    public void A_memory_waits_for_a_load_which_is_cancelled_and_leaves_nothing([Values(1, 4)] int prefaultThreads)
    {
        Task<Scene> load =
            Scene.LoadAsync(
            _memory, Plan(),
            new SceneLoadOptions { Progress = new Told(HoldOpen), PrefaultThreadCount = prefaultThreads });
        _isInside.Wait();
        Thread disposing = StartToDispose(_memory);
        Assert.That(() =>
            _memory.CreateLongLivedArena("late"), Throws.TypeOf<ObjectDisposedException>(), "nothing new begins");
        Assert.That(disposing.Join(50), Is.False, "it waits");
        _mayGoOn.Set();
        disposing.Join();
        Assert.That(() => load.GetAwaiter().GetResult(), Throws.TypeOf<ObjectDisposedException>());
        MemoryMap.AssertIsGone(_memory);
        Assert.That(_memory.Arenas.Snapshot(), Is.Empty);
    }

    [Test]
    public void A_loader_whose_memory_is_disposed_fails_what_loads_and_goes_on()
    {
        using BackgroundLoader loader = new(_memory);
        StreamedScene loaded =
            loader.Add(new ScenePlan { Name = "loaded", Arenas = [new ArenaPlan { Name = "arena" }] });
        StreamedScene loading = loader.Add(Plan(), new SceneLoadOptions { Progress = new Told(HoldOpen) });
        loaded.Load();
        Assert.That(loaded.Wait(), Is.EqualTo(StreamState.Loaded));
        loading.Load();
        _isInside.Wait();
        Thread disposing = StartToDispose(_memory);
        _mayGoOn.Set();
        disposing.Join();
        Assert.That(loading.Wait(), Is.EqualTo(StreamState.Failed));
        Assert.That(loading.Error, Is.TypeOf<ObjectDisposedException>());
        loaded.Unload();
        Assert.That(loaded.Wait(), Is.EqualTo(StreamState.Unloaded), "the loader's thread lives");
        loading.Load();
        Assert.That(loading.Wait(), Is.EqualTo(StreamState.Failed));
    }

    [Test]
    public void A_dispose_by_the_progress_of_its_own_load_is_refused_on_whichever_thread(
        [Values(1, 4)] int prefaultThreads)
    {
        List<Exception?> thrown = [];
        Told disposing = new(_ =>
        {
            Exception? caught = Caught(_memory.Dispose);
            lock (thrown)
                thrown.Add(caught);
        });
        using Scene scene =
            Scene.Load(
            _memory, Plan(), new SceneLoadOptions { Progress = disposing, PrefaultThreadCount = prefaultThreads });
        Assert.That(thrown, Has.Count.GreaterThan(4));
        Assert.That(thrown, Has.All.TypeOf<InvalidOperationException>());
        _memory.Validate();
        scene.Dispose();
        Assert.That(() => _memory.CreateLongLivedArena("next"), Throws.Nothing, "nothing has changed");
    }

    [Test]
    public void A_dispose_by_the_budget_of_its_own_prewarm_is_refused()
    {
        Exception? ofMemory = null;
        Exception? ofArena = null;
        LongLivedArena arena = _memory.CreateLongLivedArena("arena");
        arena.Budget = new ArenaBudget
        {
            HardBytes = Size.MiB(2),
            Overflow = ArenaOverflow.Callback,
            OnOverflow = _ =>
            {
                ofMemory = Caught(_memory.Dispose);
                ofArena = Caught(arena.Dispose);
                return true;
            },
        };
        arena.Prewarm([new BlockCount(Size.MiB(8), 1)], 1);
        Assert.That(ofMemory, Is.TypeOf<InvalidOperationException>());
        Assert.That(ofArena, Is.TypeOf<InvalidOperationException>());
        _memory.Validate();
    }

    [Test]
    public void An_arena_waits_for_its_prewarm_on_another_thread_which_is_cancelled()
    {
        LongLivedArena arena = _memory.CreateLongLivedArena("arena");
        Exception? thrown = null;
        Thread prewarming = new(() => thrown = Caught(() => arena.Prewarm(Blocks(), 1, progress: new Told(HoldOpen))));
        prewarming.Start();
        _isInside.Wait();
        Thread disposing = new(arena.Dispose);
        disposing.Start();
        SpinWait.SpinUntil(() => arena.Work.IsClosed);
        Assert.That(disposing.Join(50), Is.False, "it waits");
        _mayGoOn.Set();
        disposing.Join();
        prewarming.Join();
        Assert.That(thrown, Is.TypeOf<ObjectDisposedException>());
        Assert.That(_memory.OwnedSuperSlabCount, Is.Zero);
        _memory.Validate();
    }

    [Test]
    public void A_frame_arena_that_is_being_made_is_cancelled_too()
    {
        Exception? thrown = null;
        Thread making = new(() => thrown = Caught(() =>
            _memory.CreateFrameArena(
            "frames", new FrameArenaOptions { BytesPerLane = Size.MiB(96) }, new Told(HoldOpen))));
        making.Start();
        _isInside.Wait();
        Thread disposing = StartToDispose(_memory);
        _mayGoOn.Set();
        disposing.Join();
        making.Join();
        Assert.That(thrown, Is.TypeOf<ObjectDisposedException>());
        MemoryMap.AssertIsGone(_memory);
    }

    [Test]
    public void A_cancellation_of_the_users_own_stays_one()
    {
        using CancellationTokenSource cancellation = new();
        Told cancelling = new(_ => cancellation.Cancel());
        Assert.That(
            () => Scene.Load(
                _memory, Plan(), new SceneLoadOptions { Progress = cancelling, Cancellation = cancellation.Token }),
            Throws.InstanceOf<OperationCanceledException>());
    }

    private static BlockCount[] Blocks() => [new BlockCount(1000, 150_000)];

    private static ScenePlan Plan() => new()
    {
        Name = "large",
        Arenas =
            [new ArenaPlan { Name = "first", Blocks = Blocks() }, new ArenaPlan { Name = "second", Blocks = Blocks() }],
        FrameArena = new FrameArenaOptions(),
    };

    /// <summary>Returns when nothing new can begin any more.</summary>
    private static Thread StartToDispose(EngineMemory memory)
    {
        Thread disposing = new(memory.Dispose);
        disposing.Start();
        SpinWait.SpinUntil(() => memory.Work.IsClosed);
        return disposing;
    }

    private static Exception? Caught(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (Exception exception)
        {
            return exception;
        }
    }

    private void HoldOpen(double share)
    {
        _isInside.Set();
        _mayGoOn.Wait();
    }

    private sealed class Told(Action<double> told) : IProgress<double>
    {
        public void Report(double value) => told(value);
    }
}
