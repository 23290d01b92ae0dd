using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>A loaded scene is what its plan says; an unloaded one leaves what its plan says.</summary>
[NonParallelizable]
public unsafe class SceneLoadTests
{
    [Test]
    public void Scene_has_the_arenas_of_its_plan_by_name()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        ScenePlan plan = new()
        {
            Name = "forest",
            FrameArena = new FrameArenaOptions { LaneCount = 2 },
            Arenas =
            [
                new ArenaPlan { Name = "world", Blocks = [new(64, 100_000)] },
                new ArenaPlan { Name = "sounds", SuperSlabCount = 3 },
                new ArenaPlan { Name = "scripts" },
            ],
        };
        using Scene scene = Scene.Load(memory, plan);

        Assert.That(scene.GetArena("world"), Is.SameAs(scene.Arena));
        Assert.That(
            (scene.Arena.Name, scene.GetArena("sounds").Name, scene.FrameArena.Name),
            Is.EqualTo(("forest: world", "forest: sounds", "forest: frame")));
        Assert.That(
            (scene.GetArena("world").SuperSlabCount, scene.GetArena("sounds").SuperSlabCount,
            scene.GetArena("scripts").SuperSlabCount), Is.EqualTo((4, 3, 0)));
        Assert.That(scene.Report.Bytes, Is.EqualTo((nuint)memory.OwnedSuperSlabCount * Size.MiB(2)));
        Assert.That(() => scene.GetArena("sound"), Throws.ArgumentException.With.Message.StartsWith(
            "Scene 'forest' has no arena 'sound'; it has 'world', 'sounds', 'scripts'."));
        memory.Validate();
    }

    [Test]
    public void Scene_without_arenas_says_so()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
        using Scene scene = Scene.Load(memory, new ScenePlan { Name = "menu" });

        Assert.That(() =>
            scene.Arena,
            Throws.InvalidOperationException.With.Message.EqualTo("The plan of scene 'menu' has no long-lived arena."));
        Assert.That(() =>
            scene.FrameArena,
            Throws.InvalidOperationException.With.Message.EqualTo("The plan of scene 'menu' has no frame arena."));
        Assert.That(() =>
            scene.GetArena("world"),
            Throws.ArgumentException.With.Message.StartsWith("Scene 'menu' has no arena 'world'; it has none."));
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
    }

    [Test]
    public void Prewarmed_SuperSlabs_serve_any_size_without_a_fault_or_an_OS_call()
    {
        HotLoopCost cost = HotLoopCost.BestOf(5, () =>
        {
            using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
            using Scene scene = Scene.Load(memory, new ScenePlan { Arenas = [new ArenaPlan { SuperSlabCount = 16 }] });
            scene.Arena.AttachThread();
            return HotLoopCost.Of(memory, () => AllocateSizes(scene.Arena));
        });

        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
    }

    [TestCase(ArenaOverflow.Grow, true)]
    [TestCase(ArenaOverflow.Fail, false)]
    [TestCase(ArenaOverflow.Callback, true)]
    public void Arenas_are_held_to_their_budgets(ArenaOverflow overflow, bool grows)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        ScenePlan plan = new()
        {
            Arenas =
                [new ArenaPlan { SuperSlabCount = 1,
                Budget = new ArenaBudget { SoftBytes = Size.MiB(2), HardBytes = Size.MiB(4), Overflow = overflow } }],
        };
        List<ArenaOverflowRequest> asked = [];
        Func<ArenaOverflowRequest, bool> onOverflow = request =>
        {
            asked.Add(request);
            return true;
        };
        using Scene scene = Scene.Load(memory, plan, new() { OnOverflow = onOverflow });

        scene.Arena.Allocate(Size.MiB(4) - 4096 - Size.MiB(2));
        Assert.That(scene.Arena.HardOverruns, Is.Zero);
        Assert.That(() =>
            scene.Arena.Allocate(Size.MiB(8)), grows ? Throws.Nothing : Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That(scene.Arena.HardOverruns, Is.GreaterThan(0));
        Assert.That(asked, Has.Count.EqualTo(overflow == ArenaOverflow.Callback ? 1 : 0));
    }

    [Test]
    public void Load_that_fails_in_its_last_arena_leaves_nothing()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        ScenePlan plan = new()
        {
            FrameArena = new FrameArenaOptions(),
            Arenas =
                [new ArenaPlan { Name = "fits", SuperSlabCount = 8, RetainBytes = Size.MiB(16) },
                new ArenaPlan { Name = "does not", SuperSlabCount = 100 }],
        };

        Assert.That(() => Scene.Load(memory, plan), Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That((memory.OwnedSuperSlabCount, memory.ReadySuperSlabCount), Is.EqualTo((0, 0)));
        memory.Validate();
    }

    [Test]
    public void Cancelled_load_leaves_nothing()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(512) });
        using CancellationTokenSource source = new();
        ScenePlan plan =
            new()
            {
                FrameArena = new FrameArenaOptions(),
                Arenas = [new ArenaPlan { SuperSlabCount = 8 }, new ArenaPlan { Name = "large", SuperSlabCount = 128 }]
            };
        InlineProgress cancelling = new(value =>
        {
            if (value > 0.1)
                source.Cancel();
        });

        Assert.That(() =>
            Scene.Load(memory, plan, new() { Progress = cancelling, Cancellation = source.Token }),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That((memory.OwnedSuperSlabCount, memory.ReadySuperSlabCount), Is.EqualTo((0, 0)));
    }

    [Test]
    public void Progress_is_that_of_the_whole_load()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(512) });
        List<double> told = [];
        InlineProgress progress = new(value =>
        {
            lock (told)
                told.Add(value);
        });
        ScenePlan plan =
            new()
            {
                Arenas =
            [new ArenaPlan { SuperSlabCount = 64 }, new ArenaPlan { Name = "second", SuperSlabCount = 64 }]
            };
        using Scene scene = Scene.Load(memory, plan, new() { Progress = progress });

        Assert.That(told, Has.All.InRange(0.0, 1.0));
        Assert.That(told[^1], Is.EqualTo(1.0));
        Assert.That(told.Count(value => value is > 0 and <= 0.5), Is.GreaterThan(0));
        Assert.That(told.Count(value => value is > 0.5 and <= 1), Is.GreaterThan(1));
    }

    [Test]
    public void Scenes_policy_prefaults_its_memory()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        ScenePlan plan =
            new()
            {
                Prefault = PrefaultPolicy.Touch,
                Pages = PageKind.Normal,
                Arenas = [new ArenaPlan { SuperSlabCount = 4 }]
            };
        using Scene scene = Scene.Load(memory, plan);

        Assert.That(scene.Report.Prefault, Is.Not.EqualTo(memory.PrefaultDescription));
        nint block = (nint)scene.Arena.Allocate(Size.MiB(1));
        long faulting = memory.PagesThatWouldFault(block, Size.MiB(1));
        Assert.That(faulting, Is.Zero.Or.EqualTo(-1));
    }

    [Test]
    public void Unload_leaves_what_the_plan_retains_and_no_more()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(512) });
        ScenePlan keeping = new()
        {
            Name = "keeping",
            Arenas =
                [new ArenaPlan { SuperSlabCount = 64, RetainBytes = Size.MiB(64) },
                new ArenaPlan { Name = "b", SuperSlabCount = 32, RetainBytes = Size.MiB(32) }],
        };
        ScenePlan giving = new() { Name = "giving", Arenas = [new ArenaPlan { SuperSlabCount = 80 }] };
        Scene.Load(memory, keeping).Dispose();
        memory.Trim();
        nuint empty = ResidentMemory.Settled();

        Scene scene = Scene.Load(memory, keeping);
        double loaded = ResidentMemory.MiBSince(empty);
        scene.Dispose();
        double unloaded = ResidentMemory.MiBSince(empty);
        Scene other = Scene.Load(memory, giving);
        other.Dispose();
        double afterOther = ResidentMemory.MiBSince(empty);
        scene.Dispose();
        int ready = memory.ReadySuperSlabCount;
        memory.Trim();
        double trimmed = ResidentMemory.MiBSince(empty);
        Scene.Load(memory, giving).Dispose();
        double afterTrim = ResidentMemory.MiBSince(empty);

        Assert.That(loaded, Is.EqualTo(192).Within(12), "loaded");
        Assert.That(unloaded, Is.EqualTo(96).Within(12), "unloaded");
        Assert.That(afterOther, Is.EqualTo(96).Within(12), "after another scene that retains nothing");
        Assert.That(ready, Is.EqualTo(48));
        Assert.That(trimmed, Is.EqualTo(0).Within(12), "trimmed");
        Assert.That(afterTrim, Is.EqualTo(0).Within(12), "a scene that retains nothing, after the trim");
    }

    [Test]
    public void Scene_may_be_disposed_after_its_memory()
    {
        EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
        Scene scene =
            Scene.Load(
            memory, new ScenePlan { Arenas = [new ArenaPlan { SuperSlabCount = 1, RetainBytes = Size.MiB(2) }] });
        memory.Dispose();

        Assert.That(scene.Dispose, Throws.Nothing);
    }

    [Test]
    public void Retained_memory_is_loaded_from_again_without_prefaulting()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        ScenePlan plan = new() { Arenas = [new ArenaPlan { SuperSlabCount = 32, RetainBytes = Size.MiB(64) }] };
        long first = LoadAndUnload(memory, plan);
        long second = LoadAndUnload(memory, plan);

        Assert.That(first, Is.GreaterThan(0));
        Assert.That(second, Is.Zero);
        Assert.That(memory.ReadySuperSlabCount, Is.EqualTo(32));
    }

    private static long LoadAndUnload(EngineMemory memory, ScenePlan plan)
    {
        using Scene scene = Scene.Load(memory, plan);
        return scene.Report.OsCalls;
    }

    private static void AllocateSizes(LongLivedArena arena)
    {
        for (nuint bytes = 16; bytes <= Size.MiB(1); bytes *= 2)
        {
            for (int count = 0; count < 4; count++)
            {
                byte* block = (byte*)arena.Allocate(bytes);
                block[0] = 1;
                block[bytes - 1] = 1;
            }
        }
    }

    private sealed class InlineProgress(Action<double> told) : IProgress<double>
    {
        public void Report(double value) => told(value);
    }
}
