using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>Full magazines between threads: free memory that comes back before the arena grows.</summary>
internal sealed unsafe class MagazineStockTests : ArenaFixture
{
    [Test]
    public void Blocks_freed_by_one_thread_are_the_next_of_another()
    {
        nint[] freed = Allocate(128, 4_000);
        FreeAll(freed);
        HashSet<nint> before = [.. freed];
        Workers.Run(() =>
        {
            nint[] again = Allocate(128, 3_500);
            Assert.That(again.Count(before.Contains), Is.EqualTo(again.Length), "all were in the first thread's stock");
            FreeAll(again);
        });
    }

    [Test]
    public void A_stock_takes_full_magazines_up_to_its_limit_and_gives_the_last_first()
    {
        using LowerLayers layers = new();
        ulong word = 0;
        MagazineStock stock = new(&word, layers.Heap.Base);
        List<nint> pushed = [];
        for (Magazine* magazine = NewMagazine(layers); stock.TryPush(magazine, 5); magazine = NewMagazine(layers))
            pushed.Add((nint)magazine);

        Assert.That(pushed, Has.Count.EqualTo(5));
        Assert.That(stock.Count, Is.EqualTo(5));
        Assert.That((nint)stock.TryPop(), Is.EqualTo(pushed[4]));
        Magazine* first = stock.TryTake(3, out int count);
        Assert.That(count, Is.EqualTo(3));
        Assert.That(
            new[] { (nint)first, (nint)first->Next, (nint)first->Next->Next },
            Is.EqualTo(new[] { pushed[3], pushed[2], pushed[1] }));
        Assert.That((nint)stock.TryTake(3, out count), Is.EqualTo(pushed[0]));
        Assert.That(count, Is.EqualTo(1));
        Assert.That(stock.TryPop() == null && stock.TryTake(3, out _) == null && stock.Count == 0, Is.True);
        Assert.That(stock.TryPush(first, first->Next, 2, 1), Is.False, "two are more than one");
        Assert.That(stock.Count, Is.Zero);
    }

    [Test]
    public void A_stock_loses_no_magazine_and_gives_none_twice_while_threads_push_pop_and_take()
    {
        using LowerLayers layers = new();
        const int Magazines = 64;
        ulong* words = stackalloc ulong[4];
        new Span<ulong>(words, 4).Clear();
        nint address = (nint)words;
        int* owners = stackalloc int[Magazines];
        new Span<int>(owners, Magazines).Clear();
        nint owned = (nint)owners;
        nint heap = layers.Heap.Base;
        nint[] all = new nint[Magazines];
        for (int index = 0; index < Magazines; index++)
        {
            all[index] = (nint)NewMagazine(layers);
            // A full magazine's last block stands at its end: here its number.
            Magazine.FullTop((Magazine*)all[index])[-1] = (nuint)index;
            Assert.That(
                new MagazineStock(words + (index % 4), heap).TryPush((Magazine*)all[index], Magazines), Is.True);
        }

        int seed = TestRandom.Seed();
        Workers.Run(4, thread =>
        {
            Random random = new(seed + thread);
            MagazineStock own = new((ulong*)address + thread, heap);
            for (int round = 0; round < 50_000; round++)
            {
                Magazine* first =
                    new MagazineStock((ulong*)address + random.Next(4), heap).TryTake(random.Next(1, 5), out int count);
                Magazine* magazine = first;
                for (int index = 0; first != null && index < count; index++)
                {
                    Magazine* next = magazine->Next;
                    int number = (int)Magazine.FullTop(magazine)[-1];
                    if (Interlocked.Exchange(ref ((int*)owned)[number], 1) != 0)
                        throw new InvalidOperationException($"magazine {number} has two owners in round {round}");

                    Volatile.Write(ref ((int*)owned)[number], 0);
                    if (!own.TryPush(magazine, Magazines))
                        throw new InvalidOperationException("no room");

                    magazine = next;
                }
            }
        });

        HashSet<nint> left = [];
        for (int thread = 0; thread < 4; thread++)
        {
            MagazineStock stock = new(words + thread, heap);
            for (Magazine* magazine = stock.TryPop(); magazine != null; magazine = stock.TryPop())
                left.Add((nint)magazine);
        }

        Assert.That(left, Is.EquivalentTo(all));
    }

    [Test]
    public void Freed_blocks_of_one_size_become_room_for_another_before_the_arena_grows()
    {
        nint[] blocks = Allocate(8_192, 1_000);
        int superSlabs = Arena.SuperSlabCount;
        FreeAll(blocks);
        Assert.That(Arena.SuperSlabCount, Is.EqualTo(superSlabs), "the stock holds the blocks");
        nint[] others = Allocate(1_024, 7_000);
        Assert.That(Arena.SuperSlabCount, Is.EqualTo(superSlabs));
        Memory.Validate();
        FreeAll(others);
    }

    [Test]
    public void Many_sizes_after_each_other_need_no_more_memory_than_the_largest_of_them()
    {
        int most = 0;
        foreach (nuint bytes in (nuint[])[16, 48, 256, 700, 1_024, 3_000, 8_192, 20_000, 64, 500])
        {
            nint[] blocks = Allocate(bytes, (int)(Size.MiB(8) / bytes));
            most = most == 0 ? Arena.SuperSlabCount : most;
            FreeAll(blocks);
            Memory.Validate();
        }

        // What stays in the thread's loaded magazine of each size, and the slabs that these hold, is the rest.
        Assert.That(Arena.SuperSlabCount, Is.LessThanOrEqualTo(most + 2));
    }

    [Test]
    public void A_trim_returns_the_stocks_blocks()
    {
        FreeAll(Allocate(1_024, 6_000));
        Workers.Run(() => FreeAll(Allocate(1_024, 6_000)));
        Arena.Trim();
        Assert.That(Arena.SuperSlabCount, Is.Zero, "nor does this thread's cache hold any back");
    }

    [Test]
    public void A_block_freed_twice_is_named_when_the_stock_is_reclaimed_and_nothing_else_is_lost()
    {
        nint[] blocks = Allocate(8_192, 500);
        nint[] others = Allocate(8_192, 100);
        FreeAll(blocks);
        Arena.Free((void*)blocks[100]);
        FreeAll(others); // takes the second freeing into the stock

        Assert.That(() =>
            Memory.Validate(),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contain("twice among the freed blocks"));
        Assert.That(
            () => { Allocate(1_024, 20_000); },
            Throws.TypeOf<EngineMemoryException>().With.Message.Contain(
                "was freed twice, or is not the beginning of a block of 8192 bytes"));
        Arena.Reset();
    }

    [Test]
    public void A_prewarmed_arena_makes_no_OS_call_for_its_stocks([Values(16, 64, 1_000, 8_192, 60_000)] int bytes)
    {
        int count = (int)Math.Min(30_000, 16L * (1 << 20) / bytes);
        Arena.Prewarm(
            [new((nuint)bytes, count + (2 * SizeClasses.CacheBlocks(SizeClasses.IndexOf((nuint)bytes))))], threads: 2);
        nint[] held = new nint[count];
        HotLoopCost cost = HotLoopCost.BestOf(5, () =>
        {
            HotLoopCost own = HotLoopCost.Of(Memory, Round);
            HotLoopCost others = default;
            Workers.Run(() =>
            {
                Arena.AttachThread();
                others = HotLoopCost.Of(Memory, Round) with { ManagedBytes = 0 };
            });
            return own + others;
        });
        Assert.That(cost with { OtherFaults = 0 }, Is.EqualTo(HotLoopCost.Nothing));

        void Round()
        {
            for (int index = 0; index < held.Length; index++)
            {
                held[index] = (nint)Arena.Allocate((nuint)bytes);
                *(byte*)held[index] = 1;
            }

            FreeAll(held);
        }
    }

    private static Magazine* NewMagazine(LowerLayers layers) => (Magazine*)layers.Heap.Allocate(Magazine.Bytes);
}
