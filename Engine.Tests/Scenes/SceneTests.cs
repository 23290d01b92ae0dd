using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

internal sealed unsafe class SceneTests
{
    private static readonly ScenePlan Plan = new()
    {
        Name = "level 1",
        Arenas =
            [new ArenaPlan { Blocks =
            [new BlockCount(64, 20_000), new BlockCount(2_000, 1_000), new BlockCount(3 << 20, 4)] }],
        FrameArena = new FrameArenaOptions { BytesPerLane = 4 << 20, OverflowSuperSlabs = 1 },
    };

    [Test]
    public void A_loaded_scenes_frames_cost_nothing()
    {
        Assert.That(HotLoopCost.BestOf(5, Attempt), Is.EqualTo(HotLoopCost.Nothing));

        static HotLoopCost Attempt()
        {
            using EngineMemory memory = new();
            using Scene scene = Scene.Load(memory, Plan);
            scene.Arena.AttachThread();
            nint[] held = new nint[1_000];
            Array.Fill(held, -1);
            return HotLoopCost.Of(memory, () =>
            {
                for (int frame = 0; frame < 10; frame++)
                {
                    for (int block = 0; block < held.Length; block++)
                    {
                        held[block] = (nint)scene.Arena.Allocate(block % 2 == 0 ? 64u : 2_000u);
                        *(long*)held[block] = block;
                    }

                    void* large = scene.Arena.Allocate(3_000_000);
                    new Span<byte>(large, 3_000_000).Fill(1);
                    scene.FrameArena.Lane(0).AllocateSpan<byte>(3_000_000).Fill(1);
                    scene.Arena.Free(large);
                    foreach (nint block in held)
                        scene.Arena.Free((void*)block);

                    scene.FrameArena.NextFrame();
                }
            });
        }
    }

    [Test]
    public void The_report_says_what_the_load_did()
    {
        using EngineMemory memory = new();
        nuint before = ResidentMemory.Settled();
        using Scene scene = Scene.Load(memory, Plan);
        Assert.That(
            ResidentMemory.MiBSince(before),
            Is.EqualTo((double)scene.Report.Bytes / Sizes.MiB).Within(ResidentMemory.NoiseMiB));
        Assert.That(scene.Report.Duration, Is.GreaterThan(TimeSpan.Zero));
        Assert.That(scene.Report.BytesPerSecond, Is.Positive);
        Assert.That(scene.Report.OsCalls, Is.EqualTo(memory.OsCalls).Within(memory.OsCalls).And.Positive);
        Assert.That(scene.Report.Prefault, Is.EqualTo(memory.PrefaultDescription));
        Assert.That(scene.Plan, Is.SameAs(Plan));
        Assert.That(scene.Arena.Name, Does.StartWith("level 1: "));
    }

    [Test]
    public void Unloading_gives_the_memory_back_whatever_lives()
    {
        using EngineMemory memory = new();
        nuint before = ResidentMemory.Settled();
        Scene scene = Scene.Load(memory, PlanOf(new BlockCount(1 << 20, 60)));
        new Span<byte>(scene.Arena.Allocate(Size.MiB(20)), 20 << 20).Fill(1);
        Assert.That(ResidentMemory.MiBSince(before), Is.GreaterThan(80));
        scene.Dispose();
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
        Assert.That(scene.Dispose, Throws.Nothing);
        Assert.That(() => scene.Arena.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_plan_without_a_frame_arena_has_none()
    {
        using EngineMemory memory = new();
        using Scene scene = Scene.Load(memory, Plan with { FrameArena = null });
        Assert.That(() => scene.FrameArena, Throws.InvalidOperationException.With.Message.Contains("no frame arena"));
        Assert.That((nint)scene.Arena.Allocate(5), Is.Not.EqualTo((nint)0));
    }

    [Test]
    public void A_load_that_fails_leaves_nothing()
    {
        using var context = new FailingContext();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256), NativeContext = context });
        nuint before = ResidentMemory.Settled();
        Leaves<EngineOutOfMemoryException>(PlanOf(new BlockCount(1 << 20, 1_000)));
        Leaves<EngineOutOfMemoryException>(
            Plan with { FrameArena = new FrameArenaOptions { BytesPerLane = 500 << 20 } });
        Leaves<ScenePlanException>(Plan with { FrameArena = new FrameArenaOptions { LaneCount = 0 } });
        Leaves<ScenePlanException>(PlanOf(new BlockCount(1, -1)));
        Leaves<ScenePlanException>(Plan with { Arenas = [new ArenaPlan { ThreadCount = -1 }] });
        Leaves<ScenePlanException>(Plan with { Name = string.Empty });
        context.FailAlways("mprotect", errno: 12);
        Leaves<EngineOutOfMemoryException>(Plan);
        context.Heal("mprotect");
        Assert.That(() =>
            Scene.Load(memory, Plan, new() { Cancellation = new CancellationToken(true) }),
            Throws.InstanceOf<OperationCanceledException>());
        Clean();
        Assert.That(() => Scene.Load(null!, Plan), Throws.ArgumentNullException);
        Assert.That(() => Scene.Load(memory, null!), Throws.ArgumentNullException);
        using Scene works = Scene.Load(memory, Plan);

        void Leaves<T>(ScenePlan plan)
            where T : Exception
        {
            Assert.That(() => Scene.Load(memory, plan), Throws.InstanceOf<T>(), $"{plan}");
            Clean();
        }

        void Clean()
        {
            Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
            Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
            memory.Validate();
        }
    }

    [Test]
    public void Scenes_come_and_go_without_growth()
    {
        using EngineMemory memory = new();
        Scene.Load(memory, Plan).Dispose();
        nuint metadata = memory.MetadataBytes;
        nuint resident = ResidentMemory.Settled();
        for (int level = 0; level < 30; level++)
        {
            using Scene scene = Scene.Load(memory, Plan);
            Workers.Run(2, _ => scene.Arena.Free(scene.Arena.Allocate(SizeClasses.BlockBytes(level))));
        }

        Assert.That(
            memory.MetadataBytes,
            Is.LessThanOrEqualTo(metadata + (64 * Sizes.KiB) + (nuint)(30 * ((2 * ThreadCache.Bytes) + 1024))),
            "what the levels' handles may still read, and no more");
        Assert.That(ResidentMemory.SettledMiBSince(resident), Is.LessThan(ResidentMemory.NoiseMiB));
    }

    private static ScenePlan PlanOf(params BlockCount[] blocks) =>
        Plan with { Arenas = [Plan.Arenas[0] with { Blocks = blocks }] };
}
