using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>Blocks smaller than a cache line: those of one line belong to one thread, and come home when another frees
/// them.</summary>
internal sealed unsafe class HomesTests : ArenaFixture
{
    private const int Line = 64;
    private static readonly nuint[] Small = [1, 16, 24, 32, 48];

    [Test]
    public void The_map_of_a_thread_says_the_classes_of_its_home([Values(0, 1, 31)] int home)
    {
        byte* memory = stackalloc byte[ThreadCache.Bytes];
        ThreadCache* cache = (ThreadCache*)memory;
        ThreadCache.Initialise(cache, slot: 1, home);
        for (nuint bytes = 0; bytes <= SizeClasses.MappedBytes; bytes++)
        {
            int sizeClass = SizeClasses.IndexOf(bytes);
            int expected = SizeClasses.BlockBytes(sizeClass) < Line ? ArenaClasses.OfHome(home, sizeClass) : sizeClass;
            Assert.That((int)ThreadCache.MapOf(cache)[bytes], Is.EqualTo(expected), $"{bytes} bytes");
            Assert.That(ArenaClasses.SizeClassOf(expected), Is.EqualTo(sizeClass));
        }
    }

    [Test]
    public void Every_class_of_an_arena_has_a_size_class_and_is_met_once_on_the_way_through_it()
    {
        List<int> met = [];
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            for (int one = sizeClass; one < ArenaClasses.Count; one = ArenaClasses.Next(one))
            {
                Assert.That(ArenaClasses.SizeClassOf(one), Is.EqualTo(sizeClass));
                met.Add(one);
            }
        }

        Assert.That(met, Is.EquivalentTo(Enumerable.Range(0, ArenaClasses.Count)));
        Assert.That(ArenaClasses.Count, Is.LessThanOrEqualTo(byte.MaxValue), "a class is a byte of a slab's tag");
    }

    [Test]
    public void No_two_threads_blocks_lie_in_one_cache_line(
        [ValueSource(nameof(Small))] nuint bytes, [Values(2, 8)] int threads)
    {
        nint[][] blocks = new nint[threads][];
        using Barrier barrier = new(threads);
        Workers.Run(threads, thread =>
        {
            blocks[thread] = Allocate(bytes, 1_000);
            barrier.SignalAndWait();
        });
        AssertLinesAreApart(blocks);
        Arena.Validate();
    }

    [Test]
    public void A_block_that_another_thread_frees_is_not_that_threads_next([ValueSource(nameof(Small))] nuint bytes)
    {
        // What one thread made side by side for four others, as an engine's main thread does.
        const int Threads = 4;
        nint[] made = Allocate(bytes, Threads * 500);
        nint[][] blocks = new nint[Threads][];
        using Barrier barrier = new(Threads);
        Workers.Run(Threads, thread =>
        {
            blocks[thread] = new nint[500];
            for (int index = 0; index < 500; index++)
            {
                Arena.Free((void*)made[(index * Threads) + thread]);
                blocks[thread][index] = (nint)Arena.Allocate(bytes);
            }

            barrier.SignalAndWait();
        });
        AssertLinesAreApart([.. blocks, Allocate(bytes, 1_000)]);
        Arena.Validate();
    }

    [Test]
    public void Blocks_that_another_thread_frees_come_home([ValueSource(nameof(Small))] nuint bytes)
    {
        nint[] blocks = Allocate(bytes, 20_000);
        int superSlabs = Arena.SuperSlabCount;
        for (int round = 0; round < 50; round++)
        {
            Workers.Run(() => FreeAll(blocks));
            blocks = Allocate(bytes, 20_000);
        }

        Assert.That(Arena.SuperSlabCount, Is.EqualTo(superSlabs), "a million blocks later");
        FreeAll(blocks);
        Arena.Trim();
        Assert.That(Arena.SuperSlabCount, Is.Zero);
        Arena.Validate();
    }

    [Test]
    public void A_promised_run_that_one_home_no_longer_needs_serves_another()
    {
        const int Threads = 4;
        const int Blocks = 200_000;
        LongLivedArena arena = Arena;
        arena.Prewarm([new(16, Blocks)], Threads);
        int superSlabs = arena.SuperSlabCount;
        using Barrier turns = new(Threads);
        Workers.Run(Threads, thread =>
        {
            // One after the other, while the others live and keep their homes.
            for (int turn = 0; turn < Threads; turn++)
            {
                if (turn == thread)
                    FreeAll(Allocate(16, Blocks - 5_000));

                turns.SignalAndWait();
            }
        });
        Assert.That(arena.SuperSlabCount, Is.EqualTo(superSlabs), "all homes had the promised runs");
        arena.Validate();
        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.EqualTo(superSlabs), "what was promised stays");
        arena.Reset();
        arena.Validate();
        FreeAll(Allocate(16, Blocks));
        Assert.That(arena.SuperSlabCount, Is.EqualTo(superSlabs));
    }

    [Test]
    public void A_prewarm_has_runs_for_the_homes_of_all_its_threads(
        [ValueSource(nameof(Small))] nuint bytes, [Values] bool carve)
    {
        // One run would hold all blocks, and the rest of its SuperSlab is full.
        const int Threads = 8;
        Arena.Prewarm([new(bytes, 100), new(64 * 1024, 31)], Threads, carve);
        nint[] large = Allocate(64 * 1024, 31);
        int superSlabs = Arena.SuperSlabCount;
        nint[][] blocks = new nint[Threads][];
        using Barrier together = new(Threads);
        Workers.Run(Threads, thread =>
        {
            blocks[thread] = Allocate(bytes, 10);
            together.SignalAndWait();
        });
        Assert.That(Arena.SuperSlabCount, Is.EqualTo(superSlabs));
        AssertLinesAreApart(blocks);
        FreeAll(large);
    }

    [Test]
    [Category(Lane.Slow)]
    public void Before_an_arena_says_no_a_small_block_of_another_home_is_given()
    {
        Arena.Budget = new ArenaBudget { HardBytes = Size.MiB(2) };
        using ManualResetEventSlim taken = new();
        using ManualResetEventSlim end = new();
        List<nint> other = [];
        HashSet<nint> own = [];
        Thread thread = new(() =>
        {
            ArenaHandle handle = Arena.GetHandle();
            try
            {
                while (true)
                    other.Add((nint)handle.Allocate(48));
            }
            catch (EngineOutOfMemoryException)
            {
                // The only SuperSlab is full. A run of this home with room in it remains, and the thread keeps a
                // handle.
                for (int index = 0; index < 1_300; index++)
                {
                    handle.Free((void*)other[^1]);
                    other.RemoveAt(other.Count - 1);
                }
            }

            taken.Set();
            end.Wait();
        });
        thread.Start();
        taken.Wait();
        try
        {
            for (int index = 0; index < 1_000; index++)
                own.Add((nint)Arena.Allocate(48));

            Assert.That(own, Has.Count.EqualTo(1_000));
            Assert.That(own.Overlaps(other), Is.False, "they are free");
            Arena.Validate();
        }
        finally
        {
            end.Set();
            thread.Join();
        }

        FreeAll([.. other, .. own]);
        Arena.Trim();
        Assert.That(Arena.SuperSlabCount, Is.Zero);
    }

    [Test]
    public void What_a_plan_is_told_and_a_snapshot_shows_are_size_classes()
    {
        const int Count = 700;
        nint[] own = Allocate(32, Count);
        nint[] others = [];
        Workers.Run(() => others = Allocate(32, Count));
        BlockCount live = Arena.LiveBlocks().Single(size => size.Count != 0);
        Assert.That((live.Bytes, live.Count), Is.EqualTo(((nuint)32, (long)(2 * Count))));
        BlockCount peak = Arena.PeakBlocks().Single();
        Assert.That(peak.Bytes, Is.EqualTo((nuint)32));
        Assert.That(peak.Count, Is.InRange(2 * Count, (2 * Count) + (2 * SizeClasses.CacheBlocks(1))));
        Assert.That(peak.Threads, Is.EqualTo(2));
        Assert.That(Arena.Blocks().Select(block => block.Address), Is.EquivalentTo((nint[])[.. own, .. others]));
    }

    private static void AssertLinesAreApart(nint[][] blocks)
    {
        Dictionary<nint, int> owners = [];
        for (int thread = 0; thread < blocks.Length; thread++)
        {
            foreach (nint block in blocks[thread])
            {
                Assert.That(
                    owners.TryGetValue(block / Line, out int owner) ? owner : thread, Is.EqualTo(thread),
                    $"two threads write in the line of 0x{block:x}");
                owners[block / Line] = thread;
            }
        }
    }
}
