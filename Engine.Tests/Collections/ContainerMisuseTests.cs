using Engine.Tests.Support;
using SuperSlab.Collections;

namespace Engine.Tests.Collections;

/// <summary>Wrong use of containers is told with the container's type, its arena and where it was made.</summary>
[TestFixture(MemoryChecks.Hardened)]
[TestFixture(MemoryChecks.Full)]
internal sealed class ContainerMisuseTests(MemoryChecks checks)
{
    private const string Place = "NativeList<Int32> made at ContainerMisuseTests.cs:";
    private ContainerPlaces _places = null!;

    [SetUp]
    public void Make() => _places = new ContainerPlaces(checks);

    [TearDown]
    public void End() => _places.Dispose();

    [Test]
    public void An_element_that_is_not_there_is_told()
    {
        using NativeList<int> list = new(_places.LongLived);
        list.Add(1);
        Assert.That(
            () => list[1],
            Throws.TypeOf<ArgumentOutOfRangeException>()
                .With.Message.Contain("in Arena 'world' has 1 elements, and none at 1").And.Message.Contain(Place));
        Assert.That(() => list[-1], Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => list.RemoveRange(0, 2), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => list.Insert(3, 3), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => list.AddNoResize(Full(list)), Throws.InvalidOperationException);
        list.RemoveAt(0);
        Assert.That(list.Count, Is.EqualTo(list.Capacity - 1), "all goes on after a refusal");
    }

    [Test]
    public void A_copy_that_is_used_or_disposed_after_the_dispose_is_told()
    {
        NativeList<int> list = new(_places.LongLived);
        list.Add(7);
        NativeList<int> copy = list;
        Assert.That(copy[0], Is.EqualTo(7));
        list.Dispose();
        Assert.That(list.IsCreated, Is.False);
        list.Dispose();
        Assert.That(() => list.Add(1), Throws.TypeOf<ObjectDisposedException>());
        foreach (Action use in (Action[])
            [() => copy.Add(1), () => _ = copy[0], () => _ = copy.Count, copy.Clear, () => copy.AsSpan()])
        {
            Assert.That(() => use(), Throws.TypeOf<ObjectDisposedException>()
                .With.Message.Contain(Place).And.Message.Contain("in Arena 'world' is used after it was disposed"));
        }

#pragma warning disable SSE0005 // The test disposes of a copy on purpose.
        Assert.That(
            () => copy.Dispose(),
            Throws.TypeOf<ObjectDisposedException>()
                .With.Message.Contain("is disposed twice: a copy of it was disposed before"));
#pragma warning restore SSE0005
    }

    [Test]
    public void A_copy_is_told_whatever_container_came_after()
    {
        NativeHashMap<int, int> map = new(_places.Small) { [1] = 2 };
        NativeHashMap<int, int> copy = map;
        map.Dispose();
        for (int later = 0; later < 3_000; later++)
            _ = new NativeHashMap<int, int>(_places.Small) { [1] = 3 };

        Assert.That(() => copy[1], Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => copy.Remove(1), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_container_is_told_after_its_arena_was_reset_or_disposed()
    {
        NativeList<int> list = new(_places.LongLived, 100);
        NativeHashSet<int> set = new(_places.Small) { };
        set.Add(1);
        _places.LongLived.Reset();
        _places.Small.Reset();
        Assert.That(
            () => list.Add(1),
            Throws.TypeOf<ObjectDisposedException>().With.Message.Contain(Place)
                .And.Message.Contain("in Arena 'world' is used after its arena was reset or disposed"));
        Assert.That(() => set.Contains(1), Throws.TypeOf<ObjectDisposedException>()
            .With.Message.Contain("NativeHashSet<Int32>").And.Message.Contain("in Arena 'script' is used after"));
        list = new(_places.LongLived, 100);
        set = new(_places.Small, 100);
        _places.LongLived.Dispose();
        _places.Small.Dispose();
        Assert.That(() => list.Add(1), Throws.TypeOf<ObjectDisposedException>()
            .With.Message.Contain("is used after its arena was disposed"));
        Assert.That(() => set.Add(1), Throws.TypeOf<ObjectDisposedException>()
            .With.Message.Contain("is used after its arena was disposed"));
        Assert.That(() => list.Dispose(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_lanes_container_may_be_read_while_its_memory_stands_and_changed_in_its_frame_only()
    {
        NativeList<int> list = new(_places.Lane);
        list.Add(5);
        _places.Frames.NextFrame();
        Assert.That(list[0], Is.EqualTo(5));
        Assert.That(() => list.Add(1), Throws.TypeOf<ObjectDisposedException>()
            .With.Message.Contain("in Lane 0 of frame arena 'frames' is changed after its frame"));
        _places.Frames.NextFrame();
        Assert.That(() => list[0], Throws.TypeOf<ObjectDisposedException>()
            .With.Message.Contain("is used after its frame's memory was given to another frame"));
    }

    [Test]
    public void A_lanes_container_is_told_after_a_rewind_to_before_it()
    {
        NativeList<int> outer = new(_places.Lane);
        outer.Add(1);
        NativeList<int> inner;
        using (_places.Frames.Lane(0).BeginScope())
        {
            inner = new NativeList<int>(_places.Lane);
            outer.EnsureCapacity(1_000);
        }

        Assert.That(() => inner.Count, Throws.TypeOf<ObjectDisposedException>()
            .With.Message.Contain("is used after its lane was rewound to before it"));
        Assert.That(() => outer[0], Throws.TypeOf<ObjectDisposedException>(), "it grew in the scope");
    }

    [Test]
    public void A_change_during_a_walk_is_told()
    {
        using NativeList<int> list = new(_places.LongLived);
        list.AddRange([1, 2, 3]);
        using NativeHashMap<int, int> map = new(_places.LongLived) { [1] = 1, [2] = 2 };
        Assert.That(
            () =>
            {
                foreach (int element in list)
                    list.Add(element);
            },
            Throws.InvalidOperationException.With.Message.Contain("was changed while it was walked over"));
        Assert.That(
            () =>
            {
                foreach (ref var entry in map)
                    map.Remove(entry.Key);
            },
            Throws.InvalidOperationException.With.Message.Contain("NativeHashMap<Int32, Int32>"));
    }

    [Test]
    public void Two_threads_that_change_a_container_at_once_are_told()
    {
        using NativeHashMap<Meeting, int> map = new(_places.LongLived);
        map[new Meeting(1)] = 1;
        string? told = null;
        Meeting.OnEquals = () =>
        {
            Meeting.OnEquals = null;
            Thread other = new(() => told = Assert.Throws<EngineMemoryException>(map.Clear)!.Message);
            other.Start();
            other.Join();
        };
        map[new Meeting(1)] = 2;
        Assert.That(told, Does.Contain("is changed by threads").And.Contain("in Arena 'world'"));
        map[new Meeting(1)] = 3;
        Assert.That(map.Count, Is.EqualTo(1));
    }

    [Test]
    public void What_was_never_made_is_told()
    {
        NativeHashMap<int, int> map = default;
        Assert.That(
            () => map.TryAdd(1, 1), Throws.TypeOf<ObjectDisposedException>().With.Message.Contain("never made"));
        Assert.That(() => new NativeList<int>(default), Throws.InvalidOperationException);
        Assert.That(() => new NativeList<int>(_places.LongLived, -1), Throws.TypeOf<ArgumentOutOfRangeException>());
        map.Dispose();
    }

    /// <summary>Fills a list up to its room.</summary>
    private static int Full(NativeList<int> list)
    {
        while (list.Count < list.Capacity)
            list.Add(0);

        return 0;
    }

    /// <summary>A key whose comparison does something else first.</summary>
    private readonly struct Meeting(int number) : IEquatable<Meeting>
    {
        public static Action? OnEquals { get; set; }

        public bool Equals(Meeting other)
        {
            OnEquals?.Invoke();
            return number == other.GetHashCode();
        }

        public override bool Equals(object? obj) => obj is Meeting other && Equals(other);

        public override int GetHashCode() => number;
    }
}
