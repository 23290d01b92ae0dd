using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Diagnostics;

/// <summary>Known memory is touched on a thread of its own, and the table of faults must name it, with as many faults
/// as pages were touched.</summary>
[Category(Machine.NeedsRealKernel)]
internal sealed unsafe class FaultAttributionTests
{
    private const nuint Page = 4096;

    private EngineMemory _memory = null!;

    [SetUp]
    public void MakeMemory()
    {
        Assume.That(Environment.SystemPageSize, Is.EqualTo((int)Page));
        Assume.That(Faults.HaveAddresses, "the kernel tells the addresses of faults");
        _memory = new EngineMemory(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            Prefault = PrefaultPolicy.None,
            Pages = PageKind.Normal,
            Checks = MemoryChecks.Off,
        });
    }

    [TearDown]
    public void DisposeMemory() => _memory?.Dispose();

    [TestCase(48u, 1000, 12, "blocks of 48 bytes")]
    [TestCase(65536u, 3, 48, "blocks of 64 KiB")]
    [TestCase(1u << 20, 2, 512, "blocks of 1 MiB")]
    public void Blocks_are_named_by_arena_and_class(uint bytes, int count, int pages, string name)
    {
        LongLivedArena arena = _memory.CreateLongLivedArena("world");
        ProfileFaults table = Observe(() =>
        {
            for (int block = 0; block < count; block++)
                Touch(arena.Allocate(bytes), bytes);
        });

        Assert.That(CountOf(table, FaultKinds.Payload, $"arena 'world', {name}"), Is.EqualTo(pages));
    }

    [Test]
    public void A_page_that_was_ready_and_went_is_named_as_moved_by_the_kernel_and_a_first_touch_is_not()
    {
        using EngineMemory ready = new(new EngineMemoryOptions
        {
            Prefault = PrefaultPolicy.Touch,
            Pages = PageKind.Normal,
            Checks = SuperSlab.MemoryChecks.Off,
        });
        LongLivedArena arena = ready.CreateLongLivedArena("world");
        byte* block = (byte*)arena.Allocate(1 << 20);
        ProfileFaults table = Observe(
            () =>
            {
                TakenPage.Take(block + Page);
                Touch(block, 4 * Page);
                Touch(arena.Allocate(8 << 20), 100 * Page); // made ready by touching, which faults
            },
            memory: ready);

        string[] moved = [.. table.Owners.Select(owner => owner.Name).Where(name => name.Contains("moved by"))];
        Assert.That(moved, Has.Length.EqualTo(1));
        Assert.That(moved[0], Does.StartWith("arena 'world', blocks of 1 MiB, moved by the kernel"));
    }

    [Test]
    public void An_extent_is_named_wherever_it_is_touched()
    {
        LongLivedArena arena = _memory.CreateLongLivedArena("level");
        ProfileFaults table = Observe(() =>
        {
            byte* block = (byte*)arena.Allocate(8 << 20);
            Touch(block, 10 * Page);
            Touch(block + (5 << 20), 20 * Page);
        });

        Assert.That(CountOf(table, FaultKinds.Payload, "arena 'level', extent of 8 MiB"), Is.EqualTo(30));
    }

    [Test]
    public void A_frame_arenas_lanes_are_told_apart_also_in_overflow_memory()
    {
        FrameArena frames =
            _memory.CreateFrameArena("frame", new FrameArenaOptions { LaneCount = 2, BytesPerLane = 64 * 1024 });
        long[] missing = new long[2];
        ProfileFaults table = Observe(() =>
        {
            TouchPagesOf(0, 3);
            TouchPagesOf(1, 5);
            TouchPagesOf(1, 64);
        });

        Assert.That(missing, Is.All.Positive);
        Assert.That(CountOf(table, FaultKinds.FrameLane, "arena 'frame', lane 0"), Is.EqualTo(missing[0]));
        Assert.That(CountOf(table, FaultKinds.FrameLane, "arena 'frame', lane 1"), Is.EqualTo(missing[1]));

        // A busy kernel now and then has a page there already: what counts is what was missing right before.
        void TouchPagesOf(int lane, nuint pages)
        {
            void* block = frames.Lane(lane).Allocate(pages * Page);
            missing[lane] += _memory.PagesThatWouldFault((nint)block, pages * Page);
            Touch(block, pages * Page);
        }
    }

    [Test]
    public void A_threads_cache_and_the_allocators_tables_are_named()
    {
        LongLivedArena arena = _memory.CreateLongLivedArena("world");

        // Looked at in the end only: a cache whose thread has not shown it yet is a part of the metadata heap as any.
        using FaultAttribution faults = new(_memory, new FaultAttributionOptions(), isEmptied: false);
        ProfileFaults table = OnThread(faults, () =>
        {
            for (nuint bytes = 16; bytes <= 4096; bytes += 16)
                _ = arena.Allocate(bytes);
        });

        Assert.That(table.Owners.Where(owner => owner.Kind == FaultKinds.ThreadCache).Select(owner =>
            owner.Name), Has.Some.Contains("arena 'world', magazine of thread slot"));
        Assert.That(table.Owners.Where(owner => owner.Kind == FaultKinds.ThreadCache).Select(owner =>
            owner.Name), Has.Some.Contains("arena 'world', cache of thread slot"));
        Assert.That(CountOf(table, FaultKinds.Metadata, "slab descriptors"), Is.Positive);
    }

    [Test]
    public void The_collectors_heap_is_named()
    {
        NeedsWholeRing();
        const int Bytes = 64 << 20;
        byte[]? array = null;

        // Memory that the collector has back from earlier tests would not fault.
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        ProfileFaults table = Observe(() =>
        {
            array = new byte[Bytes];
            Array.Fill(array, (byte)1);
        });

        Assert.That(array![^1], Is.EqualTo(1));
        Assert.That(CountOf(table, MappingKinds.GcHeap), Is.GreaterThanOrEqualTo(Bytes / (int)Page));
    }

    [Test]
    public void A_stack_is_named_by_its_thread()
    {
        ProfileFaults table = Observe(() => UseStack(1 << 20));
        Assert.That(
            CountOf(table, MappingKinds.ThreadStack, "worker"), Is.GreaterThanOrEqualTo(((1 << 20) / (int)Page) - 16),
            "a few pages were used on the way");
    }

    [Test]
    public void A_mapped_file_is_named()
    {
        string path = Path.Combine(Path.GetTempPath(), $"engine-faults-{Guid.NewGuid():N}.bin");
        File.WriteAllBytes(path, new byte[1 << 20]);
        using MappedFile file = new(path);
        ProfileFaults table = Observe(() => Touch(file.Start, 1 << 20));
        Assert.That(
            CountOf(table, MappingKinds.File, Path.GetFileName(path)), Is.Positive,
            "the kernel maps several pages at a time");
    }

    [Test]
    public void A_native_library_is_named()
    {
        const string Name = "libthread_db.so.1"; // part of the C library, and used by debuggers only
        nint library = 0;
        ProfileFaults table = Observe(() => NativeLibrary.TryLoad(Name, out library));
        Assume.That(library != 0, $"{Name} is glibc's");
        NativeLibrary.Free(library);
        Assert.That(CountOf(table, MappingKinds.Library, Name), Is.Positive);
    }

    [Test]
    public void Memory_without_a_name_is_told_by_who_touched_it()
    {
        NeedsWholeRing();

        // Above 32 MiB the C library always maps anew; below, it may have memory from earlier tests that is there
        // already.
        const int Bytes = 40 << 20;
        ProfileFaults table = Observe(() => NativeMemory.Free(Filled(NativeMemory.Alloc(Bytes), Bytes)));
        ProfileFaults.Owner[] unnamed = [.. table.Owners.Where(owner =>
            owner.Kind is MappingKinds.Anonymous or MappingKinds.Vanished)];
        Assert.That(unnamed.Sum(owner => owner.Count), Is.GreaterThanOrEqualTo(Bytes / (int)Page));
        Assert.That(unnamed.Select(owner => owner.Name), Has.All.Contains("touched by"));
    }

    [Test]
    public void What_the_kernel_touches_in_a_call_is_named_too()
    {
        LongLivedArena arena = _memory.CreateLongLivedArena("world");
        bool seesKernel = false;
        using FileStream zeros = new("/dev/zero", FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        ProfileFaults table = Observe(
            () => zeros.ReadExactly(new Span<byte>(arena.Allocate(1 << 20), 1 << 20)),
            thread => seesKernel = thread.SeesKernel);

        long recorded =
            CountOf(table, FaultKinds.Payload,
            "arena 'world', blocks of 1 MiB, touched by the kernel in a system call");
        Assert.That(seesKernel ? recorded : CountOf(table, FaultKinds.Populated), Is.GreaterThanOrEqualTo(256));
    }

    [Test]
    public void Pages_that_the_engine_asks_for_are_counted_and_no_interruption()
    {
        using EngineMemory memory =
            new(new EngineMemoryOptions
            {
                ReservationBytes = Size.GiB(1),
                Prefault = PrefaultPolicy.PopulateWrite,
                Pages = PageKind.Normal,
                Checks = SuperSlab.MemoryChecks.Off
            });
        LongLivedArena arena = memory.CreateLongLivedArena("world");
        ProfileFaults table = Observe(() => Touch(arena.Allocate(4 << 20), 4 << 20), memory: memory);
        Assert.That(CountOf(table, FaultKinds.Populated), Is.GreaterThanOrEqualTo((4 << 20) / (int)Page));
        Assert.That(CountOf(table, FaultKinds.Payload), Is.Zero);
    }

    [Test]
    public void A_frame_has_its_own_faults_and_no_others()
    {
        LongLivedArena arena = _memory.CreateLongLivedArena("world");
        using FaultAttribution faults = new(_memory);
        ProfileFaults table = OnThread(faults, () =>
        {
            byte* block = (byte*)arena.Allocate(64 * Page);
            Touch(block, 3 * Page);
            faults.BeginFrame(7);
            Touch(block + (3 * Page), 5 * Page);
            faults.EndFrame();
            Touch(block + (8 * Page), 9 * Page);
            faults.BeginFrame(8);
            Touch(block + (17 * Page), 11 * Page);
            faults.EndFrame();
        });

        IEnumerable<(long, long)> frames = table.Frames.Where(row => row.Kind == FaultKinds.Payload).Select(row =>
            (row.Frame, row.Count));
        Assert.That(frames, Is.EqualTo(new[] { (7L, 5L), (8L, 11L) }));
        Assert.That(CountOf(table, FaultKinds.Payload), Is.EqualTo(28));
    }

    [Test]
    public void The_place_in_the_program_is_told()
    {
        LongLivedArena arena = _memory.CreateLongLivedArena("world");
        ProfileFaults table = Observe(() => Touch(arena.Allocate(64 * Page), 64 * Page));
        ProfileFaults.Owner owner = table.Owners.Single(row => row.Kind == FaultKinds.Payload);
        Assert.That(owner.CallSite, Does.EndWith($"{nameof(FaultAttributionTests)}.{nameof(Touch)}"));
        Assert.That(
            Directory.GetFiles(Path.GetTempPath(), $"perf-{Environment.ProcessId}.map"), Is.Empty,
            "the runtime's list is taken away again");
    }

    [Test]
    public void A_full_ring_loses_no_fault_silently()
    {
        LongLivedArena arena = _memory.CreateLongLivedArena("world");
        using FaultAttribution faults =
            new(_memory, new FaultAttributionOptions { RingBytes = 64 * 1024, Callers = 1 }, isEmptied: false);
        ProfileFaults table = OnThread(faults, () => Touch(arena.Allocate(32 << 20), 32 << 20));
        Assert.That(CountOf(table, FaultKinds.Lost), Is.GreaterThan(4000));
        Assert.That(
            CountOf(table, FaultKinds.Lost) + CountOf(table, FaultKinds.Payload),
            Is.GreaterThanOrEqualTo((32 << 20) / (int)Page));
    }

    [Test]
    [Category(Lane.Slow)]
    public void Many_faults_at_once_are_taken_out_of_the_ring_in_time()
    {
        NeedsWholeRing();
        LongLivedArena arena = _memory.CreateLongLivedArena("world");
        ProfileFaults table = Observe(() => Touch(arena.Allocate(512 << 20), 512 << 20));
        Assert.That(CountOf(table, FaultKinds.Lost), Is.Zero);
        Assert.That(CountOf(table, FaultKinds.Payload), Is.EqualTo((512 << 20) / (int)Page));
    }

    [Test]
    public void The_thread_that_is_observed_pays_with_no_garbage_and_no_fault()
    {
        using FaultAttribution faults = new(_memory);
        long garbage = long.MaxValue;
        long least = long.MaxValue;
        for (int round = 0; round < 5; round++)
        {
            long before = faults.Collect().KernelCount;
            ProfileFaults table = OnThread(faults, () =>
            {
                long managed = GC.GetAllocatedBytesForCurrentThread();
                for (int frame = 0; frame < 20; frame++)
                {
                    faults.BeginFrame(frame);
                    Thread.Sleep(1);
                    faults.EndFrame();
                }

                garbage = GC.GetAllocatedBytesForCurrentThread() - managed;
            });
            least = Math.Min(least, table.KernelCount - before);
        }

        Assert.That(garbage, Is.Zero);
        Assert.That(least, Is.LessThanOrEqualTo(2), "what is left is the thread's own way in and out of the window");
    }

    [Test]
    public void Where_the_kernel_does_not_tell_faults_are_counted_by_thread_with_the_reason()
    {
        using EngineMemory memory =
            new(new EngineMemoryOptions
            {
                ReservationBytes = Size.GiB(1),
                NativeContext = new HidingContext("ioctl"),
                Prefault = PrefaultPolicy.None,
                Pages = PageKind.Normal
            });
        LongLivedArena arena = memory.CreateLongLivedArena("world");
        ProfileFaults table = Observe(() => Touch(arena.Allocate(64 * Page), 64 * Page), memory: memory);
        Assert.That(table.Unavailable, Does.Contain("ioctl"));
        Assert.That(table.Owners.Select(owner =>
            (owner.Kind, owner.Name)),
            Is.EqualTo(new[] { (FaultKinds.Thread, $"worker, only counted: {table.Unavailable}") }));
        Assert.That(table.KernelCount, Is.GreaterThanOrEqualTo(64));
    }

    /// <summary>As any user, with whatever the system lets that user lock: CI runs it as one who may lock little.</summary>
    [Test]
    public void Eight_threads_have_their_faults_recorded_at_once_whoever_runs_them()
    {
        Assume.That(Environment.ProcessorCount, Is.GreaterThan(1), "what a user may lock grows with the processors");

        // Rings that earlier tests forgot count, too, until they are collected.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        LongLivedArena arena = _memory.CreateLongLivedArena("world");
        using FaultAttribution faults = new(_memory);
        using Barrier all = new(8);
        string[] reasons = new string[8];
        Workers.Run(8, number =>
        {
            using ObservedThread thread = faults.ObserveThisThread($"worker {number}");
            reasons[number] = thread.Unavailable;
            all.SignalAndWait();
            Touch(arena.Allocate(20 * Page), 20 * Page);
            all.SignalAndWait();
        });
        Assert.That(reasons, Is.All.Empty);
        ProfileFaults table = faults.Collect();
        Assert.That(CountOf(table, FaultKinds.Payload) + CountOf(table, FaultKinds.Lost), Is.AtLeast(8 * 20));
    }

    [Test]
    public void A_thread_without_a_ring_among_others_says_why()
    {
        using FailingContext context = new();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), NativeContext = context });
        using FaultAttribution faults = new(memory);
        OnThread(faults, () => { });
        const int Shared = 1;
        const int NotPermitted = 1;
        context.FailAlways("mmap", NotPermitted, Shared);
        ProfileFaults table = OnThread(faults, () => { });
        context.Heal("mmap");
        Assert.That(table.Unavailable, Is.Empty, "the first thread has a ring");
        Assert.That(
            table.Owners.Single(owner => owner.Kind == FaultKinds.Thread).Name,
            Does.StartWith("worker, only counted: mmap of the ring: ").And.Contains("perf_event_mlock_kb"));
    }

    [Test]
    public void A_thread_that_asks_for_its_own_table_finds_the_sum_right_whatever_the_asking_touched()
    {
        using FaultAttribution faults = new(_memory);
        using ObservedThread thread = faults.ObserveThisThread("asking");
        for (int round = 0; round < 5; round++)
        {
            // The first asking reads its code and makes its tables, so the thread faults while it asks.
            ProfileFaults table = faults.Collect();
            Assert.That(table.Owners.Sum(owner => owner.Count), Is.EqualTo(table.KernelCount), $"round {round}");
        }
    }

    [Test]
    public void A_thread_that_goes_on_is_counted_up_to_now()
    {
        LongLivedArena arena = _memory.CreateLongLivedArena("world");
        using FaultAttribution faults = new(_memory);
        using SemaphoreSlim touched = new(0);
        using SemaphoreSlim mayEnd = new(0);
        Thread worker = new(() =>
        {
            using ObservedThread thread = faults.ObserveThisThread("worker");
            Touch(arena.Allocate(64 * Page), 64 * Page);
            touched.Release();
            mayEnd.Wait();
        });
        worker.Start();
        touched.Wait();
        ProfileFaults table = faults.Collect();
        mayEnd.Release();
        worker.Join();
        Assert.That(CountOf(table, FaultKinds.Payload), Is.EqualTo(64));
        CheckSum(faults.Collect());
    }

    [Test]
    public void Wrong_options_and_wrong_threads_are_refused()
    {
        FaultAttributionOptions ring = new() { RingBytes = 100_000 };
        FaultAttributionOptions callers = new() { Callers = 9 };
        Assert.That(() => new FaultAttribution(null, ring), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new FaultAttribution(null, callers), Throws.TypeOf<ArgumentOutOfRangeException>());
        using FaultAttribution faults = new(_memory);
        using ObservedThread main = faults.ObserveThisThread("main");
        Workers.Run(() => Assert.That(main.Dispose, Throws.TypeOf<InvalidOperationException>()));
    }

    /// <summary>A burst of faults overruns the smaller ring of a user who may lock little memory.</summary>
    private static void NeedsWholeRing() => Assume.That(
        RingLimit.Of(new LinuxFiles(new SystemLibraries())).Share(2 << 20, taken: 0), Is.EqualTo((nuint)(2 << 20)),
        "the user may lock as much as the ring takes: see perf_event_mlock_kb");

    private ProfileFaults Observe(Action work, Action<ObservedThread>? look = null, EngineMemory? memory = null)
    {
        using FaultAttribution faults = new(memory ?? _memory);
        return OnThread(faults, work, look);
    }

    /// <summary>The table after a thread of its own did the work; the sum of the owners is always the kernel's
    /// count.</summary>
    private static ProfileFaults OnThread(FaultAttribution faults, Action work, Action<ObservedThread>? look = null)
    {
        Thread worker = new(Run, maxStackSize: 4 << 20);
        worker.Start();
        worker.Join();
        ProfileFaults table = faults.Collect();
        CheckSum(table);
        return table;

        void Run()
        {
            using ObservedThread thread = faults.ObserveThisThread("worker");
            look?.Invoke(thread);
            work();
        }
    }

    private static void CheckSum(ProfileFaults table)
    {
        foreach (ProfileFaults.Owner owner in table.Owners)
            TestContext.Out.WriteLine($"{owner.Count,7} {owner.Kind}: {owner.Name} [{owner.CallSite}]");

        Assert.That(table.Owners.Sum(owner => owner.Count), Is.EqualTo(table.KernelCount));
        Assert.That(table.Owners.Select(owner => owner.Name), Has.None.Empty);
    }

    private static long CountOf(ProfileFaults table, string kind, string? name = null) =>
        table.Owners.Where(owner => owner.Kind == kind && (name is null || owner.Name == name))
            .Sum(owner => owner.Count);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Touch(void* start, nuint bytes)
    {
        for (nuint offset = 0; offset < bytes; offset += Page)
            Volatile.Write(ref ((byte*)start)[offset], 1);
    }

    private static void* Filled(void* start, nuint bytes)
    {
        Touch(start, bytes);
        return start;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void UseStack(int bytes)
    {
        byte* memory = stackalloc byte[bytes];
        Touch(memory, (nuint)bytes);
    }
}
