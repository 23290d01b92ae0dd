using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>What a load calls back may throw, load and unload other scenes, and cancel, at any report: the load fails
/// with that exception and leaves nothing, or is none the worse.</summary>
internal sealed unsafe class LoadCallbackTests
{
    private static readonly ScenePlan s_large = new()
    {
        Name = "large",
        FrameArena = new FrameArenaOptions { BytesPerLane = 40 << 20, BufferCount = 2 },
        Arenas =
            [new ArenaPlan { Name = "first", Blocks = [new(1 << 20, 80)] },
            new ArenaPlan { Name = "second", Blocks = [new(64, 1000)] }],
    };

    private static readonly ScenePlan s_small =
        new() { Name = "small", Arenas = [new ArenaPlan { Blocks = [new(64, 1000)] }] };

    private EngineMemory _memory = null!;

    public enum Way
    {
        Load,
        LoadAsync,
        Background,
        BackgroundByThreads,
    }

    [SetUp]
    public void MakeMemory() =>
        _memory = new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.MiB(512) });

    [TearDown]
    public void DisposeMemory() => _memory.Dispose();

    [Test]
    [Category(Lane.Slow)]
    public void A_load_fails_with_what_any_of_its_reports_throws_and_leaves_nothing([Values] Way way)
    {
        int report = 1;
        for (; ; report++)
        {
            InvalidOperationException thrown = new("the loading screen is gone");
            int reports = 0;
            Callback progress = new(_ =>
            {
                if (Interlocked.Increment(ref reports) == report)
                    throw thrown;
            });
            Exception? failure =
                Load(way, s_large,
                new SceneLoadOptions { Progress = progress, PrefaultThreadCount = way == Way.Background ? 1 : 2 });
            IsEmpty();
            if (reports < report)
            {
                Assert.That(failure, Is.Null);
                break;
            }

            Assert.That(failure, Is.SameAs(thrown), $"report {report}");
        }

        Assert.That(report, Is.GreaterThan(5), "several reports, the last of them 1");
    }

    [Test]
    public void The_last_report_is_1_and_what_it_throws_leaves_nothing([Values] Way way)
    {
        InvalidOperationException thrown = new("the loading screen is gone");
        Callback progress = new(value =>
        {
            if (value >= 1)
                throw thrown;
        });
        Assert.That(Load(way, s_small, new SceneLoadOptions { Progress = progress }), Is.SameAs(thrown));
        IsEmpty();
    }

    [Test]
    public void A_report_may_load_use_and_unload_another_scene([Values] Way way, [Values] bool throws)
    {
        using Scene other = Scene.Load(_memory, s_small);
        byte* kept = (byte*)other.Arena.Allocate(64);
        *kept = 42;
        int owned = _memory.OwnedSuperSlabCount;
        InvalidOperationException thrown = new("after all that");
        Callback progress = new(value =>
        {
            using Scene inner = Scene.Load(_memory, s_small);
            *(byte*)inner.Arena.Allocate(5 << 20) = 1;
            other.Arena.Free(other.Arena.Allocate(3000));
            if (throws && value >= 0.5)
                throw thrown;
        });
        Exception? failure =
            Load(way, s_large,
            new SceneLoadOptions { Progress = progress, PrefaultThreadCount = way == Way.Background ? 1 : 2 });
        Assert.That(failure, throws ? Is.SameAs(thrown) : Is.Null);
        Assert.That(*kept, Is.EqualTo(42));
        Assert.That(_memory.OwnedSuperSlabCount, Is.EqualTo(owned).Or.EqualTo(other.Arena.SuperSlabCount));
        _memory.Validate();
    }

    [Test]
    public void A_cancellation_from_a_report_or_another_of_its_callbacks_leaves_nothing([Values] Way way)
    {
        using CancellationTokenSource cancellation = new();
        using CancellationTokenRegistration told = cancellation.Token.Register(() =>
            throw new InvalidOperationException("a callback of the cancellation"));
        int asked = 0;
        Callback progress = new(_ =>
        {
            if (Interlocked.Exchange(ref asked, 1) == 0)
                Assert.That(cancellation.Cancel, Throws.TypeOf<AggregateException>(), "who cancels hears of it");
        });
        Exception? failure =
            Load(way, s_large,
            new SceneLoadOptions { Progress = progress, PrefaultThreadCount = 2, Cancellation = cancellation.Token });
        Assert.That(failure, Is.InstanceOf<OperationCanceledException>());
        IsEmpty();
    }

    [Test]
    public void A_frame_arena_and_a_prewarm_fail_with_what_their_progress_throws()
    {
        using LongLivedArena arena = _memory.CreateLongLivedArena("arena");
        for (int report = 1; report <= 6; report++)
        {
            InvalidOperationException thrown = new("the loading screen is gone");
            int reports = 0;
            Callback progress = new(_ =>
            {
                if (Interlocked.Increment(ref reports) == report)
                    throw thrown;
            });
            Assert.That(() =>
                _memory.CreateFrameArena(
                "frame", new FrameArenaOptions { BytesPerLane = 64 << 20, BufferCount = 2 }, progress),
                Throws.Exception.SameAs(thrown));
            IsEmpty();
            reports = 0;
            Assert.That(() =>
                arena.Prewarm([new BlockCount(1 << 20, 120)], 1, progress: progress), Throws.Exception.SameAs(thrown));
            IsEmpty();
        }
    }

    [Test]
    public void Orders_to_its_own_loader_are_refused_from_a_report([Values(1, 2)] int threads)
    {
        using BackgroundLoader loader = new(_memory);
        StreamedScene other = loader.Add(s_small);
        StreamedScene loaded = loader.Add(s_small);
        loaded.Load();
        loaded.Wait();
        StreamedScene scene = null!;
        int reports = 0;
        List<Exception?> refusals = [];
        scene = loader.Add(s_large, new SceneLoadOptions
        {
            PrefaultThreadCount = threads,
            Progress = new Callback(_ =>
            {
                reports++;
                foreach (Action order in (Action[])[loader.Dispose, other.Load, loaded.Unload, scene.Load, () =>
                    scene.Wait(), () => loader.Add(s_small)])
                {
                    Exception? refusal = Thrown(order);
                    lock (refusals)
                        refusals.Add(refusal);
                }

                Assert.That(loaded.Wait(), Is.EqualTo(StreamState.Loaded), "what rests may be asked");
            }),
        });
        scene.Load();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded), scene.Error?.ToString());
        Assert.That(refusals, Has.Count.GreaterThan(6).And.All.TypeOf<InvalidOperationException>());
        Assert.That(
            (other.State, loaded.State), Is.EqualTo((StreamState.Unloaded, StreamState.Loaded)), "nothing has changed");
        other.Load();
        Assert.That(other.Wait(), Is.EqualTo(StreamState.Loaded), "from the game's thread it works");
    }

    private static Exception? Thrown(Action order)
    {
        try
        {
            order();
            return null;
        }
        catch (Exception exception)
        {
            return exception;
        }
    }

    /// <summary>Loads the plan, unloads it if it came, and gives what was thrown.</summary>
    private Exception? Load(Way way, ScenePlan plan, SceneLoadOptions options)
    {
        if (way == Way.Load)
            return Thrown(() => Scene.Load(_memory, plan, options).Dispose());

        if (way == Way.LoadAsync)
            return Thrown(() => Scene.LoadAsync(_memory, plan, options).GetAwaiter().GetResult().Dispose());

        using BackgroundLoader loader = new(_memory);
        StreamedScene scene = loader.Add(plan, options);
        scene.Load();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded).Or.EqualTo(StreamState.Failed));
        return scene.Error;
    }

    private void IsEmpty()
    {
        Assert.That((_memory.OwnedSuperSlabCount, _memory.ReadySuperSlabCount), Is.EqualTo((0, 0)));
        long pages = (long)Size.MiB(256) / Environment.SystemPageSize;
        Assert.That(
            _memory.PagesThatWouldFault(_memory.ReservationBase, Size.MiB(256)), Is.EqualTo(-1).Or.EqualTo(pages),
            "the system has all of it back");
        _memory.Validate();
    }

    private sealed class Callback(Action<double> told) : IProgress<double>
    {
        public void Report(double value) => told(value);
    }
}
