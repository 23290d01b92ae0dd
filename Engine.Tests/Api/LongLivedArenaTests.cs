using System.Runtime.InteropServices;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

internal sealed unsafe class LongLivedArenaTests : ArenaFixture
{
    [Test]
    public void Blocks_of_all_sizes_hold_what_was_asked_lie_apart_and_keep_their_contents()
    {
        ShadowModel model = new();
        for (nuint bytes = 1; bytes <= Size.MiB(6); bytes += (bytes / 5) + 1)
        {
            for (int copy = 0; copy < 3; copy++)
            {
                void* block = Arena.Allocate(bytes);
                nuint usable = Arena.UsableBytes(block);
                Assert.That(usable, Is.GreaterThanOrEqualTo(bytes));
                model.Add(block, usable);
            }
        }

        model.CheckAll();
        Memory.Validate();
        model.Drain(block => Arena.Free((void*)block));
    }

    [Test]
    public void A_size_of_0_is_a_block_of_its_own()
    {
        void* first = Arena.Allocate(0);
        void* second = Arena.Allocate(0);
        Assert.That((nint)first, Is.Not.EqualTo((nint)0).And.Not.EqualTo((nint)second));
        Assert.That(Arena.UsableBytes(first), Is.GreaterThanOrEqualTo((nuint)1));
        Arena.Free(first);
        Arena.Free(second);
        Assert.That(Arena.AllocateSpan<int>(0).Length, Is.Zero);
        Assert.That((nint)Arena.AllocateZeroed(0), Is.Not.EqualTo((nint)0));
        Assert.That((nuint)Arena.Allocate(0, 256) % 256, Is.EqualTo((nuint)0));
    }

    [Test]
    public void Every_power_of_two_up_to_2_MiB_is_kept_as_alignment()
    {
        ShadowModel model = new();
        for (nuint alignment = 1; alignment <= LongLivedArena.MaximumAlignment; alignment *= 2)
        {
            foreach (nuint bytes in (nuint[])[1, 24, alignment - 1, alignment, alignment + 1, 100_000, Size.MiB(2) + 1])
            {
                model.Add(Arena.Allocate(bytes, alignment), bytes, nuint.Max(alignment, 16));
                model.Add(Arena.GetHandle().Allocate(bytes, alignment), bytes, nuint.Max(alignment, 16));
            }
        }

        model.CheckAll();
        model.Drain(block => Arena.Free((void*)block));
    }

    [TestCase(40u)]
    [TestCase(3000u)]
    [TestCase(300_000u)]
    [TestCase(3u << 20)]
    [TestCase(40u << 20)]
    public void Zeroed_memory_is_zero_also_where_a_dirty_block_is_used_again(uint bytes)
    {
        void* dirty = Arena.Allocate(bytes);
        NativeMemory.Fill(dirty, bytes, 0xFF);
        Arena.Free(dirty);
        void* block = Arena.AllocateZeroed(bytes);
        Assert.That((nint)block, Is.EqualTo((nint)dirty), "this test needs the dirty block again");
        Assert.That(new ReadOnlySpan<byte>(block, (int)bytes).IndexOfAnyExcept((byte)0), Is.EqualTo(-1));

        Arena.Free(block);
        NativeMemory.Fill(Arena.Allocate(bytes), bytes, 0xFF);
        Arena.Reset();
        block = Arena.GetHandle().AllocateZeroed(bytes);
        Assert.That(
            new ReadOnlySpan<byte>(block, (int)bytes).IndexOfAnyExcept((byte)0), Is.EqualTo(-1), "after a reset");
    }

    [Test]
    public void Typed_forms_have_room_for_their_elements()
    {
        decimal* one = Arena.Allocate<decimal>();
        long* many = Arena.Allocate<long>(1000);
        Span<int> span = Arena.AllocateSpan<int>(500);
        var grid = Arena.AllocateSpan2D<byte>(30, 70);
        *one = 1;
        new Span<long>(many, 1000).Fill(-1);
        span.Fill(7);
        grid.Fill(9);
        Assert.That(*one, Is.EqualTo(1m));
        Assert.That(many[0] == -1 && many[999] == -1);
        Assert.That(span.IndexOfAnyExcept(7), Is.EqualTo(-1));
        Assert.That(grid.Height * grid.Width, Is.EqualTo(2100));
        Assert.That(grid.TryGetSpan(out _), Is.True, "rows without gaps");
        Assert.That(Arena.UsableBytes(many), Is.GreaterThanOrEqualTo((nuint)8000));
        Arena.Free(one);
        Arena.Free(many);
        Arena.Free(span);
        Arena.Free(MemoryMarshal.CreateSpan(ref grid[0, 0], 1));
        Assert.That((nint)Arena.Allocate<decimal>(), Is.EqualTo((nint)one), "all of them were really freed");
    }

    [Test]
    public void A_large_struct_is_allocated_by_its_size()
    {
        Huge* block = Arena.Allocate<Huge>();
        Assert.That(Arena.UsableBytes(block), Is.GreaterThanOrEqualTo((nuint)sizeof(Huge)));
        Huge* other = Arena.GetHandle().Allocate<Huge>();
        Assert.That(Math.Abs((nint)other - (nint)block) >= sizeof(Huge), Is.True);
    }

    [Test]
    public void Usable_bytes_are_the_blocks_own()
    {
        foreach (nuint bytes in (nuint[])[1, 16, 17, 129, 1025, 70_000, Size.MiB(2), Size.MiB(3), Size.MiB(50)])
        {
            void* block = Arena.Allocate(bytes);
            nuint expected = bytes > Size.MiB(32) ? Sizes.AlignUp(bytes, Size.MiB(2))
                : SizeClasses.BlockBytes(SizeClasses.IndexOf(bytes));
            Assert.That(Arena.UsableBytes(block), Is.EqualTo(expected), $"{bytes} bytes");
            Assert.That(Arena.GetHandle().UsableBytes(block), Is.EqualTo(expected));
            new Span<byte>(block, (int)expected).Fill(1);
        }
    }

    [Test]
    public void A_full_reservation_says_so_and_works_again_when_something_is_freed()
    {
        using EngineMemory small = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(64) });
        using LongLivedArena arena = small.CreateLongLivedArena("full");
        void* large = arena.Allocate(Size.MiB(20));
        nuint taken = 0;
        Assert.That(
            () =>
            {
                for (; ; taken += 60_000)
                    arena.Allocate(60_000);
            },
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("'full'").And.Message.Contains(
                "no room left"));
        Assert.That(taken, Is.GreaterThan(arena.MaximumBytes / 2));
        Assert.That(() => arena.Allocate(Size.MiB(20)), Throws.TypeOf<EngineOutOfMemoryException>());
        small.Validate();
        arena.Free(large);
        Assert.That((nint)arena.Allocate(60_000), Is.Not.EqualTo((nint)0));
        small.Validate();
    }

    [Test]
    public void Several_arenas_keep_to_their_own_SuperSlabs()
    {
        using LongLivedArena other = Memory.CreateLongLivedArena("other");
        ShadowModel model = new();
        for (int round = 0; round < 2_000; round++)
        {
            model.Add(Arena.Allocate(100), 100);
            model.Add(other.Allocate(100), 100);
        }

        model.CheckAll();
        long resident = Memory.ResidentBytes();
        other.Reset();
        Assert.That(Memory.ResidentBytes(), Is.EqualTo(resident), "a reset keeps its memory");
        Assert.That(Memory.OwnedSuperSlabCount, Is.EqualTo(Arena.SuperSlabCount));
        Memory.Validate();
    }

    [Test]
    public void A_name_is_required_and_kept()
    {
        Assert.That(Arena.Name, Is.EqualTo("arena"));
        Assert.That(() => Memory.CreateLongLivedArena(string.Empty), Throws.ArgumentException);
        Assert.That(() => Memory.CreateLongLivedArena(null!), Throws.ArgumentNullException);
    }

    [StructLayout(LayoutKind.Sequential, Size = 100_000)]
    private struct Huge;
}
