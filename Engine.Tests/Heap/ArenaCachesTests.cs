using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>Blocks that wander between threads, and magazines that wander with them.</summary>
internal sealed unsafe class ArenaCachesTests : ArenaFixture
{
    [Test]
    public void The_fast_paths_reach_the_cache_where_its_fields_are()
    {
        ThreadCache* cache = ThreadCache.Detached;
        Assert.That((nint)ThreadCache.TopsOf(cache), Is.EqualTo((nint)cache->Tops));
        Assert.That((nint)ThreadCache.MapOf(cache), Is.EqualTo((nint)cache->Map));
        Assert.That(
            (byte*)&cache->Tags - (byte*)cache, Is.LessThan(2047),
            "beyond this the JIT checks the cache for null first");
    }

    [Test]
    public void A_cache_that_reads_as_zero_has_nothing_and_takes_nothing()
    {
        ThreadCache* zeroed = ThreadCache.Detached;
        Assert.That(sizeof(ThreadCache), Is.EqualTo(ThreadCache.Bytes));
        Assert.That(new ReadOnlySpan<byte>(zeroed, ThreadCache.Bytes).IndexOfAnyExcept((byte)0), Is.EqualTo(-1));
        Assert.That(ThreadCache.Bytes % (int)Magazine.Bytes, Is.Zero, "a top of 0 looks full");
        Assert.That(
            (byte*)&zeroed->Stocks[ArenaClasses.Count] - (byte*)zeroed, Is.LessThan(ThreadCache.Bytes - 24),
            "the words that are 0, and those that the heap may write, are no field's");
        Assert.That(ThreadCache.Pop(zeroed, 3), Is.EqualTo((nuint)0));
        Assert.That((nint)ThreadCache.Top(zeroed, 3), Is.EqualTo((nint)0));
    }

    [Test]
    public void A_trim_in_small_steps_gives_back_as_much_without_a_call_of_the_system()
    {
        nint[] blocks = new nint[100_000];
        int Churn()
        {
            int count = 0;
            foreach (nuint bytes in (ReadOnlySpan<nuint>)[256, 5_000, 100_000, 3_000_000])
            {
                for (nuint sum = 0; sum < Size.MiB(12); sum += bytes)
                    blocks[count++] = (nint)Arena.Allocate(bytes);
            }

            foreach (nint block in blocks.AsSpan(0, count))
                Arena.Free((void*)block);

            return Arena.SuperSlabCount;
        }

        Churn();
        Arena.Trim();
        int least = Arena.SuperSlabCount;
        int most = Churn();
        int steps = 0;
        HotLoopCost cost = HotLoopCost.BestOf(5, () =>
        {
            Churn();
            steps = 0;
            return HotLoopCost.Of(Memory, () =>
            {
                while (!Arena.Trim(TimeSpan.FromTicks(-1)))
                    steps++;
            });
        });
        Assert.That((cost.OsCalls, cost.ManagedBytes), Is.EqualTo((0, 0)));
        Assert.That(Arena.SuperSlabCount, Is.EqualTo(least).And.LessThan(most));
        Assert.That(steps, Is.GreaterThan(ArenaClasses.Count), "one magazine, or a look at one class");
        Assert.That(Arena.Trim(TimeSpan.MaxValue), Is.True);
        Memory.Validate();
    }

    [Test]
    public void The_last_freed_block_is_the_next_allocated()
    {
        foreach (nuint bytes in (nuint[])[16, 100, 1000, 5000, 70_000, Size.MiB(1), Size.MiB(5)])
        {
            void* first = Arena.Allocate(bytes);
            void* second = Arena.Allocate(bytes);
            Arena.Free(first);
            Arena.Free(second);
            Assert.That((nint)Arena.Allocate(bytes), Is.EqualTo((nint)second), $"{bytes} bytes");
        }
    }

    [Test]
    public void A_buffer_that_grows_through_the_classes_leaves_no_block_behind_in_each()
    {
        using EngineMemory onDemand = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            Prefault = PrefaultPolicy.None,
            Pages = PageKind.Normal,
        });
        LongLivedArena arena = onDemand.CreateLongLivedArena("growing");
        void* last = null;
        for (int sizeClass =
            SizeClasses.IndexOf(64 * Sizes.KiB); sizeClass <= SizeClasses.IndexOf(Size.MiB(2)); sizeClass++)
        {
            nuint bytes = SizeClasses.BlockBytes(sizeClass);
            void* block = arena.Allocate(bytes);
            new Span<byte>(block, (int)bytes).Fill(1);
            arena.Free(last);
            last = block;
        }

        // All the sizes together are 20 MiB; the last two are 4.
        long resident =
            (long)(Size.MiB(32) / 4096) - onDemand.PagesThatWouldFault(onDemand.ReservationBase, Size.MiB(32));
        Assert.That(resident, Is.InRange((long)Size.MiB(2) / 4096, (long)Size.MiB(9) / 4096), "resident pages");
    }

    [Test]
    public void A_prewarmed_arena_with_room_leaves_its_threads_their_large_blocks_and_one_without_takes_them()
    {
        nuint first = 300 * Sizes.KiB;
        Arena.Prewarm([], threads: 1);
        Arena.Free(Arena.Allocate(64 * Sizes.KiB)); // it owns a SuperSlab, and tables were promised
        void* block = Arena.Allocate(first);
        Arena.Free(block);
        void* other = Arena.Allocate(500 * Sizes.KiB);
        Assert.That(
            Arena.Caches.CachedBlocks(SizeClasses.IndexOf(first)), Is.EqualTo(1), "there was room in the SuperSlab");
        void* full = Arena.Allocate(1500 * Sizes.KiB);
        Assert.That(Arena.Caches.CachedBlocks(SizeClasses.IndexOf(first)), Is.Zero, "there was none");
        Arena.Free(other);
        Arena.Free(full);
        Arena.Validate();
    }

    [Test]
    public void A_thread_holds_back_64_MiB_in_its_stocks_at_most()
    {
        List<nint> blocks = [];
        for (int sizeClass = SizeClasses.IndexOf(2_000); sizeClass < SizeClasses.IndexOf(30_000); sizeClass++)
        {
            nuint bytes = SizeClasses.BlockBytes(sizeClass);
            for (nuint sum = 0; sum < Size.MiB(6); sum += bytes)
                blocks.Add((nint)Arena.Allocate(bytes));
        }

        int superSlabs = Arena.SuperSlabCount;
        Assert.That(superSlabs, Is.GreaterThan(80));
        blocks.ForEach(block => Arena.Free((void*)block));
        long held = 0;
        for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
            held += Arena.Caches.CachedBlocks(sizeClass) * (long)SizeClasses.BlockBytes(sizeClass);

        Assert.That(
            held, Is.InRange((long)Size.MiB(60), (long)Size.MiB(68)),
            "with a loaded magazine of 64 KiB for each class");
        Assert.That(Arena.SuperSlabCount, Is.LessThan(superSlabs * 2 / 3));
    }

    [Test]
    public void Cached_blocks_of_a_class_gone_out_of_use_do_not_make_the_arena_grow()
    {
        Arena.Budget = new ArenaBudget { StockBytes = 0 };
        nint[] blocks = new nint[50 * 64];
        for (int index = 0; index < blocks.Length; index++)
            blocks[index] = (nint)Arena.Allocate(1024);

        // The last freed blocks, one of each run, fit into the loaded magazine: it keeps all the runs.
        nint[][] runs = [.. blocks.GroupBy(block => block >> SlabGeometry.SlabShift).Select(run => run.ToArray())];
        foreach (nint block in runs.SelectMany(run => run[1..]).Concat(runs.Select(run => run[0])))
            Arena.Free((void*)block);

        int cached = Magazine.BlocksOf(SizeClasses.IndexOf(1024));
        Assert.That(runs, Has.Length.InRange(cached / 2, cached));
        int superSlabs = Arena.SuperSlabCount;
        long osCalls = Memory.OsCalls;
        for (nuint bytes = 0; bytes < (nuint)(runs.Length - 4) << SlabGeometry.SlabShift; bytes += 3 * Sizes.KiB)
            new Span<byte>(Arena.Allocate(3 * Sizes.KiB), 3 << 10).Fill(1);

        Assert.That((Arena.SuperSlabCount, Memory.OsCalls), Is.EqualTo((superSlabs, osCalls)));
        Memory.Validate();
    }

    [Test]
    public void A_cached_extent_keeps_its_place_while_smaller_cached_blocks_make_room()
    {
        const int Extent = 52;
        const int SuperSlabs = 4;
        BlockCount[] used = [new(Extent << SlabGeometry.SlabShift, 1), new(Sizes.MiB, 2), new(64 * Sizes.KiB, 80)];
        Arena.PrewarmPlanned(used, 0, SuperSlabs, threads: 1, carve: false, new PrefaultTask(1, null, default));
        void* extent = Arena.Allocate(Extent << SlabGeometry.SlabShift);
        void*[] cached = [Arena.Allocate(Sizes.MiB), Arena.Allocate(Sizes.MiB)];
        Arena.Free(extent);
        foreach (void* block in cached)
            Arena.Free(block);

        // All slabs but the extent's, those of the cached blocks included, and two that nobody needs.
        long osCalls = Memory.OsCalls;
        for (int block = 0; block < (SuperSlabs * SlabGeometry.SlabCount) - Extent - 2; block++)
            new Span<byte>(Arena.Allocate(64 * Sizes.KiB), 64 << 10).Fill(1);

        void* again = Arena.Allocate(Extent << SlabGeometry.SlabShift);
        Assert.That(((nint)again, Memory.OsCalls), Is.EqualTo(((nint)extent, osCalls)));
        Memory.Validate();
    }

    [Test]
    public void A_thread_that_swings_around_a_magazines_end_does_not_go_to_the_runs()
    {
        int blocks = Magazine.BlocksOf(SizeClasses.IndexOf(64));
        nint[] held = new nint[(2 * blocks) + 2];
        for (int index = 0; index < held.Length; index++)
            held[index] = (nint)Arena.Allocate(64);

        // Everything freed and allocated again comes from the two magazines: the same blocks.
        HashSet<nint> before = [.. held[..blocks]];
        for (int round = 0; round < 10; round++)
        {
            for (int index = 0; index < blocks; index++)
                Arena.Free((void*)held[index]);

            for (int index = 0; index < blocks; index++)
                held[index] = (nint)Arena.Allocate(64);
        }

        Assert.That(before.SetEquals(held[..blocks]), Is.True);
    }

    [TestCase(48u)]
    [TestCase(2048u)]
    [TestCase(70_000u)]
    [TestCase(5u << 20)]
    public void Blocks_freed_by_another_thread_are_used_again(uint bytes)
    {
        // One thread makes, the other frees, for so long that the reservation would be full many times over.
        int rounds = bytes > 1 << 20 ? 200 : 400;
        int batch = bytes > 60_000 ? 10 : 2_000;
        nint[] blocks = new nint[batch];
        using Barrier barrier = new(2);
        int superSlabs = 0;
        Workers.Run(2, thread =>
        {
            for (int round = 0; round < rounds; round++)
            {
                for (int index = 0; thread == 0 && index < batch; index++)
                {
                    blocks[index] = (nint)Arena.Allocate(bytes);
                    *(int*)blocks[index] = (round * batch) + index;
                }

                barrier.SignalAndWait();
                for (int index = 0; thread == 1 && index < batch; index++)
                {
                    Assert.That(*(int*)blocks[index], Is.EqualTo((round * batch) + index));
                    Arena.Free((void*)blocks[index]);
                }

                barrier.SignalAndWait();
                if (round == 10 && thread == 0)
                    superSlabs = Arena.SuperSlabCount;
            }
        });
        Assert.That(Arena.SuperSlabCount, Is.LessThanOrEqualTo(superSlabs + 2));
    }

    [Test]
    public void A_dead_threads_cache_is_adopted_with_its_blocks()
    {
        nint freed = 0;
        Workers.Run(() =>
        {
            void* block = Arena.Allocate(3000);
            freed = (nint)block;
            Arena.Free(block);
        });
        nuint metadata = Memory.MetadataBytes;
        nint found = 0;
        Workers.Run(() => found = (nint)Arena.Allocate(3000));
        Assert.That(found, Is.EqualTo(freed));
        Assert.That(Memory.MetadataBytes, Is.EqualTo(metadata));
    }

    [Test]
    public void Trim_brings_home_what_dead_threads_and_stocks_hold()
    {
        Workers.Run(4, _ =>
        {
            nint[] blocks = new nint[3_000];
            for (int index = 0; index < blocks.Length; index++)
                blocks[index] = (nint)Arena.Allocate(512);

            foreach (nint block in blocks)
                Arena.Free((void*)block);
        });
        Arena.Trim();
        Assert.That(Arena.SuperSlabCount, Is.Zero);
        long before = Memory.ResidentBytes();
        nuint ready = (nuint)Memory.ReadySuperSlabCount * Size.MiB(2);
        Assert.That(Memory.Trim(), Is.EqualTo(ready));
        Assert.That(ready, Is.AtLeast(Size.MiB(2)));
        Assert.That(Memory.ResidentBytes(), Is.EqualTo(-1).Or.EqualTo(before - (long)ready));
    }

    [Test]
    public void A_block_freed_twice_in_a_row_is_refused_also_across_a_magazines_end()
    {
        int blocks = Magazine.BlocksOf(SizeClasses.IndexOf(1024));
        nint[] held = new nint[3 * blocks];
        for (int index = 0; index < held.Length; index++)
            held[index] = (nint)Arena.Allocate(1024);

        foreach (nint block in held)
        {
            Arena.Free((void*)block);
            Assert.That(
                () => Arena.Free((void*)block),
                Throws.TypeOf<EngineMemoryException>().With.Message.Contains("twice in a row").And.Message.Contains(
                    $"0x{block:x}"));
        }

        Memory.Validate();
    }

    [Test]
    public void Random_work_of_threads_that_hand_blocks_to_each_other_keeps_every_block_whole()
    {
        const int Threads = 3;
        const int Rounds = 25;
        int seed = TestRandom.Seed();
        ShadowModel[] models = [.. Enumerable.Range(0, Threads).Select(_ => new ShadowModel())];
        using Barrier barrier = new(Threads);
        Workers.Run(Threads, thread =>
        {
            Random random = new(seed + thread);
            for (int round = 0; round < Rounds; round++)
            {
                // Each round a thread works on the blocks that its neighbour worked on before.
                ShadowModel model = models[(thread + round) % Threads];
                for (int step = 0; step < 2_000; step++)
                    Step(random, model);

                barrier.SignalAndWait();
            }
        });

        foreach (ShadowModel model in models)
            model.CheckAll();

        Memory.Validate();
        foreach (ShadowModel model in models)
            model.Drain(block => Arena.Free((void*)block));

        Arena.Trim();
        Memory.Validate();
    }

    private void Step(Random random, ShadowModel model)
    {
        if (model.Count < 50 || (model.LiveBytes < Size.MiB(24) && random.Next(2) == 0))
        {
            nuint bytes = random.NextSize(random.Next(50) == 0 ? 22 : 13);
            nuint alignment = random.Next(4) == 0 ? (nuint)1 << random.Next(13) : 16;
            model.Add(Arena.Allocate(bytes, alignment), bytes, alignment);
        }
        else if (random.Next(10) == 0)
        {
            void* block = model.Pick(random, out _);
            nuint bytes = random.NextSize(14);
            model.Moved(block, Arena.Reallocate(block, bytes), bytes);
        }
        else
        {
            void* block = model.Pick(random, out _);
            model.Remove(block);
            Arena.Free(block);
        }
    }
}
