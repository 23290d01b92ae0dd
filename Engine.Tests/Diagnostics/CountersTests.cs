using Engine.Tests.Support;

namespace Engine.Tests.Diagnostics;

/// <summary>What is counted by tag, against what the blocks themselves say.</summary>
internal sealed unsafe class CountersTests
{
    [Test]
    public void Counters_are_off_unless_they_are_asked_for_in_time()
    {
        using EngineMemory memory = Memory(MemoryChecks.Off);
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        arena.Free(arena.Allocate(100));
        try
        {
            using (Assert.EnterMultipleScope())
            {
                Assert.That(MemoryCounters.AreOn, Is.False);
                Assert.That(Snapshots.Take(memory).Tags.Length, Is.Zero);
                Assert.That(
                    MemoryCounters.Enable,
                    Throws.InvalidOperationException.With.Message.Contains("cannot be turned on now"));
            }
        }
        finally
        {
            AppContext.SetSwitch("SuperSlab.Counters", false);
        }
    }

    [Test]
    public void A_damaged_block_that_is_freed_and_told_is_counted_as_freed() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory(MemoryChecks.Full);
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        byte* block = (byte*)arena.Allocate(100);
        block[100] = 1;
        Assert.That(() => arena.Free(block), Throws.TypeOf<EngineMemoryException>());
        TagRow counted = Snapshots.Take(memory).Tags[0];
        Assert.That(
            (counted.AllocationCount, counted.AllocatedBytes, counted.FreeCount, counted.FreedBytes),
            Is.EqualTo((1L, 100L, 1L, 100L)));
    });

    [TestCase(MemoryChecks.Off)]
    [TestCase(MemoryChecks.Hardened)]
    [TestCase(MemoryChecks.Full)]
    public void Every_way_to_allocate_grow_and_free_is_counted(MemoryChecks checks) => WithCounters.Run(
        static value =>
        {
            using EngineMemory memory = Memory((MemoryChecks)value);
            using LongLivedArena arena = memory.CreateLongLivedArena("arena");
            ArenaHandle handle = arena.GetHandle();
            List<nint> blocks = [];
            for (int round = 0; round < 300; round++)
            {
                blocks.Add((nint)handle.Allocate(40));
                blocks.Add((nint)arena.Allocate((nuint)(round * 16)));
                blocks.Add((nint)handle.Allocate<decimal>());
                blocks.Add((nint)arena.Allocate<long>(300));
                blocks.Add((nint)handle.Allocate(100, 256));
                blocks.Add((nint)arena.AllocateZeroed(70_000));
            }

            blocks.Add((nint)arena.Allocate(3 << 20));
            blocks.Add((nint)arena.Allocate(40 << 20));
            MustAgree();
            for (int index = 0; index < blocks.Count; index += 7)
            {
                nuint bytes = arena.UsableBytes((void*)blocks[index]);
                blocks[index] = (nint)arena.Reallocate((void*)blocks[index], 3 * bytes);
                blocks[index] = (nint)arena.Reallocate((void*)blocks[index], bytes / 4);
            }

            blocks[^2] = (nint)arena.Reallocate((void*)blocks[^2], 7 << 20);
            blocks[^1] = (nint)arena.Reallocate((void*)blocks[^1], 90 << 20);
            MustAgree();
            for (int index = 0; index < blocks.Count; index++)
            {
                if (index % 2 == 0)
                    handle.Free((void*)blocks[index]);
                else
                    arena.Free((void*)blocks[index]);
            }

            blocks.Clear();
            MustAgree();

            void MustAgree()
            {
                TagRow tag = Snapshots.TagOf(memory);
                Assert.That(tag.LiveBytes, Is.EqualTo(blocks.Sum(block => (long)arena.UsableBytes((void*)block))));
                Assert.That(tag.AllocationCount - tag.FreeCount, Is.EqualTo(blocks.Count));
            }
        },
        (int)checks);

    [Test]
    public void A_tag_counts_what_its_own_thread_does_while_it_is_in_force() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory(MemoryChecks.Off);
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        AllocationTag terrain = AllocationTag.Register("terrain", 1 << 20);
        AllocationTag enemies = AllocationTag.Register("enemies");
        void* tile = null;
        using (terrain.Begin())
        {
            tile = arena.Allocate(1000);
            using (enemies.Begin())
            {
                arena.Allocate(2000);
                var other = new Thread(() => arena.Allocate(4000));
                other.Start();
                other.Join();
            }

            arena.Allocate(1000);
        }

        arena.Allocate(8000);
        using (enemies.Begin())
        {
            arena.Free(tile);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(AllocationTag.Register("terrain"), Is.SameAs(terrain));
            Assert.That(Snapshots.TagOf(memory, "terrain").LiveBytes, Is.EqualTo(2 * 1024));
            Assert.That(Snapshots.TagOf(memory, "terrain").BudgetBytes, Is.EqualTo(1 << 20));
            Assert.That(
                Snapshots.TagOf(memory, "enemies").LiveBytes, Is.EqualTo(2048 - 1024),
                "who frees another's block is charged with it, as documented");
            Assert.That(Snapshots.TagOf(memory).LiveBytes, Is.EqualTo(4096 + 8192));
        }
    });

    [Test]
    public void What_an_arena_throws_away_is_taken_from_the_tags() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory(MemoryChecks.Off);
        AllocationTag level = AllocationTag.Register("level");
        using LongLivedArena stays = memory.CreateLongLivedArena("stays");
        using (level.Begin())
        {
            stays.Allocate(1000);
            using LongLivedArena goes = memory.CreateLongLivedArena("goes");
            goes.Allocate(50_000);
            goes.Reset();
            Assert.That(Snapshots.TagOf(memory, "level").LiveBytes, Is.EqualTo(1024));
            goes.Allocate(60_000);
            goes.Allocate(60_000);
            Assert.That(Snapshots.TagOf(memory, "level").LiveBytes, Is.GreaterThan(120_000));
        }

        TagRow tag = Snapshots.TagOf(memory, "level");
        Assert.That((tag.LiveBytes, tag.AllocationCount, tag.FreeCount), Is.EqualTo((1024L, 4L, 3L)));
    });

    [Test]
    public void Threads_that_end_leave_what_they_counted() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory(MemoryChecks.Off);
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        AllocationTag tag = AllocationTag.Register("born and died");
        for (int born = 0; born < 20; born++)
        {
            var thread = new Thread(() =>
            {
                // Never ended: the next thread in this slot must begin without it.
#pragma warning disable SSE0001
                _ = tag.Begin();
#pragma warning restore SSE0001
                arena.Allocate(1000);
            });
            thread.Start();
            thread.Join();
            var untagged = new Thread(() => arena.Allocate(500));
            untagged.Start();
            untagged.Join();
        }

        Assert.That(Snapshots.TagOf(memory, "born and died").LiveBytes, Is.EqualTo(20 * 1024));
        Assert.That(Snapshots.TagOf(memory).LiveBytes, Is.EqualTo(20 * 512));
    });

    [Test]
    public void More_tags_than_there_can_be_are_refused() => WithCounters.Run(static () =>
    {
        for (int number = AllocationTag.Count; number <= AllocationTag.MaximumCount; number++)
            AllocationTag.Register($"tag {number}");

        Assert.That(() =>
            AllocationTag.Register("one more"), Throws.TypeOf<EngineMemoryException>().With.Message.Contains("63"));
        Assert.That(() => AllocationTag.Register("tag 5"), Throws.Nothing);
    });

    private static EngineMemory Memory(MemoryChecks checks) =>
        new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), Checks = checks });
}
