using Engine.Core;
using Engine.Slabs;
using Engine.SuperSlabs;
using Engine.Tests.Support;

namespace Engine.Tests.Slabs;

/// <summary>Full magazines between threads: free memory that comes back before the arena grows.</summary>
internal sealed unsafe class DepotsTests : ArenaFixture
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
            Assert.That(again.Count(before.Contains), Is.EqualTo(again.Length), "all were in the depot");
            FreeAll(again);
        });
    }

    [Test]
    public void A_depot_takes_full_magazines_up_to_its_limit()
    {
        using ArenaLayers layers = new();
        const int SizeClass = 0;
        Depots depots = layers.Slabs.Depots;
        int taken = 0;
        while (depots.HasRoom(SizeClass))
        {
            Assert.That(depots.TryDeposit(SizeClass, NewFull(layers)), Is.True);
            taken++;
        }

        Magazine* kept = NewFull(layers);
        Assert.That(taken, Is.EqualTo(Magazine.DepotLimit(SizeClass)));
        Assert.That(depots.TryDeposit(SizeClass, kept), Is.False, "the caller keeps it");
        layers.Lower.Heap.Free(kept, Magazine.Bytes);
        depots.Drop(SizeClass);

        static Magazine* NewFull(ArenaLayers layers) => (Magazine*)layers.Lower.Heap.Allocate(Magazine.Bytes);
    }

    [Test]
    public void Freed_blocks_of_one_size_become_room_for_another_before_the_arena_grows()
    {
        nint[] blocks = Allocate(8_192, 1_000);
        int superSlabs = Arena.SuperSlabCount;
        FreeAll(blocks);
        Assert.That(Arena.SuperSlabCount, Is.EqualTo(superSlabs), "the depot holds the blocks");
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

        // What stays in the thread's two magazines of each size, and the slabs that these hold, is the rest.
        Assert.That(Arena.SuperSlabCount, Is.LessThanOrEqualTo(most + 2));
    }

    [Test]
    public void A_trim_returns_the_depots_blocks()
    {
        FreeAll(Allocate(1_024, 6_000));
        Workers.Run(() => FreeAll(Allocate(1_024, 6_000)));
        Arena.Trim();
        Assert.That(Arena.SuperSlabCount, Is.Zero, "nor does this thread's cache hold any back");
    }

    [Test]
    public void A_block_freed_twice_is_named_when_the_depot_is_reclaimed_and_nothing_else_is_lost()
    {
        nint[] blocks = Allocate(8_192, 500);
        nint[] others = Allocate(8_192, 100);
        FreeAll(blocks);
        Arena.Free((void*)blocks[100]);
        FreeAll(others); // takes the second freeing into the depot

        Assert.That(() => Memory.Validate(), Throws.TypeOf<EngineMemoryException>().With.Message.Contain("twice among the freed blocks"));
        Assert.That(
            () => { Allocate(1_024, 20_000); },
            Throws.TypeOf<EngineMemoryException>().With.Message.Contain("was freed twice, or is not the beginning of a block of 8192 bytes"));
        Arena.Reset();
    }

    [Test]
    public void A_prewarmed_arena_makes_no_OS_call_for_its_depots([Values(16, 64, 1_000, 8_192, 60_000)] int bytes)
    {
        int count = (int)Math.Min(30_000, 16L * (1 << 20) / bytes);
        Arena.Prewarm([new((nuint)bytes, count + (2 * SizeClasses.CacheBlocks(SizeClasses.IndexOf((nuint)bytes))))], threads: 2);
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

    private nint[] Allocate(nuint bytes, int count)
    {
        nint[] blocks = new nint[count];
        for (int index = 0; index < count; index++)
        {
            blocks[index] = (nint)Arena.Allocate(bytes);
        }

        return blocks;
    }

    private void FreeAll(nint[] blocks)
    {
        foreach (nint block in blocks)
        {
            Arena.Free((void*)block);
        }
    }
}
