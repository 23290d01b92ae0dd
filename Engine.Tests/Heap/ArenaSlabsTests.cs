using Engine.Tests.Support;

namespace Engine.Tests.Heap;

internal sealed unsafe class ArenaSlabsTests
{
    [Test]
    public void Each_block_of_each_class_is_found_again_by_exact_division()
    {
        using ArenaLayers layers = new();
        nuint[] blocks = new nuint[4096];
        for (int sizeClass = 0; sizeClass <= SizeClasses.LastWithinSuperSlab; sizeClass++)
        {
            ClassState* state = layers.Slabs.ClassOf(sizeClass);
            int capacity = state->Capacity;
            fixed (nuint* all = blocks)
            {
                Assert.That(layers.Slabs.Fill(sizeClass, all, capacity), Is.EqualTo(capacity), "one run's blocks");
                Assert.That(layers.RunsOf(sizeClass), Is.EqualTo(1));
                nuint start = (nuint)layers.Lower.Reservation.AddressOfSlab(layers.SlabOf(all[capacity - 1]));
                for (int index = 0; index < capacity; index++)
                {
                    // The lowest address stands last, where the top of a stack is.
                    nuint offset = all[capacity - 1 - index] - start;
                    Assert.That(
                        offset, Is.EqualTo((nuint)index * state->BlockBytes), $"class {sizeClass}, block {index}");
                    Assert.That(
                        (offset * state->Reciprocal) >> 43, Is.EqualTo((ulong)index),
                        $"class {sizeClass}, block {index}");
                    if (capacity > 1)
                    {
                        Assert.That(
                            (nuint)((((ulong)offset + state->BlockBytes - 1) * state->Reciprocal) >> 43),
                            Is.EqualTo((nuint)index), "its last byte");
                    }
                }

                layers.Slabs.Return(sizeClass, all, capacity);
            }

            Assert.That(
                layers.Slabs.ClassOf(sizeClass)->EmptyRuns, Is.EqualTo(layers.RunsOf(sizeClass)),
                "all blocks came home");
        }
    }

    [Test]
    public void Runs_are_made_as_blocks_are_taken_and_released_as_they_come_back()
    {
        using ArenaLayers layers = new();
        int sizeClass = SizeClasses.IndexOf(4096);
        nuint[] blocks = new nuint[160];
        for (int index = 0; index < blocks.Length; index++)
            blocks[index] = layers.TakeOne(sizeClass);

        Assert.That(layers.RunsOf(sizeClass), Is.EqualTo(10), "16 blocks of 4 KiB to a slab");
        Assert.That(blocks.Distinct().Count(), Is.EqualTo(160));
        foreach (nuint block in blocks)
            layers.ReturnOne(sizeClass, block);

        Assert.That(layers.RunsOf(sizeClass), Is.EqualTo(1), "one empty run is kept for the next block");
        Assert.That(layers.Slabs.Space.SuperSlabCount, Is.EqualTo(1));
        layers.Slabs.ReleaseEmptyRuns();
        Assert.That(layers.RunsOf(sizeClass), Is.Zero);
        Assert.That(layers.Slabs.Space.SuperSlabCount, Is.Zero);
        Assert.That(layers.Lower.Pool.OwnedCount, Is.Zero);
    }

    [Test]
    public void An_extent_goes_back_at_once()
    {
        using ArenaLayers layers = new();
        int sizeClass = SizeClasses.IndexOf(5 * Sizes.MiB);
        nuint block = layers.TakeOne(sizeClass);
        Assert.That(layers.Lower.Pool.OwnedCount, Is.EqualTo(3));
        Assert.That(layers.Slabs.UsableBytes((nint)block, sizeClass), Is.EqualTo(5 * Sizes.MiB));
        layers.ReturnOne(sizeClass, block);
        Assert.That(layers.Lower.Pool.OwnedCount, Is.Zero);
        Assert.That(layers.Lower.Pool.ReadyCount, Is.EqualTo(3));
    }

    [Test]
    public void A_wrong_address_in_a_batch_is_reported_and_the_others_come_home()
    {
        using ArenaLayers layers = new();
        int sizeClass = SizeClasses.IndexOf(1024);
        nuint* blocks = stackalloc nuint[3];
        Assert.That(layers.Slabs.Fill(sizeClass, blocks, 3), Is.EqualTo(3));
        nuint kept = blocks[1];
        blocks[1] = kept + 16;
        Assert.That(ReturnAll, Throws.TypeOf<EngineMemoryException>().With.Message.Contains($"0x{kept + 16:x}"));
        layers.ReturnOne(sizeClass, kept);
        Assert.That(layers.Slabs.ClassOf(sizeClass)->EmptyRuns, Is.EqualTo(1));

        void ReturnAll() => layers.Slabs.Return(sizeClass, blocks, 3);
    }

    [Test]
    public void A_block_that_comes_back_twice_is_reported()
    {
        using ArenaLayers layers = new();
        int sizeClass = SizeClasses.IndexOf(1024);
        nuint block = layers.TakeOne(sizeClass);
        nuint other = layers.TakeOne(sizeClass);
        layers.ReturnOne(sizeClass, block);
        Assert.That(() =>
            layers.ReturnOne(sizeClass, block),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("freed twice"));
        layers.ReturnOne(sizeClass, other);
    }

    [Test]
    public void The_smallest_idle_extent_that_fits_is_used_unless_it_was_promised_to_blocks_twice_as_large()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using LongLivedArena arena = memory.CreateLongLivedArena("extents");
        arena.Prewarm([new(100 * Sizes.MiB, 1), new(40 * Sizes.MiB, 1), new(60 * Sizes.MiB, 1)], threads: 1);
        long osCalls = memory.OsCalls;
        void* small = arena.Allocate(36 * Sizes.MiB);
        void* middle = arena.Allocate(36 * Sizes.MiB);
        Assert.That(arena.UsableBytes(small), Is.EqualTo(40 * Sizes.MiB));
        Assert.That(arena.UsableBytes(middle), Is.EqualTo(60 * Sizes.MiB));
        Assert.That(memory.OsCalls, Is.EqualTo(osCalls));
        void* beyond = arena.Allocate(36 * Sizes.MiB);
        Assert.That(arena.UsableBytes(beyond), Is.EqualTo(36 * Sizes.MiB), "the block of 100 MiB may still come");
        osCalls = memory.OsCalls;
        void* large = arena.Allocate(100 * Sizes.MiB);
        Assert.That(memory.OsCalls, Is.EqualTo(osCalls));
        arena.Free(large);
        arena.Free(beyond);
        memory.Validate();
    }

    [Test]
    public void What_a_prewarm_promised_to_a_class_stays_with_it()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using LongLivedArena arena = memory.CreateLongLivedArena("promised");
        int sizeClass = SizeClasses.IndexOf(4096);
        arena.Prewarm([new(4096, 64) { IncludesCaches = true }], threads: 1);
        Assert.That(arena.Slabs.ClassOf(sizeClass)->Runs, Is.EqualTo(4));
        arena.Free(arena.Allocate(4096));
        arena.Trim();
        Assert.That(arena.Slabs.ClassOf(sizeClass)->Runs, Is.EqualTo(4));
        arena.Reset();
        Assert.That(arena.Slabs.ClassOf(sizeClass)->Runs, Is.EqualTo(4));
    }

    [Test]
    public void Threads_fill_and_return_batches_of_blocks_that_are_theirs_alone()
    {
        using ArenaLayers layers = new();
        int seed = TestRandom.Seed();
        Workers.Run(3, thread =>
        {
            Random random = new(seed + thread);
            nuint* blocks = stackalloc nuint[64];
            for (int round = 0; round < 2_000; round++)
            {
                int sizeClass = random.Next(40);
                int got = layers.Slabs.Fill(sizeClass, blocks, random.Next(1, 65));
                ulong mark = ((ulong)thread << 32) | (uint)round;
                for (int index = 0; index < got; index++)
                    *(ulong*)blocks[index] = mark;

                for (int index = 0; index < got; index++)
                    Assert.That(*(ulong*)blocks[index], Is.EqualTo(mark), "another thread wrote into this block");

                layers.Slabs.Return(sizeClass, blocks, got);
            }
        });
        layers.Slabs.ReleaseEmptyRuns();
        Assert.That(layers.Lower.Pool.OwnedCount, Is.Zero);
    }
}
