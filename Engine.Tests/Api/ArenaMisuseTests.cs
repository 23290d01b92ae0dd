using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>Wrong use of a long-lived arena, each with its documented result. The fixture checks after each that
/// nothing is damaged.</summary>
internal sealed unsafe class ArenaMisuseTests : ArenaFixture
{
    [Test]
    public void A_size_over_the_limit_is_refused()
    {
        Refused(() => Arena.Allocate(Arena.MaximumBytes + 1));
        Refused(() => Arena.Allocate(nuint.MaxValue));
        Refused(() => Arena.Allocate(nuint.MaxValue, 4096));
        Refused(() => Arena.AllocateZeroed(nuint.MaxValue));
        Refused(() => Arena.Allocate<long>(1L << 40));
        Refused(() => Arena.GetHandle().Allocate(nuint.MaxValue - 15));
        void* block = Arena.Allocate(10);
        Refused(() => Arena.Reallocate(block, nuint.MaxValue));
        Assert.That(Arena.UsableBytes(block), Is.GreaterThanOrEqualTo((nuint)10), "the old block is as it was");
        Arena.Free(block);
    }

    [Test]
    public void A_count_that_is_negative_or_overflows_is_refused()
    {
        Refused(() => Arena.Allocate<int>(-1));
        Refused(() => Arena.Allocate<Guid>(long.MaxValue));
        Refused(() => Arena.Allocate<Guid>((long)(ulong.MaxValue / 16) + 1));
        Refused(() => Arena.AllocateSpan<int>(-1));
        Refused(() => Arena.AllocateSpan2D<int>(-1, 5));
        Refused(() => Arena.AllocateSpan2D<int>(5, -1));
        Refused(() => Arena.AllocateSpan2D<Guid>(int.MaxValue, int.MaxValue));
        Refused(() => Arena.GetHandle().Allocate<Guid>(long.MaxValue));
    }

    [Test]
    public void A_large_count_is_not_computed_in_int() =>
        Assert.That(() =>
            Arena.Allocate<long>(1 << 29),
            Throws.InstanceOf<EngineOutOfMemoryException>().Or.TypeOf<ArgumentOutOfRangeException>(),
            "4 GiB do not fit");

    [TestCase(0u)]
    [TestCase(3u)]
    [TestCase(48u)]
    [TestCase(4u << 20)]
    public void An_alignment_that_is_no_power_of_two_up_to_2_MiB_is_refused(uint alignment)
    {
        Assert.That(() =>
            Arena.Allocate(100, alignment),
            Throws.ArgumentException.With.Message.Contains($"alignment of {Sizes.Exact(alignment)} was"));
        Assert.That(() => Arena.GetHandle().Allocate(100, alignment), Throws.ArgumentException);
    }

    [Test]
    public void Null_is_ignored()
    {
        Arena.Free(null);
        Arena.GetHandle().Free(null);
        Arena.Free(Span<int>.Empty);
        Workers.Run(() => Arena.Free(null)); // a thread without a cache
    }

    [Test]
    public void A_foreign_pointer_is_refused()
    {
        int local = 0;
        nint foreign = (nint)(&local);
        nint after = Memory.ReservationBase + (nint)Memory.ReservationBytes;
        foreach (nint address in (nint[])[foreign, 1, 16, -16, nint.MinValue, Memory.ReservationBase - 16, after,
            after - 4096])
        {
            Wrong(() => Arena.Free((void*)address), "does not belong to the engine's memory");
            Wrong(() => Arena.GetHandle().Free((void*)address), "does not belong");
            Wrong(() => Arena.Reallocate((void*)address, 10), "does not belong");
            Wrong(() => Arena.UsableBytes((void*)address), "does not belong");
            Workers.Run(() => Wrong(() => Arena.Free((void*)address), "does not belong"));
        }
    }

    [Test]
    public void An_address_in_memory_that_was_never_handed_out_is_refused()
    {
        for (nuint offset = 0; offset < Arena.MaximumBytes; offset += Size.MiB(64))
        {
            nint address = Memory.ReservationBase + (nint)offset;
            Wrong(() => Arena.Free((void*)address), "no block");
        }
    }

    [Test]
    public void A_block_of_another_arena_is_refused_by_name()
    {
        using LongLivedArena other = Memory.CreateLongLivedArena("other");
        foreach (nuint bytes in (nuint[])[16, 5000, Size.MiB(3), Size.MiB(40)])
        {
            void* block = other.Allocate(bytes);
            Wrong(() => Arena.Free(block), "'other'");
            Wrong(() => Arena.GetHandle().Free(block), "'other'");
            Wrong(() => Arena.Reallocate(block, 1), "'other'");
            Wrong(() => Arena.UsableBytes(block), "'other'");
            other.Free(block);
        }
    }

    [Test]
    public void A_pointer_of_another_memory_is_foreign()
    {
        using EngineMemory second = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
        using LongLivedArena other = second.CreateLongLivedArena("other");
        void* block = other.Allocate(100);
        Wrong(() => Arena.Free(block), "does not belong");
        other.Free(block);
    }

    [Test]
    public void A_frame_pointer_is_refused()
    {
        using FrameArena frame = Memory.CreateFrameArena("frame");
        void* block = frame.Lane(0).Allocate(100);
        Wrong(() => Arena.Free(block), "frame arena");
        Wrong(() => Arena.Reallocate(block, 200), "frame arena");
    }

    [TestCase(16u)]
    [TestCase(1000u)]
    [TestCase(70_000u)]
    [TestCase(2u << 20)]
    [TestCase(6u << 20)]
    [TestCase(20u << 20)]
    [TestCase(40u << 20)]
    public void Freeing_the_last_freed_block_again_is_refused(uint bytes)
    {
        void* block = Arena.Allocate(bytes);
        Arena.Free(block);
        Assert.That(() =>
            Arena.Free(block), Throws.TypeOf<EngineMemoryException>().With.Message.Contains($"0x{(nint)block:x}"));
        Assert.That(() => Arena.GetHandle().Free(block), Throws.TypeOf<EngineMemoryException>());
        Memory.Validate();
        void* first = Arena.Allocate(bytes);
        void* second = Arena.Allocate(bytes);
        Assert.That((nint)first, Is.Not.EqualTo((nint)second));
    }

    [Test]
    public void A_block_whose_slab_went_back_is_refused()
    {
        void*[] blocks = new void*[64];
        for (int index = 0; index < blocks.Length; index++)
            blocks[index] = Arena.Allocate(Size.MiB(1));

        foreach (void* block in blocks)
            Arena.Free(block);

        // All but the first two, which the thread's stock holds, are at home: their slabs have no tag any more.
        Wrong(() => Arena.Free(blocks[63]), "no block");
        Wrong(() => Arena.UsableBytes(blocks[63]), "no block");
    }

    [Test]
    public void A_disposed_arena_refuses_everything_but_dispose()
    {
        using LongLivedArena arena = Memory.CreateLongLivedArena("gone");
        void* block = arena.Allocate(100);
        arena.Dispose();
        RefusesEverything(arena, block);
        Workers.Run(() => RefusesEverything(arena, block));
        Assert.That(arena.Dispose, Throws.Nothing);
        Assert.That(arena.SuperSlabCount, Is.Zero);
    }

    [Test]
    public void An_arena_of_a_disposed_memory_refuses_everything()
    {
        EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
        LongLivedArena arena = memory.CreateLongLivedArena("gone");
        void* block = arena.Allocate(100);
        memory.Dispose();
        RefusesEverything(arena, block);
        Assert.That(arena.Dispose, Throws.Nothing);
    }

    private static void RefusesEverything(LongLivedArena arena, void* block)
    {
        Action[] uses =
        [
            () => arena.Allocate(10),
            () => arena.Allocate(10, 64),
            () => arena.Allocate(Size.MiB(40)),
            () => arena.AllocateZeroed(10),
            () => arena.Allocate<int>(),
            () => arena.Allocate<int>(10),
            () => arena.AllocateSpan<int>(10),
            () => arena.AllocateSpan2D<int>(10, 10),
            () => arena.Reallocate(block, 10),
            () => arena.Reallocate(null, 10),
            () => arena.Free(block),
            () => arena.Free(null),
            () => arena.UsableBytes(block),
            () => arena.GetHandle(),
            () => arena.AttachThread(),
            () => arena.Prewarm([new BlockCount(16, 1)], 1),
            () => arena.Reset(),
            () => arena.Trim(),
            () => arena.Validate(),
        ];
        for (int use = 0; use < uses.Length; use++)
            Assert.That(uses[use], Throws.TypeOf<ObjectDisposedException>(), $"use {use}");
    }

    private static void Refused(Action use) => Assert.That(use, Throws.TypeOf<ArgumentOutOfRangeException>());

    private static void Wrong(Action use, string why) =>
        Assert.That(use, Throws.TypeOf<EngineMemoryException>().With.Message.Contains(why));
}
