using System.Collections.Concurrent;
using Engine.Tests.Support;

namespace Engine.Tests.Concurrency;

/// <summary>
/// Blocks that threads hand to each other in every pattern, while the threads die at random points and are replaced,
/// other arenas come and go, and scenes load and unload beside them. The receiver checks every byte of a block before
/// it frees it or passes it on. ENGINE_STRESS_ROUNDS multiplies the work; ordering is only put to the test where the
/// CPU reorders, so run it on arm64 hardware too.
/// </summary>
internal sealed unsafe class HandOverTests : ArenaFixture
{
    private const int BlocksOfSeat = 6_000;
    private const int MostWaiting = 2_000;
    private static readonly int s_rounds =
        int.TryParse(Environment.GetEnvironmentVariable("ENGINE_STRESS_ROUNDS"), out int given) ? given : 1;

    public enum Pattern
    {
        /// <summary>Seat 0 allocates, seat 1 frees.</summary>
        OneToOne,

        /// <summary>Seat 0 allocates, all others free.</summary>
        OneToAll,

        /// <summary>All others allocate, seat 0 frees.</summary>
        AllToOne,

        /// <summary>Everybody allocates for anybody, themselves too.</summary>
        AllToAll,

        /// <summary>Everybody allocates for the next; a block makes a whole turn before it is freed.</summary>
        Ring,
    }

    [Test]
    [Category(Lane.Slow)]
    public void Blocks_are_handed_over_whole_in_every_pattern_while_threads_die_and_arenas_and_scenes_come_and_go(
        [Values] Pattern pattern, [Values(2, 5)] int seats)
    {
        int seed = TestRandom.Seed();
        for (int round = 0; round < s_rounds; round++)
        {
            Exchange exchange = new(Arena, pattern, seats, BlocksOfSeat);
            using CancellationTokenSource done = new();
            Thread beside = new(() => LiveBeside(new Random(seed), done.Token));
            beside.Start();
            try
            {
                Workers.Run(seats, seat => exchange.Occupy(seat, new Random(seed + (seats * round) + seat)));
            }
            finally
            {
                done.Cancel();
                beside.Join();
            }

            Memory.Validate();
            Assert.That(exchange.Received, Is.EqualTo(exchange.Sent), "every block has arrived once");
            Assert.That(Arena.LiveBlocks(), Is.Empty);
            Arena.Trim();
            Assert.That(Arena.SuperSlabCount, Is.Zero, "neither dead threads nor stocks hold anything back");
        }
    }

    [Test]
    public void An_arena_is_disposed_while_others_of_the_same_memory_are_in_use()
    {
        int seed = TestRandom.Seed();
        Workers.Run(4, thread =>
        {
            Random random = new(seed + thread);
            for (int life = 0; life < 150 * s_rounds; life++)
                UseAndDispose(random, thread);
        });
        Arena.Trim();
        Assert.That(Memory.OwnedSuperSlabCount, Is.Zero);
    }

    private void UseAndDispose(Random random, int mark)
    {
        using LongLivedArena own = Memory.CreateLongLivedArena("own");
        ShadowModel model = new();
        for (int step = random.Next(200); step >= 0; step--)
        {
            nuint bytes = random.NextSize(random.Next(40) == 0 ? 22 : 14);
            model.Add(own.Allocate(bytes), bytes);
            void* shared = Arena.Allocate(bytes);
            *(byte*)shared = (byte)mark;
            if (model.Count > 20)
            {
                void* freed = model.Pick(random, out _);
                model.Remove(freed);
                own.Free(freed);
            }

            Assert.That(*(byte*)shared, Is.EqualTo(mark));
            Arena.Free(shared);
        }

        model.CheckAll();
    }

    private void LiveBeside(Random random, CancellationToken done)
    {
        ScenePlan plan = new()
        {
            Name = "beside",
            Arenas =
                [new ArenaPlan { Name = "beside",
                Blocks = [new BlockCount(256, 2_000), new BlockCount(Size.MiB(3), 1)] }],
        };
        while (!done.IsCancellationRequested)
        {
            using (Scene scene = Scene.Load(Memory, plan))
            {
                new Span<byte>(scene.GetArena("beside").Allocate(Size.MiB(3)), (int)Size.MiB(3)).Fill(1);
            }

            UseAndDispose(random, 77);
        }
    }

    private readonly record struct Parcel(nint Block, int Bytes, byte Content, int Hops);

    /// <summary>The seats and their mail boxes. A seat is taken by one thread after the other.</summary>
    private sealed class Exchange(LongLivedArena arena, Pattern pattern, int seats, int blocksOfSeat)
    {
        private readonly ConcurrentQueue<Parcel>[] _boxes = [.. Enumerable.Range(0, seats).Select(_ =>
            new ConcurrentQueue<Parcel>())];
        private readonly int _seats = seats;
        private int _sending = seats;
        private bool _failed;
        private long _travelling;
        private long _sent;
        private long _received;

        public long Sent => _sent;

        public long Received => _received;

        /// <summary>Lives on a seat until all is done: each life of a thread ends after a random number of steps,
        /// wherever it is.</summary>
        public void Occupy(int seat, Random random)
        {
            int left = Sends(seat) ? blocksOfSeat : 0;
            bool sends = true;
            while (!Volatile.Read(ref _failed)
                && (sends || Volatile.Read(ref _sending) != 0 || Interlocked.Read(ref _travelling) != 0))
            {
                try
                {
                    Workers.Run(() => Live(seat, random, ref left));
                }
                catch
                {
                    Volatile.Write(ref _failed, true);
                    throw;
                }

                if (sends && left == 0)
                {
                    sends = false;
                    Interlocked.Decrement(ref _sending);
                }
            }
        }

        private void Live(int seat, Random random, ref int left)
        {
            for (int steps = random.Next(1, 3_000); steps > 0; steps--)
            {
                Receive(seat);
                if (left > 0 && Interlocked.Read(ref _travelling) < MostWaiting)
                {
                    left--;
                    Send(seat, random);
                }
            }
        }

        private bool Sends(int seat) => pattern switch
        {
            Pattern.OneToOne or Pattern.OneToAll => seat == 0,
            Pattern.AllToOne => seat != 0,
            _ => true,
        };

        private int Next(int seat, Random random) => pattern switch
        {
            Pattern.OneToOne => 1,
            Pattern.OneToAll => random.Next(1, _seats),
            Pattern.AllToOne => 0,
            Pattern.Ring => (seat + 1) % _seats,
            _ => random.Next(_seats),
        };

        private void Send(int seat, Random random)
        {
            int bytes = (int)random.NextSize(random.Next(200) == 0 ? 20 : 12);
            void* block = random.Next(2) == 0 ? arena.Allocate((nuint)bytes)
                : arena.GetHandle().Allocate((nuint)bytes, (nuint)16 << random.Next(6));
            byte content = (byte)random.Next(256);
            new Span<byte>(block, bytes).Fill(content);
            Interlocked.Increment(ref _travelling);
            Interlocked.Increment(ref _sent);
            _boxes[Next(seat, random)].Enqueue(
                new Parcel((nint)block, bytes, content, pattern == Pattern.Ring ? _seats : 1));
        }

        private void Receive(int seat)
        {
            if (!_boxes[seat].TryDequeue(out Parcel parcel))
                return;

            int wrong = new Span<byte>((void*)parcel.Block, parcel.Bytes).IndexOfAnyExcept(parcel.Content);
            Assert.That(wrong, Is.EqualTo(-1), "every byte is as it was sent");
            if (parcel.Hops > 1)
            {
                _boxes[(seat + 1) % _seats].Enqueue(parcel with { Hops = parcel.Hops - 1 });
                return;
            }

            arena.Free((void*)parcel.Block);
            Interlocked.Increment(ref _received);
            Interlocked.Decrement(ref _travelling);
        }
    }
}
