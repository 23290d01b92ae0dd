using Engine.Tests.Diagnostics;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>Reserved ranges: addresses first, memory as it is needed, and nothing moves.</summary>
internal sealed unsafe class ReservedRangeTests : ArenaFixture
{
    [Test]
    public void It_takes_addresses_only_until_it_grows_and_is_resident_as_far_as_it_grew()
    {
        nuint resident = ResidentMemory.Settled();
        using ReservedRange range = Arena.Reserve(Size.GiB(2));
        Assert.That(ResidentMemory.MiBSince(resident), Is.LessThan(ResidentMemory.NoiseMiB));
        Assert.That(Memory.OwnedSuperSlabCount, Is.Zero);
        Assert.That((long)range.Address % (2 << 20), Is.Zero);
        Assert.That((range.Bytes, range.MaximumBytes), Is.EqualTo(((nuint)0, Size.GiB(2))));
        range.Grow(Size.MiB(64) - 5);
        Assert.That(range.Bytes, Is.EqualTo(Size.MiB(64)));
        Assert.That(ResidentMemory.MiBSince(resident), Is.EqualTo(64).Within(ResidentMemory.NoiseMiB));
        Assert.That(Arena.ResidentBytes(), Is.EqualTo(-1).Or.EqualTo(64 << 20));
        Assert.That(range.ToString(), Is.EqualTo("reserved range of 2 GiB, 64 MiB of it in use"));
    }

    [Test]
    public void It_grows_where_it_is_beside_blocks_that_come_and_go()
    {
        Random random = TestRandom.Create();
        using ReservedRange range = Arena.Reserve(Size.MiB(128));
        using ReservedRange other = Arena.Reserve<long>(1 << 20);
        nint address = (nint)range.Address;
        List<nint> blocks = [];
        for (int mebibytes = 2; mebibytes <= 128; mebibytes += 2)
        {
            range.Grow(Size.MiB(mebibytes));
            Write(range, mebibytes - 2, mebibytes);
            blocks.Add((nint)Arena.Allocate((nuint)random.Next(1, 6 << 20)));
            new Span<byte>((void*)blocks[^1], 1).Fill(0xEE);
            if (random.Next(2) == 0)
            {
                int index = random.Next(blocks.Count);
                Arena.Free((void*)blocks[index]);
                blocks.RemoveAt(index);
            }
        }

        other.Grow(8);
        Memory.Validate();
        Assert.That((nint)range.Address, Is.EqualTo(address));
        Assert.That(blocks.Exists(block => block - address is >= 0 and < 128 << 20), Is.False, "nobody is inside");
        Check(range, 128);
    }

    [Test]
    public void Growth_within_what_was_prewarmed_costs_nothing() => Assert.That(
        HotLoopCost.BestOf(5, () =>
        {
            using ReservedRange warm = Arena.Reserve(Size.MiB(16));
            Use(warm, 4);
            using ReservedRange range = Arena.Reserve(Size.MiB(16));
            range.Grow(Size.MiB(8));
            return HotLoopCost.Of(Memory, () => Use(range, 8));
        }),
        Is.EqualTo(HotLoopCost.Nothing));

    [Test]
    public void Others_fill_the_reservation_and_leave_a_range_its_addresses()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        using ReservedRange range = arena.Reserve(Size.MiB(32));
        range.Grow(1);
        LongLivedArena other = memory.CreateLongLivedArena("other");
        while (other.TryAllocate(Size.MiB(2), out void* block))
            Assert.That((nuint)((nint)block - (nint)range.Address), Is.GreaterThanOrEqualTo(Size.MiB(32)));

        range.Grow(Size.MiB(32));
        Write(range, 0, 32);
        memory.Validate();
        Assert.That(
            () => arena.Reserve(Size.MiB(4)),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("was to reserve 4 MiB of addresses")
                .And.Message.Contains("no such run without memory"));
        other.Dispose();
        memory.Trim();
        using ReservedRange later = arena.Reserve(Size.MiB(4));
        later.Grow(Size.MiB(4));
        memory.Validate();
    }

    [Test]
    public void A_size_beyond_the_reservation_or_the_range_is_told_and_nothing_has_changed()
    {
        Assert.That(
            () => Arena.Reserve(Arena.MaximumBytes + 1),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("arena 'arena' can reserve at most"));
        Assert.That(() => Arena.Reserve<int>(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
        using ReservedRange range = Arena.Reserve(Size.MiB(3));
        range.Grow(Size.MiB(4));
        Assert.That(
            () => range.Grow(Size.MiB(4) + 1),
            Throws.TypeOf<EngineOutOfMemoryException>()
                .With.Message.StartsWith("Arena 'arena' reserved a range of 4 MiB, and 4 MiB (4,194,305 bytes) of it"));
        Assert.That(range.Bytes, Is.EqualTo(Size.MiB(4)));
        Assert.That(range.AsSpan<int>(1 << 20).Length, Is.EqualTo(1 << 20));
        Assert.That(
            () => range.AsSpan<int>((1 << 20) + 1).Length,
            Throws.TypeOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("4 MiB (4,194,308 bytes) were asked for where 4 MiB of a range have memory"));
    }

    [Test]
    public void It_counts_against_the_budget_which_refuses_with_nothing_changed()
    {
        Arena.Budget = new ArenaBudget { HardBytes = Size.MiB(6) };
        using ReservedRange range = Arena.Reserve(Size.GiB(1));
        range.Grow(Size.MiB(4));
        Write(range, 0, 4);
        Assert.That(
            () => range.Grow(Size.MiB(8)),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("over its hard budget of 6 MiB"));
        Assert.That((range.Bytes, Arena.SuperSlabCount), Is.EqualTo((Size.MiB(4), 2)));
        Memory.Validate();
        range.Grow(Size.MiB(6));
        Check(range, 4);
        range.Trim(Size.MiB(2));
        Arena.Allocate(Size.MiB(4));
        Assert.That(Arena.HardOverruns, Is.EqualTo(1));
    }

    /// <summary>The user's code runs before memory is taken, and may do anything with the same range.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void A_budget_that_asks_may_grow_or_end_the_range_meanwhile(bool ends)
    {
        ReservedRange range = Arena.Reserve(Size.MiB(32));
        int asked = 0;
        Arena.Budget = new ArenaBudget
        {
            HardBytes = Size.MiB(2),
            Overflow = ArenaOverflow.Callback,
            OnOverflow = _ =>
            {
                if (asked++ == 0 && ends)
                    range.Dispose();
                else if (asked == 1)
                    range.Grow(Size.MiB(6));

                return true;
            },
        };
        if (ends)
            Assert.That(() => range.Grow(Size.MiB(8)), Throws.TypeOf<ObjectDisposedException>());
        else
            range.Grow(Size.MiB(8));

        Assert.That(range.Bytes, Is.EqualTo(Size.MiB(ends ? 0 : 8)));
        Assert.That(Arena.SuperSlabCount, Is.EqualTo(ends ? 0 : 4));
        Memory.Validate();
    }

    [Test]
    public void The_snapshots_sum_is_resident_memory_with_ranges_too()
    {
        using ReservedRange range = Arena.Reserve(Size.GiB(1));
        range.Grow(Size.MiB(40));
        Arena.Allocate(5000);
        MemorySnapshot snapshot = Snapshots.Take(Memory);
        Assert.That(Snapshots.ArenaOf(snapshot, "arena").LiveBytes, Is.InRange(40 << 20, (40 << 20) + 6000));
        Assert.That(Memory.ResidentBytes(), Is.EqualTo(-1).Or.EqualTo(snapshot.Use.Bytes).Within(1).Percent);
        range.Trim(Size.MiB(2));
        Assert.That(
            Memory.ResidentBytes(), Is.EqualTo(-1).Or.EqualTo(Snapshots.Take(Memory).Use.Bytes).Within(1).Percent);
        range.Dispose();
        Assert.That(Snapshots.ArenaOf(Snapshots.Take(Memory), "arena").LiveBytes, Is.LessThan(6000));
    }

    [Test]
    public void Its_tag_is_charged_as_for_a_block() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        using (AllocationTag.Register("terrain").Begin())
        {
            ReservedRange range = arena.Reserve(Size.MiB(64));
            range.Grow(Size.MiB(4));
            range.Grow(Size.MiB(10));
            Assert.That(Snapshots.TagOf(memory, "terrain").LiveBytes, Is.EqualTo(10 << 20));
            range.Trim(Size.MiB(6));
            Assert.That(Snapshots.TagOf(memory, "terrain").LiveBytes, Is.EqualTo(6 << 20));
            range.Dispose();
            Assert.That(Snapshots.TagOf(memory, "terrain").LiveBytes, Is.Zero);
        }
    });

    [Test]
    public void Its_owner_is_found_and_what_was_not_freed_is_told()
    {
        using LongLivedArena tracked = Memory.CreateLongLivedArena("tracked", ArenaTracking.Tags);
        ReservedRange range = tracked.Reserve(Size.MiB(64));
        Assert.That(tracked.LiveBlocks(), Is.Empty, "addresses are no leak");
        range.Grow(Size.MiB(6));
        Assert.That(
            Memory.OwnerOf((nint)range.Address + (5 << 20), out string? arena),
            Is.EqualTo("arena 'tracked' (extent of 6 MiB)"));
        Assert.That(arena, Is.EqualTo("tracked"));
        Assert.That(tracked.LiveBlocks(), Is.EqualTo(new[] { new BlockCount(Size.MiB(6), 1) }));
        Assert.That(tracked.LiveBytes(), Is.EqualTo(Size.MiB(6)));
        Assert.That(
            tracked.LiveAllocations().Select(live => (live.Bytes, live.Count)),
            Is.EqualTo(new[] { (Size.MiB(6), 1L) }));
        Assert.That(tracked.Blocks().Select(block => block.Bytes), Is.EqualTo(new[] { Size.MiB(6) }));
        Assert.That(tracked.PeakBlocks(), Is.Empty, "a prewarm of blocks gives a range nothing");
        range.Dispose();
        Assert.That(tracked.LiveBlocks().Count + tracked.LiveAllocations().Count, Is.Zero);
    }

    [TestCase(MemoryChecks.Off)]
    [TestCase(MemoryChecks.Hardened)]
    [TestCase(MemoryChecks.Full)]
    public void Only_the_range_itself_frees_or_grows_its_memory(MemoryChecks checks)
    {
        List<string> reports = [];
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            Checks = checks,
            CheckSettings = new() { Report = reports.Add },
        });
        using (LongLivedArena arena = memory.CreateLongLivedArena("arena"))
        {
            ReservedRange range = arena.Reserve(Size.MiB(64));
            range.Grow(Size.MiB(4));
            Write(range, 0, 4);
            Assert.That(
                () => arena.Free(range.Address),
                Throws.TypeOf<EngineMemoryException>().With.Message.Contains("is a reserved range of arena 'arena'")
                    .And.Message.Contains("its Dispose does that"));
            Assert.That(
                () => arena.Reallocate(range.Address, Size.MiB(6)),
                Throws.TypeOf<EngineMemoryException>().With.Message.Contains("its Grow does that"));
            Assert.That(() => arena.Free((byte*)range.Address + 4096), Throws.TypeOf<EngineMemoryException>());
            memory.Validate();
            Check(range, 4);
        }

        Assert.That(
            reports, checks == MemoryChecks.Full
                ? Has.Exactly(1).Contains("was disposed with 1 live block of 4 MiB") : Is.Empty);
    }

    [Test]
    public void A_trim_gives_the_end_back_to_the_system_and_keeps_the_rest_and_the_addresses()
    {
        using ReservedRange range = Arena.Reserve(Size.MiB(64));
        range.Trim(0);
        Assert.That((long)range.Bytes, Is.Zero, "there is nothing to trim");
        range.Grow(Size.MiB(32));
        Write(range, 0, 32);
        nuint resident = ResidentMemory.Bytes;
        range.Trim(Size.MiB(5));
        Assert.That((range.Bytes, Arena.SuperSlabCount), Is.EqualTo((Size.MiB(6), 3)));
        Assert.That(ResidentMemory.MiBSince(resident), Is.EqualTo(-26).Within(ResidentMemory.NoiseMiB));
        Memory.Validate();
        Check(range, 6);
        void* block = Arena.Allocate(Size.MiB(40));
        Assert.That((long)((nint)block - (nint)range.Address), Is.Not.InRange(0L, (64L << 20) - 1));
        range.Grow(Size.MiB(64));
        Check(range, 6);
        range.Trim(0);
        Assert.That(range.Bytes, Is.EqualTo(Size.MiB(2)), "the last SuperSlab stays until the end");
        Arena.Free(block);
    }

    [Test]
    public void Its_end_gives_memory_and_addresses_to_others()
    {
        ReservedRange range = Arena.Reserve(Size.MiB(64));
        nint address = (nint)range.Address;
        range.Grow(Size.MiB(8));
        range.Dispose();
        range.Dispose();
        Memory.Validate();
        Assert.That((Memory.OwnedSuperSlabCount, Memory.ReadySuperSlabCount), Is.EqualTo((0, 4)));
        Assert.That(
            () => range.Grow(1),
            Throws.TypeOf<ObjectDisposedException>()
                .With.Message.Contains("A reserved range of arena 'arena' was disposed"));
        Assert.That(() => range.Trim(0), Throws.TypeOf<ObjectDisposedException>());
        long osCalls = Memory.OsCalls;
        Assert.That((nint)Arena.Allocate(Size.MiB(8)), Is.EqualTo(address), "its memory is ready");
        Assert.That(Memory.OsCalls, Is.EqualTo(osCalls));
        Assert.That((nint)Arena.Reserve(Size.MiB(64)).Address, Is.EqualTo(address + (8 << 20)), "the next free ones");
    }

    [TestCase(false)]
    [TestCase(true)]
    public void The_arenas_reset_or_disposal_ends_its_ranges(bool isReset)
    {
        using LongLivedArena arena = Memory.CreateLongLivedArena("ending");
        ReservedRange range = arena.Reserve(Size.MiB(64));
        ReservedRange empty = arena.Reserve(Size.MiB(64));
        range.Grow(Size.MiB(8));
        if (isReset)
            arena.Reset();
        else
            arena.Dispose();

        Memory.Validate();
        Assert.That((long)range.Bytes, Is.Zero);
        foreach (ReservedRange ended in (ReservedRange[])[range, empty])
        {
            Assert.That(() => ended.Grow(1), Throws.TypeOf<ObjectDisposedException>());
            ended.Dispose();
        }

        Memory.Trim();
        Assert.That(Memory.OwnedSuperSlabCount + Memory.ReadySuperSlabCount, Is.Zero);
        Memory.Validate();
    }

    [Test]
    public void Damage_to_its_description_is_found()
    {
        using ReservedRange range = Arena.Reserve(Size.MiB(64));
        range.Grow(Size.MiB(4));
        ref SlabRun run = ref *Arena.Slabs.Runs[Arena.Slabs.Runs.SlabOf((nint)range.Address)];
        run.Kind = ExtentKind.Plain;
        Assert.That(
            Memory.Validate,
            Throws.TypeOf<EngineMemoryException>()
                .With.Message.Contains("a range has 2 SuperSlabs, and its block 0 slabs"));
        run.Kind = ExtentKind.Range;
        Memory.Validate();
    }

    [Test]
    public void It_grows_while_other_threads_allocate_and_free()
    {
        const int MostMebibytes = 96;
        Random random = TestRandom.Create();
        int seed = random.Next();
        using ReservedRange range = Arena.Reserve(Size.MiB(MostMebibytes));
        Workers.Run(3, worker =>
        {
            if (worker == 0)
            {
                for (int mebibytes = 2; mebibytes <= MostMebibytes; mebibytes += 2)
                {
                    range.Grow(Size.MiB(mebibytes));
                    Write(range, mebibytes - 2, mebibytes);
                }

                return;
            }

            Random own = new(seed + worker);
            for (int round = 0; round < 300; round++)
            {
                byte* block = (byte*)Arena.Allocate((nuint)own.Next(1 << 16, 5 << 20));
                block[0] = (byte)worker;
                Assert.That(block[0], Is.EqualTo(worker));
                Arena.Free(block);
            }
        });
        Memory.Validate();
        Check(range, MostMebibytes);
    }

    /// <summary>Writes to each page, growing as it goes.</summary>
    private static void Use(ReservedRange range, int mebibytes)
    {
        for (nuint at = 0; at < Size.MiB(mebibytes); at += 4096)
        {
            range.Grow(at + 1);
            ((byte*)range.Address)[at] = 1;
        }
    }

    /// <summary>Writes a word to each page of some mebibytes.</summary>
    private static void Write(ReservedRange range, int from, int to)
    {
        for (nuint at = Size.MiB(from); at < Size.MiB(to); at += 4096)
            *(nuint*)((byte*)range.Address + at) = ~at;
    }

    private static void Check(ReservedRange range, int mebibytes)
    {
        for (nuint at = 0; at < Size.MiB(mebibytes); at += 4096)
            Assert.That(*(nuint*)((byte*)range.Address + at), Is.EqualTo(~at));
    }
}
