using System.Runtime.InteropServices;
using Engine.Tests.Support;

namespace Engine.Tests.Exploring;

/// <summary>
/// The rings that threads share, their own source compiled against <see cref="Schedule"/>: in no order of two threads'
/// steps is an element lost, had twice or out of its producer's order.
/// </summary>
internal sealed unsafe class ExploredRingTests
{
    private const int Capacity = 2;
    private MpmcHeader* _queue;
    private SpscHeader* _ring;
    private void* _data;

    [SetUp]
    public void Allocate()
    {
        _data = NativeMemory.Alloc(Capacity * (nuint)sizeof(MpmcHeader.Cell<int>));
        _queue = (MpmcHeader*)NativeMemory.Alloc((nuint)sizeof(MpmcHeader));
        _ring = (SpscHeader*)_queue;
    }

    [TearDown]
    public void Free()
    {
        NativeMemory.Free(_data);
        NativeMemory.Free(_queue);
    }

    [Test]
    public void A_ring_between_two_threads_gives_all_in_order_however_they_interrupt_each_other()
    {
        int orders = Schedule.Explore(mostPreemptions: 6, () =>
        {
            *_ring = default;
            _ring->Common.Data = _data;
            _ring->Common.Capacity = Capacity;
            _ring->Mask = Capacity - 1;
            int pushed = 0;
            List<int> popped = [];
            return (
                () =>
                {
                    for (int tries = 0; tries < 5; tries++)
                        pushed += SpscHeader.TryPush(_ring, pushed + 1) ? 1 : 0;
                },
                () => Pop(5),
                () =>
                {
                    Assert.That(SpscHeader.Count(_ring), Is.EqualTo(pushed - popped.Count));
                    Pop(Capacity);
                    Assert.That(popped, Is.EqualTo(Enumerable.Range(1, pushed)));
                }
            );

            void Pop(int tries)
            {
                for (; tries > 0; tries--)
                {
                    if (SpscHeader.TryPop(_ring, out int item))
                        popped.Add(item);
                }
            }
        });
        TestContext.Out.WriteLine($"{orders} orders");
        Assert.That(orders, Is.GreaterThan(1_000));
    }

    [Test]
    public void A_queue_of_many_gives_each_once_and_in_order_however_they_interrupt_each_other()
    {
        Random random = new(TestRandom.Seed());
        int orders = 0;
        for (int pair = 0; pair < 8; pair++)
            orders += Explore(Program(random), Program(random));

        TestContext.Out.WriteLine($"{orders} orders");
        Assert.That(orders, Is.GreaterThan(1_000));

        static bool[] Program(Random random) => [.. Enumerable.Range(0, 5).Select(_ => random.Next(2) == 0)];
    }

    /// <param name="first">What the first thread does: true enqueues, false dequeues.</param>
    /// <param name="second">What the second one does.</param>
    private int Explore(bool[] first, bool[] second) => Schedule.Explore(mostPreemptions: 4, () =>
    {
        *_queue = default;
        _queue->Common.Data = _data;
        MpmcHeader.Begin<int>(_queue, Capacity);
        List<int>[] sent = [[], []];
        List<int>[] got = [[], []];
        return (() => Run(0, first), () => Run(1, second), () =>
        {
            List<int> left = [];
            while (MpmcHeader.TryDequeue(_queue, out int item))
                left.Add(item);

            IEnumerable<int> all = [.. got[0], .. got[1], .. left];
            Assert.That(all, Is.EquivalentTo(sent[0].Concat(sent[1])), "each once");
            foreach (List<int> seen in (List<int>[])[.. got, left])
            {
                Assert.That(seen.Where(item => item < 100), Is.Ordered, "in its producer's order");
                Assert.That(seen.Where(item => item >= 100), Is.Ordered, "in its producer's order");
            }
        }
        );

        void Run(int thread, bool[] program)
        {
            foreach (bool enqueues in program)
            {
                int next = (100 * thread) + sent[thread].Count;
                if (enqueues && MpmcHeader.TryEnqueue(_queue, next))
                    sent[thread].Add(next);
                else if (!enqueues && MpmcHeader.TryDequeue(_queue, out int item))
                    got[thread].Add(item);
            }
        }
    });
}
