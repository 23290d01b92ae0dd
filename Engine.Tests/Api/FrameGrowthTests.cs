using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>What a frame arena owns follows from its largest frames, not from the history that led there; and equal
/// frames cost nothing.</summary>
internal sealed unsafe class FrameGrowthTests
{
    [TestCase(1)]
    [TestCase(2)]
    public void An_allocation_that_grows_from_frame_to_frame_does_not_pile_up_what_was_too_small(int buffers)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4) });
        using FrameArena arena = memory.CreateFrameArena("growth", new FrameArenaOptions { BufferCount = buffers });
        nuint before = ResidentMemory.Settled();
        int own = arena.SuperSlabCount;
        for (int size = 1; size <= 40; size++)
        {
            arena.NextFrame();
            new Span<byte>(arena.Lane(0).Allocate((nuint)size << 21), size << 21).Fill(1);
            Assert.That(arena.SuperSlabCount - own, Is.LessThanOrEqualTo(buffers * size));
            memory.Validate();
        }

        Assert.That(arena.OverflowCount, Is.EqualTo(40), "each needed more than its chunks");
        Assert.That(
            ResidentMemory.MiBSince(before), Is.LessThan((buffers * 80) + 100),
            "and what the chunks before were made of is used again");
    }

    [Test]
    [Category(Lane.Slow)]
    public void Equal_turns_of_any_frames_make_no_OS_call_and_no_chunk_after_the_second(
        [Values(1, 2, 3)] int buffers, [Values] bool rewinds)
    {
        Random random = TestRandom.Create();
        for (int round = 0; round < 30; round++)
        {
            using EngineMemory memory =
                new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), RetainBytes = 0 });
            using FrameArena arena = memory.CreateFrameArena(
                "steady",
                    new FrameArenaOptions
                    {
                        BufferCount = buffers,
                        LaneCount = 2,
                        BytesPerLane = 64 * 1024,
                        OverflowSuperSlabs = random.Next(4)
                    });
            int length = random.Next(1, 4) * buffers; // frames of a turn: each buffer meets several kinds
            int[] seeds = [.. Enumerable.Range(0, length).Select(_ => random.Next())];
            for (int turn = 0; turn < (rewinds ? 12 : 2 * length); turn++)
            {
                Turn(arena, seeds, rewinds);
                memory.Validate();
            }

            (long, long, int) steady = (memory.OsCalls, arena.OverflowCount, arena.SuperSlabCount);
            Turn(arena, seeds, rewinds);
            Assert.That(
                (memory.OsCalls, arena.OverflowCount, arena.SuperSlabCount), Is.EqualTo(steady), $"round {round}");
        }
    }

    [Test]
    public void The_second_of_two_equal_frames_makes_no_OS_call_and_no_chunk()
    {
        Random random = TestRandom.Create();
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4) });
        using FrameArena arena =
            memory.CreateFrameArena(
            "equal", new FrameArenaOptions { BufferCount = 1, LaneCount = 2, BytesPerLane = 64 * 1024 });
        for (int round = 0; round < 200; round++)
        {
            int seed = random.Next(); // whatever the frames before it left
            Turn(arena, [seed], rewinds: false);
            (long, long, int) first = (memory.OsCalls, arena.OverflowCount, arena.SuperSlabCount);
            Turn(arena, [seed], rewinds: false);
            Assert.That(
                (memory.OsCalls, arena.OverflowCount, arena.SuperSlabCount), Is.EqualTo(first), $"round {round}");
        }
    }

    [Test]
    [Category(Lane.Slow)]
    public void Any_history_owns_no_more_than_its_largest_frames_explain()
    {
        const int Lanes = 3;
        const int Buffers = 2;
        Random random = TestRandom.Create();
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(8) });
        using FrameArena arena =
            memory.CreateFrameArena(
            "any", new FrameArenaOptions { LaneCount = Lanes, BytesPerLane = 256 * 1024, OverflowSuperSlabs = 3 });
        int own = arena.SuperSlabCount;
        for (int frame = 0; frame < 400; frame++)
        {
            List<(nint Address, nuint Bytes)> live = [];
            for (int lane = 0; lane < Lanes; lane++)
            {
                int kind = random.Next(6);
                for (int block = random.Next(kind == 0 ? 30 : 6); block > 0; block--)
                {
                    nuint bytes = kind switch
                    {
                        0 => 1_500_000,
                        1 => (nuint)random.Next(1, 40) << 20,
                        2 => (nuint)(frame % 40) << 20,
                        _ => random.NextSize(23),
                    };
                    byte* address = (byte*)arena.Lane(lane).Allocate(bytes);
                    *(nint*)address = (nint)address;
                    live.Add(((nint)address, bytes));
                }
            }

            Assert.That(live.All(block =>
                *(nint*)block.Address == block.Address), "what this frame allocated is whole");
            live.Sort();
            Assert.That(live.Zip(live.Skip(1)).All(pair =>
                (nuint)pair.First.Address + pair.First.Bytes <= (nuint)pair.Second.Address), "no two overlap");
            memory.Validate();
            arena.NextFrame();
            long largest = Enumerable.Range(0, Lanes).Sum(lane => (long)arena.HighWaterBytes(lane));
            Assert.That(
                (long)(arena.SuperSlabCount - own) << 21,
                Is.LessThan((Buffers * 2 * largest) + (Lanes * Buffers * 40L << 21)));
        }

        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.EqualTo(own), "the prewarmed ones, all of them, and no more");
    }

    /// <summary>The sizes in KiB of the blocks of a frame, whose size is in MiB.</summary>
    private static readonly Dictionary<string, Func<int, IEnumerable<int>>> s_frames = new()
    {
        ["one block"] = size => [size << 10],
        ["thirds"] = size => Enumerable.Repeat((size << 10) / 3, 3),
        ["falling"] = size => [size * 600, size * 240, size * 96, size * 48, size * 40],
        ["rising"] = size => [size * 40, size * 48, size * 96, size * 240, size * 600],
        ["700 KiB"] = size => Enumerable.Repeat(700, (size << 10) / 700),
        ["1280 KiB"] = size => Enumerable.Repeat(1280, (size << 10) / 1280),
        ["2100 KiB"] = size => Enumerable.Repeat(2100, (size << 10) / 2100),
    };

    private static IEnumerable<string> Frames => s_frames.Keys;

    [Test]
    [Category(Machine.NeedsRealKernel)]
    [Platform("Linux")]
    public void Frames_that_grow_own_and_keep_resident_a_quarter_more_than_the_largest_needs_at_most(
        [ValueSource(nameof(Frames))] string frames, [Values(1, 2)] int buffers, [Values(1, 3)] int lanes)
    {
        const int ConstantMiB = 16; // chunks of 2 MiB in each lane of small frames, and the process's own
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(8) });
        Assume.That(VirtualMemory.Create().Facts.MovesPages, "pages are moved by mremap (Linux 5.7)");
        using FrameArena arena = memory.CreateFrameArena(
            "growth",
            new FrameArenaOptions { BufferCount = buffers, LaneCount = lanes, BytesPerLane = 64 * 1024 });
        nuint before = ResidentMemory.Settled();
        List<(nint Address, int Bytes, byte Value)>[] live = [[], []];
        for (int size = 1; size <= 80 / lanes; size++)
        {
            arena.NextFrame();
            List<(nint Address, int Bytes, byte Value)> current = live[size % 2];
            current.Clear();
            foreach (int kib in s_frames[frames](size))
            {
                for (int lane = 0; lane < lanes; lane++)
                {
                    byte value = (byte)(size + lane);
                    void* block = arena.Lane(lane).Allocate((nuint)kib << 10);
                    new Span<byte>(block, kib << 10).Fill(value);
                    current.Add(((nint)block, kib << 10, value));
                }
            }

            IEnumerable<(nint Address, int Bytes, byte Value)> readable =
                buffers == 1 ? current : live.SelectMany(static frame => frame);
            Assert.That(
                readable.All(block =>
                    new Span<byte>((void*)block.Address, block.Bytes).IndexOfAnyExcept(block.Value) < 0),
                $"{size} MiB: what the frames hold is whole");
            double most = (1.25 * size * lanes * buffers) + ConstantMiB;
            Assert.That(
                2 * (memory.OwnedSuperSlabCount + memory.ReadySuperSlabCount), Is.LessThan(most), $"{size} MiB");
            Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(most), $"{size} MiB");
            memory.Validate();
        }

        arena.NextFrame();
        arena.Trim();
        memory.Trim();
        Assert.That(
            ResidentMemory.SettledMiBSince(before), Is.LessThan(ConstantMiB), "a trim leaves what the plan says");
    }

    [Test]
    [Category(Lane.Slow)]
    [Category(Machine.NeedsRealKernel)]
    [Platform("Linux")]
    public void Any_call_may_fail_while_frames_grow_and_the_next_try_works(
        [Values("mmap", "mprotect", "madvise", "mremap")] string function, [Values] bool halfWay)
    {
        const int NoMemory = 12;
        bool hasFailed = true;
        int failures = 0;
        for (int call = 1; hasFailed; call++)
        {
            using FailingContext context = new();
            using EngineMemory memory =
                new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), NativeContext = context });
            using FrameArena arena = memory.CreateFrameArena(
                "growth", new FrameArenaOptions { LaneCount = 2, BytesPerLane = 64 * 1024, OverflowSuperSlabs = 1 });
            if (halfWay)
                context.FailHalfDone(function, call, NoMemory);
            else
                context.Fail(function, call, NoMemory);

            long before = context.CallsOf(function);
            for (int size = 1; size <= 6; size++)
            {
                arena.NextFrame();
                for (int block = 0; block < 3; block++)
                    failures += Write(arena.Lane(block % 2), size << 20) ? 0 : 1;

                memory.Validate();
            }

            hasFailed = context.CallsOf(function) - before >= call;
            arena.NextFrame();
            arena.Trim();
            Assert.That(arena.SuperSlabCount, Is.EqualTo(2), "its own, and the spare");
        }

        TestContext.Out.WriteLine($"{function}: {failures} allocations failed");

        static bool Write(FrameLane lane, int bytes)
        {
            nuint used = lane.UsedBytes;
            try
            {
                new Span<byte>(lane.Allocate((nuint)bytes), bytes).Fill(1);
                return true;
            }
            catch (EngineMemoryException)
            {
                Assert.That(lane.UsedBytes, Is.EqualTo(used));
                new Span<byte>(lane.Allocate((nuint)bytes), bytes).Fill(1);
                return false;
            }
        }
    }

    [Test]
    public void Chunks_that_were_too_small_for_a_block_serve_those_after_it()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using FrameArena arena =
            memory.CreateFrameArena("order", new FrameArenaOptions { BufferCount = 1, BytesPerLane = 4096 });
        nuint[] sizes = [1_900_000, 1_900_000, 9_000_000, 1_900_000];
        Frame(sizes);
        int owned = arena.SuperSlabCount;
        foreach (nuint[] order in (nuint[][])[[9_000_000, 1_900_000, 1_900_000, 1_900_000],
            [1_900_000, 1_900_000, 1_900_000], sizes[2..]])
        {
            Frame(order);
            Assert.That(
                (arena.OverflowCount, arena.SuperSlabCount), Is.EqualTo((4L, owned)),
                "all chunks are there, and no other was made");
            memory.Validate();
        }

        void Frame(nuint[] blocks)
        {
            arena.NextFrame();
            foreach (nuint bytes in blocks)
            {
                byte* address = (byte*)arena.Lane(0).Allocate(bytes);
                address[0] = address[bytes - 1] = 1;
            }
        }
    }

    [Test]
    public void A_chunk_with_live_data_stays_while_those_ahead_of_it_go()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using FrameArena arena =
            memory.CreateFrameArena("live", new FrameArenaOptions { BufferCount = 2, BytesPerLane = 4096 });
        for (int frame = 0; frame < 2; frame++)
        {
            arena.NextFrame();
            for (int block = 0; block < 4; block++)
                new Span<byte>(arena.Lane(0).Allocate(1_500_000), 1_500_000).Fill(1);
        }

        byte* last = (byte*)arena.Lane(0).Allocate(1_500_000);
        new Span<byte>(last, 1_500_000).Fill(2);
        arena.NextFrame();
        byte* kept = (byte*)arena.Lane(0).Allocate(1_500_000);
        new Span<byte>(kept, 1_500_000).Fill(3);
        FrameMark mark = arena.Lane(0).Mark();
        int owned = arena.SuperSlabCount;
        new Span<byte>(arena.Lane(0).Allocate(Size.MiB(10)), 10 << 20).Fill(4);
        Assert.That(arena.SuperSlabCount, Is.LessThanOrEqualTo(owned + 5), "what is ahead makes room");
        using LongLivedArena other = memory.CreateLongLivedArena("other");
        new Span<byte>(other.Allocate(Size.MiB(32)), 32 << 20).Fill(5); // what was dropped is somebody's now
        Assert.That(new Span<byte>(last, 1_500_000).IndexOfAnyExcept((byte)2), Is.Negative, "the last frame's");
        Assert.That(new Span<byte>(kept, 1_500_000).IndexOfAnyExcept((byte)3), Is.Negative, "this frame's");
        arena.Lane(0).Rewind(mark);
        Assert.That((nint)arena.Lane(0).Allocate(16), Is.EqualTo((nint)kept + 1_500_000));
        memory.Validate();
    }

    [Test]
    public void Prewarmed_spares_come_back_from_chunks_that_were_replaced()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using FrameArena arena =
            memory.CreateFrameArena(
            "spares",
            new FrameArenaOptions { BufferCount = 1, LaneCount = 2, BytesPerLane = 4096, OverflowSuperSlabs = 3 });
        for (int round = 0; round < 3; round++)
        {
            arena.NextFrame();
            Overflow(0, 3); // all spares are lane 0's
            arena.NextFrame();
            new Span<byte>(arena.Lane(0).Allocate(Size.MiB(8)), 8 << 20).Fill(1); // and replaced
            memory.Trim();
            long calls = memory.OsCalls;
            Overflow(1, 3);
            Assert.That(memory.OsCalls, Is.EqualTo(calls), "lane 1 has the spares");
            arena.NextFrame();
            arena.Trim();
            memory.Trim();
        }

        void Overflow(int lane, int times)
        {
            for (int block = 0; block < times; block++)
                new Span<byte>(arena.Lane(lane).Allocate(1_500_000), 1_500_000).Fill(1);
        }
    }

    [Test]
    public void A_lane_that_waits_for_the_system_holds_up_no_other()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using FrameArena arena =
            memory.CreateFrameArena(
            "lanes", new FrameArenaOptions { LaneCount = 2, BytesPerLane = 4096, OverflowSuperSlabs = 1 });
        using ManualResetEventSlim asks = new();
        using ManualResetEventSlim mayGoOn = new();
        memory.Pool.Observer = (_, _) =>
        {
            asks.Set();
            mayGoOn.Wait();
        };
        Thread waits = new(() => *(int*)arena.Lane(0).Allocate(Size.MiB(64)) = 1);
        Thread other = new(() => *(int*)arena.Lane(1).Allocate(1_000_000) = 2) { IsBackground = true };
        waits.Start();
        asks.Wait();
        other.Start();
        bool cameThrough = other.Join(TimeSpan.FromSeconds(60));
        mayGoOn.Set();
        waits.Join();
        other.Join();
        Assert.That(cameThrough, "it has its spare while the first lane's chunk is being made");
        memory.Validate();
    }

    [Test]
    public void A_refused_chunk_changes_nothing_and_the_next_try_works()
    {
        using var context = new FailingContext();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), NativeContext = context });
        using FrameArena arena =
            memory.CreateFrameArena("refused", new FrameArenaOptions { BufferCount = 1, BytesPerLane = 4096 });
        new Span<byte>(arena.Lane(0).Allocate(1_500_000), 1_500_000).Fill(1);
        arena.NextFrame();
        byte* live = (byte*)arena.Lane(0).Allocate(100);
        *live = 9;
        context.FailAlways("mprotect", errno: 12);
        nuint used = arena.Lane(0).UsedBytes;
        Assert.That(() => arena.Lane(0).Allocate(Size.MiB(200)), Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That(arena.Lane(0).UsedBytes, Is.EqualTo(used));
        memory.Validate();
        context.Heal("mprotect");
        new Span<byte>(arena.Lane(0).Allocate(Size.MiB(20)), 20 << 20).Fill(2);
        Assert.That(*live, Is.EqualTo((byte)9));
        memory.Validate();
    }

    [Test]
    public void The_lane_of_an_address_is_found_after_chunks_were_moved_and_replaced()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using FrameArena arena =
            memory.CreateFrameArena(
            "lanes", new FrameArenaOptions { BufferCount = 1, LaneCount = 2, BytesPerLane = 4096 });
        nint small = (nint)arena.Lane(1).Allocate(1_500_000);
        nint large = (nint)arena.Lane(1).Allocate(Size.MiB(6));
        arena.NextFrame();
        nint again = (nint)arena.Lane(1).Allocate(Size.MiB(6));
        Assert.That(arena.LaneOf(again), Is.EqualTo(1));
        Assert.That((arena.LaneOf(small), arena.LaneOf(large)), Is.EqualTo((1, 1)));
        nint larger = (nint)arena.Lane(1).Allocate(Size.MiB(12));
        Assert.That(
            (arena.LaneOf(large), arena.LaneOf(larger), arena.LaneOf(larger + (12 << 20) - 1)), Is.EqualTo((1, 1, 1)));
        Assert.That(arena.LaneOf(larger + (12 << 20)), Is.EqualTo(-1));
    }

    /// <summary>A frame for each seed, in two lanes.</summary>
    private static void Turn(FrameArena arena, int[] seeds, bool rewinds)
    {
        foreach (int seed in seeds)
        {
            arena.NextFrame();
            for (int lane = 0; lane < 2; lane++)
            {
                Random random = new(seed + lane);
                FrameMark mark = arena.Lane(lane).Mark();
                int kind = random.Next(4);
                for (int block = random.Next(10); block > 0; block--)
                {
                    nuint bytes = kind == 0 ? 1_900_000 : kind == 1 ? (nuint)random.Next(1, 8) << 21
                        : random.NextSize(22);
                    *(byte*)arena.Lane(lane).Allocate(bytes, (nuint)16 << random.Next(18)) = 1;
                    if (rewinds && random.Next(4) == 0)
                        arena.Lane(lane).Rewind(mark);
                }
            }
        }
    }
}
