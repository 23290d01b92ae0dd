using System.Runtime.CompilerServices;
using Engine.Tests.Support;
using SuperSlab.Collections;

namespace Engine.Tests.Collections;

/// <summary>Stable lists with a maximum count: one span that grows where it is.</summary>
internal sealed unsafe class StableListRangeTests : ArenaFixture
{
    [Test]
    public void Its_elements_are_one_span_which_never_moves()
    {
        using StableList<long> list = new(Arena, 0, 1 << 20);
        long* first = (long*)Unsafe.AsPointer(ref list.Add(0));
        for (int value = 1; value < 1 << 20; value++)
            list.Add(value);

        Span<long> all = list.AsSpan();
        Assert.That((nint)Unsafe.AsPointer(ref all[0]), Is.EqualTo((nint)first));
        Assert.That(all.Length, Is.EqualTo(1 << 20));
        int spans = 0;
        foreach (Span<long> span in list.Spans)
        {
            spans++;
            Assert.That(span == all);
        }

        Assert.That(spans, Is.EqualTo(1));
        for (int index = 0; index < all.Length; index += 997)
            Assert.That((all[index], list[index], first[index]), Is.EqualTo(((long)index, (long)index, (long)index)));

        list.Clear();
        foreach (Span<long> span in list.Spans)
            Assert.Fail($"an empty list has no span of {span.Length}");
    }

    [Test]
    public void It_takes_memory_for_its_capacity_and_addresses_for_the_rest()
    {
        StableList<long> list = new(Arena, 1, 100_000_000);
        Assert.That(Memory.OwnedSuperSlabCount, Is.EqualTo(2), "one for the list's header, one for the first element");
        Assert.That(list.Capacity, Is.EqualTo((2 << 20) / sizeof(long)));
        Assert.That(Arena.ResidentBytes(), Is.EqualTo(-1).Or.EqualTo(4 << 20));
        list.EnsureCapacity(1_000_000);
        Assert.That(list.Capacity, Is.EqualTo((8 << 20) / sizeof(long)));
        list.Dispose();
        Arena.Trim();
        Assert.That(Arena.LiveBlocks(), Is.Empty);
        Assert.That(Memory.OwnedSuperSlabCount, Is.Zero);
    }

    [Test]
    public void Adding_within_the_capacity_costs_nothing()
    {
        Assert.That(HotLoopCost.BestOf(5, Measure), Is.EqualTo(HotLoopCost.Nothing));

        HotLoopCost Measure()
        {
            using StableList<long> warm = new(Arena, 1_000, 2_000);
            Fill(warm, 1_000);
            using StableList<long> list = new(Arena, 1_000_000, 2_000_000);
            return HotLoopCost.Of(Memory, () => Fill(list, 1_000_000));
        }

        static void Fill(StableList<long> list, int count)
        {
            for (int value = 0; value < count; value++)
                list.Add(value);

            long sum = 0;
            foreach (Span<long> span in list.Spans)
            {
                foreach (long value in span)
                    sum += value;
            }

            if (sum != (long)count * (count - 1) / 2)
                throw new AssertionException($"the sum is {sum}");
        }
    }

    [Test]
    public void What_is_beyond_its_maximum_or_the_budget_is_told_and_the_list_is_as_it_was()
    {
        using StableList<int> list = new(Arena, 3, 3);
        for (int value = 0; value < 3; value++)
            list.Add(value);

        Assert.That(
            () => list.Add(3),
            Throws.TypeOf<EngineOutOfMemoryException>()
                .With.Message.StartsWith("A StableList was made for at most 3 elements, and room for 4 was asked for"));
        Assert.That(() => list.EnsureCapacity(9), Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That(list.AsSpan().ToArray(), Is.EqualTo(Enumerable.Range(0, 3)));
        using StableList<int> other = new(Arena, 0, int.MaxValue / 4);
        Arena.Budget = new ArenaBudget { HardBytes = Size.MiB(8) };
        int added = 0;
        Assert.That(
            () =>
            {
                for (; ; added++)
                    other.Add(added);
            },
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("hard budget"));
        Assert.That(other.Count, Is.EqualTo(added));
        Assert.That(other[added - 1], Is.EqualTo(added - 1));
    }

    [Test]
    public void Arenas_that_reserve_nothing_and_wrong_numbers_are_told_and_nothing_is_left()
    {
        using ContainerPlaces places = new(MemoryChecks.Off);
        Assert.That(
            () => new StableList<int>(places.Lane, 0, 9),
            Throws.ArgumentException.With.Message.StartsWith("Lane 0 of frame arena 'frames' reserves no ranges"));
        Assert.That(() => new StableList<int>(places.Small, 0, 9), Throws.ArgumentException);
        Assert.That(() => new StableList<int>(Arena, 0, -1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new StableList<int>(Arena, 9, 8), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new StableList<int>(Arena, -1, 8), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(
            () => new StableList<Guid>(Arena, 0, 2_000_000_000), Throws.TypeOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("can reserve at most"));
        Arena.Budget = new ArenaBudget { HardBytes = Size.MiB(4) };
        Assert.That(
            () => new StableList<int>(Arena, 2_000_000, 3_000_000), Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That(Arena.LiveBlocks(), Is.Empty);
        using StableList<int> chunks = new(Arena);
        Assert.That(
            () => chunks.AsSpan().Length,
            Throws.InvalidOperationException.With.Message.Contains("without a maximum count lies in several pieces"));
    }
}
