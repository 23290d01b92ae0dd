using System.Runtime.CompilerServices;
using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>What is left in a scene at its unload is reported by size, and by tag and call stack where it was loaded
/// with tracking.</summary>
internal sealed unsafe class UnloadReportTests
{
    private static readonly ScenePlan Plan =
        new() { Name = "level", Arenas = [new ArenaPlan { Blocks = [new(64, 100)] }] };

    private EngineMemory _memory = null!;

    [SetUp]
    public void MakeMemory() => _memory = new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });

    [TearDown]
    public void DisposeMemory() => _memory.Dispose();

    [Test]
    public void A_scene_that_freed_everything_is_clean([Values] ArenaTracking tracking)
    {
        Scene scene = Load(tracking);
        for (int round = 0; round < 200; round++)
            scene.Arena.Free(scene.Arena.Allocate(100));

        UnloadReport report = scene.Unload();
        Assert.That(report.IsClean, report.ToString());
        Assert.That(report.HeldBytes, Is.EqualTo(Size.MiB(2)));
        Assert.That(report.ToString(), Does.Contain("nothing was left"));
        Assert.That(scene.Unload, Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Leaks_are_told_by_size()
    {
        Scene scene = Load(ArenaTracking.Off);
        LeakThree(scene.Arena);
        UnloadReport report = scene.Unload();
        Assert.That(report.Leaks, Has.Count.EqualTo(1));
        Assert.That(report.Leaks[0].Arena, Is.EqualTo("level: main"));
        Assert.That(report.Leaks[0].Blocks.Select(block =>
            (block.Bytes, block.Count)), Is.EquivalentTo(new[] { ((nuint)64, 2L), ((nuint)320, 1L) }));
        Assert.That((report.Leaks[0].Count, report.Leaks[0].Bytes), Is.EqualTo((3L, (nuint)448)));
        Assert.That(report.Leaks[0].Allocations, Is.Empty);
        Assert.That(report.ToString(), Does.Contain("2 of 64 bytes").And.Contain("1 of 320 bytes"));
    }

    [Test]
    public void Reports_are_written_with_units_and_to_the_byte_where_leaks_are_sought()
    {
        UnloadReport report = new("level", 3 << 20, TimeSpan.FromMilliseconds(1.25), [new ArenaLeaks(
            "level: main", [new BlockCount(64, 2_000), new BlockCount(70_042, 1)], [])]);
        Assert.That(report.ToString().ReplaceLineEndings("\n"), Is.EqualTo(
            """
            Scene 'level' held 3 MiB and was unloaded in 1.25 ms; left in it:
              arena 'level: main': 2,001 blocks, 193 KiB (198,042 bytes)
                2,000 of 64 bytes
                1 of 68.4 KiB (70,042 bytes)
            """));
        PrewarmReport prewarm = new(24 << 20, TimeSpan.FromMilliseconds(3), 1, "THP: ok");
        Assert.That(prewarm.ToString(), Is.EqualTo("24 MiB in 3 ms (7.81 GiB/s), 1 OS call; THP: ok"));
    }

    [Test]
    public void Leaks_are_told_by_tag_and_call_stack(
        [Values(ArenaTracking.Tags, ArenaTracking.CallStacks)] ArenaTracking tracking)
    {
        Scene scene = Load(tracking);
        scene.Arena.AttachThread();
        using (AllocationTag.Register("enemies").Begin())
        {
            LeakThree(scene.Arena);
            using (AllocationTag.Register("terrain").Begin())
            {
                void* tile = scene.Arena.Allocate(1000);
                tile = scene.Arena.Reallocate(tile, 5000);
            }
        }

        _memory.Validate();
        UnloadReport report = scene.Unload();
        IReadOnlyList<LiveAllocation> found = report.Leaks[0].Allocations;
        Assert.That(
            found.Select(leak => (leak.Bytes, leak.Count, leak.Tag)),
            Is.EqualTo(new (nuint, long, string?)[] { (5000, 1, "terrain"), (300, 1, "enemies"), (60, 2, "enemies") }));
        Assert.That(
            found.Skip(1).Select(leak => leak.CallStack), Is.All.Matches<string?>(stack =>
                tracking == ArenaTracking.Tags ? stack is null : stack!.Contains(nameof(LeakThree))));
        Assert.That(report.ToString(), Does.Contain("1 of 300 bytes, enemies"));
    }

    [Test]
    public void A_tracked_arena_behaves_like_any_other()
    {
        Random random = TestRandom.Create();
        using LongLivedArena arena = _memory.CreateLongLivedArena("tracked", ArenaTracking.Tags);
        ShadowModel model = new();
        Workers.Run(() =>
        {
            for (int step = 0; step < 20_000; step++)
            {
                if (model.Count != 0 && random.Next(100) < 45)
                {
                    void* block = model.Pick(random, out _);
                    model.Remove(block);
                    arena.Free(block);
                }
                else if (model.Count != 0 && random.Next(100) < 10)
                {
                    void* block = model.Pick(random, out _);
                    nuint bytes = random.NextSize(14);
                    model.Moved(block, arena.Reallocate(block, bytes), bytes);
                }
                else if (model.Count < 2000)
                {
                    nuint bytes = random.NextSize(14);
                    model.Add(arena.Allocate(bytes), bytes);
                }
            }

            model.CheckAll();
        });
        _memory.Validate();
        Assert.That(arena.LiveAllocations().Sum(leak => leak.Count), Is.EqualTo(model.Count));
        Assert.That(arena.LiveBlocks().Sum(leak => leak.Count), Is.EqualTo(model.Count));
        arena.Reset();
        Assert.That(arena.LiveAllocations(), Is.Empty);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void LeakThree(LongLivedArena arena)
    {
        for (int time = 0; time < 2; time++)
            arena.Allocate(60);

        arena.Free(arena.Allocate(60));
        arena.Allocate(300);
    }

    private Scene Load(ArenaTracking tracking) =>
        Scene.Load(_memory, Plan, new SceneLoadOptions { Tracking = tracking });
}
