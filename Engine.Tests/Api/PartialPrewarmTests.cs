using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>A prewarm of <see cref="PrefaultGranularity.Slab"/> makes resident what a small plan names, and no
/// more.</summary>
internal sealed unsafe class PartialPrewarmTests : ArenaFixture
{
    private static readonly long s_slab = 64 * 1024;

    protected override EngineMemoryOptions Options => base.Options with { Granularity = PrefaultGranularity.Slab };

    [OneTimeSetUp]
    public void OnlyWhereResidentMemoryIsTold()
    {
        using EngineMemory memory = new(Options);
        Assume.That(memory.ResidentBytes(), Is.GreaterThan(0), "the system tells what is resident");

        // The first prewarm of a process runs what frames will run, in slabs of its arena.
        using LongLivedArena first = memory.CreateLongLivedArena("first");
        first.Prewarm([new(100, 500)], threads: 1, carve: false);
    }

    /// <summary>500 blocks of 100 bytes lie in one slab, and a thread has free ones besides.</summary>
    [Test]
    public void A_small_plan_makes_few_slabs_resident([Values] bool carve)
    {
        BlockCount[] plan = [new(100, 500)];
        Arena.Prewarm(plan, threads: 1, carve);
        Assert.That(Arena.ResidentBytes(), Is.InRange(s_slab, 8 * s_slab));

        using EngineMemory whole = new(base.Options);
        using LongLivedArena arena = whole.CreateLongLivedArena("whole");
        arena.Prewarm(plan, threads: 1, carve);
        Assert.That(arena.ResidentBytes(), Is.EqualTo(2 << 20));
    }

    [Test]
    public void An_extent_and_a_long_run_are_resident_to_their_ends()
    {
        Arena.Prewarm([new BlockCount((2 << 20) + 1, 1) { IncludesCaches = true }], threads: 1);
        byte* extent = (byte*)Arena.Allocate((2 << 20) + 1);
        Assert.That(Memory.PagesThatWouldFault((nint)extent, 2 << 20), Is.Zero);
        Assert.That(Arena.ResidentBytes(), Is.LessThan((2 << 20) + (9 * s_slab)));
        extent[2 << 20] = 1;
        Arena.Free(extent);
    }

    [Test]
    public void Random_plans_are_paid_for_before_the_loop_and_hold_no_more_than_whole_SuperSlabs()
    {
        Random random = TestRandom.Create();
        for (int round = 0; round < 40; round++)
        {
            BlockCount[] plan = new BlockCount[random.Next(1, 12)];
            for (int index = 0; index < plan.Length; index++)
            {
                nuint bytes = (nuint)Math.Pow(2, (random.NextDouble() * 18) + 4);
                plan[index] = new BlockCount(bytes, random.Next(1, (int)nuint.Clamp((1 << 20) / bytes, 2, 300)));
            }

            using EngineMemory memory = new(Options);
            using LongLivedArena arena = memory.CreateLongLivedArena("random");
            nuint gained = arena.Prewarm(plan, threads: 1, carve: random.Next(2) == 0);
            Assert.That(arena.ResidentBytes(), Is.LessThanOrEqualTo((long)gained));
            BlockCount[] shuffled =
                [.. plan.SelectMany(size => Enumerable.Repeat(size with { Count = 1 }, (int)size.Count))];
            random.Shuffle(shuffled);
            nint[] blocks = new nint[shuffled.Length];
            long osCalls = memory.OsCalls;
            for (int index = 0; index < blocks.Length; index++)
            {
                nuint bytes = shuffled[index].Bytes;
                blocks[index] = (nint)arena.Allocate(bytes);
                Assert.That(
                    memory.PagesThatWouldFaultOn(blocks[index], bytes), Is.Zero, $"{shuffled[index]}, block {index}");
            }

            Assert.That(memory.OsCalls, Is.EqualTo(osCalls));
            memory.Validate();
            foreach (nint block in blocks)
                arena.Free((void*)block);
        }
    }

    [Test]
    public void What_goes_beyond_the_plan_gets_memory_from_the_same_SuperSlab_before_another_one()
    {
        Arena.Prewarm([new(60_000, 4)], threads: 1);
        int superSlabs = Arena.SuperSlabCount;
        long resident = Arena.ResidentBytes();
        nint[] blocks = Allocate(60_000, 25);
        for (int index = 0; index < blocks.Length; index++)
            new Span<byte>((void*)blocks[index], 60_000).Fill((byte)index);

        Assert.That(Arena.SuperSlabCount, Is.EqualTo(superSlabs));
        Assert.That(resident, Is.LessThan(25 * s_slab));
        Assert.That(Arena.ResidentBytes(), Is.InRange(25 * s_slab, 2 << 20));
        Memory.Validate();
        for (int index = 0; index < blocks.Length; index++)
            Assert.That(new Span<byte>((void*)blocks[index], 60_000).IndexOfAnyExcept((byte)index), Is.Negative);

        FreeAll(blocks);
    }

    /// <summary>Its SuperSlab is not ready: who gets it next gets it whole.</summary>
    [Test]
    public void A_SuperSlab_of_a_disposed_arena_is_prefaulted_anew_for_the_next()
    {
        Arena.Prewarm([new(100, 500)], threads: 1);
        Arena.Dispose();
        Assert.That(Memory.ReadySuperSlabCount, Is.Zero);
        using LongLivedArena next = Memory.CreateLongLivedArena("next");
        next.Prewarm([new(2 << 20, 3)], threads: 1);
        nint[] blocks = [.. Enumerable.Range(0, 3).Select(_ => (nint)next.Allocate(2 << 20))];
        foreach (nint block in blocks)
            Assert.That(Memory.PagesThatWouldFault(block, 2 << 20), Is.Zero);

        foreach (nint block in blocks)
            next.Free((void*)block);

        next.Dispose();
        Memory.Trim();
        Memory.Validate();
        Assert.That(Memory.PagesThatWouldFault(Memory.ReservationBase, Size.MiB(64)) * Environment.SystemPageSize,
            Is.EqualTo(64 << 20));
    }

    [Test]
    public void What_is_ready_in_the_reserve_is_taken_whole_without_a_call()
    {
        using EngineMemory memory = new(Options with { RetainBytes = Size.MiB(8) });
        LongLivedArena first = memory.CreateLongLivedArena("first");
        first.Prewarm([new(2 << 20, 2)], threads: 1);
        first.Dispose();
        Assert.That(memory.ReadySuperSlabCount, Is.GreaterThanOrEqualTo(2));
        using LongLivedArena second = memory.CreateLongLivedArena("second");
        second.Prewarm([new(100, 500)], threads: 1);
        Assert.That(second.ResidentBytes(), Is.EqualTo(2 << 20));
    }

    /// <summary>A cancelled prewarm has prefaulted a part of a SuperSlab before the rest: that SuperSlab is not ready,
    /// though the memory keeps what is.</summary>
    [Test]
    public void A_cancelled_prewarm_leaves_nothing_ready_that_is_not()
    {
        const int Extents = 100;
        using EngineMemory memory = new(Options with { RetainBytes = Size.GiB(1) });
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        using CancellationTokenSource cancellation = new();
        Progress progress = new(cancellation.Cancel);
        Assert.That(
            () => arena.Prewarm(
                [new(100, 500), new(2 << 20, Extents)], threads: 1, progress: progress,
                cancellation: cancellation.Token),
            Throws.InstanceOf<OperationCanceledException>());
        memory.Validate();
        Assert.That(arena.SuperSlabCount, Is.Zero);

        for (int superSlab = 0; superSlab < 2 * Extents; superSlab++)
        {
            nint address = memory.ReservationBase + (superSlab * (2 << 20));
            if (memory.Pool.StateOf(superSlab).IsReady)
                Assert.That(memory.PagesThatWouldFault(address, 2 << 20), Is.Zero, $"SuperSlab {superSlab} is ready");
        }

        arena.Prewarm([new(2 << 20, 20)], threads: 1);
        for (int block = 0; block < 20; block++)
            Assert.That(memory.PagesThatWouldFault((nint)arena.Allocate(2 << 20), 2 << 20), Is.Zero);
    }

    [Test]
    public void Pages_that_are_kept_or_come_on_demand_are_not_divided()
    {
        EngineMemoryOptions[] options =
        [
            Options with { Stay = StayPolicy.Lock }, Options with { Prefault = PrefaultPolicy.None },
        ];
        foreach (EngineMemoryOptions one in options)
        {
            using EngineMemory memory = new(one);
            using LongLivedArena arena = memory.CreateLongLivedArena("whole");
            arena.Prewarm([new(100, 500)], threads: 1);
            nint[] blocks = [.. Enumerable.Range(0, 30).Select(_ => (nint)arena.Allocate(50_000))];
            Assert.That(arena.SuperSlabCount, Is.EqualTo(1), $"{one.Stay}, {one.Prefault}");
            memory.Validate();
            foreach (nint block in blocks)
                arena.Free((void*)block);
        }
    }

    [Test]
    public void A_scene_asks_for_it_in_its_plan_and_another_for_whole_SuperSlabs()
    {
        using EngineMemory memory = new(base.Options);
        ScenePlan plan = ScenePlan.Parse(
            """
            {
              "name": "menu", "granularity": "slab",
              "arenas": { "menu": { "prewarm": { "blocks": [{ "bytes": 100, "count": 500 }] } } }
            }
            """u8);
        using Scene menu = Scene.Load(memory, plan);
        Assert.That(menu.Arena.ResidentBytes(), Is.LessThan(8 * s_slab));
        using Scene level = Scene.Load(memory, plan with { Name = "level", Granularity = default });
        Assert.That(level.Arena.ResidentBytes(), Is.EqualTo(2 << 20));
    }

    private sealed class Progress(Action first) : IProgress<double>
    {
        public void Report(double value) => first();
    }
}
