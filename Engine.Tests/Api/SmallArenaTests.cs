using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>Small arenas of one group: what they give, what they refuse, and what they leave behind. The fixture checks
/// all structures after each test.</summary>
internal sealed unsafe class SmallArenaTests : ArenaFixture<ArenaGroup>
{
    [Test]
    public void Blocks_of_small_arenas_do_what_the_model_does(
        [Values(20_000)] int steps, [Values(false, true)] bool singleThreaded)
    {
        Random random = TestRandom.Create();
        SmallArenaOptions options = new() { SingleThreaded = singleThreaded };
        const int Arenas = 12;
        SmallArena[] arenas = new SmallArena[Arenas];
        ShadowModel[] models = new ShadowModel[Arenas];
        LiveRanges ranges = new();
        for (int index = 0; index < Arenas; index++)
            (arenas[index], models[index]) = (Arena.CreateArena($"script {index}", options), new ShadowModel());

        for (int step = 0; step < steps; step++)
        {
            int index = random.Next(Arenas);
            ref SmallArena arena = ref arenas[index];
            ShadowModel model = models[index];
            switch (random.Next(model.Count > 200 ? 40 : 100))
            {
                case < 30 when model.Count != 0:
                    void* freed = model.Take(random);
                    ranges.Remove(freed);
                    arena.Free(freed);
                    break;
                case < 40 when model.Count != 0:
                    void* old = model.Pick(random, out _);
                    nuint bytes = random.NextSize(18);
                    LiveRange range = ranges.Remove(old);
                    void* moved = arena.Reallocate(old, bytes);
                    model.Moved(old, moved, bytes);
                    ranges.Restore(range with
                    {
                        Address = (nint)moved,
                        Bytes = 0,
                        UsableBytes = arena.UsableBytes(moved),
                    });
                    break;
                case 99 when step % 3 == 0:
                    Empty(model, ranges);
                    arena.Reset();
                    break;
                case 98 when step % 3 == 0:
                    Empty(model, ranges);
                    arena.Dispose();
                    arena = Arena.CreateArena($"script {index}, again", options);
                    break;
                default:
                    nuint size = random.NextSize(random.Next(20) == 0 ? 21 : 13);
                    nuint alignment = (nuint)16 << (random.Next(4) == 0 ? random.Next(15) : 0);
                    void* block = arena.Allocate(size, alignment);
                    model.Add(block, size, alignment);
                    ranges.Restore(new LiveRange((nint)block, 0, arena.UsableBytes(block), arena.Name, 0, step));
                    break;
            }

            if (step % 1_000 == 0)
                CheckAll(arenas, models);
        }

        CheckAll(arenas, models);
    }

    [Test]
    public void Blocks_are_aligned_as_asked_and_hold_what_was_asked()
    {
        SmallArena arena = Arena.CreateArena("script");
        foreach (nuint bytes in (nuint[])[0, 1, 16, 17, 600, 1_025, 4_096, 4_097, 40_000, 65_536, 65_537, 3 << 20])
        {
            for (nuint alignment = 1; alignment <= SmallArena.MaximumAlignment; alignment *= 2)
            {
                byte* block = (byte*)arena.Allocate(bytes, alignment);
                Assert.That((nuint)block % alignment, Is.EqualTo((nuint)0), $"{bytes} bytes at {alignment}");
                Assert.That(arena.UsableBytes(block), Is.GreaterThanOrEqualTo(nuint.Max(bytes, 1)));
                new Span<byte>(block, (int)bytes).Fill(1);
                if (alignment % 3 == 1)
                    arena.Free(block);
            }
        }

        Assert.That(() => arena.Allocate(1, 3), Throws.ArgumentException);
        Assert.That(() => arena.Allocate(1, 4 << 20), Throws.ArgumentException);
        Assert.That(() => arena.Allocate(nuint.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => arena.AllocateSpan<int>(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Every_way_to_allocate_gives_a_block_that_every_way_frees()
    {
        using SmallArena arena = Arena.CreateArena("script");
        decimal* one = arena.Allocate<decimal>();
        Span<int> span = arena.AllocateSpan<int>(100);
        span.Fill(7);
        byte* zeroed = (byte*)arena.AllocateZeroed(3_000);
        Assert.That(new Span<byte>(zeroed, 3_000).IndexOfAnyExcept((byte)0), Is.Negative);
        Assert.That(arena.AllocateSpan2D<short>(3, 5).Length, Is.EqualTo((nint)15));
        long* many = arena.Allocate<long>(20_000);
        Assert.That(arena.UsableBytes(many), Is.EqualTo((nuint)192 * 1024), "whole slabs");
        arena.Free(one);
        arena.Free(span);
        arena.Free(Span<int>.Empty);
        arena.Free(null);
        arena.Free(zeroed);
        arena.Free(many);
        Assert.That(arena.Blocks().Select(block => block.Bytes), Is.EqualTo(new nuint[] { 32 }), "the grid");
        Assert.That((arena.LiveBytes, arena.HeldBytes), Is.EqualTo(((nuint)32, SlabGeometry.SlabBytes)));
    }

    [Test]
    public void Blocks_of_many_sizes_share_one_slab()
    {
        SmallArena arena = Arena.CreateArena("script");
        for (nuint bytes = 16; arena.LiveBytes < 30_000; bytes = bytes * 5 / 4)
            _ = arena.Allocate(bytes > 2_000 ? bytes = 16 : bytes);

        Assert.That(arena.HeldBytes, Is.EqualTo(SlabGeometry.SlabBytes));
    }

    [Test]
    public void A_slab_without_blocks_goes_back_to_the_group()
    {
        SmallArena arena = Arena.CreateArena("script");
        nint[] blocks = [.. Enumerable.Range(0, 40).Select(_ => (nint)arena.Allocate(16_000))];
        Assert.That(arena.HeldBytes, Is.EqualTo(10 * SlabGeometry.SlabBytes));
        foreach (nint block in blocks)
            arena.Free((void*)block);

        Assert.That((arena.LiveBytes, arena.HeldBytes), Is.EqualTo(((nuint)0, SlabGeometry.SlabBytes)));
        arena.Reset();
        Assert.That(arena.HeldBytes, Is.EqualTo((nuint)0));
    }

    [Test]
    public void An_arena_that_has_grown_comes_to_its_free_blocks_again()
    {
        SmallArena arena = Arena.CreateArena("script");
        nint[] small = [.. Enumerable.Range(0, 40_000).Select(_ => (nint)arena.Allocate(48))];
        nint[] large = [.. Enumerable.Range(0, 2_000).Select(_ => (nint)arena.Allocate(1_024))];
        nuint held = arena.HeldBytes;
        for (int index = 0; index < small.Length; index += 2)
            arena.Free((void*)small[index]);

        for (int index = 0; index < large.Length; index += 2)
            arena.Free((void*)large[index]);

        for (int index = 0; index < small.Length; index += 2)
            _ = arena.Allocate(48);

        for (int index = 0; index < large.Length; index += 2)
            _ = arena.Allocate(1_024);

        Assert.That((double)arena.HeldBytes, Is.LessThanOrEqualTo(1.25 * held));
    }

    [Test]
    public void A_large_block_grows_and_keeps_its_contents()
    {
        SmallArena arena = Arena.CreateArena("script");
        ShadowModel model = new();
        void* block = arena.Allocate(100_000);
        model.Add(block, 100_000);
        for (nuint bytes = 200_000; bytes < 40 << 20; bytes *= 2)
        {
            void* before = block;
            block = arena.Reallocate(block, bytes);
            model.Moved(before, block, bytes);
            Assert.That(arena.Blocks().Single(), Is.EqualTo(new ArenaBlock((nint)block, arena.UsableBytes(block))));
            Assert.That(arena.HeldBytes, Is.EqualTo(arena.UsableBytes(block)));
            Arena.Validate();
        }

        model.CheckAll();
        arena.Free(block);
        Assert.That(arena.HeldBytes, Is.EqualTo((nuint)0));
    }

    [Test]
    public void Wrong_addresses_are_refused_and_nothing_changes()
    {
        using LongLivedArena world = Memory.CreateLongLivedArena("world");
        SmallArena one = Arena.CreateArena("one");
        SmallArena other = Arena.CreateArena("other");
        byte* block = (byte*)one.Allocate(100);
        byte* whole = (byte*)one.Allocate(10_000);
        byte* large = (byte*)one.Allocate(1 << 20);
        byte* worlds = (byte*)world.Allocate(100);
        int local;
        Refused(one, &local, "does not belong to the engine's memory");
        Refused(one, worlds, "belongs to arena 'world' and was handed to arena 'one'");
        Refused(other, block, "belongs to arena 'one' and was handed to arena 'other'");
        Refused(other, large, "belongs to arena 'one'");
        Refused(one, block + 16, "lies inside a block of 112 bytes of arena 'one'");
        Refused(one, whole + 5_000, "lies inside a block of 10 KiB");
        Refused(one, large + 4_096, "lies inside a block of 1 MiB");
        Refused(one, large + 70_000, "no live block begins in its slab");
        Refused(one, block + 50_000, "No live block of arena 'one' begins at");
        Refused(one, (byte*)Memory.ReservationBase + Memory.ReservationBytes - 64, "arena 'one'");
#pragma warning disable SSE0006 // The block is another arena's on purpose.
        Assert.That(() => world.Free(block), Throws.TypeOf<EngineMemoryException>().With.Message.Contains("'arena'"));
#pragma warning restore SSE0006
        Assert.That((one.LiveBytes, one.Blocks().Count), Is.EqualTo((arenaBytes(), 3)));
        world.Free(worlds);

        nuint arenaBytes() => one.UsableBytes(block) + one.UsableBytes(whole) + one.UsableBytes(large);
    }

    [Test]
    public void A_block_freed_twice_is_refused_however_long_ago_that_was()
    {
        SmallArena arena = Arena.CreateArena("script");
        void* kept = arena.Allocate(48);
        void* block = arena.Allocate(48);
        void* whole = arena.Allocate(9_000);
        void* large = arena.Allocate(1 << 20);
        foreach (nint freed in (nint[])[(nint)block, (nint)whole, (nint)large])
            arena.Free((void*)freed);

        arena.Free(arena.Allocate(500));
        Refused(arena, block, "was freed twice");
        Refused(arena, whole, "was freed twice");
        Refused(arena, large, "Was it freed already");
        arena.Free(kept);
        Refused(arena, kept, "was freed twice");
    }

    [Test]
    public void A_handle_that_outlives_its_arena_never_reaches_the_next_one()
    {
        SmallArena first = Arena.CreateArena("first");
        void* block = first.Allocate(100);
        first.Dispose();
        first.Dispose();
        SmallArena second = Arena.CreateArena("second");
        void* live = second.Allocate(100);
        Assert.That((first.IsDisposed, second.IsDisposed, first == second), Is.EqualTo((true, false, false)));
        Assert.That(() => first.Allocate(10), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => first.Allocate(1 << 20), Throws.TypeOf<ObjectDisposedException>());
#pragma warning disable SSE0006 // The handle of an arena that is gone meets a block of the next one.
        Assert.That(() => first.Free(live), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => first.Free(null), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => first.Reallocate(live, 10), Throws.TypeOf<ObjectDisposedException>());
#pragma warning restore SSE0006
        Assert.That(() => first.UsableBytes(live), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(first.Reset, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => first.HeldBytes, Throws.TypeOf<ObjectDisposedException>());
        first.Dispose();
        Assert.That(second.UsableBytes(live), Is.EqualTo((nuint)112), "it lives");
        Assert.That(() => default(SmallArena).Allocate(1), Throws.InvalidOperationException);
        Assert.That(default(SmallArena).IsDisposed);
        default(SmallArena).Dispose();
        Assert.That(block == live, "the same memory was there for both");
    }

    [Test]
    public void Groups_and_memories_take_their_arenas_along()
    {
        ArenaGroup group = Memory.CreateArenaGroup("short");
        SmallArena arena = group.CreateArena("script");
        byte* block = (byte*)arena.Allocate(100);
        group.Dispose();
        group.Dispose();
        Assert.That(arena.IsDisposed);
        Assert.That(() => arena.Free(block), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => group.CreateArena("late"), Throws.TypeOf<ObjectDisposedException>()
            .With.Message.Contains("Arena group 'short'"));
        arena.Dispose();

        EngineMemory memory = new(Options);
        SmallArena last = memory.CreateArenaGroup("group").CreateArena("last");
        _ = last.Allocate(100);
        memory.Dispose();
        Assert.That(() => last.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
        last.Dispose();
        Assert.That(() => memory.CreateArenaGroup("late"), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Disposed_arenas_leave_the_others_whole()
    {
        SmallArena[] arenas = [.. Enumerable.Range(0, 200).Select(index => Arena.CreateArena($"script {index}"))];
        ShadowModel model = new();
        for (int round = 0; round < 40; round++)
        {
            for (int index = 0; index < arenas.Length; index++)
            {
                nuint bytes = (nuint)(1 + ((index * 37) + (round * 113) & 2_047));
                void* block = arenas[index].Allocate(bytes);
                if (index % 2 == 0)
                    model.Add(block, bytes);
                else
                    new Span<byte>(block, (int)bytes).Fill(0xEE);
            }
        }

        for (int index = 1; index < arenas.Length; index += 2)
            arenas[index].Dispose();

        for (int index = 1; index < arenas.Length; index += 2)
        {
            using SmallArena again = Arena.CreateArena("again");
            new Span<byte>(again.Allocate(60_000), 60_000).Fill(0xFF);
        }

        model.CheckAll();
        Assert.That(Arena.ArenaCount, Is.EqualTo(100));
        foreach (SmallArena arena in arenas)
            arena.Dispose();

        Assert.That(Arena.ArenaCount, Is.Zero);
    }

    protected override ArenaGroup Make() => Memory.CreateArenaGroup("arena");

    private static void Empty(ShadowModel model, LiveRanges ranges) =>
        model.Drain(block => ranges.Remove((void*)block));

    private void CheckAll(SmallArena[] arenas, ShadowModel[] models)
    {
        for (int index = 0; index < arenas.Length; index++)
        {
            models[index].CheckAll();
            Assert.That(arenas[index].Blocks(), Has.Count.EqualTo(models[index].Count));
            Assert.That(arenas[index].LiveBytes, Is.GreaterThanOrEqualTo(models[index].LiveBytes));
            Assert.That(arenas[index].HeldBytes, Is.GreaterThanOrEqualTo(arenas[index].LiveBytes));
        }

        Arena.Validate();
    }

    private static void Refused(SmallArena arena, void* address, string message)
    {
        Assert.That(() => arena.Free(address), Throws.TypeOf<EngineMemoryException>().With.Message.Contains(message));
        Assert.That(
            () => arena.Reallocate(address, 100),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains(message));
        Assert.That(() => arena.UsableBytes(address), Throws.TypeOf<EngineMemoryException>());
    }
}
