using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Tests.Os;
using Engine.Tests.Support;
using NUnit.Framework.Constraints;
using ReservedRange = Engine.Tests.Os.ReservedRange;

namespace Engine.Tests.Scenes;

/// <summary>Frames that are broken on purpose, each in one way: the guard must catch it, count it as the system does,
/// and name who did it.</summary>
internal sealed unsafe class HotLoopGuardTests
{
    private static readonly ScenePlan Plan = new()
    {
        Name = "world",
        Arenas = [new ArenaPlan { Name = "entities", Blocks = [new(64, 1000)] }],
        FrameArena = new FrameArenaOptions { BytesPerLane = 64 * 1024 },
    };

    /// <summary>For frames that make garbage: the heap's own fresh pages may fault.</summary>
    private static readonly HotLoopRules NoFaultRule = new() { PageFaults = new(long.MaxValue) };

    private static object? s_garbage;

    private EngineMemory _memory = null!;
    private Scene _scene = null!;

    [SetUp]
    public void LoadScene()
    {
        _memory = new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        _scene = Scene.Load(_memory, Plan);
        MakeGarbage(1);
        PlayCleanFrame(_scene);
    }

    [TearDown]
    public void CheckAndUnload()
    {
        _memory.Validate();
        _scene.Dispose();
        _memory.Dispose();
    }

    [Test]
    public void Negative_options_are_refused_before_anything_is_watched()
    {
        HotLoopGuardOptions[] wrong = [new() { CallStackCount = -1 }, new() { LogInterval = TimeSpan.FromTicks(-1) }];
        foreach (HotLoopGuardOptions options in wrong)
        {
            Assert.That(
                () => new HotLoopGuard(_memory, null, options), Throws.TypeOf<ArgumentOutOfRangeException>());
        }
    }

    [Test]
    public void Clean_frames_break_nothing_and_the_guard_itself_faults_and_allocates_nothing()
    {
        using HotLoopGuard guard = Guard();
        HotLoopCost cost = HotLoopCost.BestOf(5, () => HotLoopCost.Of(_memory, () =>
        {
            for (int frame = 0; frame < 200; frame++)
            {
                guard.BeginFrame();
                PlayCleanFrame(_scene);
                guard.EndFrame();
            }
        }));
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
        Assert.That(guard.ViolationCount, Is.Zero, guard.FirstViolation?.ToString());
    }

    [Test]
    public void An_allocation_over_plan_is_named_by_arena_class_and_call_stack()
    {
        using HotLoopGuard guard = Guard();
        guard.BeginFrame();
        SpawnTheGiant(_scene);
        guard.EndFrame();
        HotLoopViolation violation = Violation(guard);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(violation.Broken, Does.Contain(HotLoopMetric.OsCalls));
            Assert.That(violation.Counts.OsCalls, Is.Positive);
            Assert.That(violation.Arena, Is.EqualTo("world: entities"));
            Assert.That(violation.BlockBytes, Is.EqualTo(SizeClasses.BlockBytes(SizeClasses.IndexOf(3 << 20))));
            Assert.That(violation.Thread, Is.EqualTo("main"));
            Assert.That(violation.CallStack, Does.Contain(nameof(SpawnTheGiant)));
            Assert.That(
                violation.ToString(),
                Does.Contain(
                "arena 'world: entities' wanted 2 SuperSlabs more than were ready, for blocks of 3 MiB"));
        }
    }

    [Test]
    public void Managed_bytes_are_named_to_the_byte()
    {
        long expected = GC.GetAllocatedBytesForCurrentThread();
        MakeGarbage(100);
        expected = GC.GetAllocatedBytesForCurrentThread() - expected;

        using HotLoopGuard guard = new(_memory, NoFaultRule);
        guard.BeginFrame();
        MakeGarbage(100);
        guard.EndFrame();
        HotLoopViolation violation = Violation(guard);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(violation.Broken, Is.EqualTo(new[] { HotLoopMetric.ManagedBytes }));
            Assert.That(violation.Counts.ManagedBytes, Is.EqualTo(expected).And.GreaterThanOrEqualTo(100));
            Assert.That(violation.Culprit, Is.EqualTo($"thread 'main' allocated {expected:N0} managed bytes"));
        }
    }

    [Test]
    public void A_first_touch_outside_the_engine_is_named_by_its_address()
    {
        Assume.That(PageFaults.IsPerThread);
        using ReservedRange fresh = Fresh();
        using HotLoopGuard guard = new(_memory, new HotLoopRules { PageFaults = new(0, In: FaultScope.Thread) });
        guard.BeginFrame();
        ((byte*)fresh.Address)[4096 * 5] = 1;
        guard.EndFrame();
        HotLoopViolation violation = Violation(guard);
        Assert.That(violation.Broken, Is.EqualTo(new[] { HotLoopMetric.PageFaults }));
        Assert.That(violation.Counts.PageFaults, Is.EqualTo(1));
        Assume.That(PageFaultRecorder.IsAvailable(out string reason), reason);
        Assert.That(violation.FaultAddress, Is.EqualTo((nuint)fresh.Address + (4096 * 5)));
        Assert.That(violation.Culprit, Does.Contain("in anonymous memory, touched by "));
        Assert.That(violation.Arena, Is.Null);
    }

    [Test]
    public void A_first_touch_of_an_arenas_memory_is_named_by_the_arena()
    {
        Assume.That(PageFaults.IsPerThread);
        Assume.That(PageFaultRecorder.IsAvailable(out string reason), reason);
        using EngineMemory memory =
            new(new EngineMemoryOptions
            {
                ReservationBytes = Size.GiB(1),
                Prefault = PrefaultPolicy.None,
                Pages = PageKind.Normal
            });
        using LongLivedArena cold = memory.CreateLongLivedArena("cold");
        byte* block = (byte*)cold.Allocate(1 << 20);
        using HotLoopGuard guard = new(memory);
        guard.BeginFrame();
        block[12345] = 1;
        guard.EndFrame();
        HotLoopViolation violation = Violation(guard);
        Assert.That(violation.Broken, Is.EqualTo(new[] { HotLoopMetric.PageFaults }));
        Assert.That(violation.Arena, Is.EqualTo("cold"));
        Assert.That(violation.FaultAddress & ~(nuint)4095, Is.EqualTo((nuint)(block + 12345) & ~(nuint)4095));
    }

    [Test]
    public void A_page_that_was_ready_and_went_is_told_as_moved_by_the_kernel()
    {
        Assume.That(PageFaultRecorder.IsAvailable(out string reason), reason);
        byte* block = (byte*)_scene.GetArena("entities").Allocate(64);
        *block = 1;
        Thread.Sleep(150); // the page has been ready for longer than a frame
        using HotLoopGuard guard = Guard();
        TakenPage.Take(block);
        guard.BeginFrame();
        *block = 2;
        guard.EndFrame();
        HotLoopViolation violation = Violation(guard);
        Assert.That(violation.Broken, Is.EqualTo(new[] { HotLoopMetric.PageFaults }));
        Assert.That(violation.FaultAddress, Is.EqualTo((nuint)block));
        Assert.That(violation.KernelMoves, Is.Not.Null);
        Assert.That(violation.Culprit, Does.Contain("; moved by the kernel, as the page was ready: "));
    }

    [Test]
    public void A_page_of_the_tables_is_known_as_ready_while_they_grow_behind_it()
    {
        Assume.That(PageFaultRecorder.IsAvailable(out string reason), reason);
        PrefaultedRegion heap = _memory.Reservation.Heap;
        Thread.Sleep(150);
        heap.Ensure(heap.ResidentBytes + 1);
        long now = System.Diagnostics.Stopwatch.GetTimestamp();
        Assert.That(_memory.IsReadySince(heap.Address, now - (System.Diagnostics.Stopwatch.Frequency / 10)));
        nint grown = heap.Address + (nint)heap.ResidentBytes - 1;
        Assert.That(_memory.IsReadySince(grown, now - (System.Diagnostics.Stopwatch.Frequency / 10)), Is.False);
        Assert.That(_memory.IsReadySince(grown, now));
    }

    [Test]
    public void A_first_touch_is_not_told_as_moved_by_the_kernel()
    {
        Assume.That(PageFaultRecorder.IsAvailable(out string reason), reason);
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            Prefault = PrefaultPolicy.None,
            Pages = PageKind.Normal,
        });
        using LongLivedArena cold = memory.CreateLongLivedArena("cold");
        byte* block = (byte*)cold.Allocate(1 << 20);
        Thread.Sleep(150);
        using HotLoopGuard guard = new(memory);
        guard.BeginFrame();
        block[12345] = 1;
        guard.EndFrame();
        Assert.That(Violation(guard).KernelMoves, Is.Null);
        Assert.That(Violation(guard).Culprit, Does.Not.Contain("moved by the kernel"));
    }

    [TestCase(1)]
    [TestCase(37)]
    [TestCase(500)]
    public void Faults_are_counted_as_getrusage_counts_them(int pages)
    {
        Assume.That(PageFaults.IsPerThread);
        CheckFaults(pages, recordsAddresses: true);
        CheckFaults(pages, recordsAddresses: false);
    }

    private void CheckFaults(int pages, bool recordsAddresses)
    {
        using HotLoopGuard guard = new(_memory, null, new HotLoopGuardOptions { FaultAddresses = recordsAddresses });
        (long Counted, long Taken) least = (long.MaxValue, long.MaxValue);
        for (int attempt = 0; attempt < 5 && least != (pages, pages); attempt++)
        {
            // The runtime faults for itself now and then; what is written here faults in every attempt.
            using ReservedRange fresh = Fresh();
            _ = PageFaults.OfThread();
            long faults = PageFaults.OfThread();
            guard.BeginFrame();
            fresh.WriteEveryPage(0, (nuint)pages * 4096, 1);
            guard.EndFrame();
            faults = PageFaults.OfThread() - faults;
            Assert.That(guard.LastFrame.PageFaults, Is.InRange(pages, faults));
            least = (Math.Min(least.Counted, guard.LastFrame.PageFaults), Math.Min(least.Taken, faults));
        }

        Assert.That(
            least, Is.EqualTo(((long)pages, (long)pages)), "as the guard counts, and as getrusage does around it");
    }

    [Test]
    public void A_lane_that_overflows_is_named()
    {
        using HotLoopGuard guard = Guard();
        guard.Watch(_scene);
        guard.BeginFrame();
        _scene.FrameArena.Lane(0).Allocate(100 * 1024);
        guard.EndFrame();
        HotLoopViolation violation = Violation(guard);
        Assert.That(violation.Broken, Does.Contain(HotLoopMetric.FrameOverflow));
        Assert.That(violation.Arena, Is.EqualTo("world: frame"));
    }

    [Test]
    public void A_collection_by_whomever_is_told_where_nothing_else_was_done()
    {
        using HotLoopGuard guard = Guard();
        guard.Rules = NoFaultRule;
        Assert.That(guard.Rules, Is.SameAs(NoFaultRule));
        guard.BeginFrame();
        Workers.Run(() => GC.Collect(0));
        guard.EndFrame();
        HotLoopViolation violation = Violation(guard);
        Assert.That(violation.Counts.Collections, Is.EqualTo(1));
        Assert.That(violation.Broken, Does.Contain(HotLoopMetric.Collections));
    }

    [Test]
    public void Begin_and_end_come_in_turns()
    {
        using HotLoopGuard guard = Guard();
        using GuardedThread thread = new Func<GuardedThread>(() => guard.RegisterThread("other"))();
        Assert.That(
            guard.EndFrame, Throws.InvalidOperationException.With.Message.Contains("call BeginFrame before EndFrame"));
        Assert.That(thread.End, Throws.InvalidOperationException.With.Message.Contains("call Begin before End"));
        guard.BeginFrame();
        thread.Begin();
        Assert.That(
            guard.BeginFrame, Throws.InvalidOperationException.With.Message.StartsWith("Frame 1 has not ended"));
        Assert.That(thread.Begin, Throws.InvalidOperationException.With.Message.Contains("each Begin needs its End"));
        Assert.That(() => guard.Watch(_scene), Throws.InvalidOperationException);
        Assert.That(() => guard.WarmUp(1), Throws.InvalidOperationException);
        Assert.That(() => guard.Rules = new HotLoopRules(), Throws.InvalidOperationException);
        thread.End();
        guard.EndFrame();
        Assert.That(guard.FrameCount, Is.EqualTo(1));
    }

    [Test]
    public void What_is_no_longer_watched_is_not_counted()
    {
        using HotLoopGuard guard = Guard();
        guard.Watch(_scene);
        guard.Unwatch(_scene);
        _scene.Arena.Budget = new ArenaBudget { SoftBytes = 2 << 20 };
        guard.BeginFrame();
        _scene.FrameArena.Lane(0).Allocate(100 * 1024);
        SpawnTheGiant(_scene);
        guard.EndFrame();
        HotLoopViolation violation = Violation(guard);
        Assert.That(violation.Counts.OsCalls, Is.Positive, "the frame did overflow");
        Assert.That(
            violation.Broken,
            Does.Not.Contain(HotLoopMetric.FrameOverflow).And.Not.Contain(HotLoopMetric.BudgetOverrun));
    }

    [Test]
    public void Budget_overruns_are_counted_even_where_the_memory_is_ready()
    {
        using LongLivedArena reserve = _memory.CreateLongLivedArena("reserve");
        using HotLoopGuard guard = Guard();
        guard.Watch(_scene);
        _scene.Arena.Budget = new ArenaBudget { SoftBytes = 2 << 20 };
        _ = reserve.Allocate(3 << 20);
        reserve.Reset();
        reserve.Trim();
        guard.BeginFrame();
        SpawnTheGiant(_scene);
        guard.EndFrame();
        HotLoopViolation violation = Violation(guard);
        Assert.That(violation.Counts.SoftOverruns, Is.EqualTo(1));
        Assert.That(violation.Culprit, Is.EqualTo("arena 'world: entities' went beyond its budget"));
    }

    [Test]
    public void What_unregistered_threads_do_is_not_the_frames()
    {
        using HotLoopGuard guard = Guard();
        guard.BeginFrame();
        Thread loader = new(() => Scene.Load(_memory, Plan).Dispose());
        guard.EndFrame();
        guard.WarmUp(1);
        guard.BeginFrame();
        loader.Start();
        loader.Join();
        guard.EndFrame();
        Assert.That(guard.LastFrame.OsCalls, Is.Zero);
    }

    [Test]
    public void Warm_up_frames_are_held_to_nothing()
    {
        using HotLoopGuard guard =
            new(_memory, NoFaultRule with { WarmUpFrameCount = 2, ManagedBytes = new(0, HotLoopAction.Throw) });
        for (int frame = 0; frame < 2; frame++)
        {
            Assert.That(guard.IsArmed, Is.False);
            guard.BeginFrame();
            MakeGarbage(100);
            Assert.That(EndOf(guard), Is.Null);
        }

        Assert.That(guard.IsArmed);
        Assert.That(guard.WarmUpTotal.ManagedBytes, Is.GreaterThan(200));
        Assert.That(guard.Total.ManagedBytes, Is.Zero);
        guard.BeginFrame();
        MakeGarbage(100);
        HotLoopViolationException? thrown = EndOf(guard);
        Assert.That(thrown?.Message, Does.Contain("thread 'main' allocated"));
        Assert.That(thrown!.Violation!.FrameNumber, Is.EqualTo(3));

        // The guard goes on after it threw.
        guard.BeginFrame();
        guard.EndFrame();
        Assert.That((guard.FrameCount, guard.ViolationCount), Is.EqualTo((4, 1)));
    }

    [Test]
    public void The_log_is_limited_and_says_what_it_kept_quiet_about()
    {
        List<string> lines = [];
        List<HotLoopViolation> calls = [];
        HotLoopRules rules =
            NoFaultRule with { ManagedBytes = new(64, HotLoopAction.Log), OsCalls = new(0, HotLoopAction.Callback) };
        ManualTime clock = new();
        HotLoopGuardOptions options = new()
        {
            Log = lines.Add,
            LogInterval = TimeSpan.FromMilliseconds(200),
            Clock = clock,
            OnViolation = calls.Add,
        };
        using HotLoopGuard guard = new(_memory, rules, options);
        for (int frame = 0; frame < 10; frame++)
        {
            guard.BeginFrame();
            MakeGarbage(frame < 2 ? 8 : 100);
            guard.EndFrame();
        }

        clock.Advance(TimeSpan.FromMilliseconds(200));
        guard.BeginFrame();
        MakeGarbage(100);
        guard.EndFrame();
        Assert.That(guard.ViolationCount, Is.EqualTo(9), "two frames stayed below the 64 bytes that are allowed");
        Assert.That(lines, Has.Count.EqualTo(2));
        Assert.That(lines[0], Does.StartWith("Frame 3 broke its rules (ManagedBytes)"));
        Assert.That(lines[1], Does.Contain("(7 more such frames since the last line)"));
        Assert.That(calls, Is.Empty);
        guard.BeginFrame();
        SpawnTheGiant(_scene);
        guard.EndFrame();
        Assert.That(calls, Has.Count.EqualTo(1));
    }

    [Test]
    public void A_workers_doing_is_named_by_the_worker()
    {
        using HotLoopGuard guard = new(_memory, NoFaultRule);
        using Barrier barrier = new(2);
        Thread worker = new(() =>
        {
            using GuardedThread me = guard.RegisterThread("physics");
            barrier.SignalAndWait();
            barrier.SignalAndWait();
            me.Begin();
            MakeGarbage(100);
            me.End();
            barrier.SignalAndWait();
            barrier.SignalAndWait();
        });
        worker.Start();
        barrier.SignalAndWait();
        guard.WarmUp(1);
        guard.BeginFrame();
        guard.EndFrame();
        guard.BeginFrame();
        barrier.SignalAndWait();
        barrier.SignalAndWait();
        guard.EndFrame();
        barrier.SignalAndWait();
        worker.Join();
        Assert.That(Violation(guard).Culprit, Does.StartWith("thread 'physics' allocated"));
        Assert.That(guard.LastFrame.ManagedBytes, Is.GreaterThanOrEqualTo(100));
    }

    private static HotLoopViolation Violation(HotLoopGuard guard)
    {
        Assert.That(guard.ViolationCount, Is.EqualTo(1), guard.FirstViolation?.ToString());
        return guard.FirstViolation!;
    }

    private static HotLoopViolationException? EndOf(HotLoopGuard guard)
    {
        try
        {
            guard.EndFrame();
            return null;
        }
        catch (HotLoopViolationException thrown)
        {
            return thrown;
        }
    }

    private static ReservedRange Fresh()
    {
        var os = VirtualMemory.Create();
        ReservedRange fresh = new(os, 4 << 20);
        Assert.That(
            os.TryPrepare(fresh.Address, fresh.Bytes, new PrefaultStep(PageKind.Normal, PrefaultPolicy.None), out _));

        // Its tables of pages come with the first touch near by; the code that writes is compiled, too.
        fresh.WriteEveryPage(fresh.Bytes / 2, 4096, 1);
        ((byte*)fresh.Address)[fresh.Bytes - 1] = 1;
        return fresh;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MakeGarbage(int bytes) => s_garbage = new byte[bytes];

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void SpawnTheGiant(Scene scene) => *(byte*)scene.Arena.Allocate(3 << 20) = 1;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void PlayCleanFrame(Scene scene)
    {
        scene.FrameArena.NextFrame();
        scene.FrameArena.Lane(0).AllocateSpan<float>(100).Clear();
        void* block = scene.Arena.Allocate(64);
        NativeMemory.Clear(block, 64);
        scene.Arena.Free(block);
    }

    private HotLoopGuard Guard() => new(_memory);
}
