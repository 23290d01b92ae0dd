using System.Reflection;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>An arena takes back all free memory, of every thread, before it reports that memory ran out.</summary>
internal sealed unsafe class ReclaimTests
{
    /// <summary>What the free blocks were: a few large ones, or many small ones that fill as much.</summary>
    private static readonly (nuint Bytes, int Count)[] s_uses =
        [(Size.MiB(8), 2), (Size.MiB(2), 8), (512 * 1024, 30), (40_000, 380), (4_000, 3_600), (64, 200_000)];

    [Test]
    public void Own_free_blocks_are_room_for_any_other_size([Range(0, 5)] int use)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        using LongLivedArena arena = WithBudget(memory);
        AllocateAndFree(arena, s_uses[use]);
        Assert.That(arena.LiveBlocks(), Is.Empty);
        arena.Free(arena.Allocate(Size.MiB(12)));
        arena.Free(arena.Allocate(64));
        arena.Free(arena.Allocate(Size.MiB(16)));
        memory.Validate();
    }

    [Test]
    public void A_dead_threads_free_blocks_are_room([Range(0, 5)] int use)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        using LongLivedArena arena = WithBudget(memory);
        arena.AttachThread();
        Workers.Run(() => AllocateAndFree(arena, s_uses[use]));
        arena.Free(arena.Allocate(Size.MiB(16)));
        memory.Validate();
    }

    [Test]
    public void The_free_blocks_of_a_thread_that_waits_are_room([Range(0, 5)] int use)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        using LongLivedArena arena = WithBudget(memory);
        nint again = 0;
        BesideAWaitingThread(
            () => AllocateAndFree(arena, s_uses[use]),
            () => arena.Free(arena.Allocate(Size.MiB(16))),
            () => again = (nint)arena.Allocate(s_uses[use].Bytes));
        Assert.That(again, Is.Not.Zero, "it goes on");
        arena.Free((void*)again);
        memory.Validate();
    }

    [Test]
    public void Eight_idle_threads_leave_the_whole_budget_to_others()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        arena.Budget = new ArenaBudget { HardBytes = Size.MiB(64), Overflow = ArenaOverflow.Fail };
        using ManualResetEventSlim over = new();
        List<Thread> idle = [];
        try
        {
            for (int number = 0; number < 8; number++)
            {
                using ManualResetEventSlim isIdle = new();
                Thread thread = new(() =>
                {
                    AllocateAndFree(arena, (Size.MiB(4), 2));
                    isIdle.Set();
                    over.Wait();
                });
                thread.Start();
                idle.Add(thread);
                isIdle.Wait();
            }

            void*[] blocks = new void*[16];
            for (int index = 0; index < blocks.Length; index++)
                blocks[index] = arena.Allocate(Size.MiB(4));

            Assert.That(() => arena.Allocate(Size.MiB(4)), Throws.TypeOf<EngineOutOfMemoryException>(), "that is all of it");
            foreach (void* block in blocks)
                arena.Free(block);
        }
        finally
        {
            over.Set();
            idle.ForEach(thread => thread.Join());
        }

        memory.Validate();
    }

    [Test]
    public void A_worker_pool_that_sleeps_leaves_the_whole_budget_to_others()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        arena.Budget = new ArenaBudget { HardBytes = Size.MiB(64), Overflow = ArenaOverflow.Fail };
        using SuperSlab.Scenes.WorkerPool pool = new(new() { WorkerCount = 8, SpinTurnCount = 0, Arenas = [arena] });
        Churn job = new(arena);
        pool.Run(ref job, 8);
        pool.Run(ref job, 0); // All have come back to the gate.
        void*[] blocks = new void*[16];
        for (int index = 0; index < blocks.Length; index++)
            blocks[index] = arena.Allocate(Size.MiB(4));

        foreach (void* block in blocks)
            arena.Free(block);

        pool.Run(ref job, 8);
        memory.Validate();
    }

    [Test]
    public void What_a_thread_holds_in_its_hands_is_left_alone_while_it_waits_in_a_slow_path()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        using LongLivedArena arena = memory.CreateLongLivedArena("hands");
        WordLock growing = GrowingOf(memory);
        using ManualResetEventSlim allocated = new();
        using ManualResetEventSlim go = new();
        Exception? failure = null;
        Thread thread = new(() =>
        {
            List<nint> own = [];
            for (int index = 0; index < 200_000; index++)
                own.Add((nint)arena.Allocate((nuint)(16 * (5 + (index % 24)))));

            allocated.Set();
            go.Wait();
            try
            {
                own.ForEach(block => arena.Free((void*)block));
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        });
        thread.Start();
        allocated.Wait();
        bool waits;
        Exception? reclaimed = null;
        using (growing.Hold())
        {
            // Its stocks need magazines, and the metadata heap does not grow.
            go.Set();
            int inSlowPath = 0;
            for (int looks = 0; looks < 20_000 && thread.IsAlive && inSlowPath < 100; looks++)
            {
                inSlowPath = IsInSlowPath(arena, thread) ? inSlowPath + 1 : 0;
                Thread.Sleep(1);
            }

            waits = inSlowPath == 100 && thread.IsAlive;
            Thread trimmer = new(() =>
            {
                try
                {
                    arena.Trim();
                }
                catch (Exception exception)
                {
                    reclaimed = exception;
                }
            });
            trimmer.Start();
            trimmer.Join();
        }

        thread.Join();
        Assert.That(waits, Is.True, "it waits for metadata in the middle of a free");
        Assert.That((failure, reclaimed), Is.EqualTo(((Exception?)null, (Exception?)null)));
        Assert.That(arena.LiveBlocks(), Is.Empty);
        memory.Validate();
    }

    [Test]
    public void A_thread_that_took_a_handle_keeps_at_most_a_magazine_and_the_handle_works()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        using LongLivedArena arena = memory.CreateLongLivedArena("handles");
        using ManualResetEventSlim freed = new();
        using ManualResetEventSlim trimmed = new();
        int wrong = 0;
        Thread worker = new(() =>
        {
            ArenaHandle handle = arena.GetHandle();
            void*[] blocks = new void*[3_000];
            for (int round = 0; round < 2; round++)
            {
                for (int index = 0; index < blocks.Length; index++)
                {
                    blocks[index] = handle.Allocate(1_000);
                    *(long*)blocks[index] = index;
                }

                for (int index = 0; index < blocks.Length; index++)
                {
                    wrong += *(long*)blocks[index] == index ? 0 : 1;
                    handle.Free(blocks[index]);
                }

                freed.Set();
                trimmed.Wait();
            }

            arena.DetachThread();
        });
        worker.Start();
        freed.Wait();
        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.LessThanOrEqualTo(1), "64 KiB of blocks of the size");
        trimmed.Set();
        worker.Join();
        Assert.That(wrong, Is.Zero);
        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.Zero, "it gave back what it held");
        memory.Validate();
    }

    [Test]
    public void Threads_that_begin_to_use_a_prewarmed_arena_make_no_garbage_and_no_OS_call()
    {
        HotLoopCost cost = HotLoopCost.BestOf(5, () =>
        {
            using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
            using LongLivedArena arena = memory.CreateLongLivedArena("crowd");
            arena.Prewarm([new(64, 100_000)], threads: 40);
            HotLoopCost[] costs = new HotLoopCost[40];
            using Barrier together = new(costs.Length);
            Workers.Run(costs.Length, thread =>
            {
                together.SignalAndWait();
                costs[thread] = HotLoopCost.Of(memory, () =>
                {
                    void* block = arena.Allocate(64);
                    *(long*)block = 1;
                    arena.Free(block);
                });
                together.SignalAndWait();
            });
            return costs.Aggregate((left, right) => left + right);
        });
        Assert.That(cost with { OtherFaults = 0 }, Is.EqualTo(HotLoopCost.Nothing));
    }

    [Test]
    public void What_idle_threads_hold_comes_back_with_a_trim()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4) });
        using LongLivedArena arena = memory.CreateLongLivedArena("idle");
        nuint[] sizes = [.. s_uses.Select(use => use.Bytes), 16, 300, 32_768, 256 * 1024, Size.MiB(6)];
        Gate gate = new(8);
        Thread[] threads = new Thread[8];
        for (int thread = 0; thread < threads.Length; thread++)
        {
            nint[] blocks = [.. sizes.SelectMany(size =>
                new[] { (nint)arena.Allocate(size), (nint)arena.Allocate(size) })];
            threads[thread] = new Thread(() =>
            {
                foreach (nint block in blocks)
                    arena.Free((void*)block);

                gate.Wait();
                arena.Free(arena.Allocate(64));
            });
            threads[thread].Start();
        }

        gate.AwaitThreads(threads);
        arena.Trim();
        int left = arena.SuperSlabCount;
        gate.Open();
        foreach (Thread thread in threads)
            thread.Join();

        Assert.That(left, Is.Zero);
        memory.Validate();
    }

    [Test]
    public void One_arenas_free_memory_is_room_for_another_in_a_full_reservation()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
        using LongLivedArena first = memory.CreateLongLivedArena("first");
        using LongLivedArena second = memory.CreateLongLivedArena("second");
        nuint most = first.MaximumBytes & ~(Size.MiB(2) - 1);
        foreach ((nuint bytes, int count) in s_uses[..4])
        {
            AllocateAndFree(first, (bytes, count * 2));
            void* all = second.Allocate(most - Size.MiB(4));
            second.Free(all);
            memory.Validate();
        }
    }

    [Test]
    public void Threads_that_allocate_and_free_lose_no_block_while_others_trim_and_run_out()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(512) });
        using LongLivedArena arena = memory.CreateLongLivedArena("busy");
        arena.Budget = new ArenaBudget { HardBytes = Size.MiB(24), Overflow = ArenaOverflow.Fail };
        int seed = TestRandom.Seed();
        using Barrier pauses = new(4);
        LiveRanges ranges = new();
        Workers.Run(5, thread =>
        {
            Random random = new(seed + thread);
            if (thread == 4)
            {
                for (int trim = 0; trim < 300; trim++)
                    arena.Trim();

                return;
            }

            List<(nint Block, nuint Bytes)> live = [];
            for (int round = 0; round < 4_000; round++)
            {
                if (live.Count > 0 && (live.Count > 50 || random.Next(2) == 0))
                {
                    int index = random.Next(live.Count);
                    ranges.Remove((void*)live[index].Block);
                    arena.Free((void*)live[index].Block);
                    live.RemoveAt(index);
                }
                else
                {
                    nuint bytes = (nuint)random.Next(1, random.Next(8) == 0 ? 200_000 : 3_000);
                    void* block = null;
                    try
                    {
                        block = arena.Allocate(bytes);
                    }
                    catch (EngineOutOfMemoryException)
                    {
                        continue; // 50 blocks of each thread may be more than the budget
                    }

                    ranges.Add(block, bytes, arena.UsableBytes(block), arena.Name, round);
                    live.Add(((nint)block, bytes));
                }

                if (round % 500 == 0)
                {
                    pauses.SignalAndWait(); // so that threads wait while others trim
                }
            }

            foreach ((nint block, _) in live)
            {
                ranges.Remove((void*)block);
                arena.Free((void*)block);
            }
        });
        Assert.That(arena.LiveBlocks(), Is.Empty);
        memory.Validate();
        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.Zero);
    }

    private static LongLivedArena WithBudget(EngineMemory memory)
    {
        LongLivedArena arena = memory.CreateLongLivedArena("budget");
        arena.Budget = new ArenaBudget { HardBytes = Size.MiB(16), Overflow = ArenaOverflow.Fail };
        return arena;
    }

    private static void AllocateAndFree(LongLivedArena arena, (nuint Bytes, int Count) use)
    {
        nint[] blocks = new nint[use.Count];
        for (int index = 0; index < blocks.Length; index++)
        {
            blocks[index] = (nint)arena.Allocate(use.Bytes);
            *(byte*)blocks[index] = 1;
        }

        foreach (nint block in blocks)
            arena.Free((void*)block);
    }

    private static void BesideAWaitingThread(Action before, Action beside, Action after)
    {
        Gate gate = new(1);
        Exception? failure = null;
        Thread waiting = new(() =>
        {
            try
            {
                before();
            }
            catch (Exception exception)
            {
                failure = exception;
            }

            gate.Wait();
            after();
        });
        waiting.Start();
        gate.AwaitThreads(waiting);
        try
        {
            beside();
        }
        finally
        {
            gate.Open();
            waiting.Join();
        }

        Assert.That(failure, Is.Null);
    }

    /// <summary>Threads wait at it without spinning first: once they are there, they wait until it is opened.</summary>
    private sealed class Gate(int threads)
    {
        private readonly object _changed = new();
        private int _arriving = threads;
        private bool _isOpen;

        public void Wait()
        {
            lock (_changed)
            {
                _arriving--;
                while (!_isOpen)
                    Monitor.Wait(_changed);
            }
        }

        /// <summary>Returns when all threads are at the gate, and wait.</summary>
        public void AwaitThreads(params Thread[] threads)
        {
            bool isThere = false;
            while (!isThere)
            {
                Thread.Yield();
                lock (_changed)
                {
                    // Who has counted itself and let go of the lock waits for nothing but the gate.
                    isThere = _arriving == 0 && threads.All(thread =>
                        (thread.ThreadState & ThreadState.WaitSleepJoin) != 0);
                }
            }
        }

        public void Open()
        {
            lock (_changed)
            {
                _isOpen = true;
                Monitor.PulseAll(_changed);
            }
        }
    }

    private static WordLock GrowingOf(EngineMemory memory)
    {
        const BindingFlags Private = BindingFlags.Instance | BindingFlags.NonPublic;
        return (WordLock)typeof(PrefaultedRegion).GetField("_lock", Private)!.GetValue(memory.Reservation.Heap)!;
    }

    private static bool IsInSlowPath(LongLivedArena arena, Thread thread)
    {
        for (ThreadCache* cache = arena.Caches.FirstAttached; cache != null; cache = cache->NextAttached)
        {
            if (ThreadSlots.OwnerOf(cache->Slot) == thread)
                return Volatile.Read(ref *ThreadSlots.DepthOf(cache->Slot)) != 0;
        }

        return false;
    }

    private readonly struct Churn(LongLivedArena arena) : SuperSlab.Scenes.IRangeJob
    {
        public void Execute(int start, int end, int worker)
        {
            if (end > start)
                AllocateAndFree(arena, (Size.MiB(4), 2));
        }
    }
}
