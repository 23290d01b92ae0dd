using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>The list of caches that count, against a list of the test's own; the counters are written by the
/// test.</summary>
internal sealed unsafe class CounterBoardTests
{
    private static readonly nuint CacheBytes = (nuint)(sizeof(ThreadCache) + sizeof(ThreadCounters));

    private readonly List<nint> _caches = [];
    private readonly CounterCell[] _expected = new CounterCell[ThreadCounters.Tags];
    private LowerLayers _layers = null!;
    private CounterBoard _board = null!;
    private Random _random = null!;

    [SetUp]
    public void Make()
    {
        _layers = new LowerLayers();
        _board = new CounterBoard(_layers.Heap);
        _random = TestRandom.Create();
        _caches.Clear();
        Array.Clear(_expected);
    }

    [TearDown]
    public void Dispose()
    {
        _board.Dispose();
        _layers.Dispose();
    }

    [Test]
    public void The_sums_are_those_of_all_caches_that_ever_were()
    {
        for (int round = 0; round < 3000; round++)
        {
            // At first they become many, then few: chunks of the list come and go.
            if (_caches.Count == 0 || _random.Next(10) < (round < 1500 ? 7 : 1))
                AddCache();
            else
                RemoveCache(_random.Next(_caches.Count));

            if (_caches.Count != 0)
                Count((ThreadCache*)_caches[_random.Next(_caches.Count)], _random.Next(ThreadCounters.Tags));

            if (round % 50 == 0)
                Check();
        }

        Check();
    }

    [Test]
    public void Caches_that_come_and_go_leave_nothing()
    {
        Live();
        nuint used = _layers.Heap.UsedBytes;
        for (int life = 0; life < 10; life++)
            Live();

        Assert.That(_layers.Heap.UsedBytes, Is.EqualTo(used));

        void Live()
        {
            for (int cache = 0; cache < 700; cache++)
                AddCache();

            while (_caches.Count != 0)
                RemoveCache(_random.Next(_caches.Count));
        }
    }

    [Test]
    public void The_room_for_threads_is_what_their_caches_take()
    {
        nuint before = _layers.Heap.UsedBytes;
        for (int cache = 0; cache < 700; cache++)
            _board.Add((ThreadCache*)(cache + 1));

        Assert.That(_layers.Heap.UsedBytes - before, Is.LessThanOrEqualTo(CounterBoard.BytesFor(700)));
    }

    private void AddCache()
    {
        ThreadCache* cache = (ThreadCache*)_layers.Heap.Allocate(CacheBytes);
        _board.Add(cache);
        _caches.Add((nint)cache);
    }

    /// <summary>What a cache that goes has live counts as freed.</summary>
    private void RemoveCache(int place)
    {
        ThreadCache* cache = (ThreadCache*)_caches[place];
        for (int tag = 0; tag < ThreadCounters.Tags; tag++)
        {
            CounterCell cell = *ThreadCounters.CellOf(cache, tag);
            _expected[tag].Frees += cell.Allocations - cell.Frees;
            _expected[tag].FreedBytes += cell.AllocatedBytes - cell.FreedBytes;
        }

        _board.Retire(cache);
        _board.Remove(cache);
        _layers.Heap.Free(cache, CacheBytes);
        _caches.RemoveAt(place);
    }

    private void Count(ThreadCache* cache, int tag)
    {
        CounterCell counted = new()
        {
            Allocations = _random.Next(1, 100),
            AllocatedBytes = _random.Next(1600, 100_000),
            Frees = _random.Next(2),
            FreedBytes = _random.Next(1600),
        };
        ThreadCounters.CellOf(cache, tag)->Add(counted);
        _expected[tag].Add(counted);
    }

    private void Check()
    {
        CounterCell[] sums = new CounterCell[ThreadCounters.Tags];
        _board.Sum(sums);
        Assert.That(sums, Is.EqualTo(_expected));
    }
}
