using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>Fork and join: every item once, by the right worker, without garbage, and without faults from the first job
/// on.</summary>
internal sealed unsafe class WorkerPoolTests
{
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(5)]
    public void Every_item_is_done_once(int workers)
    {
        using WorkerPool pool = new(new WorkerPoolOptions { WorkerCount = workers });
        foreach (int count in (int[])[0, 1, 2, 7, 1000, 4096])
        {
            foreach (int batch in (int[])[0, 1, 3, 10_000])
            {
                Counting job = new(new int[count], workers);
                pool.Run(ref job, count, batch);
                Assert.That(job.Seen, Is.All.EqualTo(1), $"{count} items in batches of {batch}");
                Assert.That(job.WrongWorkers[0], Is.Zero);
            }
        }
    }

    [Test]
    public void The_same_range_goes_to_the_same_worker_each_time()
    {
        using WorkerPool pool = new(new WorkerPoolOptions { WorkerCount = 3 });
        Owners first = new(new int[100]);
        pool.Run(ref first, 100);
        for (int round = 0; round < 200; round++)
        {
            Owners again = new(new int[100]);
            pool.Run(ref again, 100);
            Assert.That(again.Owner, Is.EqualTo(first.Owner));
        }
    }

    [Test]
    public void Dispatching_allocates_nothing([Values(0, 200)] int spinTurns)
    {
        using WorkerPool pool = new(new WorkerPoolOptions { WorkerCount = 3, SpinTurnCount = spinTurns });
        Summing job = default;
        pool.Run(ref job, 100);
        long least = long.MaxValue;
        for (int attempt = 0; attempt < 5 && least > 16_000; attempt++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int round = 0; round < 1000; round++)
            {
                pool.Run(ref job, 100);
                pool.Run(ref job, 100, 7);
            }

            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        // All threads are looked at, and the test host's own allocate now and then; a dispatch that did would show
        // 2,000 times.
        Assert.That(least, Is.LessThan(16_000));
    }

    [Test]
    public void A_workers_first_job_does_not_fault()
    {
        Assume.That(PageFaults.IsPerThread);
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        HotLoopCost cost = HotLoopCost.BestOf(5, () =>
        {
            using Scene scene = Scene.Load(memory, new ScenePlan
            {
                Name = "jobs",
                Arenas = [new ArenaPlan { Blocks = [new(64, 4000), new(1000, 1000)], ThreadCount = 3 }],
                FrameArena = new FrameArenaOptions { BytesPerLane = 256 * 1024, LaneCount = 2 },
            });
            using HotLoopGuard guard = new(memory);

            // The code is compiled by this thread, in a scene of the same kind; the worker is new to all of it.
            Playing job = new(scene);
            job.Execute(0, 100, 0);
            scene.Arena.Reset();
            using WorkerPool pool =
                new(new WorkerPoolOptions { WorkerCount = 2, Arenas = [scene.Arena], Guard = guard });
            pool.Prepare(ref job);
            guard.BeginFrame();
            pool.Run(ref job, 100);
            guard.EndFrame();
            Assert.That(job.Done(), Is.EqualTo(100));
            return new HotLoopCost(
                0, guard.LastFrame.PageFaults, guard.LastFrame.OsCalls, guard.LastFrame.ManagedBytes);
        });
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
    }

    [Test]
    public void What_a_job_throws_is_thrown_after_the_join_and_the_pool_goes_on()
    {
        using WorkerPool pool = new(new WorkerPoolOptions { WorkerCount = 2 });
        Failing job = new(60);
        Assert.That(() => pool.Run(ref job, 100), Throws.InvalidOperationException.With.Message.EqualTo("item 60"));
        Counting counting = new(new int[100], 2);
        pool.Run(ref counting, 100);
        Assert.That(counting.Seen, Is.All.EqualTo(1));
    }

    [Test]
    public void Wrong_use_is_refused()
    {
        WorkerPool pool = new(new WorkerPoolOptions { WorkerCount = 2 });
        Nesting job = new(pool);
        Assert.That(() =>
            pool.Run(ref job, 10), Throws.InvalidOperationException.With.Message.Contains("one job at a time"));
        Assert.That(() => pool.Run(ref job, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        pool.Dispose();
        pool.Dispose();
        Assert.That(() => pool.Run(ref job, 1), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() =>
            new WorkerPool(new WorkerPoolOptions { WorkerCount = 300 }),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void A_pool_that_does_not_come_about_leaves_no_thread()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        LongLivedArena arena = memory.CreateLongLivedArena("gone");
        arena.Dispose();
        HotLoopGuard guard = new(memory);
        guard.Dispose();
        RefusedThreads.MustLeaveNone<OutOfMemoryException>(
            refused: 4, () => new WorkerPool(new WorkerPoolOptions { WorkerCount = 8 }));
        RefusedThreads.MustLeaveNone<ObjectDisposedException>(
            refused: 0, () => new WorkerPool(new WorkerPoolOptions { WorkerCount = 8, Arenas = [arena] }));
        RefusedThreads.MustLeaveNone<ObjectDisposedException>(
            refused: 0, () => new WorkerPool(new WorkerPoolOptions { WorkerCount = 8, Guard = guard }));
    }

    private readonly struct Counting(int[] seen, int workers) : IRangeJob
    {
        public int[] Seen { get; } = seen;

        public int[] WrongWorkers { get; } = new int[1];

        public void Execute(int start, int end, int worker)
        {
            for (int index = start; index < end; index++)
                Interlocked.Increment(ref Seen[index]);

            if ((uint)worker >= (uint)workers)
                Interlocked.Increment(ref WrongWorkers[0]);
        }
    }

    private readonly struct Owners(int[] owner) : IRangeJob
    {
        public int[] Owner { get; } = owner;

        public void Execute(int start, int end, int worker) => Owner.AsSpan(start, end - start).Fill(worker + 1);
    }

    private struct Summing : IRangeJob
    {
        public long Sum;

        public void Execute(int start, int end, int worker) => Interlocked.Add(ref Sum, end - start);
    }

    private readonly struct Failing(int item) : IRangeJob
    {
        public void Execute(int start, int end, int worker)
        {
            if (start <= item && item < end)
                throw new InvalidOperationException($"item {item}");
        }
    }

    private struct Nesting(WorkerPool pool) : IRangeJob
    {
        private Summing _inner;

        public void Execute(int start, int end, int worker) => pool.Run(ref _inner, 1);
    }

    private readonly struct Playing(Scene scene) : IRangeJob
    {
        private readonly long[] _done = new long[8];

        public void Execute(int start, int end, int worker)
        {
            if (start == end)
                return;

            Span<float> scratch = scene.FrameArena.Lane(worker).AllocateSpan<float>(10_000);
            scratch.Fill(worker);
            ArenaHandle arena = scene.Arena.GetHandle();
            void** blocks = stackalloc void*[1000];
            for (int item = start; item < end; item++)
            {
                blocks[item] = arena.Allocate(item % 2 == 0 ? 64u : 1000u);
                *(byte*)blocks[item] = 1;
                _done[worker]++;
            }

            for (int item = start; item < end; item++)
                arena.Free(blocks[item]);
        }

        public long Done()
        {
            // 100 items of the rehearsal are this thread's.
            long sum = -100;
            foreach (long done in _done)
                sum += done;

            return sum;
        }
    }
}
