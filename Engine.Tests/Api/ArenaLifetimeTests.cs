using System.Diagnostics;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>Everything thrown away at once: Reset and Dispose.</summary>
internal sealed unsafe class ArenaLifetimeTests : ArenaFixture
{
    [Test]
    public void A_reset_frees_everything_and_keeps_the_memory()
    {
        Fill(Arena, new ShadowModel());
        long resident = Memory.ResidentBytes();
        Arena.Reset();
        Memory.Validate();
        Assert.That(Memory.ResidentBytes(), Is.EqualTo(resident));
        long osCalls = Memory.OsCalls;
        ShadowModel model = new();
        Fill(Arena, model);
        model.CheckAll();
        Memory.Validate();
        Assert.That(Memory.OsCalls, Is.LessThan(osCalls + 10), "the memory was there already");
    }

    [Test]
    public void A_reset_forgets_the_caches_of_all_threads()
    {
        Workers.Run(2, _ => Fill(Arena, new ShadowModel()));
        Arena.Reset();
        Memory.Validate();
        ShadowModel[] models = [new(), new(), new()];
        Workers.Run(2, thread => Fill(Arena, models[thread]));
        Fill(Arena, models[2]);
        foreach (ShadowModel model in models)
            model.CheckAll();

        Assert.That(models.Sum(model => model.Count), Is.EqualTo(3 * models[0].Count));
        Memory.Validate();
        Arena.Reset();
        Assert.That(Arena.SuperSlabCount, Is.Zero);
    }

    [Test]
    public void Resident_memory_is_back_after_dispose_whatever_lives()
    {
        nuint before = ResidentMemory.Settled();
        using LongLivedArena arena = Memory.CreateLongLivedArena("full");
        for (int round = 0; round < 8; round++)
            Fill(arena, new ShadowModel());

        void* huge = arena.Allocate(Size.MiB(100));
        new Span<byte>(huge, 100 << 20).Fill(1);
        Assert.That(ResidentMemory.MiBSince(before), Is.GreaterThan(105));
        arena.Dispose();
        Assert.That(ResidentMemory.SettledMiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        Assert.That(Memory.OwnedSuperSlabCount, Is.Zero);
        Memory.Validate();
    }

    [Test]
    public void A_retained_reserve_stays_and_serves_the_next_arena_without_OS_calls()
    {
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), RetainBytes = Size.MiB(64) });
        LongLivedArena first = memory.CreateLongLivedArena("first");
        new Span<byte>(first.Allocate(Size.MiB(96)), 96 << 20).Fill(1);
        nuint resident = ResidentMemory.Settled();
        first.Dispose();
        Assert.That(ResidentMemory.MiBSince(resident), Is.EqualTo(-32).Within(ResidentMemory.NoiseMiB));
        Assert.That(memory.ReadySuperSlabCount, Is.EqualTo(32));
        using LongLivedArena second = memory.CreateLongLivedArena("second");
        long osCalls = memory.OsCalls;
        Assert.That((nint)second.Allocate(Size.MiB(64)), Is.Not.EqualTo((nint)0));
        Assert.That(memory.OsCalls, Is.EqualTo(osCalls));
    }

    [Test]
    public void An_arena_that_could_not_be_made_gives_its_tables_back()
    {
        using LowerLayers layers = new(Size.MiB(64));
        ArenaRegistry registry = new();
        Make(); // with it come chunks for small objects, which others share
        nuint before = layers.Heap.UsedBytes;
        Make();
        nuint needed = layers.Heap.UsedBytes - before;

        // The heap has room for the first tables, and not for the last until this is free again.
        void* lastTable = layers.Heap.Allocate(ArenaCaches.TableBytes);
        while (layers.Reservation.Heap.LimitBytes - layers.Heap.UsedBytes >= needed)
            _ = layers.Heap.Allocate(Sizes.KiB);

        Assert.That(Make, Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That(Make, Throws.TypeOf<EngineOutOfMemoryException>());
        layers.Heap.Free(lastTable, ArenaCaches.TableBytes);
        Assert.That(Make, Throws.Nothing, "the first tables are there from the attempts");

        void Make() => _ = new LongLivedArena("arena", layers.Reservation, layers.Pool, layers.Heap, registry);
    }

    [Category(Engine.Tests.Os.Machine.NeedsRealKernel)] // an emulator's own memory grows meanwhile
    [Test]
    public void Arenas_come_and_go_without_growth()
    {
        Live();
        nuint metadata = Memory.MetadataBytes;
        nuint resident = ResidentMemory.Settled();
        for (int life = 0; life < 100; life++)
            Live();

        Assert.That(
            Memory.MetadataBytes, Is.LessThanOrEqualTo(metadata + (nuint)(100 * ThreadCache.Bytes) + (64 * Sizes.KiB)),
            "what handles may still read, and no more");
        Assert.That(ResidentMemory.SettledMiBSince(resident), Is.LessThan(ResidentMemory.NoiseMiB));

        void Live()
        {
            using LongLivedArena arena = Memory.CreateLongLivedArena("mortal");
            Fill(arena, new ShadowModel());
        }
    }

    [Category(Engine.Tests.Os.Machine.NeedsRealKernel)]
    [Test]
    [Category(Lane.Slow)]
    public void Ten_million_live_blocks_are_disposed_in_under_50_milliseconds_and_their_memory_is_gone()
    {
        const int Blocks = 10_000_000;

        // The one timed assertion here, because it is promised. The best of five counts, since others use the machine
        // as well.
        TimeSpan best = TimeSpan.MaxValue;
        for (int attempt = 0; attempt < 5 && best > TimeSpan.FromMilliseconds(50); attempt++)
        {
            LongLivedArena arena = Memory.CreateLongLivedArena("crowd");
            nuint before = ResidentMemory.Settled();
            ArenaHandle handle = arena.GetHandle();
            for (int block = 0; block < Blocks; block++)
                *(int*)handle.Allocate(32) = block;

            Assert.That(ResidentMemory.MiBSince(before), Is.GreaterThan(Blocks * 32.0 / Sizes.MiB * 0.99));
            long start = Stopwatch.GetTimestamp();
            arena.Dispose();
            TimeSpan took = Stopwatch.GetElapsedTime(start);
            best = took < best ? took : best;
            Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
            TestContext.Out.WriteLine($"{took.TotalMilliseconds:0.0} ms");
        }

        Assert.That(best, Is.LessThan(TimeSpan.FromMilliseconds(50)));
    }

    private static void Fill(LongLivedArena arena, ShadowModel model)
    {
        Random random = new(5);
        for (int block = 0; block < 3_000; block++)
        {
            nuint bytes = random.NextSize(random.Next(100) == 0 ? 20 : 12);
            void* address = arena.Allocate(bytes);
            lock (model)
                model.Add(address, bytes);
        }
    }
}
