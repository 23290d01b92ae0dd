using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>After a prewarm the promised blocks cost nothing that a hot loop may not pay; a failed prewarm leaves
/// nothing.</summary>
[TestFixture(PrefaultGranularity.SuperSlab)]
[TestFixture(PrefaultGranularity.Slab)]
internal sealed unsafe class ArenaPrewarmTests(PrefaultGranularity granularity)
{
    private static readonly nuint[] SmallSizes = [16, 48, 64, 200, 1_000, 4_096];
    private static readonly nuint[] MixedSizes = [16, 100, 5_000, 40_000, 100_000, 300_000, 900_000, 1 << 20, 2 << 20];
    private static readonly nuint[] LargeSizes = [3 << 20, 5 << 20, 12 << 20, 40 << 20];

    [Test]
    public void One_thread_pays_nothing_for_exactly_the_promised_blocks(
        [Values] bool carve, [Values(0, 1, 2)] int sizes, [Values(1, 60)] int count)
    {
        BlockCount[] blocks = Counts(sizes, sizes == 2 ? Math.Min(count, 4) : count * 10);
        Assert.That(HotLoopCost.BestOf(5, () => Live(blocks, threads: 1, carve)), Is.EqualTo(HotLoopCost.Nothing));
    }

    [Test]
    public void Many_threads_pay_nothing_when_their_caches_are_counted([Values] bool carve, [Values(2, 7)] int threads)
    {
        BlockCount[] blocks = [.. Counts(0, 2_000), new(20_000, 100), new(3 << 20, 3)];
        BlockCount[] withCaches = [.. blocks.Select(block =>
            block with { Count =
            (block.Count + SizeClasses.CacheBlocks(SizeClasses.IndexOf(block.Bytes))) * threads })];
        Assert.That(HotLoopCost.BestOf(5, () =>
            Live(withCaches, threads, carve, blocks)), Is.EqualTo(HotLoopCost.Nothing));
    }

    [Test]
    public void Many_small_blocks_leave_room_for_the_threads_caches([Values] bool carve)
    {
        // The bitmaps of so many runs of 16 bytes must not use up the metadata that the threads' caches will need.
        BlockCount[] blocks = [new(16, 3_000_000)];
        Assert.That(HotLoopCost.BestOf(5, () =>
            Live(blocks, threads: 8, carve, [new(16, 300_000)])), Is.EqualTo(HotLoopCost.Nothing));
    }

    [Test]
    public void Two_prewarmed_arenas_do_not_share_what_was_promised_to_each([Values] bool carve)
    {
        BlockCount[] blocks = [.. Counts(0, 1_500)];
        Assert.That(HotLoopCost.BestOf(5, Attempt), Is.EqualTo(HotLoopCost.Nothing));

        HotLoopCost Attempt()
        {
            using EngineMemory memory = NewMemory();
            LongLivedArena[] arenas = [.. Enumerable.Range(0, 4).Select(number =>
                memory.CreateLongLivedArena($"arena {number}"))];
            foreach (LongLivedArena arena in arenas)
                arena.Prewarm(Counted(blocks, 8), threads: 8, carve);

            HotLoopCost[] costs = new HotLoopCost[8];
            using Barrier barrier = new(costs.Length);
            Workers.Run(costs.Length, thread =>
            {
                foreach (LongLivedArena arena in arenas)
                    costs[thread] += CostOfAllocating(memory, arena, blocks);

                barrier.SignalAndWait();
            });
            memory.Validate();
            return costs.Aggregate((left, right) => left + right);
        }
    }

    [Test]
    public void Frames_that_free_and_allocate_stay_free()
    {
        BlockCount[] blocks = [.. Counts(0, 500), new(3 << 20, 4)];
        Assert.That(HotLoopCost.BestOf(5, Attempt), Is.EqualTo(HotLoopCost.Nothing));

        HotLoopCost Attempt()
        {
            using EngineMemory memory = NewMemory();
            using LongLivedArena arena = memory.CreateLongLivedArena("frames");
            arena.Prewarm(Counted(blocks, 1), threads: 1);
            HotLoopCost cost = default;
            for (int frame = 0; frame < 20; frame++)
            {
                nint[] held = NewHeld(blocks);
                cost += CostOfAllocating(memory, arena, blocks, held);
                cost += HotLoopCost.Of(memory, () =>
                {
                    foreach (nint block in held)
                        arena.Free((void*)block);
                });
            }

            memory.Validate();
            return cost;
        }
    }

    [Test]
    public void A_reset_keeps_what_was_prewarmed([Values] bool carve)
    {
        BlockCount[] blocks = Counts(1, 20);
        Assert.That(HotLoopCost.BestOf(5, Attempt), Is.EqualTo(HotLoopCost.Nothing));

        HotLoopCost Attempt()
        {
            using EngineMemory memory = NewMemory();
            using LongLivedArena arena = memory.CreateLongLivedArena("reset");
            arena.Prewarm(blocks, threads: 1, carve);
            CostOfAllocating(memory, arena, blocks);
            arena.Reset();
            memory.Validate();
            memory.Trim();
            return CostOfAllocating(memory, arena, blocks);
        }
    }

    [Test]
    public void What_is_prewarmed_is_resident_and_what_is_not_is_not()
    {
        using EngineMemory memory = NewMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("resident");
        nuint before = ResidentMemory.Settled();
        nuint gained = arena.Prewarm([new(1 << 20, 100)], threads: 1);
        Assert.That(gained, Is.InRange(Size.MiB(100), Size.MiB(102)));
        Assert.That(
            ResidentMemory.MiBSince(before), Is.EqualTo((double)gained / Sizes.MiB).Within(ResidentMemory.NoiseMiB));
        Assert.That(arena.Prewarm([new(1 << 20, 100)], threads: 1), Is.EqualTo(gained), "prewarms add up");
        arena.Dispose();
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
    }

    [Test]
    public void A_cancelled_prewarm_leaves_the_arena_as_it_was([Values] bool carve)
    {
        using EngineMemory memory = NewMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("cancelled");
        void* block = arena.Allocate(100);
        int superSlabs = arena.SuperSlabCount;
        nuint before = ResidentMemory.Settled();
        using CancellationTokenSource cancellation = new();
        Progress progress = new(share =>
        {
            if (share > 0.2)
                cancellation.Cancel();
        });
        Assert.That(
            () => arena.Prewarm([new(1 << 20, 400)], 1, carve, progress, cancellation.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(progress.Reports, Is.Positive);
        Assert.That(arena.SuperSlabCount, Is.EqualTo(superSlabs));
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        memory.Validate();
        arena.Free(block);
        Assert.That((nint)arena.Allocate(100), Is.EqualTo((nint)block));
    }

    [Test]
    public void A_prewarm_that_does_not_fit_leaves_the_arena_as_it_was([Values] bool carve)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        using LongLivedArena arena = memory.CreateLongLivedArena("too much");
        void* block = arena.Allocate(100);
        nuint before = ResidentMemory.Settled();
        foreach (BlockCount[] plan in (BlockCount[][])[[new(1 << 20, 300)], [new(64, 100), new(5 << 20, 60)],
            [new(16, 1 << 30)], [new(64 << 20, 4)]])
        {
            Assert.That(() => arena.Prewarm(plan, 1, carve), Throws.TypeOf<EngineOutOfMemoryException>(), $"{plan[0]}");
            memory.Validate();
            Assert.That(arena.SuperSlabCount, Is.EqualTo(1));
            Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        }

        arena.Free(block);
        Assert.That(arena.Prewarm([new(1 << 20, 100)], 1, carve), Is.GreaterThanOrEqualTo(Size.MiB(100)));
    }

    [Test]
    public void A_prewarm_that_the_system_refuses_leaves_the_arena_as_it_was([Values] bool carve)
    {
        using var context = new FailingContext();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), NativeContext = context });
        using LongLivedArena arena = memory.CreateLongLivedArena("refused");
        arena.Allocate(100);
        nuint before = ResidentMemory.Settled();
        context.FailAlways("mprotect", errno: 12);
        Assert.That(() =>
            arena.Prewarm([new(1 << 20, 200), new(100, 10_000)], 2, carve),
            Throws.TypeOf<EngineOutOfMemoryException>());
        context.Heal("mprotect");
        memory.Validate();
        Assert.That(arena.SuperSlabCount, Is.EqualTo(1));
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        arena.Prewarm([new(1 << 20, 20)], 2, carve);
        memory.Validate();
    }

    [Test]
    public void Counts_and_sizes_out_of_range_are_refused()
    {
        using EngineMemory memory = NewMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("range");
        Assert.That(() => arena.Prewarm([new(16, -1)], 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => arena.Prewarm([new(16, 1, -1)], 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => arena.Prewarm([new(16, 1)], -1), Throws.TypeOf<ArgumentOutOfRangeException>());
        BlockCount[] tooMuch =
            [new(16, long.MaxValue), new(1 << 20, long.MaxValue / 2), new(nuint.MaxValue, 1),
            new(5 << 20, long.MaxValue), new(16, 1, int.MaxValue)];
        foreach (BlockCount block in tooMuch)
        {
            Assert.That(
                () => arena.Prewarm([block], 1),
                Throws.TypeOf<EngineOutOfMemoryException>().Or.TypeOf<ArgumentOutOfRangeException>(), $"{block}");
        }

        Assert.That(arena.Prewarm([], 0), Is.EqualTo((nuint)0));
        Assert.That(arena.Prewarm([new(16, 0)], 1), Is.EqualTo((nuint)0));
        Assert.That(arena.SuperSlabCount, Is.Zero);
        memory.Validate();
    }

    private EngineMemory NewMemory() =>
        new(new EngineMemoryOptions { ReservationBytes = Size.GiB(8), Granularity = granularity });

    private static BlockCount[] Counts(int sizes, int count) =>
        [.. (sizes switch { 0 => SmallSizes, 1 => MixedSizes, _ => LargeSizes }).Select(bytes =>
            new BlockCount(bytes, bytes > 500_000 ? Math.Min(count, 10) : count))];

    private static BlockCount[] Counted(BlockCount[] blocks, int threads) =>
        [.. blocks.Select(block =>
            block with { Count =
            (block.Count + SizeClasses.CacheBlocks(SizeClasses.IndexOf(block.Bytes))) * threads })];

    private static nint[] NewHeld(BlockCount[] blocks) => new nint[blocks.Sum(block => block.Count)];

    /// <summary>A fresh memory, a prewarm, and the cost of then allocating the blocks, by as many new threads, each of
    /// them all or its share.</summary>
    private HotLoopCost Live(BlockCount[] plan, int threads, bool carve, BlockCount[]? each = null)
    {
        using EngineMemory memory = NewMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("prewarmed");
        arena.Prewarm(plan, threads, carve);
        HotLoopCost[] costs = new HotLoopCost[threads];
        using Barrier barrier = new(threads);
        Workers.Run(threads, thread =>
        {
            costs[thread] = CostOfAllocating(memory, arena, each ?? plan);
            barrier.SignalAndWait();
        });
        memory.Validate();
        return costs.Aggregate((left, right) => left + right);
    }

    private static HotLoopCost CostOfAllocating(
        EngineMemory memory, LongLivedArena arena, BlockCount[] blocks, nint[]? held = null)
    {
        held ??= NewHeld(blocks);
        Array.Fill(held, -1); // its pages are there before it is measured

        // A worker attaches at level load. The runtime makes a new thread's statics then, which is not ours to avoid;
        // OS calls are.
        HotLoopCost attaching = HotLoopCost.Of(memory, arena.AttachThread) with { OtherFaults = 0, ManagedBytes = 0 };
        return attaching + HotLoopCost.Of(memory, () =>
        {
            int next = 0;
            foreach (BlockCount block in blocks)
            {
                for (long index = 0; index < block.Count; index++)
                {
                    byte* address = (byte*)arena.Allocate(block.Bytes);
                    for (nuint offset = 0; offset < block.Bytes; offset += 4096)
                        address[offset] = 1;

                    address[block.Bytes - 1] = 1;
                    held[next++] = (nint)address;
                }
            }
        });
    }

    private sealed class Progress(Action<double> told) : IProgress<double>
    {
        public int Reports { get; private set; }

        public void Report(double value)
        {
            Reports++;
            told(value);
        }
    }

    [Test]
    public void A_prewarm_that_fails_leaves_what_other_threads_allocated_meanwhile(
        [Values] bool carve, [Values] bool throws)
    {
        using EngineMemory memory = NewMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        using LongLivedArena other = memory.CreateLongLivedArena("other");
        List<nint> live = [];
        using ManualResetEventSlim isAsked = new();
        using ManualResetEventSlim goOn = new();
        arena.Budget = new ArenaBudget
        {
            HardBytes = Size.MiB(16),
            Overflow = ArenaOverflow.Callback,
            OnOverflow = _ =>
            {
                isAsked.Set();
                goOn.Wait();
                return throws ? throw new InvalidOperationException("no") : false;
            },
        };
        Exception? failure = null;
        Thread prewarm = new(() =>
        {
            try
            {
                arena.Prewarm([new(64, (32 << 20) / 64)], threads: 1, carve);
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        });
        prewarm.Start();
        isAsked.Wait();
        for (int block = 0; block < 100; block++)
        {
            live.Add((nint)arena.Allocate(65_536));
            *(nint*)live[^1] = live[^1];
        }

        goOn.Set();
        prewarm.Join();
        Assert.That(failure, throws ? Is.TypeOf<InvalidOperationException>() : Is.TypeOf<EngineOutOfMemoryException>());
        memory.Validate();
        for (int block = 0; block < 100; block++)
            new Span<byte>(other.Allocate(65_536), 65_536).Fill(0xff);

        Assert.That(live.Count(block => *(nint*)block != block), Is.Zero);
        live.ForEach(block => arena.Free((void*)block));
        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.Zero, "nothing is left of the prewarm");
        memory.Validate();
    }

    [Test]
    public void Two_loads_at_once_take_nothing_from_each_other()
    {
        using EngineMemory memory = NewMemory();
        using LongLivedArena first = memory.CreateLongLivedArena("first");
        using LongLivedArena second = memory.CreateLongLivedArena("second");
        memory.Pool.Give(memory.Pool.Take(20, new Demand(1u << 30, -1)), 20); // what an earlier level left
        using Barrier together = new(2);
        Workers.Run(2, thread =>
        {
            together.SignalAndWait();
            (thread == 0 ? first : second).Prewarm([new(1_000, 20 << 11)], threads: 1);
        });
        Assert.That(memory.OwnedSuperSlabCount, Is.EqualTo(first.SuperSlabCount + second.SuperSlabCount));
        Assert.That(memory.ReadySuperSlabCount, Is.Zero, "what was ready was used");
        long osCalls = memory.OsCalls;
        foreach (LongLivedArena arena in (LongLivedArena[])[first, second])
        {
            for (int block = 0; block < 20 << 11; block++)
                arena.Allocate(1_000);
        }

        Assert.That(
            memory.OsCalls - osCalls, Is.LessThanOrEqualTo(2), "but for the caches, which no thread was counted for");
        memory.Validate();
    }

    [Test]
    public void What_was_promised_is_back_after_a_frame_over_plan(
        [Values(100, 40, 6, 1)] int planned, [Values(40, 100, 8, 2)] int beyond)
    {
        using EngineMemory memory = NewMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        arena.Prewarm([new(Size.MiB(planned), 2)], threads: 1);
        int promised = arena.SuperSlabCount;
        for (int frame = 0; frame < 6; frame++)
        {
            void* over = frame is 1 or 2 ? arena.Allocate(Size.MiB(beyond)) : null;
            long before = memory.OsCalls;
            void* first = arena.Allocate(Size.MiB(planned));
            void* second = arena.Allocate(Size.MiB(planned));
            long osCalls = memory.OsCalls - before;
            void* late = frame == 3 ? arena.Allocate(Size.MiB(beyond)) : null;
            arena.Free(first);
            arena.Free(second);
            arena.Free(over);
            arena.Free(late);
            arena.Trim();
            memory.Trim();
            Assert.That(arena.SuperSlabCount, Is.EqualTo(promised), $"after frame {frame}");
            Assert.That(
                frame is 1 or 2 || osCalls == 0, Is.True, $"{osCalls} OS calls in frame {frame}, which is in plan");
        }
    }

    [Test]
    public void A_cold_arenas_memory_goes_although_a_prewarm_came_between()
    {
        using EngineMemory memory = NewMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        nint[] cold = [.. Enumerable.Range(0, 60).Select(_ => (nint)arena.Allocate(Size.MiB(1)))];
        int before = arena.SuperSlabCount;
        arena.Prewarm([new(500, 1_000)], threads: 1, carve: false);
        int promised = arena.SuperSlabCount - before;
        foreach (nint block in cold)
            arena.Free((void*)block);

        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.EqualTo(promised));
        memory.Validate();
    }

    [Test]
    [Category(Lane.Slow)]
    public void A_prewarm_whose_system_takes_nothing_back_is_whole_or_nothing(
        [Range(1, 12)] int call, [Values(1, 3, 100)] int count)
    {
        Assume.That(OperatingSystem.IsLinux(), "the calls that are made to fail are Linux's");
        using RefusingSystem system = new();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), NativeContext = system });
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        void* live = arena.Allocate(64);
        int before = arena.SuperSlabCount;
        bool isDone = false;
        RefusingSystem.Refuse(call, count);
        try
        {
            arena.Prewarm([new(1_000, 20_000), new(3 << 20, 2), new(50 << 20, 1), new(100_000, 50)], threads: 2);
            isDone = true;
        }
        catch (EngineOutOfMemoryException)
        {
            Assert.That(arena.SuperSlabCount, Is.EqualTo(before));
        }

        RefusingSystem.Heal();
        memory.Validate();
        arena.Free(live);
        arena.Trim();
        Assert.That(arena.SuperSlabCount, isDone ? Is.GreaterThan(before) : Is.Zero);
        Assert.That(arena.Prewarm([new(1_000, 20_000)], threads: 1), Is.Not.Zero);
        memory.Validate();
    }
}
