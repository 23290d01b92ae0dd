using System.Runtime.CompilerServices;
using Engine.Tests.Support;
using SuperSlab.Collections;

namespace Engine.Tests.Collections;

/// <summary>What holds of containers beside what their twins do: memory, nesting, texts of a fixed length.</summary>
internal sealed class ContainerTests : ArenaFixture
{
    protected override EngineMemoryOptions Options => new()
    {
        ReservationBytes = Size.GiB(4),
        Checks = MemoryChecks.Off,
    };

    [Test]
    public void A_container_is_a_struct_of_16_bytes()
    {
        Assert.That(Unsafe.SizeOf<NativeList<decimal>>(), Is.EqualTo(16));
        Assert.That(Unsafe.SizeOf<NativeHashMap<int, decimal>>(), Is.EqualTo(16));
        Assert.That(Unsafe.SizeOf<FixedString64>(), Is.EqualTo(64));
    }

    [Test]
    public void Containers_lie_in_containers_and_leave_nothing_behind()
    {
        NativeHashMap<int, NativeList<NativeText>> map = new(Arena);
        for (int key = 0; key < 100; key++)
        {
            ref NativeList<NativeText> list = ref map.GetOrAdd(key);
            list = new NativeList<NativeText>(Arena);
            for (int number = 0; number < 10; number++)
            {
                NativeText text = new(Arena);
                text.Append($"{key}:{number}");
                list.Add(text);
            }
        }

        foreach (ref var entry in map)
        {
            for (int number = 0; number < 10; number++)
                Assert.That(entry.Value[number].ToString(), Is.EqualTo($"{entry.Key}:{number}"));

            foreach (ref NativeText text in entry.Value)
                text.Dispose();

            entry.Value.Dispose();
        }

        map.Dispose();
        Assert.That(Arena.LiveBlocks(), Is.Empty);
    }

    [Test]
    public void Priorities_of_every_kind_of_number_leave_in_their_order()
    {
        LeavesInOrder<int>([int.MinValue, -1, 0, 1, int.MaxValue]);
        LeavesInOrder<uint>([0u, 1u, int.MaxValue, 1u << 31, uint.MaxValue]);
        LeavesInOrder<long>([long.MinValue, -1L - uint.MaxValue, -1L, 0L, 1L << 32, long.MaxValue]);
        LeavesInOrder<ulong>([0ul, 1ul << 32, long.MaxValue, 1ul << 63, ulong.MaxValue]);
        LeavesInOrder<sbyte>([sbyte.MinValue, (sbyte)-1, (sbyte)0, sbyte.MaxValue]);
        LeavesInOrder<double>(
            [double.NaN, double.NegativeInfinity, -1.5, 0.0, double.Epsilon, double.PositiveInfinity]);
        LeavesInOrder<decimal>([decimal.MinValue, 0m, 0.1m, decimal.MaxValue]);
    }

    private static void LeavesInOrder<T>(T[] ascending)
        where T : unmanaged, IComparable<T>
    {
        T[] mixed = [.. Enumerable.Repeat(ascending, 9).SelectMany(all => all)];
        new Random(TestRandom.Seed()).Shuffle(mixed);
        using EngineMemory memory = new();
        using NativePriorityQueue<T, T> queue = new(memory.CreateLongLivedArena("queue"));
        foreach (T priority in mixed)
            queue.Enqueue(priority, priority);

        foreach (T expected in mixed.Order())
            Assert.That(queue.Dequeue(), Is.EqualTo(expected));
    }

    [Test]
    public void A_container_that_finds_no_memory_is_as_it_was()
    {
        nuint budget = 0;
        using NativeList<long> list = new(Arena);
        using NativeHashMap<long, long> map = new(Arena);
        using NativeMultiHashMap<long, long> multi = new(Arena);
        using StableList<long> stable = new(Arena);
        using NativeStream stream = new(Arena, 1);
        Action<long>[] adds =
            [key => map.Add(key, ~key), key => multi.Add(key, ~key), key => list.Add(key), key => stable.Add(key),
                key => stream.Write(0, key)];
        foreach (Action<long> add in adds)
        {
            budget += Size.MiB(4);
            Arena.Budget = new ArenaBudget { HardBytes = budget };
            Assert.That(
                () =>
                {
                    for (long key = 0; ; key++)
                        add(key);
                },
                Throws.TypeOf<EngineOutOfMemoryException>());
        }

        for (int key = 0; key < map.Count; key++)
            Assert.That(map[key], Is.EqualTo(~(long)key));

        Assert.That(multi.KeyCount, Is.EqualTo(multi.Count));
        for (int key = 0; key < multi.Count; key++)
            Assert.That((multi.TryGetFirst(key, out long value), value), Is.EqualTo((true, ~(long)key)));

        for (int key = 0; key < list.Count; key++)
            Assert.That(list[key], Is.EqualTo(key));

        for (int key = 0; key < stable.Count; key++)
            Assert.That(stable[key], Is.EqualTo(key));

        NativeStream.Reader reader = stream.Read(0);
        for (long key = 0; key < stream.Count; key++)
            Assert.That(reader.Read<long>(), Is.EqualTo(key));

        Assert.That(() => list.EnsureCapacity(int.MaxValue), Throws.InstanceOf<Exception>());
        Assert.That(() => new NativeList<long>(Arena, int.MaxValue), Throws.InstanceOf<Exception>());
    }

    [Test]
    [Category(Os.Machine.NeedsRealKernel)]
    public void Hot_operations_of_a_prewarmed_arena_cost_nothing()
    {
        HotLoopCost cost = HotLoopCost.BestOf(3, () =>
        {
            using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off });
            LongLivedArena arena = memory.CreateLongLivedArena("arena");
            using FrameArena frames = memory.CreateFrameArena("frames");
            Use(arena);
            Use(frames.Lane(0));
            frames.NextFrame();
            frames.NextFrame();
            return HotLoopCost.Of(memory, () =>
            {
                Use(arena);
                Use(frames.Lane(0));
            });
        });
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));

        static void Use(ArenaRef arena)
        {
            using NativeList<int> list = new(arena);
            using NativeHashMap<int, int> map = new(arena);
            using NativeQueue<int> queue = new(arena);
            using NativePriorityQueue<int, float> heap = new(arena);
            using NativeSparseSet<int> sparse = new(arena);
            using NativeSlotMap<int> slots = new(arena);
            using NativeText text = new(arena);
            using NativeMultiHashMap<int, int> multi = new(arena);
            using StableList<int> stable = new(arena);
            using NativeSpscRing<int> ring = new(arena, 100);
            using NativeMpmcQueue<int> shared = new(arena, 100);
            using NativeStream stream = new(arena, 2);
            for (int number = 0; number < 1_000; number++)
            {
                list.Add(number);
                map[number] = number;
                queue.Enqueue(number);
                heap.Enqueue(number, -number);
                sparse.Set(number, number);
                slots.Add(number);
                text.Append($"{number};");
                multi.Add(number % 10, number);
                stable.Add(number);
                ring.TryPush(number);
                ring.TryPop(out _);
                shared.TryEnqueue(number);
                shared.TryDequeue(out _);
                stream.Write(number % 2, number);
            }

            multi.Remove(3, 13);
            multi.Remove(4);

            foreach (int number in list)
            {
                map.Remove(number);
                heap.Dequeue();
                queue.Dequeue();
            }
        }
    }

    [Test]
    public void Keys_that_share_homes_are_scattered_and_stay_quick()
    {
        using NativeHashMap<long, int> map = new(Arena);
        const int Keys = 20_000;
        for (long key = 0; key < Keys; key++)
            map.Add(key << 40, (int)key);

        Assert.That(LongestWay(map), Is.LessThan(8), "chunks that a look-up of a key that is not there passes");
        for (long key = 0; key < Keys; key++)
            Assert.That(map[key << 40], Is.EqualTo((int)key));
    }

    [Test]
    public void A_fixed_string_holds_what_fits_and_refuses_the_rest()
    {
        FixedString32 name = new("door");
        Assert.That(name.TryAppend(17), Is.True);
        Assert.That((name.ToString(), name.Length), Is.EqualTo(("door17", 6)));
        Assert.That(name, Is.EqualTo(new FixedString32($"door{17}")));
        Assert.That(name.GetHashCode(), Is.EqualTo(new FixedString32("door17").GetHashCode()));
        Assert.That(name != new FixedString32("door18"));
        Assert.That(new FixedString32(new string('x', FixedString32.Capacity)).Length, Is.EqualTo(30));
        Assert.That(() => new FixedString32(new string('x', 31)), Throws.ArgumentException);
        Assert.That(() => new FixedString32($"{new string('x', 20)}{12345678901}"), Throws.ArgumentException);
        FixedString64 text = new(new string('x', 60));
        Assert.That((text.TryAppend("äö"), text.TryAppend("ä")), Is.EqualTo((false, true)));
        Assert.That(text.ToString(), Is.EqualTo(new string('x', 60) + "ä"));
        FixedString128 long128 = new($"{1.5:0.00} {"a"} {'b'}");
        Assert.That(long128.ToString(), Is.EqualTo("1.50 a b"));
        using NativeHashMap<FixedString64, int> map = new(Arena) { [text] = 3 };
        Assert.That(map[text], Is.EqualTo(3));
    }

    /// <summary>The most chunks in a row that keys went past.</summary>
    private static unsafe int LongestWay(NativeHashMap<long, int> map)
    {
        HashHeader* table = *(HashHeader**)&map;
        int longest = 0;
        for (nuint home = 0; home <= table->Mask; home++)
        {
            int way = 0;
            while (way <= (int)table->Mask && table->Chunks[(home + (nuint)way) & table->Mask].Overflow != 0)
                way++;

            longest = Math.Max(longest, way);
        }

        return longest;
    }
}
