using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>Handles and lanes whose arena is gone, while other arenas come and go in the same memory.</summary>
internal sealed unsafe class StaleUseTests
{
    private EngineMemory _memory = null!;

    [TearDown]
    public void Dispose() => _memory.Dispose();

    [TestCase(MemoryChecks.Off)]
    [TestCase(MemoryChecks.Hardened)]
    [TestCase(MemoryChecks.Full)]
    public void A_handle_and_a_lane_are_told_whatever_arenas_came_after_theirs(MemoryChecks checks)
    {
        Make(checks);
        LongLivedArena gone = _memory.CreateLongLivedArena("gone");
        FrameArena goneFrames =
            _memory.CreateFrameArena("gone frames", new FrameArenaOptions { BytesPerLane = 8192, LaneCount = 4 });
        ArenaHandle handle = gone.GetHandle();
        FrameLane lane = goneFrames.Lane(3);
        lane.Allocate(64);
        FrameMark mark = lane.Mark();
        void* block = handle.Allocate(64);
        handle.Free(handle.Allocate(64));
        gone.Dispose();
        goneFrames.Dispose();
        StaleUse.IsTold(handle, block);
        StaleUse.IsTold(lane, mark);
        for (int life = 0; life < 100; life++)
        {
            LongLivedArena next = LiveOnTwoThreads(life, out FrameArena nextFrames);
            void* others = next.Allocate(64);
            *(long*)others = life;
            StaleUse.IsTold(handle, block);
            StaleUse.IsTold(handle, others);
            StaleUse.IsTold(lane, mark);
            Assert.That(*(long*)others, Is.EqualTo(life));
            Assert.That(nextFrames.Lane(3).UsedBytes, Is.EqualTo((nuint)64));
            _memory.Validate();
            next.Dispose();
            nextFrames.Dispose();
        }
    }

    [TestCase(MemoryChecks.Off)]
    [TestCase(MemoryChecks.Hardened)]
    public void A_handle_does_not_free_anothers_block_also_when_its_cache_is_anothers_by_now(MemoryChecks checks)
    {
        Make(checks);
        LongLivedArena gone = _memory.CreateLongLivedArena("gone");
        ThreadCache* cache = gone.Caches.Attach();
        ArenaHandle handle = gone.GetHandle();
        gone.Dispose();

        // Until what the first arena retired is used again.
        LongLivedArena next = _memory.CreateLongLivedArena("next");
        int lives = 0;
        while (next.Caches.Attach() != cache)
        {
            Assert.That(++lives, Is.LessThan(10_000), "it is used again at last");
            next.Dispose();
            next = _memory.CreateLongLivedArena("next");
        }

        Assert.That(lives, Is.GreaterThan(100), "and not at once");
        void* block = next.Allocate(64);
        next.Free(next.Allocate(64));
        Exception? thrown = null;
        try
        {
            handle.Free(block);
        }
        catch (ObjectDisposedException exception)
        {
            thrown = exception;
        }

        Assert.That(thrown, Is.Not.Null);
        Assert.That((nint)next.Allocate(64), Is.Not.EqualTo((nint)block), "it is not free");
        _memory.Validate();
    }

    [Test]
    public void No_arena_has_the_number_of_one_that_is_gone()
    {
        ArenaRegistry registry = new();
        HashSet<uint> tags = [];
        for (int life = 0; life < 100_000; life++)
        {
            uint tag = registry.Add(null!);
            Assert.That(
                tags.Add(tag) && tag >> ArenaRegistry.TagShift != 0 && (byte)tag == 0, Is.True,
                $"arena {life} has the tag {tag:x}");
            if (life % 1000 != 0)
                registry.Remove(tag);
        }

        _memory = new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
    }

    [Test]
    public void Arenas_that_come_and_go_take_no_more_than_what_the_heap_keeps_of_them()
    {
        Make(MemoryChecks.Off);
        for (int life = 0; life < 2_000; life++)
            Live();

        nuint metadata = _memory.MetadataBytes;
        Assert.That(metadata, Is.LessThan(Size.MiB(8)));
        for (int life = 0; life < 2_000; life++)
            Live();

        Assert.That(_memory.MetadataBytes, Is.EqualTo(metadata));

        void Live()
        {
            using LongLivedArena arena = _memory.CreateLongLivedArena("mortal");
            using FrameArena frames = _memory.CreateFrameArena("frames", new FrameArenaOptions { BytesPerLane = 4096 });
            arena.Allocate(64);
        }
    }

    private void Make(MemoryChecks checks) =>
        _memory =
            new EngineMemory(
            new EngineMemoryOptions { ReservationBytes = Size.MiB(256), RetainBytes = Size.MiB(256), Checks = checks });

    /// <summary>Arenas that this thread and another use, as a level does.</summary>
    private LongLivedArena LiveOnTwoThreads(int life, out FrameArena frames)
    {
        LongLivedArena arena = _memory.CreateLongLivedArena($"life {life}");
        frames =
            _memory.CreateFrameArena($"frames {life}", new FrameArenaOptions { BytesPerLane = 8192, LaneCount = 4 });
        arena.Free(arena.Allocate(64));
        frames.Lane(3).Allocate(64);
        if (life % 10 == 0)
            Workers.Run(() => arena.Free(arena.Allocate(64)));

        return arena;
    }
}
