using System.Runtime.InteropServices;
using Engine.Tests.Os;
using Engine.Tests.Support;
using M = SuperSlab.Scenes.HotLoopMetric;
using ReservedRange = Engine.Tests.Os.ReservedRange;

namespace Engine.Tests.Scenes;

/// <summary>
/// Whose page faults and waits a guard counts, in which part of the frame, and how it names what it finds outside the
/// engine.
/// </summary>
internal sealed unsafe class FaultScopeTests
{
    private const int Page = 4096;

    private static readonly HotLoopRule Throw = new(0, HotLoopAction.Throw);

    private static object? s_garbage;

    private EngineMemory _memory = null!;

    [SetUp]
    public void MakeMemory()
    {
        Assume.That(PageFaultRecorder.IsAvailable(out string reason), reason);
        _memory = new EngineMemory(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            Prefault = PrefaultPolicy.None,
            Pages = PageKind.Normal,
        });
    }

    [TearDown]
    public void DisposeMemory() => _memory?.Dispose();

    [Test]
    public void A_fault_outside_the_engine_is_counted_and_breaks_only_rules_that_hold_it()
    {
        using ReservedRange fresh = Fresh();
        using HotLoopGuard guard = new(_memory, new HotLoopRules { PageFaults = Throw });
        int page = 1;
        Action touch = () => Touch(fresh, page += 2);
        Frame(guard, touch);
        Frame(guard, touch);
        Assert.That((guard.LastFrame.NativeFaults, guard.LastFrame.EngineFaults), Is.EqualTo((1, 0)));
        Assert.That(guard.LastFrame.PageFaults - guard.LastFrame.RuntimeFaults, Is.EqualTo(1));

        guard.Rules = new HotLoopRules { PageFaults = Throw with { In = FaultScope.Thread } };
        HotLoopViolation violation = ViolationOf(guard, touch);
        Assert.That(violation.Broken, Is.EqualTo(new[] { M.PageFaults }));
        Assert.That(violation.FaultAddress, Is.EqualTo((nuint)fresh.Address + (7 * Page)));

        guard.Rules = new HotLoopRules { PageFaults = Throw, NativeFaults = Throw };
        violation = ViolationOf(guard, touch);
        Assert.That(violation.Broken, Is.EqualTo(new[] { M.NativeFaults }));
        Assert.That(violation.Arena, Is.Null);
        Assert.That(violation.FaultCode, Is.Not.Null.And.Not.Empty);
        Assert.That(
            violation.Culprit,
            Does.StartWith("thread 'main' took 1 page fault at 0x").And.Contain("anonymous memory, touched by ")
                .And.Contain("HotLoopGuard.Exclude").And.EndWith("(docs/hot-loop.md)"));
    }

    [Test]
    public void A_fault_in_the_engines_memory_breaks_the_rule_and_comes_before_those_elsewhere()
    {
        using ReservedRange fresh = Fresh();
        using LongLivedArena cold = _memory.CreateLongLivedArena("cold");
        byte* block = (byte*)cold.Allocate(1 << 20);
        using HotLoopGuard guard = new(_memory, new HotLoopRules { PageFaults = Throw });
        int page = 1;
        Action touch = () =>
        {
            Touch(fresh, page += 2);
            block[page * Page] = 1;
        };
        guard.WarmUp(1);
        Frame(guard, touch); // its compilation faults too
        HotLoopViolation violation = ViolationOf(guard, touch);
        Assert.That((violation.Counts.EngineFaults, violation.Counts.NativeFaults), Is.EqualTo((1, 1)));
        Assert.That(violation.Arena, Is.EqualTo("cold"));
        Assert.That(violation.Culprit, Does.StartWith("thread 'main' took 1 page fault at 0x"));
    }

    [Test]
    public void The_collectors_heap_has_faults_of_its_own()
    {
        const int Bytes = 64 << 20;
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        using HotLoopGuard guard = new(_memory, new HotLoopRules { HeapFaults = Throw });
        HotLoopViolation violation = ViolationOf(guard, () => Array.Fill((byte[])(s_garbage = new byte[Bytes]), (byte)1));
        s_garbage = null;
        Assert.That(violation.Counts.HeapFaults, Is.GreaterThan(500));
        Assert.That(violation.Culprit, Does.Contain("GC heap").And.Contain("keep managed allocations out of frames"));
    }

    [Test]
    public void Managed_code_has_faults_of_its_own()
    {
        string path = Path.Combine(Path.GetTempPath(), $"engine-faults-{Guid.NewGuid():N}.dll");
        File.WriteAllBytes(path, new byte[Page]);
        using MappedFile assembly = new(path);
        using HotLoopGuard guard = new(_memory, new HotLoopRules { RuntimeFaults = Throw });
        byte resident = 0;
        byte* touched = &resident;
        Action touch = () => _ = Volatile.Read(ref *touched);
        touch(); // its compilation faults too
        touched = assembly.Start;
        HotLoopViolation violation = ViolationOf(guard, touch);
        Assert.That(violation.Broken, Is.EqualTo(new[] { M.RuntimeFaults }));
        Assert.That(
            violation.Culprit, Does.Contain($"assembly ({Path.GetFileName(path)})").And.Contain("TieredCompilation"));
    }

    [Test]
    public void Code_that_a_library_generated_is_not_taken_for_the_runtimes()
    {
        using ReservedRange fresh = Fresh();
        Assume.That(Protect((void*)fresh.Address, 16 * Page, 1 | 4), Is.Zero, "memory that can be read and run");
        using HotLoopGuard guard = new(_memory, new HotLoopRules { NativeFaults = Throw });
        HotLoopViolation violation = ViolationOf(guard, () => _ = Volatile.Read(ref ((byte*)fresh.Address)[3 * Page]));
        Assert.That(violation.Counts.NativeFaults, Is.Positive);
        Assert.That(violation.Culprit, Does.Contain("generated code (code that a library generated)"));
    }

    [Test]
    public void What_is_excluded_is_booked_under_its_name_and_not_in_the_frame()
    {
        using ReservedRange fresh = Fresh();
        using LongLivedArena cold = _memory.CreateLongLivedArena("cold");
        byte* block = (byte*)cold.Allocate(1 << 20);
        HotLoopRules rules = new() { PageFaults = Throw, NativeFaults = Throw, ManagedBytes = Throw, OsCalls = Throw };
        using HotLoopGuard guard = new(_memory, rules);
        guard.WarmUp(1);
        Frame(guard, () => Drive(0));
        HotLoopCounts before = Present().Total;
        Frame(guard, () => Drive(7));
        Assert.That(guard.LastFrame.NativeFaults + guard.LastFrame.EngineFaults, Is.Zero);
        Assert.That((guard.LastFrame.ManagedBytes, guard.LastFrame.OsCalls), Is.EqualTo((0, 0)));
        HotLoopCounts driven = Present().LastFrame;
        Assert.That(driven.NativeFaults, Is.EqualTo(1));
        Assert.That(driven.EngineFaults, Is.Positive);
        Assert.That(driven.ManagedBytes, Is.GreaterThanOrEqualTo(100));
        Assert.That(driven.OsCalls, Is.Positive);
        Assert.That(driven.Waits, Is.Positive);
        Assert.That(Present().IsExcluded);
        Assert.That(Present().Total - before, Is.EqualTo(driven));
        Frame(guard, () => { });
        Assert.That(Present().LastFrame, Is.EqualTo(default(HotLoopCounts)));

        void Drive(int page)
        {
            using (guard.Exclude("present"))
            {
                s_garbage = new byte[100];
                Thread.Sleep(1);
                Touch(fresh, page);
                block[page * Page] = 1;
                cold.Allocate(3 << 20);
            }
        }

        FramePart Present() => guard.Parts.Single(part => part.Name == "present");
    }

    [Test]
    public void Parts_nest_and_the_innermost_has_what_happened()
    {
        using ReservedRange fresh = Fresh();
        using HotLoopGuard guard = new(_memory, new HotLoopRules { NativeFaults = Throw });
        guard.WarmUp(1);
        Frame(guard, () => Play(0));
        HotLoopViolation violation = ViolationOf(guard, () => Play(4));
        Assert.That(violation.Counts.NativeFaults, Is.EqualTo(3));
        Assert.That(violation.Part, Is.EqualTo("draw"));
        Assert.That(violation.Culprit, Does.Contain("during 'draw'"));
        Assert.That(
            guard.Parts.Where(part => part.LastFrame.NativeFaults != 0)
                .Select(part => (part.Name, part.IsExcluded, part.LastFrame.NativeFaults)),
            Is.EqualTo(new[] { ("draw", false, 2L), ("shadows", false, 1L), ("present", true, 1L) }));

        void Play(int page)
        {
            using (guard.Part("draw"))
            {
                Touch(fresh, page);
                using (guard.Part("shadows"))
                    Touch(fresh, page + 1);

                using (guard.Exclude("present"))
                    Touch(fresh, page + 2);

                Touch(fresh, page + 3);
            }
        }
    }

    [Test]
    public void A_part_outside_of_a_frame_or_on_a_strange_thread_counts_nothing()
    {
        using HotLoopGuard guard = new(_memory);
        using (guard.Exclude("loading"))
            s_garbage = new byte[100];

        guard.BeginFrame();
        Workers.Run(() =>
        {
            using (guard.Part("strange"))
                s_garbage = new byte[100];
        });
        guard.EndFrame();
        Assert.That(guard.Parts.Select(part => part.Name), Does.Not.Contain("loading").And.Not.Contain("strange"));
        Assert.That(() => guard.Exclude(null!), Throws.ArgumentNullException);
    }

    [Test]
    public void A_part_that_an_exception_leaves_open_ends_with_the_frame()
    {
        using HotLoopGuard guard = new(_memory);
        guard.BeginFrame();
        FramePartScope left = guard.Exclude("present");
        guard.EndFrame();
        guard.BeginFrame();
        left.Dispose();
        s_garbage = new byte[100];
        guard.EndFrame();
        Assert.That(guard.LastFrame.ManagedBytes, Is.GreaterThanOrEqualTo(100));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void A_wait_in_a_frame_is_counted_and_named(bool recorded)
    {
        HotLoopGuardOptions options = new() { FaultAddresses = recorded };
        using HotLoopGuard guard = new(_memory, new HotLoopRules { Waits = Throw }, options);
        HotLoopViolation violation = ViolationOf(guard, () => Thread.Sleep(2));
        Assert.That(violation.Broken, Is.EqualTo(new[] { M.Waits }));
        Assert.That(violation.Counts.Waits, Is.Positive);
        Assert.That(violation.Culprit, Does.StartWith("thread 'main' waited "));
    }

    [Test]
    public void A_worker_pools_wait_for_its_workers_is_its_own()
    {
        using HotLoopGuard guard = new(_memory, new HotLoopRules { Waits = new(long.MaxValue) });
        using WorkerPool pool = new(new() { WorkerCount = 2, SpinTurnCount = 0, Guard = guard });
        Busy job = default;
        pool.Prepare(ref job);
        FramePart wait = guard.Parts.Single(part => part.Name == "worker pool");

        // The runtime may wait for a lock of its own when code runs the first time.
        for (int attempt = 0; attempt < 50 && (wait.LastFrame.Waits == 0 || guard.LastFrame.Waits != 0); attempt++)
        {
            guard.BeginFrame();
            pool.Run(ref job, 2);
            guard.EndFrame();
        }

        Assert.That(wait.IsExcluded);
        Assert.That(wait.LastFrame.Waits, Is.Positive);
        Assert.That(guard.LastFrame.Waits, Is.Zero);
    }

    [Test]
    public void Jobs_between_two_frames_are_in_neither()
    {
        using HotLoopGuard guard = new(_memory, new HotLoopRules { ManagedBytes = Throw });
        using WorkerPool pool = new(new() { WorkerCount = 2, Guard = guard });
        Garbage job = default;
        pool.Prepare(ref job);
        Frame(guard, () => { });
        pool.Run(ref job, 2);
        Frame(guard, () => { });
        Assert.That(guard.LastFrame.ManagedBytes, Is.Zero);
        Assert.That(() => Frame(guard, () => pool.Run(ref job, 2)), Throws.InstanceOf<HotLoopViolationException>());
    }

    [Test]
    public void Without_addresses_faults_are_the_engines_when_it_asked_the_system()
    {
        using ReservedRange fresh = Fresh();
        using LongLivedArena cold = _memory.CreateLongLivedArena("cold");
        HotLoopGuardOptions options = new() { FaultAddresses = false };
        using HotLoopGuard guard = new(_memory, new HotLoopRules { PageFaults = Throw }, options);
        Assert.That(guard.Unplaced, Does.Contain("FaultAddresses"));
        Frame(guard, () => Touch(fresh, 3));
        Assert.That(guard.LastFrame.PageFaults, Is.Positive);
        Assert.That(guard.LastFrame.EngineFaults, Is.Zero);
        HotLoopViolation violation = ViolationOf(guard, () => *(byte*)cold.Allocate(3 << 20) = 1);
        Assert.That(violation.Broken, Does.Contain(M.PageFaults));
        Assert.That(violation.Arena, Is.EqualTo("cold"));
    }

    [Test]
    public void Where_the_kernel_records_no_faults_the_reason_is_logged_once()
    {
        List<string> lines = [];
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            NativeContext = new HidingContext("ioctl"),
        });
        using HotLoopGuard guard = new(memory, null, new() { Log = lines.Add });
        using GuardedThread second = new Func<GuardedThread>(() => guard.RegisterThread("second"))();
        Assert.That(guard.Unplaced, Does.Contain("ioctl"));
        Assert.That(second.Unplaced, Is.EqualTo(guard.Unplaced));
        Assert.That(lines, Is.EqualTo(new[] { $"Page faults of thread 'main' have no addresses: {guard.Unplaced}." }));
    }

    [Test]
    public void Watching_and_unwatching_a_scene_makes_no_garbage()
    {
        using Scene scene = Scene.Load(_memory, new() { Name = "world", Arenas = [new ArenaPlan { Name = "entities" }] });
        using HotLoopGuard guard = new(_memory);
        guard.Watch(scene);
        guard.Unwatch(scene);
        long managed = GC.GetAllocatedBytesForCurrentThread();
        guard.Watch(scene);
        guard.Unwatch(scene);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - managed, Is.Zero);
    }

    [Test]
    public void Return_addresses_are_known_by_the_call_before_them()
    {
        Assume.That(RuntimeInformation.ProcessArchitecture, Is.EqualTo(Architecture.X64));
        Assert.That(CallSites.EndsWithCall([0, 0, 0xE8, 1, 2, 3, 4]), "call rel32");
        Assert.That(CallSites.EndsWithCall([0, 0, 0, 0, 0, 0xFF, 0xD0]), "call rax");
        Assert.That(CallSites.EndsWithCall([0, 0xFF, 0x15, 1, 2, 3, 4]), "call [rip+x]");
        Assert.That(CallSites.EndsWithCall([0, 0, 0, 0, 0, 0xFF, 0xE0]), Is.False, "jmp rax");
        Assert.That(CallSites.EndsWithCall([0, 1, 2, 3, 4, 5, 6]), Is.False);
    }

    [DllImport("libc", EntryPoint = "mprotect")]
    private static extern int Protect(void* address, nuint bytes, int rights);

    private static void Touch(ReservedRange range, int page) => ((byte*)range.Address)[page * Page] = 1;

    private static void Frame(HotLoopGuard guard, Action work)
    {
        guard.BeginFrame();
        work();
        guard.EndFrame();
    }

    private static HotLoopViolation ViolationOf(HotLoopGuard guard, Action work) =>
        Assert.Throws<HotLoopViolationException>(() => Frame(guard, work))!.Violation!;

    /// <summary>A range whose pages are absent but for the last; the way to them is there.</summary>
    private static ReservedRange Fresh()
    {
        var os = VirtualMemory.Create();
        ReservedRange fresh = new(os, 4 << 20);
        Assert.That(
            os.TryPrepare(fresh.Address, fresh.Bytes, new PrefaultStep(PageKind.Normal, PrefaultPolicy.None), out _));
        Touch(fresh, (int)(fresh.Bytes / 2 / Page));
        Touch(fresh, (int)(fresh.Bytes / Page) - 1);
        return fresh;
    }

    private struct Garbage : IRangeJob
    {
        public readonly void Execute(int start, int end, int worker)
        {
            if (worker == 1 && end > start)
                s_garbage = new byte[100];
        }
    }

    private struct Busy : IRangeJob
    {
        public readonly void Execute(int start, int end, int worker)
        {
            for (long began = Environment.TickCount64; worker == 1 && end > start
                && Environment.TickCount64 - began < 5;)
            {
                Thread.SpinWait(100);
            }
        }
    }
}
