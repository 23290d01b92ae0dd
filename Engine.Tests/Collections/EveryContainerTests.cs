using System.Runtime.CompilerServices;
using Engine.Tests.Support;
using SuperSlab.Collections;

namespace Engine.Tests.Collections;

/// <summary>Each container names its type when it reports wrong use, and gives back what it held.</summary>
[TestFixture(MemoryChecks.Hardened)]
[TestFixture(MemoryChecks.Full)]
internal sealed class EveryContainerTests(MemoryChecks checks)
{
    private static readonly Dictionary<string, Func<ArenaRef, Uses>> Containers = new()
    {
        ["NativeArray"] = arena => new Uses<NativeArray<int>>(new(arena, 5), it => _ = it[0], null),
        ["NativeList"] = arena => new Uses<NativeList<int>>(new(arena), it => _ = it.Count, it => it.Add(1)),
        ["parallel NativeList"] = arena => new Uses<NativeList<int>>(
            new(arena, 99), it => _ = it.AsReadOnly().Count, it => it.AsParallelWriter().AddNoResize(1)),
        ["NativeHashMap"] = arena => new Uses<NativeHashMap<int, int>>(
            new(arena), it => it.ContainsKey(1), it => it[1] = 1),
        ["parallel NativeHashMap"] = arena => new Uses<NativeHashMap<int, int>>(
            new(arena, 9), it => it.AsReadOnly().ContainsKey(1), it => it.AsParallelWriter().TryAdd(1, 1)),
        ["NativeHashSet"] = arena => new Uses<NativeHashSet<int>>(
            new(arena), it => it.AsReadOnly().Contains(1), it => it.Add(1)),
        ["NativeMultiHashMap"] = arena => new Uses<NativeMultiHashMap<int, int>>(
            new(arena), it => it.CountOf(1), it => it.Add(1, 1)),
        ["NativeQueue"] = arena => new Uses<NativeQueue<int>>(new(arena), it => _ = it.Count, it => it.Enqueue(1)),
        ["NativeRing"] = arena => new Uses<NativeRing<int>>(new(arena, 3), it => _ = it.Count, it => it.Push(1)),
        ["NativePriorityQueue"] = arena => new Uses<NativePriorityQueue<int, int>>(
            new(arena), it => _ = it.Count, it => it.Enqueue(1, 1)),
        ["NativeBitArray"] = arena => new Uses<NativeBitArray>(new(arena, 9), it => _ = it[1], it => it[1] = true),
        ["NativeSparseSet"] = arena => new Uses<NativeSparseSet<int>>(
            new(arena), it => it.Contains(1), it => it.Set(1, 1)),
        ["NativeSlotMap"] = arena => new Uses<NativeSlotMap<int>>(
            new(arena), it => it.Contains(default), it => it.Add(1)),
        ["NativeText"] = arena => new Uses<NativeText>(new(arena), it => it.ToString(), it => it.Append("a")),
        ["NativeSpscRing"] = arena => new Uses<NativeSpscRing<int>>(
            new(arena, 9), it => _ = it.Count, it => it.TryPush(1)),
        ["NativeMpmcQueue"] = arena => new Uses<NativeMpmcQueue<int>>(
            new(arena, 9), it => _ = it.Count, it => it.TryEnqueue(1)),
        ["NativeStream"] = arena => new Uses<NativeStream>(
            new(arena, 2), it => it.Read(1), it => it.Write(1, 1)),
        ["StableList"] = arena => new Uses<StableList<int>>(
            new(arena), it => it.Spans.MoveNext(), it => it.Add(1)),
        ["reserved StableList"] = arena => new Uses<StableList<int>>(
            arena.LongLived is null ? new(arena) : new(arena, 1, 99), it => it.Spans.MoveNext(), it => it.Add(1)),
    };

    private ContainerPlaces _places = null!;

    private static IEnumerable<string> Names => Containers.Keys;

    [SetUp]
    public void Make() => _places = new ContainerPlaces(checks);

    [TearDown]
    public void End() => _places.Dispose();

    [TestCaseSource(nameof(Names))]
    public void After_its_dispose_a_copy_is_told_and_nothing_is_left(string name)
    {
        Uses uses = Containers[name](_places.LongLived);
        for (int times = 0; times < 50; times++)
            uses.Change();

        uses.Read();
        uses.Dispose();
        uses.Dispose();
        Assert.That(_places.LongLived.LiveBlocks(), Is.Empty);
        uses.MustBeTold(uses.ReadCopy, name, "is used after it was disposed");
        uses.MustBeTold(uses.Change, name, "is used after it was disposed");
        uses.MustBeTold(uses.DisposeCopy, name, "is disposed twice: a copy of it was disposed before");
    }

    [TestCaseSource(nameof(Names))]
    public void After_its_arenas_reset_or_its_frame_it_is_told(string name)
    {
        Uses uses = Containers[name](_places.LongLived);
        uses.Change();
        _places.LongLived.Reset();
        uses.MustBeTold(uses.Read, name, "is used after its arena was reset");
        uses.MustBeTold(uses.Change, name, "is used after its arena was reset");
        uses.MustBeTold(uses.DisposeCopy, name, "is used after its arena was reset");

        uses = Containers[name](_places.Lane);
        uses.Change();
        _places.Frames.NextFrame();
        uses.Read();
        uses.MustBeTold(uses.Change, name, "is changed after its frame");
        _places.Frames.NextFrame();
        uses.MustBeTold(uses.Read, name, "is used after its frame's memory was given to another frame");
    }

    [TestCaseSource(nameof(Names))]
    public void Two_threads_that_change_it_at_once_are_told(string name)
    {
        Uses uses = Containers[name](_places.LongLived);
        Workers.Run(uses.BeginWrite);
        if (uses.HasChange)
        {
            Assert.That(() => uses.Change(), Throws.TypeOf<EngineMemoryException>()
                .With.Message.Contain("is changed by threads").And.Message.Contain(name.Split(' ')[^1]));
        }

        Workers.Run(uses.EndWrite);
        uses.Change();
    }

    [Test]
    public void A_second_consumer_is_told_and_a_consumer_beside_a_producer_is_not()
    {
        using NativeSpscRing<int> ring = new(_places.LongLived, 4);
        ContainerHandle handle = Unsafe.BitCast<NativeSpscRing<int>, ContainerHandle>(ring);
        ring.TryPush(1);
        Workers.Run(() => Begin(handle));
        Assert.That(ring.TryPush(2), "the producer is another");
        Assert.That(() => ring.TryPop(out _), Throws.TypeOf<EngineMemoryException>()
            .With.Message.Contain("is changed by threads"));
        handle.EndTake();
        Assert.That((ring.TryPop(out int item), item), Is.EqualTo((true, 1)));

        static unsafe void Begin(ContainerHandle handle) => handle.BeginTake();
    }

    [Test]
    public void A_change_beside_parallel_writers_and_two_writers_of_a_streams_part_are_told()
    {
        using NativeList<int> list = new(_places.LongLived, 4);
        Workers.Run(() => Begin(list));
        list.AsParallelWriter().AddNoResize(1);
        Assert.That(() => list.Add(2), Throws.TypeOf<EngineMemoryException>()
            .With.Message.Contain("is changed by parallel writers"));
        Unsafe.BitCast<NativeList<int>, ContainerHandle>(list).EndTogether();
        list.Add(2);
        Assert.That((list[0], list[1], list.Count), Is.EqualTo((1, 2, 2)));

        using NativeStream stream = new(_places.LongLived, 2);
        int other = 1;
        Assert.That(
            () => ContainerChecks.Enter(Unsafe.BitCast<NativeStream, ContainerHandle>(stream), ref other),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contain("NativeStream made at"));

        static unsafe void Begin(NativeList<int> list) =>
            Unsafe.BitCast<NativeList<int>, ContainerHandle>(list).BeginTogether();
    }

    [Test]
    public void A_change_during_a_walk_is_told()
    {
        using NativeMultiHashMap<int, int> map = new(_places.LongLived);
        using StableList<int> stable = new(_places.LongLived);
        using NativeStream stream = new(_places.LongLived, 1);
        for (int number = 0; number < 3; number++)
        {
            map.Add(1, number);
            stable.Add(number);
            stream.Write(0, number);
        }

        MustBeTold(() =>
        {
            foreach (int value in map.ValuesOf(1))
                map.Add(1, value);
        });
        MustBeTold(() =>
        {
            foreach (Span<int> some in stable.Spans)
                stable.Add(some[0]);
        });
        MustBeTold(() =>
        {
            NativeStream.Reader reader = stream.Read(0);
            stream.Write(0, reader.Read<int>());
            reader.Read<int>();
        });
        MustBeTold(() =>
        {
            NativeHashSet<int> set = new(_places.LongLived) { };
            set.Add(1);
            foreach (ref readonly int item in set.AsReadOnly())
                set.Add(item + 1);
        });

        static void MustBeTold(Action walk) => Assert.That(
            () => walk(),
            Throws.InvalidOperationException.With.Message.Contain("was changed while it was walked over"));
    }

    [Test]
    public void A_stream_read_beyond_its_end_or_as_another_type_is_told()
    {
        using NativeStream stream = new(_places.LongLived, 2);
        stream.Write(0, 1);
        Assert.That(() => stream.Read(0).Read<float>(), Throws.InvalidOperationException
            .With.Message.Contain("is read as Single where another type was written"));
        Assert.That(() => stream.Read(1).Read<int>(), Throws.InvalidOperationException
            .With.Message.Contain("has no value left in this part"));
        Assert.That(() => stream.Read(2), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => stream.Write(-1, 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new NativeStream(_places.LongLived, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Capacities_and_places_outside_are_told()
    {
        ArenaRef arena = _places.LongLived;
        using StableList<int> stable = new(arena);
        stable.Add(1);
        Assert.That(() => stable[1], Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => stable[-1], Throws.TypeOf<ArgumentOutOfRangeException>());
        stable.RemoveLast();
        Assert.That(() => stable.RemoveLast(), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => stable.EnsureCapacity(int.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new NativeSpscRing<int>(arena, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new NativeMpmcQueue<int>(arena, 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new NativeMpmcQueue<int>(arena, int.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(
            () => new NativeMultiHashMap<int, int>(arena, -1), Throws.TypeOf<ArgumentOutOfRangeException>());
        stable.Dispose();
        Assert.That(_places.LongLived.LiveBlocks(), Is.Empty, "what was refused holds nothing");
    }

    /// <summary>What is done to a container in each test.</summary>
    private abstract class Uses
    {
        public abstract bool HasChange { get; }

        public abstract void Read();

        public abstract void ReadCopy();

        public abstract void Change();

        public abstract void Dispose();

        public abstract void DisposeCopy();

        public abstract void BeginWrite();

        public abstract void EndWrite();

        public void MustBeTold(Action use, string name, string sentence)
        {
            // An array's elements are changed through references and spans.
            if (use != Change || HasChange)
            {
                Assert.That(() => use(), Throws.TypeOf<ObjectDisposedException>()
                    .With.Message.Contain(name.Split(' ')[^1]).And.Message.Contain(sentence));
            }
        }
    }

    private sealed unsafe class Uses<T>(T container, Action<T> read, Action<T>? change) : Uses
        where T : unmanaged, IDisposable
    {
        private readonly T _copy = container;
        private T _container = container;

        public override bool HasChange => change is not null;

        private ContainerHandle Handle => Unsafe.BitCast<T, ContainerHandle>(_copy);

        public override void Read() => read(_container);

        public override void ReadCopy() => read(_copy);

        public override void Change() => change?.Invoke(_copy);

        public override void Dispose() => _container.Dispose();

        public override void DisposeCopy()
        {
            T copy = _copy;
            copy.Dispose();
        }

        public override void BeginWrite() => Handle.BeginWrite();

        public override void EndWrite() => Handle.EndWrite();
    }
}
