using Engine.Tests.Support;

namespace Engine.Tests.Diagnostics;

/// <summary>A snapshot against what the operating system, the arenas and the blocks say.</summary>
internal sealed unsafe class MemorySnapshotTests : ArenaFixture
{
    [Test]
    public void Totals_are_what_the_system_says()
    {
        if (!MemoryMap.IsReadable || Memory.ResidentBytes() < 0)
            Assert.Ignore("The system does not tell what is mapped and resident.");

        Arena.Prewarm([new BlockCount(1000, 30_000), new BlockCount(5 << 20, 3)], threads: 2);
        using FrameArena frame =
            Memory.CreateFrameArena("frame", new FrameArenaOptions { BytesPerLane = 3 << 20, LaneCount = 2 });
        for (int block = 0; block < 1000; block++)
            Arena.Allocate((nuint)(16 * block));

        MemoryTotals totals = Snapshots.Take(Memory, asksSystem: true).Totals;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                totals.MappedBytes,
                Is.EqualTo((long)MemoryMap.MappedWithin(Memory.ReservationBase, Memory.ReservationBytes)));
            Assert.That(
                totals.ResidentBytes,
                Is.EqualTo((long)MemoryMap.ResidentWithin(Memory.ReservationBase, Memory.ReservationBytes)));
            Assert.That(
                totals.ResidentBytes, Is.GreaterThanOrEqualTo((long)totals.OwnedSuperSlabCount << 21),
                "what arenas own is prefaulted");
            Assert.That(totals.PrefaultNanoseconds, Is.Positive);
        }
    }

    [Test]
    public void Names_that_a_plan_allows_are_whole_in_snapshots_and_documents()
    {
        string scene = new('s', 99);
        string[] arenas = [new string('a', 63) + "1", string.Concat(Enumerable.Repeat("\U0001F332", 63)) + "2"];
        string longScene = scene + "\U0001F332";
        using Scene loaded = Scene.Load(Memory, new ScenePlan
        {
            Name = longScene,
            Arenas = [new ArenaPlan { Name = arenas[0] }, new ArenaPlan { Name = arenas[1] }],
        });
        ProfileDocument document = ProfileDocument.OfMemory(Memory);
        using MemoryStream stream = new();
        document.Write(stream);
        stream.Position = 0;
        foreach (ProfileDocument copy in (ProfileDocument[])[document, ProfileDocument.Read(stream)])
        {
            string[] names = [.. copy.Arenas.Select(row => row.Name.ToString())];
            Assert.That(names, Is.SupersetOf(arenas.Select(name => $"{longScene}: {name}")));
        }
    }

    [TestCase("a")]
    [TestCase("\U0001F332")]
    [TestCase("e\u0301")]
    [TestCase("\U0001F468\u200D\U0001F469\u200D\U0001F467")]
    public void Longer_names_are_cut_between_characters_and_stay_apart(string character)
    {
        string name = string.Concat(Enumerable.Repeat(character, 500));
        RowName[] rows = [new(name + "1"), new(name + "2"), new("x" + name)];
        Assert.That(rows.Distinct().Count(), Is.EqualTo(3));
        Assert.That(rows[0].Is(name + "1"));
        foreach (RowName row in rows)
        {
            string text = row.ToString();
            string start = text[..text.LastIndexOf('~')];
            Assert.That(start.TrimStart('x').Replace(character, ""), Is.Empty, "only whole characters are left");
            Assert.That(start, Has.Length.GreaterThan(300));
        }
    }

    /// <summary>A frame that shows names must not make strings of them.</summary>
    [Test]
    public void A_name_is_written_in_utf8_without_a_managed_object()
    {
        RowName name = new("w\u00F6rld");
        Span<byte> room = stackalloc byte[8];
        _ = name.TryFormat(room, out _);
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool fits = name.TryFormat(room, out int written);
        bool fitsTooLittle = name.TryFormat(room[..5], out int writtenTooLittle);
        long managed = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.That((fits, fitsTooLittle, writtenTooLittle, managed), Is.EqualTo((true, false, 0, 0L)));
        Assert.That(room[..written].SequenceEqual("w\u00F6rld"u8));
    }

    [Test]
    public void When_nobody_uses_the_memory_all_sums_are_equal()
    {
        using FrameArena frame =
            Memory.CreateFrameArena("frame", new FrameArenaOptions { BytesPerLane = 3 << 20, LaneCount = 2 });
        frame.Lane(1).Allocate(1000);
        List<nint> blocks = [];
        for (int block = 0; block < 3000; block++)
            blocks.Add((nint)Arena.Allocate((nuint)(16 * (block % 400))));

        blocks.Add((nint)Arena.Allocate(900_000));
        blocks.Add((nint)Arena.Allocate(5 << 20));
        blocks.Add((nint)Arena.Allocate(50 << 20));
        for (int block = 0; block < 1000; block++)
            Arena.Free((void*)blocks[block]);

        MemorySnapshot snapshot = Snapshots.Take(Memory);
        ArenaRow arena = Snapshots.ArenaOf(snapshot, "arena");
        ArenaRow frames = Snapshots.ArenaOf(snapshot, "frame");
        long live = blocks.Skip(1000).Sum(block => (long)Arena.UsableBytes((void*)block));
        long inClasses = 0;
        foreach (ref readonly SizeClassRow row in snapshot.Classes)
            inClasses += (row.LiveCount + row.CachedCount) * row.BlockBytes;

        long used = 0;
        int owned = 0;
        foreach (ref readonly SuperSlabRow row in snapshot.SuperSlabs)
        {
            used += row.ArenaNumber == arena.Number ? row.UsedBytes : 0;
            owned += row.ArenaNumber != 0 ? 1 : 0;
        }

        long cached = 0;
        foreach (ref readonly ThreadCacheRow row in snapshot.ThreadCaches)
            cached += row.Bytes;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(arena.LiveBytes, Is.EqualTo(live));
            Assert.That(
                inClasses, Is.EqualTo(live - (50 << 20) + arena.CachedBytes),
                "blocks above 32 MiB have no size in common");
            Assert.That(used, Is.EqualTo(live + arena.CachedBytes));
            Assert.That(cached, Is.Positive.And.LessThanOrEqualTo(arena.CachedBytes));
            Assert.That(
                owned, Is.EqualTo(snapshot.Totals.OwnedSuperSlabCount).And.EqualTo(
                arena.SuperSlabCount + frames.SuperSlabCount));
            Assert.That(
                (arena.SuperSlabCount, frames.SuperSlabCount),
                Is.EqualTo((Arena.SuperSlabCount, frame.SuperSlabCount)));
            Assert.That(snapshot.Lanes.Length, Is.EqualTo(2));
            Assert.That(snapshot.Lanes[1].UsedBytes, Is.EqualTo(1008));
            Assert.That(frames.LiveBytes, Is.EqualTo(1008));
        }
    }

    [Test]
    public void What_the_memory_is_used_for_adds_up_to_what_the_system_says_is_resident()
    {
        using FrameArena frame = Memory.CreateFrameArena("frame");
        frame.Lane(0).Allocate(1000);
        Random random = TestRandom.Create();
        List<nint> blocks = [];
        for (int block = 0; block < 30_000; block++)
            blocks.Add((nint)Arena.Allocate((nuint)random.Next(1, 4_000)));

        foreach (nint block in blocks.Take(20_000))
            Arena.Free((void*)block);

        Arena.Free(Arena.Allocate(5 << 20));
        Arena.Allocate(9 << 20);
        using (LongLivedArena gone = Memory.CreateLongLivedArena("gone"))
            gone.Allocate(3 << 20);

        MemoryUse use = Snapshots.Take(Memory).Use;
        TestContext.Out.WriteLine($"{use}, resident {Memory.ResidentBytes()}");
        foreach (long part in (ReadOnlySpan<long>)[use.LiveBytes, use.CachedBytes, use.FreeBlockBytes, use.TableBytes])
            Assert.That(part, Is.Positive);

        Assert.That(use.FreeSlabBytes + use.ReadyBytes, Is.Positive);
        Assert.That(Memory.ResidentBytes(), Is.EqualTo(use.Bytes).Within(1).Percent);
    }

    [Test]
    public void A_class_says_where_its_blocks_are()
    {
        void*[] held = new void*[500];
        for (int block = 0; block < held.Length; block++)
            held[block] = Arena.Allocate(1000);

        for (int block = 0; block < 200; block++)
            Arena.Free(held[block]);

        SizeClassRow row = Snapshots.Take(Memory).Classes[0];
        int sizeClass = SizeClasses.IndexOf(1000);
        long runs = (row.LiveCount + row.FreeCount + row.CachedCount) / (65_536 / 1024);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(row.BlockBytes, Is.EqualTo((long)SizeClasses.BlockBytes(sizeClass)));
            Assert.That(row.LiveCount, Is.EqualTo(300));
            Assert.That(row.CachedCount, Is.Positive);
            Assert.That((row.LiveCount + row.FreeCount + row.CachedCount) % (65_536 / 1024), Is.Zero, "whole runs");
            Assert.That(runs, Is.GreaterThanOrEqualTo(500 / 64));
            Assert.That(row.WasteBytes, Is.Zero, "1,024 divides a slab");
        }
    }

    [Test]
    public void Memory_that_is_too_small_is_left_as_it_is_and_what_is_needed_is_told()
    {
        Arena.Allocate(100);
        byte[] small = new byte[100];
        bool isTaken = MemorySnapshot.TryTake(Memory, small, out _, out int needed);
        byte[] enough = new byte[needed];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(isTaken, Is.False);
            Assert.That(small, Is.All.Zero);
            Assert.That(needed, Is.GreaterThan(100));
            Assert.That(MemorySnapshot.TryTake(Memory, enough, out MemorySnapshot snapshot, out _));
            Assert.That(Snapshots.ArenaOf(snapshot, "arena").LiveBytes, Is.EqualTo(112));
            Assert.That(MemorySnapshot.TryTake(Memory, enough.AsSpan(1), out _, out _), Is.False);
        }
    }

    [Test]
    public void Taking_one_costs_no_managed_byte_and_no_OS_call()
    {
        byte[] room = new byte[1 << 20];
        Arena.Allocate(100);
        HotLoopCost cost = HotLoopCost.BestOf(3, () => HotLoopCost.Of(Memory, () =>
        {
            for (int round = 0; round < 100; round++)
                MemorySnapshot.TryTake(Memory, room, out _, out _);
        }));
        Assert.That((cost.ManagedBytes, cost.OsCalls, cost.EngineFaults), Is.EqualTo((0L, 0L, 0L)));
    }

    [Test]
    public void Snapshots_of_running_threads_and_of_arenas_that_come_and_go_are_sane()
    {
        using CancellationTokenSource stop = new();
        Thread[] workers = [.. Enumerable.Range(0, 3).Select(number => new Thread(() => Churn(number, stop.Token)))];
        foreach (Thread worker in workers)
            worker.Start();

        try
        {
            Assert.That(SaneSnapshots(), Is.Positive);
        }
        finally
        {
            stop.Cancel();
            foreach (Thread worker in workers)
                worker.Join();
        }
    }

    /// <summary>Looks at many snapshots, and tells how many could be taken.</summary>
    private int SaneSnapshots()
    {
        byte[] room = new byte[8 << 20];
        int taken = 0;
        for (int round = 0; round < 400; round++)
        {
            if (!MemorySnapshot.TryTake(Memory, room, out MemorySnapshot snapshot, out int needed))
            {
                Assert.That(needed, Is.LessThan(room.Length));
                continue;
            }

            taken++;
            foreach (ref readonly ArenaRow arena in snapshot.Arenas)
            {
                Assert.That(arena.Name.ToString(), Is.AnyOf("arena", "passing", "passing frame"));
                Assert.That(arena.LiveBytes, Is.LessThan((long)Size.MiB(500)));
            }

            foreach (ref readonly SuperSlabRow superSlab in snapshot.SuperSlabs)
                Assert.That(superSlab.BlockBytesOf(31), Is.LessThanOrEqualTo((long)Size.MiB(32)));
        }

        return taken;
    }

    private void Churn(int number, CancellationToken stop)
    {
        Random random = new(number);
        nint[] slots = new nint[200];
        while (!stop.IsCancellationRequested)
        {
            using LongLivedArena passing = Memory.CreateLongLivedArena("passing");
            using FrameArena frame = Memory.CreateFrameArena("passing frame", cancellation: CancellationToken.None);
            for (int step = 0; step < 500; step++)
            {
                ref nint slot = ref slots[random.Next(slots.Length)];
                Arena.Free((void*)slot);
                slot = (nint)Arena.Allocate((nuint)random.Next(1, 40_000));
                passing.Allocate((nuint)random.Next(1, 20_000));
                frame.Lane(0).Allocate(100);
            }
        }
    }
}
