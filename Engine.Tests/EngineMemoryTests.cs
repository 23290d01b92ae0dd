using System.Diagnostics.Metrics;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests;

internal sealed unsafe class EngineMemoryTests
{
    [Test]
    public void The_options_in_force_can_be_asked_for()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128), RetainBytes = 7 });
        Assert.That(memory.Options.RetainBytes, Is.EqualTo((nuint)7));
        Assert.That(memory.ReservationBytes, Is.EqualTo(Size.MiB(128)));
        Assert.That((nuint)memory.ReservationBase % Size.MiB(2), Is.EqualTo((nuint)0));
        Assert.That(memory.PrefaultDescription, Is.Not.Empty);
    }

    [Test]
    public void A_reservation_that_the_system_cannot_give_is_a_clear_error()
    {
        Assume.That(Environment.Is64BitProcess);
        Assert.That(
            () => new EngineMemory(new EngineMemoryOptions { ReservationBytes = unchecked((nuint)(1UL << 52)) }),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("ReservationBytes"));
        Assert.That(() =>
            new EngineMemory(new EngineMemoryOptions { ReservationBytes = 5000 }),
            Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Where_address_space_is_small_the_automatic_reservation_is_smaller_and_an_explicit_one_an_error()
    {
        Assume.That(OperatingSystem.IsLinux(), "mmap is made to fail");
        using var context = new FailingContext();
        context.FailAlways("mmap", errno: 12);
        Assert.That(
            () => new EngineMemory(new EngineMemoryOptions { NativeContext = context }),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("even 64 MiB"));
        Assert.That(
            () => new EngineMemory(
                new EngineMemoryOptions { NativeContext = context, ReservationBytes = Size.MiB(64) }),
            Throws.TypeOf<EngineOutOfMemoryException>());
    }

    [TestCase(PrefaultPolicy.Touch)]
    [TestCase(PrefaultPolicy.Clear)]
    [TestCase(PrefaultPolicy.None)]
    [TestCase(PrefaultPolicy.PopulateWrite)]
    [TestCase(PrefaultPolicy.PopulateAtMapping)]
    public void Every_prefault_policy_gives_memory_that_works(PrefaultPolicy policy)
    {
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256), Prefault = policy });
        using LongLivedArena arena = memory.CreateLongLivedArena("policy");
        ShadowModel model = new();
        for (int block = 0; block < 500; block++)
            model.Add(arena.Allocate(10_000), 10_000);

        model.CheckAll();
        memory.Validate();
    }

    [Test]
    public void Several_memories_live_side_by_side()
    {
        EngineMemory[] memories = [.. Enumerable.Range(0, 4).Select(_ =>
            new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) }))];
        LongLivedArena[] arenas = [.. memories.Select((memory, number) =>
            memory.CreateLongLivedArena($"arena {number}"))];
        ShadowModel model = new();
        Workers.Run(2, _ =>
        {
            for (int round = 0; round < 500; round++)
            {
                foreach (LongLivedArena arena in arenas)
                {
                    void* block = arena.Allocate(1_000);
                    lock (model)
                        model.Add(block, 1_000);
                }
            }
        });
        model.CheckAll();
        memories[1].Dispose();
        memories[3].Dispose();
        for (int number = 0; number < 4; number += 2)
        {
            memories[number].Validate();
            Assert.That((nint)arenas[number].Allocate(1_000), Is.Not.EqualTo((nint)0));
            memories[number].Dispose();
        }
    }

    [Test]
    public void A_disposed_memory_takes_its_arenas_along_refuses_use_and_can_be_disposed_again()
    {
        nuint before = ResidentMemory.Settled();
        EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(512) });
        LongLivedArena arena = memory.CreateLongLivedArena("long");
        FrameArena frame = memory.CreateFrameArena("frame");
        new Span<byte>(arena.Allocate(Size.MiB(100)), 100 << 20).Fill(1);
        frame.Lane(0).Allocate(100);
        memory.Dispose();
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        MemoryMap.AssertIsGone(memory);
        Assert.That(memory.Dispose, Throws.Nothing);
        Assert.That(() => memory.CreateLongLivedArena("a"), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => memory.CreateFrameArena("a"), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => memory.Trim(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(memory.Validate, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(frame.NextFrame, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => arena.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_release_that_the_system_refuses_can_be_tried_again()
    {
        Assume.That(OperatingSystem.IsLinux(), "munmap is made to fail");
        using var context = new FailingContext();
        EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64), NativeContext = context });
        LongLivedArena arena = memory.CreateLongLivedArena("arena");
        nint cache = (nint)arena.Caches.Attach();
        for (int call = 1; call <= 2; call++)
        {
            // Before the heap's addresses, and behind them.
            context.Fail("munmap", call, errno: 12);
            Assert.That(memory.Dispose, Throws.TypeOf<EngineMemoryException>(), $"part {call} is refused");
            Assert.That(() =>
                new ArenaHandle(arena, (ThreadCache*)cache).Allocate(16), Throws.TypeOf<ObjectDisposedException>());
        }

        Assert.That(memory.Dispose, Throws.Nothing);
        MemoryMap.AssertIsGone(memory);
    }

    [Test]
    public void A_disposed_memory_still_answers_what_a_log_asks()
    {
        EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64), RetainBytes = Size.MiB(64) });
        memory.CreateLongLivedArena("arena").Allocate(Size.MiB(4));
        string settings = memory.Settings;
        string prefault = memory.PrefaultDescription;
        nint start = memory.ReservationBase;
        memory.Dispose();
        Assert.That(memory.Settings, Is.EqualTo(settings));
        Assert.That(memory.PrefaultDescription, Is.EqualTo(prefault));
        Assert.That(memory.ReservationBase, Is.EqualTo(start));
        Assert.That(memory.OsCalls, Is.Positive);
        Assert.That(memory.PrefaultTime.Ticks, Is.Positive);
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
        Assert.That(memory.ReadySuperSlabCount, Is.Zero);
        Assert.That(memory.MetadataBytes, Is.EqualTo((nuint)0));
        Assert.That(memory.ResidentBytes(), Is.Zero);
        Assert.That(memory.Contains(start), Is.False);
        Assert.That(memory.FindOwner(start), Is.Null);
        Assert.That(memory.FindOwner(memory.Reservation.Heap.Address), Is.Null);
        Assert.That(() => memory.PagesThatWouldFault(start, Size.MiB(2)), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void What_reads_a_memory_that_is_disposed_finds_nothing_or_is_told()
    {
        EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
        FrameArena frame = memory.CreateFrameArena("frame");
        LongLivedArena arena = memory.CreateLongLivedArena("arena");
        for (int block = 0; block < 10; block++)
            arena.Allocate(100);

        using IEnumerator<ArenaBlock> walk = arena.Blocks().GetEnumerator();
        Assert.That(walk.MoveNext(), Is.True);
        using Profiler profiler = new(memory);
        using MemoryMeter meter = new(memory);
        using HotLoopGuard guard = new(memory);
        using FaultAttribution faults = new(memory);
        guard.Watch(frame);
        guard.Watch(arena);
        profiler.BeginFrame();
        guard.BeginFrame();
        memory.Dispose();
        Assert.That(walk.MoveNext, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() =>
            MemorySnapshot.TryTake(memory, new byte[1 << 20], out _, out _), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(guard.EndFrame, Throws.Nothing);
        Assert.That(profiler.EndFrame, Throws.Nothing);
        Assert.That(profiler.Sample, Throws.Nothing);
        Assert.That(() => profiler.ToDocument("test"), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => faults.Collect(), Throws.Nothing);
        Assert.That(Measured(), Is.Zero, "instruments have nothing to tell");
        Assert.That(() => new Profiler(memory), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => new HotLoopGuard(memory), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() =>
            Scene.Load(memory, new ScenePlan { Name = "late" }), Throws.TypeOf<ObjectDisposedException>());

        static int Measured()
        {
            int measured = 0;
            using MeterListener listener = new();
            listener.InstrumentPublished = (instrument, it) =>
            {
                if (instrument.Meter.Name == MemoryMeter.Name)
                    it.EnableMeasurementEvents(instrument);
            };
            listener.SetMeasurementEventCallback<long>((_, _, _, _) => measured++);
            listener.Start();
            listener.RecordObservableInstruments();
            return measured;
        }
    }

    [TestCase(MemoryChecks.Off)]
    [TestCase(MemoryChecks.Hardened)]
    [TestCase(MemoryChecks.Full)]
    public void Handles_and_lanes_that_outlive_their_memory_are_told(MemoryChecks checks)
    {
        EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64), Checks = checks });
        LongLivedArena arena = memory.CreateLongLivedArena("arena");
        FrameArena frames = memory.CreateFrameArena("frames");
        ArenaHandle handle = arena.GetHandle();
        FrameLane lane = frames.Lane(0);
        FrameMark mark = lane.Mark();
        void* block = handle.Allocate(64);
        handle.Free(handle.Allocate(64));
        lane.Allocate(64);
        memory.Dispose();

        // Their reservations may lie where the first one's did, as far as that was given back.
        for (int others = 0; others < 3; others++)
        {
            using EngineMemory other =
                new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64), Checks = checks });
            other.CreateLongLivedArena("other").Allocate(64);
            StaleUse.IsTold(handle, block);
            StaleUse.IsTold(lane, mark);
        }
    }

    [Test]
    public void What_is_kept_of_disposed_memories_does_not_grow()
    {
        Assume.That(MemoryMap.IsReadable);
        List<(nint Address, nint End)> kept = [];
        for (int life = 0; life < 3 * Remains.Most; life++)
        {
            EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
            memory.CreateLongLivedArena("arena").Allocate(64);
            memory.Dispose();
            kept.Add(
                (memory.Reservation.Heap.Address,
                memory.Reservation.Heap.Address + (nint)memory.Reservation.Heap.ResidentBytes));
        }

        // An address may be used again by a later one.
        Assert.That(kept.TakeLast(Remains.Most).Select(one => one.Address), Is.Unique, "they are all there");
        Assert.That(kept.TakeLast(Remains.Most).All(one =>
            MemoryMap.IsAccessible(one.Address) && MemoryMap.IsAccessible(one.End - 1)), Is.True);
        int old = kept.SkipLast(Remains.Most).Select(one =>
            one.Address).Except(kept.TakeLast(Remains.Most).Select(one => one.Address)).Count(address =>
            MemoryMap.IsAccessible(address));
        Assert.That(old, Is.Zero, "the older ones are given back");
    }

    [Test]
    [Category(Lane.Slow)]
    public void A_memory_that_several_threads_dispose_is_disposed_once_when_each_returns()
    {
        for (int round = 0; round < 10; round++)
        {
            EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
            LongLivedArena[] arenas = [.. Enumerable.Range(0, 8).Select(number =>
                memory.CreateLongLivedArena($"arena {number}"))];
            using Barrier together = new(4);
            Workers.Run(4, thread =>
            {
                together.SignalAndWait();
                if (thread < 2)
                {
                    foreach (LongLivedArena arena in arenas)
                        arena.Dispose();
                }

                memory.Dispose();
                MemoryMap.AssertIsGone(memory);
            });
        }
    }

    [Test]
    public void Addresses_are_told_apart()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        int local = 0;
        Assert.That(memory.Contains((nint)arena.Allocate(10)), Is.True);
        Assert.That(memory.Contains((nint)(&local)), Is.False);
        Assert.That(memory.Contains(memory.ReservationBase - 1), Is.False);
        Assert.That(memory.Contains(memory.ReservationBase + (nint)memory.ReservationBytes), Is.False);
    }

    [Test]
    public void Pages_that_would_fault_are_those_that_nobody_prefaulted()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        nint block = (nint)arena.Allocate(Size.MiB(4));
        long wouldFault = memory.PagesThatWouldFault(block, Size.MiB(4));
        Assume.That(wouldFault, Is.GreaterThanOrEqualTo(0), "the system tells");
        Assert.That(wouldFault, Is.Zero);
        nint after = block + (4 << 20);
        Assert.That(
            memory.PagesThatWouldFault(after, Size.MiB(4)), Is.EqualTo((long)Size.MiB(4) / Environment.SystemPageSize));
    }

    [Test]
    public void Metadata_stays_a_small_part_of_what_it_manages()
    {
        using EngineMemory memory = new();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        for (int block = 0; block < 2_000_000; block++)
            arena.Allocate(64);

        Assert.That(memory.MetadataBytes, Is.LessThan(Size.MiB(128) / 50));
    }
}
