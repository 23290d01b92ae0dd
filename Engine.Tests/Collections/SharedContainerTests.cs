using Engine.Tests.Support;
using SuperSlab.Collections;

namespace Engine.Tests.Collections;

/// <summary>Containers that several threads use at once: everything arrives once, whole and in order.</summary>
[TestFixture(MemoryChecks.Off)]
[TestFixture(MemoryChecks.Hardened)]
[TestFixture(MemoryChecks.Full)]
internal sealed class SharedContainerTests(MemoryChecks checks)
{
    private const int ItemsOfProducer = 20_000;
    private ContainerPlaces _places = null!;

    [SetUp]
    public void Make() => _places = new ContainerPlaces(checks);

    [TearDown]
    public void End() => _places.Dispose();

    [Test]
    public void A_ring_hands_all_over_in_order([Values(1, 3, 64)] int capacity)
    {
        using NativeSpscRing<Parcel> ring = new(_places.Small, capacity);
        RunTogether(2, (thread, wait) =>
        {
            for (int number = 0; number < ItemsOfProducer; number++)
            {
                if (thread == 0)
                {
                    while (!ring.TryPush(new Parcel(0, number)))
                        wait();
                }
                else
                {
                    Parcel parcel;
                    while (!ring.TryPop(out parcel))
                        wait();

                    Assert.That(parcel.IsWhole && parcel.Number == number, $"item {number} comes in its turn");
                }
            }
        });
        Assert.That((ring.Count, ring.TryPop(out _)), Is.EqualTo((0, false)));
    }

    [TestCase(1, 1)]
    [TestCase(1, 3)]
    [TestCase(3, 1)]
    [TestCase(3, 3)]
    public void A_queue_hands_over_each_once_and_in_its_producers_order(int producers, int consumers)
    {
        using NativeMpmcQueue<Parcel> queue = new(_places.LongLived, 8);
        int sending = producers;
        int[] arrived = new int[producers * ItemsOfProducer];
        RunTogether(producers + consumers, (thread, wait) =>
        {
            if (thread < producers)
            {
                for (int number = 0; number < ItemsOfProducer; number++)
                {
                    while (!queue.TryEnqueue(new Parcel(thread, number)))
                        wait();
                }

                Interlocked.Decrement(ref sending);
                return;
            }

            int[] lasts = new int[producers];
            Array.Fill(lasts, -1);
            while (Volatile.Read(ref sending) != 0 || queue.Count != 0)
            {
                if (!queue.TryDequeue(out Parcel parcel))
                {
                    wait();
                    continue;
                }

                Assert.That(parcel.IsWhole && parcel.Number > lasts[parcel.Sender], "whole, and in order");
                lasts[parcel.Sender] = parcel.Number;
                Interlocked.Increment(ref arrived[(parcel.Sender * ItemsOfProducer) + parcel.Number]);
            }
        });
        Assert.That(arrived, Is.All.EqualTo(1));
        Assert.That(queue.Count, Is.Zero);
    }

    [Test]
    public void Threads_pass_parcels_round_through_rings()
    {
        const int Seats = 4;
        NativeSpscRing<Parcel>[] rings = [.. Enumerable.Range(0, Seats).Select(_ =>
            new NativeSpscRing<Parcel>(_places.LongLived, 4))];
        RunTogether(Seats, (seat, wait) =>
        {
            NativeSpscRing<Parcel> mine = rings[seat];
            NativeSpscRing<Parcel> next = rings[(seat + 1) % Seats];
            for (int round = 0; round < 2_000; round++)
            {
                for (int sender = seat, hop = 0; hop < Seats; hop++, sender = (sender + Seats - 1) % Seats)
                {
                    // Its own parcel first, then one that each of the others sent.
                    Parcel parcel = new(seat, round);
                    while (hop != 0 && !mine.TryPop(out parcel))
                        wait();

                    Assert.That(parcel, Is.EqualTo(new Parcel(sender, round)));
                    while (hop != Seats - 1 && !next.TryPush(parcel))
                        wait();
                }
            }
        });
        foreach (NativeSpscRing<Parcel> ring in rings)
        {
            Assert.That(ring.Count, Is.Zero);
            ring.Dispose();
        }
    }

    [Test]
    public void A_stream_is_read_in_the_order_of_its_parts_whoever_was_faster([Values] bool inLanes)
    {
        const int Parts = 4;
        using FrameArena frames = _places.Memory.CreateFrameArena(
            "parts", new FrameArenaOptions { LaneCount = Parts, BytesPerLane = Size.MiB(1) });
        for (int frame = 0; frame < 3; frame++)
        {
            NativeStream stream =
                inLanes ? NativeStream.InLanes(frames) : new NativeStream(_places.LongLived, Parts);
            RunTogether(Parts, (part, _) =>
            {
                for (int number = 0; number < 5_000; number++)
                {
                    stream.Write(part, new Parcel(part, number));
                    if (number % 7 == 0)
                        stream.Write(part, (byte)number);
                }
            });
            Assert.That(stream.PartCount, Is.EqualTo(Parts));
            for (int part = 0; part < Parts; part++)
            {
                NativeStream.Reader reader = stream.Read(part);
                for (int number = 0; number < 5_000; number++)
                {
                    Assert.That(reader.Read<Parcel>(), Is.EqualTo(new Parcel(part, number)));
                    Assert.That(number % 7 != 0 || reader.Read<byte>() == (byte)number);
                }

                Assert.That(reader.Remaining, Is.Zero);
            }

            stream.Dispose();
            frames.NextFrame();
        }

        Assert.That(_places.LongLived.LiveBlocks(), Is.Empty);
    }

    [Test]
    public void Threads_add_to_a_list_at_once_until_it_is_full()
    {
        const int Threads = 4;
        using NativeList<Parcel> list = new(_places.LongLived, 400_000);
        int refused = 0;
        int[] added = new int[Threads];
        RunTogether(Threads, (thread, _) =>
        {
            NativeList<Parcel>.ParallelWriter writer = list.AsParallelWriter();
            try
            {
                while (true)
                {
                    int number = added[thread];
                    if (number % 8 == 0)
                    {
                        writer.AddRangeNoResize([new(thread, number), new(thread, number + 1)]);
                        added[thread] += 2;
                    }
                    else
                    {
                        writer.AddNoResize(new Parcel(thread, number));
                        added[thread]++;
                    }
                }
            }
            catch (InvalidOperationException)
            {
                Interlocked.Increment(ref refused);
            }
        });
        Assert.That(refused, Is.EqualTo(Threads));
        Assert.That(list.Count, Is.EqualTo(added.Sum()).And.GreaterThan(list.Capacity - 2));
        int[] next = new int[Threads];
        foreach (Parcel parcel in list.AsReadOnly().AsSpan())
        {
            if (parcel != new Parcel(parcel.Sender, next[parcel.Sender]++))
                Assert.Fail($"{parcel} is not what was added.");
        }

        Assert.That(next, Is.EqualTo(added));
        list.EnsureCapacity(list.Count + 1);
        list.AsParallelWriter().AddNoResize(default);
    }

    [Test]
    public void Threads_add_keys_to_a_map_at_once_and_each_is_there_once(
        [Values(4_000, 1 << 20)] int distinct, [Values] bool sameCodes)
    {
        // With the same codes all keys have one home, and pass full chunks.
        int keys = sameCodes ? 300 : 60_000;
        using NativeHashMap<SameCode, Parcel> same = new(_places.LongLived, keys);
        using NativeHashMap<int, Parcel> map = new(_places.LongLived, keys);
        using NativeHashSet<int> set = new(_places.Small, keys);
        int addedToMap = 0;
        int addedToSet = 0;
        int seed = TestRandom.Seed();
        RunTogether(3, (thread, _) =>
        {
            Random random = new(seed); // the same keys at the same time
            for (int number = 0; number < keys / 3; number++)
            {
                int key = random.Next(distinct);
                bool added = sameCodes
                    ? same.AsParallelWriter().TryAdd(new SameCode(key), new Parcel(thread, key))
                    : map.AsParallelWriter().TryAdd(key, new Parcel(thread, key));
                Interlocked.Add(ref addedToMap, added ? 1 : 0);
                Interlocked.Add(ref addedToSet, set.AsParallelWriter().Add(key) ? 1 : 0);
            }
        });
        Assert.That(sameCodes ? same.Count : map.Count, Is.EqualTo(set.Count));
        Assert.That((addedToMap, addedToSet), Is.EqualTo((set.Count, set.Count)));
        foreach (int key in set.AsSpan().ToArray())
        {
            Parcel parcel = sameCodes ? same[new SameCode(key)] : map[key];
            bool removed = sameCodes ? same.Remove(new SameCode(key)) : map.Remove(key);
            if (!parcel.IsWhole || parcel.Number != key || !removed || !set.Remove(key))
                Assert.Fail($"{key} is not there as it was added.");
        }

        Assert.That((same.Count, map.Count, set.Count), Is.EqualTo((0, 0, 0)));
        set.Add(1);
        Assert.That(set.Contains(1), "all goes on");
    }

    [Test]
    public void A_map_that_is_full_refuses_parallel_writers_and_keeps_what_it_has()
    {
        using NativeHashMap<int, int> map = new(_places.LongLived);
        Assert.That(() => map.AsParallelWriter().TryAdd(1, 1), Throws.InvalidOperationException
            .With.Message.Contain("is full; call EnsureCapacity before"));
        map.EnsureCapacity(10);
        while (map.Count < map.Capacity)
            Assert.That(map.AsParallelWriter().TryAdd(map.Count, map.Count));

        Assert.That(() => map.AsParallelWriter().TryAdd(-1, 1), Throws.InvalidOperationException);
        Assert.That(map.AsParallelWriter().TryAdd(3, 4), Is.False, "it is there");
        map.Add(-1, 5);
        Assert.That((map[3], map[-1]), Is.EqualTo((3, 5)));
    }

    /// <summary>Runs threads that begin at once. They wait by what they are given, which throws when another has
    /// failed.</summary>
    private static void RunTogether(int count, Action<int, Action> work)
    {
        using Barrier start = new(count);
        bool failed = false;
        Workers.Run(count, thread =>
        {
            start.SignalAndWait();
            try
            {
                work(thread, Wait);
            }
            catch
            {
                Volatile.Write(ref failed, true);
                throw;
            }
        });

        void Wait()
        {
            if (Volatile.Read(ref failed))
                throw new OperationCanceledException("Another thread has failed.");

            Thread.Yield();
        }
    }

    /// <summary>What is handed over; a half of one is noticed.</summary>
    private readonly record struct Parcel(int Sender, int Number)
    {
        private readonly long _check = Check(Sender, Number);

        public bool IsWhole => _check == Check(Sender, Number);

        private static long Check(int sender, int number) => ~(((long)sender << 32) ^ number);
    }
}
