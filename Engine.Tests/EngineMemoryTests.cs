using Engine.Arenas;
using Engine.Core;
using Engine.Platform;
using Engine.Tests.Platform;
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
        Assert.That(memory.Prefault, Is.Not.Empty);
    }

    [Test]
    public void A_reservation_that_the_system_cannot_give_is_a_clear_error()
    {
        Assume.That(Environment.Is64BitProcess);
        Assert.That(
            () => new EngineMemory(new EngineMemoryOptions { ReservationBytes = unchecked((nuint)(1UL << 52)) }),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("ReservationBytes"));
        Assert.That(() => new EngineMemory(new EngineMemoryOptions { ReservationBytes = 5000 }), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Where_address_space_is_small_the_automatic_reservation_is_smaller_and_an_explicit_one_an_error()
    {
        Assume.That(OperatingSystem.IsLinux(), "mmap is made to fail");
        using var context = new FailingContext();
        context.FailAlways("mmap", errno: 12);
        Assert.That(
            () => new EngineMemory(new EngineMemoryOptions { NativeContext = context }),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("even 64.0 MiB"));
        Assert.That(
            () => new EngineMemory(new EngineMemoryOptions { NativeContext = context, ReservationBytes = Size.MiB(64) }),
            Throws.TypeOf<EngineOutOfMemoryException>());
    }

    [TestCase(PrefaultPolicy.Touch)]
    [TestCase(PrefaultPolicy.Clear)]
    [TestCase(PrefaultPolicy.None)]
    [TestCase(PrefaultPolicy.PopulateWrite)]
    [TestCase(PrefaultPolicy.PopulateAtMapping)]
    public void Every_prefault_policy_gives_memory_that_works(PrefaultPolicy policy)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256), Prefault = policy });
        using LongLivedArena arena = memory.CreateLongLivedArena("policy");
        ShadowModel model = new();
        for (int block = 0; block < 500; block++)
        {
            model.Add(arena.Allocate(10_000), 10_000);
        }

        model.CheckAll();
        memory.Validate();
    }

    [Test]
    public void Several_memories_live_side_by_side()
    {
        EngineMemory[] memories = [.. Enumerable.Range(0, 4).Select(_ => new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) }))];
        LongLivedArena[] arenas = [.. memories.Select((memory, number) => memory.CreateLongLivedArena($"arena {number}"))];
        ShadowModel model = new();
        Workers.Run(2, _ =>
        {
            for (int round = 0; round < 500; round++)
            {
                foreach (LongLivedArena arena in arenas)
                {
                    void* block = arena.Allocate(1_000);
                    lock (model)
                    {
                        model.Add(block, 1_000);
                    }
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
        nint start = memory.ReservationBase;
        memory.Dispose();
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(6));
        Assert.That(MemoryMap.CountWithin(start, Size.MiB(512)), Is.Zero, "the addresses belong to nobody");
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
        nint start = memory.ReservationBase;
        context.Fail("munmap", call: 1, errno: 12);
        Assert.That(memory.Dispose, Throws.TypeOf<EngineMemoryException>());
        Assert.That(memory.Dispose, Throws.Nothing);
        Assert.That(MemoryMap.CountWithin(start, Size.MiB(64)), Is.Zero);
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
        Assert.That(memory.PagesThatWouldFault(after, Size.MiB(4)), Is.EqualTo((long)Size.MiB(4) / Environment.SystemPageSize));
    }

    [Test]
    public void Metadata_stays_a_small_part_of_what_it_manages()
    {
        using EngineMemory memory = new();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        for (int block = 0; block < 2_000_000; block++)
        {
            arena.Allocate(64);
        }

        Assert.That(memory.MetadataBytes, Is.LessThan(Size.MiB(128) / 50));
    }
}
