using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

internal sealed unsafe class FrameArenaTests : FrameFixture
{
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(4)]
    public void With_N_buffers_a_frames_data_is_readable_for_N_minus_1_more(int buffers)
    {
        using FrameArena arena = Memory.CreateFrameArena("buffers", new FrameArenaOptions { BufferCount = buffers });
        List<nint> frames = [];
        for (int frame = 0; frame < 3 * buffers; frame++)
        {
            int* data = arena.Lane(0).Allocate<int>();
            *data = frame;
            frames.Add((nint)data);
            for (int age = 0; age < buffers && age <= frame; age++)
                Assert.That(*(int*)frames[frame - age], Is.EqualTo(frame - age), $"frame {frame}, {age} frames ago");

            Assert.That(frame < buffers || frames[frame] == frames[frame - buffers], "then its memory is used again");
            arena.NextFrame();
        }
    }

    [Test]
    public void Lanes_do_not_touch_each_other()
    {
        using FrameArena arena =
            Memory.CreateFrameArena("lanes", new FrameArenaOptions { LaneCount = 4, BytesPerLane = 128 * 1024 });
        for (int frame = 0; frame < 4; frame++)
        {
            ShadowModel[] models = [new(), new(), new(), new()];
            Workers.Run(4, lane =>
            {
                Random random = new(frame + lane);
                for (int block = 0; block < 400; block++)
                {
                    nuint bytes = (nuint)random.Next(1, 600); // some overflow, some do not
                    models[lane].Add(arena.Lane(lane).Allocate(bytes), bytes);
                }
            });
            HashSet<nint> all = [];
            foreach (ShadowModel model in models)
            {
                model.CheckAll();
                model.Drain(block => Assert.That(all.Add(block), Is.True, "two lanes have the same block"));
            }

            arena.Validate();
            arena.NextFrame();
        }
    }

    [Test]
    public void A_lane_that_does_not_exist_is_refused()
    {
        Assert.That(() =>
            Touch(-1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("lanes 0 to 1"));
        Assert.That(() => Touch(2), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Arena.HighWaterBytes(2), Throws.TypeOf<ArgumentOutOfRangeException>());

        void Touch(int lane) => _ = Arena.Lane(lane).UsedBytes;
    }

    [Test]
    public void Frames_cost_nothing_however_much_they_allocate()
    {
        Assert.That(HotLoopCost.BestOf(5, Attempt), Is.EqualTo(HotLoopCost.Nothing));

        HotLoopCost Attempt()
        {
            using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
            using FrameArena arena =
                memory.CreateFrameArena("frames", new FrameArenaOptions { BytesPerLane = 8 << 20, LaneCount = 2 });
            return HotLoopCost.Of(memory, () =>
            {
                for (int frame = 0; frame < 6; frame++)
                {
                    for (int lane = 0; lane < 2; lane++)
                    {
                        for (int block = 0; block < 80; block++)
                            new Span<byte>(arena.Lane(lane).Allocate(100_000), 100_000).Fill(1);
                    }

                    arena.NextFrame();
                }
            });
        }
    }

    [Test]
    public void Overflow_into_prewarmed_SuperSlabs_costs_nothing_also_where_metadata_is_at_its_end()
    {
        const int Overflows = 4;
        Assert.That(HotLoopCost.BestOf(5, Attempt), Is.EqualTo(HotLoopCost.Nothing));

        HotLoopCost Attempt()
        {
            using LowerLayers layers = new();
            ArenaRegistry registry = new();
            FrameArenaOptions options = new() { BytesPerLane = 4096, OverflowSuperSlabs = Overflows };
            using FrameArena arena =
                new("overflow", options, layers.Reservation, layers.Pool, layers.Heap, registry, null);

            // All small metadata that happens to be there already is used by others.
            nuint resident = layers.Reservation.Heap.ResidentBytes;
            while (layers.Heap.UsedBytes + 4096 <= resident)
                layers.Heap.Allocate(64);

            for (int rest = 1; rest < 4096 / 64; rest++)
                layers.Heap.Allocate(64);

            HotLoopCost cost = HotLoopCost.Of(layers, () =>
            {
                for (int block = 0; block < Overflows; block++)
                    new Span<byte>(arena.Lane(0).Allocate(2_000_000), 2_000_000).Fill(1);
            });
            Assert.That(arena.OverflowCount, Is.EqualTo(Overflows));
            return cost;
        }
    }

    [Test]
    public void Overflow_stays_with_its_lane_and_is_counted_once()
    {
        for (int frame = 0; frame < 6; frame++)
        {
            new Span<byte>(Arena.Lane(0).Allocate(300_000), 300_000).Fill(1);
            new Span<byte>(Arena.Lane(0).Allocate(1_500_000), 1_500_000).Fill(2);
            Memory.Validate();
            Arena.NextFrame();
        }

        Assert.That(Arena.OverflowCount, Is.EqualTo(2), "one in each buffer");
        long osCalls = Memory.OsCalls;
        new Span<byte>(Arena.Lane(0).Allocate(300_000), 300_000).Fill(1);
        Assert.That(Memory.OsCalls, Is.EqualTo(osCalls));
    }

    [Test]
    public void Overflow_beyond_the_prewarmed_takes_more_and_trim_gives_it_back()
    {
        nuint before = ResidentMemory.Settled();
        int owned = Arena.SuperSlabCount;
        for (int block = 0; block < 20; block++)
            new Span<byte>(Arena.Lane(1).Allocate(Size.MiB(5)), 5 << 20).Fill(1);

        Assert.That(ResidentMemory.MiBSince(before), Is.GreaterThan(100 - ResidentMemory.NoiseMiB));
        Assert.That(Arena.Trim, Throws.InvalidOperationException.With.Message.Contains("uses overflow memory"));
        Arena.NextFrame();
        Arena.Trim();
        Assert.That(Arena.SuperSlabCount, Is.EqualTo(owned));
        Memory.Validate();
        Memory.Trim();
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        Arena.Lane(1).Allocate(300_000);
        Memory.Validate();
    }

    [Test]
    public void The_high_water_mark_is_the_most_of_any_frame()
    {
        Arena.Lane(0).Allocate(1_000);
        Arena.NextFrame();
        Arena.Lane(0).Allocate(100_000);
        Arena.Lane(0).Allocate(1_000_000);
        nuint most = Arena.Lane(0).UsedBytes;
        Assert.That(most, Is.InRange((nuint)1_100_000, (nuint)1_100_100));
        Assert.That(Arena.HighWaterBytes(0), Is.EqualTo(most), "the running frame counts");
        Arena.NextFrame();
        Arena.Lane(0).Allocate(10);
        Assert.That(Arena.HighWaterBytes(0), Is.EqualTo(most));
        Assert.That(Arena.HighWaterBytes(1), Is.EqualTo((nuint)0));
        Assert.That(Arena.FrameNumber, Is.EqualTo(2));
    }

    [Test]
    public void A_disposed_arena_gives_everything_back_and_refuses_use()
    {
        nuint before = ResidentMemory.Settled();
        FrameArena arena =
            Memory.CreateFrameArena("gone", new FrameArenaOptions { BytesPerLane = 32 << 20, OverflowSuperSlabs = 4 });
        Assert.That(ResidentMemory.MiBSince(before), Is.EqualTo(72).Within(ResidentMemory.NoiseMiB), "prefaulted");
        arena.Lane(0).Allocate(Size.MiB(40));
        arena.Dispose();
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        Action[] uses = [() => _ = arena.Lane(0).UsedBytes, arena.NextFrame, arena.Trim, arena.Validate, () =>
            arena.HighWaterBytes(0)];
        foreach (Action use in uses)
            Assert.That(use, Throws.TypeOf<ObjectDisposedException>());

        Assert.That(arena.Dispose, Throws.Nothing);
        Assert.That(arena.SuperSlabCount, Is.Zero);
        Assert.That(arena.OverflowCount, Is.Zero);
    }

    [Test]
    public void A_lane_that_outlives_its_arena_writes_nowhere_and_says_so()
    {
        // The second arena's tables are freed onto the first's: what the heap writes into freed tables must not look
        // like room.
        FrameArena first = Memory.CreateFrameArena("first");
        FrameArena second = Memory.CreateFrameArena("second");
        FrameLane lane = second.Lane(0);
        first.Dispose();
        second.Dispose();
        Exception? thrown = null;
        try
        {
            lane.Allocate(16);
        }
        catch (ObjectDisposedException exception)
        {
            thrown = exception;
        }

        Assert.That(thrown, Is.Not.Null);
    }

    [Test]
    public void Options_out_of_range_are_refused_by_name()
    {
        FrameArenaOptions[] wrong =
        [
            new() { LaneCount = 0 }, new() { LaneCount = 513 }, new() { BufferCount = 0 }, new() { BufferCount = 17 },
                new() { OverflowSuperSlabs = -1 },
            new() { OverflowSuperSlabs = 65_537 }, new() { BytesPerLane = 0 }, new() { BytesPerLane = 4095 },
                new() { BytesPerLane = Size.GiB(1) + 1 },
        ];
        foreach (FrameArenaOptions options in wrong)
        {
            Assert.That(
                () => Memory.CreateFrameArena("wrong", options),
                Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("FrameArenaOptions."), $"{options}");
        }

        Assert.That(() => Memory.CreateFrameArena(string.Empty), Throws.ArgumentException);
    }

    [Test]
    public void The_largest_numbers_of_lanes_and_buffers_work()
    {
        using FrameArena arena =
            Memory.CreateFrameArena(
            "many", new FrameArenaOptions { LaneCount = 512, BufferCount = 16, BytesPerLane = 4096 });
        for (int frame = 0; frame < 17; frame++)
        {
            for (int lane = 0; lane < 512; lane++)
                *arena.Lane(lane).Allocate<int>() = lane;

            arena.NextFrame();
        }

        arena.Validate();
    }

    [Test]
    public void An_arena_that_does_not_fit_or_is_refused_leaves_nothing()
    {
        using var context = new FailingContext();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256), NativeContext = context });
        nuint before = ResidentMemory.Settled();
        Assert.That(() =>
            memory.CreateFrameArena("large", new FrameArenaOptions { BytesPerLane = 512 << 20 }),
            Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That(
            () => memory.CreateFrameArena("overflow", new FrameArenaOptions { OverflowSuperSlabs = 200 }),
                Throws.TypeOf<EngineOutOfMemoryException>());
        context.FailAlways("mprotect", errno: 12);
        Assert.That(() =>
            memory.CreateFrameArena("refused", new FrameArenaOptions { BytesPerLane = 16 << 20 }),
            Throws.TypeOf<EngineOutOfMemoryException>());
        context.Heal("mprotect");
        Assert.That(
            () => memory.CreateFrameArena(
                "cancelled", new FrameArenaOptions { BytesPerLane = 32 << 20 }, null, new CancellationToken(true)),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        memory.Validate();
        using FrameArena works = memory.CreateFrameArena("works");
    }
}
