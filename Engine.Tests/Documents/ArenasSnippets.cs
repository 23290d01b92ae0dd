using System.Numerics;
using SuperSlab.Collections;

namespace Engine.Tests.Documents;

/// <summary>The code of docs/arenas.md, docs/small-arenas.md and docs/collections.md.</summary>
internal sealed class ArenasSnippets
{
    private EngineMemory _memory = null!;

    [SetUp]
    public void MakeMemory() => _memory = new EngineMemory();

    [TearDown]
    public void DisposeMemory() => _memory.Dispose();

    [Test]
    public void Blocks_come_from_an_arena_or_a_handle()
    {
        using LongLivedArena arena = _memory.CreateLongLivedArena("level");
        Span<Matrix4x4> bones = arena.AllocateSpan<Matrix4x4>(64);
        bones.Fill(Matrix4x4.Identity);
        arena.Free(bones);                                        // any thread may

        ArenaHandle handle = arena.GetHandle();                   // this thread's way in, for this job
        for (int i = 0; i < 1000; i++)
        {
            Span<int> path = handle.AllocateSpan<int>(12);
            path.Clear();
            handle.Free(path);
        }

        Assert.That(arena.LiveBlocks(), Is.Empty);
        arena.Budget = new ArenaBudget { SoftBytes = 32 << 20, HardBytes = 64 << 20 };
        Assert.Throws<EngineOutOfMemoryException>(() => arena.AllocateSpan<byte>(65 << 20));
    }

    [Test]
    public void A_range_grows_where_it_is()
    {
        using LongLivedArena arena = _memory.CreateLongLivedArena("level");
        using ReservedRange range = arena.Reserve<Matrix4x4>(1_000_000);  // 64 MB of addresses
        range.Grow(8 << 20);                                      // at level load: no fault and no call in frames
        Span<Matrix4x4> poses = range.AsSpan<Matrix4x4>(1000);
        poses.Fill(Matrix4x4.Identity);
        range.Grow(16 << 20);                                     // the same addresses
        Assert.That(poses == range.AsSpan<Matrix4x4>(1000));
        Assert.That(poses[999].IsIdentity);
    }

    [Test]
    public void A_frames_memory_can_be_read_in_the_next()
    {
        using FrameArena frames = _memory.CreateFrameArena("frames");
        frames.NextFrame();                                       // a GameFrames calls it
        Span<int> drawn = frames.Lane(0).AllocateSpan<int>(1000);
        drawn.Fill(1);
        frames.NextFrame();
        int sum = 0;
        foreach (int one in drawn)                                // still there: two buffers take turns
            sum += one;

        FrameLane lane = frames.Lane(0);
        using (lane.BeginScope())
            lane.AllocateSpan<byte>(4096).Clear();                // given back at the scope's end

        Assert.That((sum, (long)lane.UsedBytes), Is.EqualTo((1000, 0L)));
    }

    private
    struct Fill(ArenaRef arena, NativeArray<nint> blocks) : IRangeJob
    {
        public readonly unsafe void Execute(int start, int end, int worker)
        {
            for (int i = start; i < end; i++)
                blocks[i] = (nint)arena.Allocate(64);         // from the cache of the worker's thread
        }
    }

    [Test]
    public void Jobs_allocate_on_all_workers()
    {
        using Scene scene = Scene.Load(
            _memory, new ScenePlan { Name = "jobs", Arenas = [new ArenaPlan { SuperSlabCount = 2, ThreadCount = 2 }] });
        using HotLoopGuard guard = new(_memory);
        using NativeArray<nint> blocks = new(scene.Arena, 1000);
        using WorkerPool pool = new(new() { WorkerCount = 2, Arenas = [scene.Arena], Guard = guard });
        Fill job = new(scene.Arena, blocks);
        pool.Prepare(ref job);                                    // at level load: its code is compiled
        pool.Run(ref job, blocks.Length);                         // in a frame: no managed byte
        Assert.That(blocks.AsSpan().ToArray().Distinct().Count(), Is.EqualTo(1000));
    }

    [Test]
    public void A_group_lends_memory_to_small_arenas()
    {
        EngineMemory memory = _memory;
        using ArenaGroup scripts = memory.CreateArenaGroup("scripts");
        scripts.Prewarm(arenaCount: 10_000);                       // at level load: slabs, tables and managed objects for 10,000 at once

        SmallArena door = scripts.CreateArena("door 7", new() { SingleThreaded = true });
        Span<Vector3> path = door.AllocateSpan<Vector3>(200);      // the calls of a long-lived arena
        door.Free(path);                                           // one by one,
        door.Dispose();                                            // or all at once: the slabs go back to the group
        Assert.That(scripts.ArenaCount, Is.Zero);
    }

    [Test]
    public void Containers_hold_values_containers_and_text()
    {
        using LongLivedArena arena = _memory.CreateLongLivedArena("level");
        using Scene scene = Scene.Load(
            _memory, new ScenePlan { Name = "collections", FrameArena = new FrameArenaOptions() });
        int frame = 7;
        using NativeList<Vector3> path = new(arena);                  // or scene.FrameArena.Lane(0), or a small arena
        path.Add(new(1, 2, 3));
        path[0].X += 1;                                               // elements are references

        using NativeHashMap<int, NativeList<int>> cells = new(arena); // containers in containers
        ref NativeList<int> cell = ref cells.GetOrAdd(7, out bool exists);
        if (!exists)
            cell = new(arena);

        cell.Add(42);
        foreach (ref var entry in cells)                              // an array walk
            entry.Value.Clear();

        using NativeText text = new(scene.FrameArena.Lane(0));
        text.Append($"{path.Count} points, {frame:000}");             // UTF-8, no string
        Assert.That((text.ToString(), cell.Count, path[0].X), Is.EqualTo(("1 points, 007", 0, 2f)));
        cell.Dispose();
    }
}
