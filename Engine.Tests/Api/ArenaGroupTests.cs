using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Engine.Tests.Diagnostics;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>Groups of small arenas: what thousands of them cost, budgets, threads, load contexts, and a system
/// that refuses memory.</summary>
internal sealed unsafe class ArenaGroupTests
{
    private const int ScriptBytes = 30_000;

    [Test]
    [Category(Lane.Slow)]
    public void Ten_thousand_arenas_hold_little_more_than_their_blocks()
    {
        const int Count = 10_000;
        nuint before = ResidentMemory.Settled();
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        SmallArena[] arenas = new SmallArena[Count];
        nuint live = 0;
        for (int index = 0; index < Count; index++)
        {
            arenas[index] = group.CreateArena("script", new() { SingleThreaded = true });
            live += Fill(arenas[index]);
        }

        double limit = (1.3 * live) + (65_536.0 * Count);
        double held = ResidentMemory.SettledMiBSince(before) * (1 << 20);
        TestContext.Out.WriteLine(
            $"{live / Count} bytes live each, {held / Count:0} resident each, {limit / Count:0} allowed");
        Assert.That(held, Is.LessThan(limit));
        Assert.That(live, Is.GreaterThan((nuint)ScriptBytes * Count));
        foreach (SmallArena arena in arenas)
            arena.Dispose();

        group.Dispose();
        memory.Trim();
        Assert.That(ResidentMemory.SettledMiBSince(before), Is.LessThan(30), "all of it goes back to the system");
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Lives_of_arenas_in_a_prewarmed_group_cost_nothing(bool singleThreaded)
    {
        HotLoopCost cost = HotLoopCost.BestOf(5, () =>
        {
            using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off });
            using ArenaGroup group = memory.CreateArenaGroup("scripts");
            group.Prewarm(arenaCount: 200, slabsPerArena: 2, superSlabs: 2);
            SmallArena[] arenas = new SmallArena[200];
            SmallArenaOptions options = new()
            {
                SingleThreaded = singleThreaded,
                Budget = new ArenaBudget { HardBytes = 1 << 20, SoftBytes = 64 * 1024 },
            };
            Lives(group, arenas, options, 1);
            return HotLoopCost.Of(memory, () => Lives(group, arenas, options, 3));
        });
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
    }

    [Test]
    public void A_prewarmed_group_takes_nothing_from_the_system_on_several_threads()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        group.Prewarm(arenaCount: 400, threads: 5);
        long calls = memory.OsCalls;
        Workers.Run(4, _ =>
        {
            SmallArena[] arenas = new SmallArena[100];
            for (int round = 0; round < 20; round++)
            {
                foreach (ref SmallArena arena in arenas.AsSpan())
                {
                    arena = group.CreateArena("script");
                    Fill(arena);
                }

                foreach (SmallArena arena in arenas)
                    arena.Dispose();
            }
        });
        Assert.That(memory.OsCalls, Is.EqualTo(calls));
    }

    [Test]
    public void An_arenas_budget_holds_to_the_slab()
    {
        using EngineMemory memory = new();
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        using SmallArena arena = group.CreateArena(
            "script", new() { Budget = new ArenaBudget { SoftBytes = 64 << 10, HardBytes = 256 << 10 } });
        void* first = arena.Allocate(40_000);
        Assert.That(arena.SoftOverruns, Is.Zero);
        void* second = arena.Allocate(40_000);
        void* large = arena.Allocate(100_000);
        Assert.That((arena.SoftOverruns, arena.HardOverruns), Is.EqualTo((2L, 0L)));
        Assert.That(
            () => arena.Allocate(40_000),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("256 KiB").And.Message
                .Contains("64 KiB more"));
        Assert.That(
            () => arena.Reallocate(large, 140_000), Throws.TypeOf<EngineOutOfMemoryException>(), "64 KiB more");
        Assert.That((arena.HardOverruns, arena.UsableBytes(large)), Is.EqualTo((2L, (nuint)(128 << 10))));
        arena.Free(large);
        _ = arena.Allocate(40_000);
        arena.Free(first);
        arena.Free(second);
        arena.Dispose();
        using SmallArena next = group.CreateArena("next");
        for (int index = 0; index < 20; index++)
            _ = next.Allocate(40_000);

        Assert.That((next.SoftOverruns, next.HardOverruns), Is.EqualTo((0L, 0L)), "the budget went with its arena");
        Assert.That(
            () => group.CreateArena("wrong", new() { Budget = new ArenaBudget { SoftBytes = 2, HardBytes = 1 } }),
            Throws.ArgumentException);
        memory.Validate();
    }

    [Test]
    public void A_budgets_callback_may_do_anything_even_dispose_its_arena()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Hardened });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        SmallArena arena = default;
        ArenaOverflowRequest asked = default;
        bool disposes = false;
        ArenaBudget budget = new()
        {
            HardBytes = 64 << 10,
            Overflow = ArenaOverflow.Callback,
            OnOverflow = request =>
            {
                asked = request;
                arena.Free(arena.Allocate(10));
                if (disposes)
                    arena.Dispose();

                Assert.That(group.Dispose, Throws.InvalidOperationException);
                return true;
            },
        };
        arena = group.CreateArena("script", new() { Budget = budget, SingleThreaded = true });
        _ = arena.Allocate(60_000);
        _ = arena.Allocate(60_000);
        Assert.That(asked, Is.EqualTo(new ArenaOverflowRequest(64 << 10, 64 << 10, 64 << 10)));
        disposes = true;
        Assert.That(() => arena.Allocate(60_000), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(group.ArenaCount, Is.Zero);
        memory.Validate();
    }

    [Test]
    public void A_groups_budget_holds_for_all_its_arenas_together()
    {
        using EngineMemory memory = new();
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        group.Budget = new ArenaBudget { HardBytes = 8 << 20 };
        List<SmallArena> arenas = [];
        Assert.That(() =>
        {
            while (arenas.Count < 1_000)
            {
                SmallArena arena = group.CreateArena("script");
                arenas.Add(arena);
                _ = arena.Allocate(1_000);
            }
        }, Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That(arenas, Has.Count.InRange(90, 130), "most of 8 MiB is slabs of 64 KiB");
        memory.Validate();
        arenas[3].Dispose();
        using SmallArena another = group.CreateArena("another");
        _ = another.Allocate(1_000);
    }

    [Test]
    public void Threads_share_an_arena_and_free_each_others_blocks()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Hardened });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        SmallArena arena = group.CreateArena("shared");
        LiveRanges ranges = new();
        nint[] shared = new nint[500];
        int seed = TestRandom.Seed();
        Workers.Run(4, thread =>
        {
            Random random = new(seed + thread);
            for (int step = 0; step < 20_000; step++)
            {
                nuint bytes = random.NextSize(random.Next(200) == 0 ? 18 : 11);
                void* block = arena.Allocate(bytes);
                ranges.Add(block, bytes, arena.UsableBytes(block), "shared", step);
                nint other = Interlocked.Exchange(ref shared[random.Next(shared.Length)], (nint)block);
                if (other != 0)
                {
                    ranges.Remove((void*)other);
                    arena.Free((void*)other);
                }
            }
        });
        ranges.CheckAll();
        Assert.That(arena.Blocks(), Has.Count.EqualTo(shared.Count(block => block != 0)));
        memory.Validate();
    }

    [Test]
    public void Threads_with_arenas_of_their_own_come_go_and_die_beside_each_other()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Hardened });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        int seed = TestRandom.Seed();
        SmallArena[] left = new SmallArena[8];
        for (int generation = 0; generation < 10; generation++)
        {
            Workers.Run(4, thread =>
            {
                Random random = new(seed + thread + (generation * 4));
                for (int round = 0; round < 100; round++)
                {
                    SmallArena arena = group.CreateArena("script", new() { SingleThreaded = true });
                    ShadowModel model = new();
                    for (int step = 0; step < 60; step++)
                    {
                        nuint bytes = random.NextSize(13);
                        model.Add(arena.Allocate(bytes), bytes);
                        if (random.Next(3) == 0)
                        {
                            arena.Free(model.Take(random));
                        }
                    }

                    model.CheckAll();

                    // What a thread leaves behind when it dies, another one ends.
                    ref SmallArena place = ref left[(((thread + generation) % 4) * 2) + (round & 1)];
                    SmallArena before = place;
                    place = arena;
                    before.Dispose();
                }
            });
        }

        Assert.That(group.ArenaCount, Is.EqualTo(8));
        memory.Validate();
        foreach (SmallArena arena in left)
            arena.Dispose();

        Assert.That(group.ArenaCount, Is.Zero);
        memory.Validate();
    }

    [Test]
    public void Tracked_arenas_say_what_lives_by_tag()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        using SmallArena arena = group.CreateArena("door", new() { Tracking = ArenaTracking.Tags });
        using (AllocationTag.Register("small arenas").Begin())
        {
            void* large = arena.Reallocate(arena.Allocate(100_000), 300_000);
            arena.Free(arena.Allocate(50));
            Assert.That(
                arena.LiveAllocations(), Is.EqualTo(new[] { new LiveAllocation(300_000, 1, "small arenas", null) }));
            arena.Free(large);
        }

        Assert.That(arena.LiveAllocations(), Is.Empty);
    }

    [TestCase(MemoryChecks.Off)]
    [TestCase(MemoryChecks.Full)]
    public void Blocks_of_small_arenas_are_counted_by_tag(MemoryChecks checks) => WithCounters.Run(
        static value =>
        {
            using EngineMemory memory = new(new EngineMemoryOptions { Checks = (MemoryChecks)value });
            using ArenaGroup group = memory.CreateArenaGroup("scripts");
            SmallArena arena = group.CreateArena("door");
            SmallArena other = group.CreateArena("window");
            using (AllocationTag.Register("doors").Begin())
            {
                void* block = arena.Allocate(64);
                _ = other.Allocate(64);
                arena.Free(arena.Reallocate(arena.Allocate(100_000), 200_000));
                TagRow counted = Snapshots.TagOf(memory, "doors");
                Assert.That(
                    (counted.AllocationCount, counted.FreeCount, counted.LiveBytes), Is.EqualTo((4L, 2L, 128L)));
                arena.Free(block);
                _ = arena.Allocate(64);
            }

            arena.Dispose();
            TagRow thrownAway = Snapshots.TagOf(memory, "doors");
            Assert.That(
                (thrownAway.AllocationCount, thrownAway.FreeCount, thrownAway.LiveBytes), Is.EqualTo((5L, 4L, 64L)));
            Assert.That(Snapshots.TagOf(memory).AllocationCount, Is.Zero, "slabs are no blocks");
        },
        (int)checks);

    [Test]
    public void A_snapshot_has_the_groups_sum_and_its_largest_arenas()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        SmallArena[] arenas = [.. Enumerable.Range(0, 100).Select(index => group.CreateArena(
            $"script {index}", new() { Budget = new ArenaBudget { HardBytes = (nuint)(index + 1) << 20 } }))];
        for (int index = 0; index < arenas.Length; index++)
        {
            for (int block = 0; block <= index; block++)
                _ = arenas[index].Allocate(64 << 10);
        }

        arenas[99].Dispose();
        MemorySnapshot snapshot = Snapshots.Take(memory);
        ArenaGroupRow row = snapshot.Groups[0];
        long bytes = Enumerable.Range(0, 99).Sum(index => (long)(arenas[index].HeldBytes));
        int number = Snapshots.ArenaOf(snapshot, "scripts").Number;
        Assert.That(snapshot.Groups.Length, Is.EqualTo(1));
        Assert.That(
            (row.ArenaNumber, row.ArenaCount, row.ListedCount, row.LiveBytes, row.HeldBytes),
            Is.EqualTo((number, 99, MemorySnapshot.MostSmallArenas, bytes, bytes)));
        Assert.That(snapshot.SmallArenas.Length, Is.EqualTo(MemorySnapshot.MostSmallArenas));
        for (int index = 0; index < snapshot.SmallArenas.Length; index++)
        {
            SmallArenaRow arena = snapshot.SmallArenas[index];
            Assert.That(arena.Name.ToString(), Is.EqualTo($"script {98 - index}"));
            Assert.That(
                (arena.HeldBytes, arena.HardBudgetBytes),
                Is.EqualTo(((long)arenas[98 - index].HeldBytes, (99L - index) << 20)));
        }
    }

    [Test]
    public void An_arena_ends_with_its_load_context()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        (SmallArena ends, SmallArena disposed, SmallArena next, WeakReference context) = UseContext(group);
        Assert.That((ends.IsDisposed, disposed.IsDisposed, next.IsDisposed), Is.EqualTo((true, true, false)));
        Assert.That(group.ArenaCount, Is.EqualTo(1));
        for (int attempt = 0; attempt < 20 && context.IsAlive; attempt++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.That(context.IsAlive, Is.False, "no arena keeps it alive");
        Assert.That(
            () => group.CreateArena("forever", new() { LoadContext = AssemblyLoadContext.Default }),
            Throws.ArgumentException.With.Message.Contains("cannot be unloaded"));
        memory.Validate();
    }

    [Category(Machine.NeedsRealKernel)] // an emulator that ignores advice keeps the memory
    [TestCase("mmap")]
    [TestCase("madvise")]
    [TestCase("mprotect")]
    public void A_group_survives_the_failure_of_any_one_call(string function)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("The calls that are made to fail are Linux's.");

        const int OutOfMemory = 12;
        FailedCalls.OfEach(
            function, function, Size.MiB(128), (context, call) => context.Fail(function, call, OutOfMemory),
            context => new Life(context));
    }

    private static void Lives(ArenaGroup group, SmallArena[] arenas, SmallArenaOptions options, int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            foreach (ref SmallArena arena in arenas.AsSpan())
            {
                arena = group.CreateArena("script", options);
                Fill(arena);
                arena.Free(arena.Reallocate(arena.Allocate(2_000), 9_000));
                arena.Free(arena.AllocateSpan<int>(50));
            }

            void* large = arenas[0].Allocate(500_000);
            arenas[0].Free(large);
            foreach (SmallArena arena in arenas)
                arena.Dispose();
        }
    }

    /// <summary>What a script may have: some thousand bytes in blocks of many sizes, all written.</summary>
    private static nuint Fill(SmallArena arena)
    {
        for (nuint size = 16; arena.LiveBytes < ScriptBytes; size = size >= 2_000 ? 16 : size + (size / 4) + 7)
            System.Runtime.InteropServices.NativeMemory.Fill(arena.Allocate(size), size, 1);

        return arena.LiveBytes;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (SmallArena Ends, SmallArena Disposed, SmallArena Next, WeakReference Context) UseContext(
        ArenaGroup group)
    {
        AssemblyLoadContext context = new("scripts", isCollectible: true);
        SmallArena ends = group.CreateArena("ends", new() { LoadContext = context });
        _ = ends.Allocate(100);
        SmallArena disposed = group.CreateArena("disposed", new() { LoadContext = context });
        disposed.Dispose();
        SmallArena next = group.CreateArena("next, where that one was");
        context.Unload();
        return (ends, disposed, next, new WeakReference(context));
    }

    /// <summary>Arenas that come, fill and go; a step that fails is done again.</summary>
    private sealed class Life(FailingContext context) : IFailingLife
    {
        private EngineMemory? _memory;

        public int Failures { get; private set; }

        public void Run()
        {
            _memory = Try(() => new EngineMemory(new EngineMemoryOptions
            {
                ReservationBytes = Size.MiB(128),
                NativeContext = context,
                Checks = MemoryChecks.Off,
            }));
            ArenaGroup group = Try(() => _memory.CreateArenaGroup("scripts"));
            Try(() => group.Prewarm(20));
            List<SmallArena> arenas = [];
            ShadowModel model = new();
            for (int index = 0; index < 60; index++)
            {
                SmallArena arena = Try(() => group.CreateArena("script"));
                arenas.Add(arena);
                foreach (nuint bytes in (nuint[])[100, 9_000, 60_000, 300_000])
                    model.Add((void*)Try(() => (nint)arena.Allocate(bytes)), bytes);
            }

            model.CheckAll();
            _memory.Validate();
            foreach (SmallArena arena in arenas)
                arena.Dispose();

            _memory.Validate();
            Assert.That(group.ArenaCount, Is.Zero);
            Try(() =>
            {
                group.Dispose();
                return 0;
            });
            Assert.That(_memory.OwnedSuperSlabCount, Is.Zero);
            Try(() =>
            {
                _memory.Dispose();
                return 0;
            });
        }

        public void Dispose() => _memory?.Dispose();

        private T Try<T>(Func<T> step)
        {
            try
            {
                return step();
            }
            catch (EngineMemoryException)
            {
                Failures++;
                _memory?.Validate();
                return step();
            }
        }
    }
}
