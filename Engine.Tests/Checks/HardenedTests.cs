using Engine.Tests.Support;

namespace Engine.Tests.Checks;

/// <summary>What hardened mode finds at each free, and that it finds nothing in right use.</summary>
internal sealed unsafe class HardenedTests : ArenaFixture
{
    protected override EngineMemoryOptions Options =>
        new() { ReservationBytes = Size.GiB(1), Checks = MemoryChecks.Hardened };

    [Test]
    public void A_block_freed_twice_is_told_wherever_it_is_kept(
        [Values(16, 64, 1_000, 8_192, 100_000, 3 << 20, 40 << 20)] int bytes, [Values(0, 1, 10, 300, 900)] int between)
    {
        between = Math.Min(between, (512 << 20) / bytes / 2);
        nint[] others = [.. Enumerable.Range(0, between).Select(_ => (nint)Arena.Allocate((nuint)bytes))];
        void* block = Arena.Allocate((nuint)bytes);
        *(long*)block = 1;
        Arena.Free(block);
        foreach (nint other in others)
        {
            *(long*)other = 1;
            Arena.Free((void*)other);
        }

        // In the loaded magazine, in the stock, or returned to its run, whose SuperSlab may be gone.
        Assert.That(
            () => Arena.Free(block),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contain("was freed twice").Or.Message.Contain(
                "Was it freed already"));
        Assert.That(() => Arena.GetHandle().Free(block), Throws.TypeOf<EngineMemoryException>());
    }

    [Test]
    public void A_block_that_another_thread_freed_is_told(
        [Values(16, 1_000, 8_192, 100_000, 3 << 20)] int bytes, [Values(0, 1, 5, 300)] int between)
    {
        between = Math.Min(between, (256 << 20) / bytes);
        nint[] others = [.. Enumerable.Range(0, between).Select(_ => (nint)Arena.Allocate((nuint)bytes))];
        void* block = Arena.Allocate((nuint)bytes);
        using ManualResetEventSlim isFreed = new();
        using ManualResetEventSlim end = new();
        nint address = (nint)block;
        Thread other = new(() =>
        {
            Arena.Free((void*)address);
            foreach (nint next in others)
                Arena.Free((void*)next);

            isFreed.Set();
            end.Wait();
        });
        other.Start();
        isFreed.Wait();
        try
        {
            Assert.That(
                () => Arena.Free(block),
                Throws.TypeOf<EngineMemoryException>().With.Message.Contain("was freed twice").Or.Message.Contain(
                    "Was it freed already"));
        }
        finally
        {
            end.Set();
            other.Join();
        }
    }

    [Test]
    public void An_address_inside_a_block_is_told([Values(16, 48, 1_000, 8_192, 100_000, 3 << 20)] int bytes)
    {
        byte* block = (byte*)Arena.Allocate((nuint)bytes);
        foreach (int inside in (int[])[1, 8, 15, bytes - 1])
        {
            if (inside < 65_536)
            {
                string distance = Sizes.Count(inside, "byte", "bytes");
                Assert.That(() =>
                    Arena.Free(block + inside),
                    Throws.TypeOf<EngineMemoryException>().With.Message.Contain($"{distance} from its beginning"));
            }
        }

        Arena.Free(block);
    }

    [Test]
    public void Foreign_blocks_and_those_of_other_arenas_are_told()
    {
        using LongLivedArena other = Memory.CreateLongLivedArena("other");
        void* block = other.Allocate(100);
        int local = 0;
        nint foreign = (nint)(&local);
        Assert.That(() => Arena.Free(block), Throws.TypeOf<EngineMemoryException>().With.Message.Contain("'other'"));
        Assert.That(() =>
            Arena.Free((void*)foreign), Throws.TypeOf<EngineMemoryException>().With.Message.Contain("does not belong"));
        Assert.That(() =>
            Arena.Free((void*)16), Throws.TypeOf<EngineMemoryException>().With.Message.Contain("does not belong"));
        Arena.Free(null);
        other.Free(block);
    }

    [Test]
    public void A_block_that_was_never_written_may_be_freed_again_and_again()
    {
        for (int round = 0; round < 1_000; round++)
        {
            void* block = Arena.Allocate(64);
            Arena.Free(block);
        }

        nint[] all = [.. Enumerable.Range(0, 500).Select(_ => (nint)Arena.Allocate(64))];
        for (int round = 0; round < 20; round++)
        {
            foreach (nint block in all)
                Arena.Free((void*)block);

            for (int index = 0; index < all.Length; index++)
                all[index] = (nint)Arena.Allocate(64);
        }

        Assert.That(all.Distinct().Count(), Is.EqualTo(all.Length));
    }

    [Test]
    public void Random_use_by_threads_keeps_contents_and_finds_nothing_wrong() =>
        RandomUse.ByThreads(Arena, steps: 20_000, sharedBlocks: 256, largest: 300_000);

    [Test]
    public void A_disposed_arena_and_a_forgotten_handle_are_told()
    {
        void* block = Arena.Allocate(64);
        ArenaHandle handle = Arena.GetHandle();
        Arena.Dispose();
        Assert.That(() => Arena.Free(block), Throws.TypeOf<ObjectDisposedException>());
        try
        {
            handle.Free(block);
            Assert.Fail("the handle freed");
        }
        catch (ObjectDisposedException)
        {
        }
    }

    [Test]
    public void Prewarmed_frames_cost_nothing_that_a_hot_loop_may_not_pay()
    {
        Arena.Prewarm([new(64, 2_000 + SizeClasses.CacheBlocks(SizeClasses.IndexOf(64)))], threads: 1);
        nint[] held = new nint[2_000];
        Assert.That(HotLoopCost.BestOf(5, () =>
            HotLoopCost.Of(Memory, Frame)) with
        { OtherFaults = 0 }, Is.EqualTo(HotLoopCost.Nothing));

        void Frame()
        {
            for (int index = 0; index < held.Length; index++)
            {
                held[index] = (nint)Arena.Allocate(64);
                *(int*)held[index] = index;
            }

            foreach (nint block in held)
                Arena.Free((void*)block);
        }
    }
}
