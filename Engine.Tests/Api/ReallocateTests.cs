using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

internal sealed unsafe class ReallocateTests : ArenaFixture
{
    [Test]
    public void Null_is_allocated() =>
        Assert.That(Arena.UsableBytes(Arena.Reallocate(null, 100)), Is.GreaterThanOrEqualTo((nuint)100));

    [Test]
    public void A_block_stays_where_its_class_has_room_and_half_of_it_is_used()
    {
        byte* block = (byte*)Arena.Allocate(1_000); // a block of 1,024
        Assert.That((nint)Arena.Reallocate(block, 1_024), Is.EqualTo((nint)block));
        Assert.That((nint)Arena.Reallocate(block, 512), Is.EqualTo((nint)block));
        Assert.That(
            (nint)Arena.Reallocate(block, 511), Is.Not.EqualTo((nint)block),
            "less than half would hold the rest back for nothing");
        void* small = Arena.Allocate(100);
        Assert.That((nint)Arena.Reallocate(small, 1), Is.EqualTo((nint)small), "small blocks are not worth a move");
        Assert.That((nint)Arena.Reallocate(small, 0), Is.EqualTo((nint)small));
    }

    [Test]
    public void Contents_are_kept_through_random_changes_of_size()
    {
        Random random = TestRandom.Create();
        ShadowModel model = new();
        for (int round = 0; round < 4_000; round++)
        {
            nuint bytes = random.NextSize(random.Next(40) == 0 ? 25 : 16);
            if (model.Count < 20)
            {
                model.Add(Arena.Allocate(bytes), bytes);
            }
            else
            {
                void* block = model.Pick(random, out _);
                void* moved = random.Next(2) == 0 ? Arena.Reallocate(block, bytes)
                    : Arena.GetHandle().Reallocate(block, bytes);
                Assert.That(Arena.UsableBytes(moved), Is.GreaterThanOrEqualTo(bytes));
                model.Moved(block, moved, bytes);
            }
        }

        model.CheckAll();
        Memory.Validate();
        model.Drain(block => Arena.Free((void*)block));
    }

    [Test]
    public void A_block_that_moved_is_free()
    {
        void* block = Arena.Allocate(1_000);
        Arena.Reallocate(block, 10_000);
        Assert.That((nint)Arena.Allocate(1_000), Is.EqualTo((nint)block));
    }

    [Test]
    public void Large_blocks_grow_where_they_are_within_their_SuperSlab()
    {
        byte* block = (byte*)Arena.Allocate(300 * Sizes.KiB);
        block[0] = 1;
        block[(300 * Sizes.KiB) - 1] = 2;
        nint grown = (nint)Arena.Reallocate(block, 1_200 * Sizes.KiB);
        Assert.That(grown, Is.EqualTo((nint)block));
        Assert.That(block[0] == 1 && block[(300 * Sizes.KiB) - 1] == 2);
        new Span<byte>(block, 1_200 * 1024).Fill(3);
        Memory.Validate();
        Arena.Free(block);
    }

    [TestCase(4, 6)]
    [TestCase(4, 40)]
    [TestCase(34, 100)]
    public void Extents_grow_where_they_are_and_their_pages_with_them(int mebibytes, int newMebibytes)
    {
        byte* block = (byte*)Arena.Allocate(Size.MiB(mebibytes));
        Write(block, mebibytes);
        long resident = Memory.ResidentBytes();
        Assert.That(
            (nint)Arena.Reallocate(block, Size.MiB(newMebibytes)), Is.EqualTo((nint)block), "nothing lies behind it");
        Check(block, mebibytes);
        Assert.That(
            Memory.ResidentBytes(),
            Is.EqualTo(-1).Or.EqualTo(resident + ((long)(newMebibytes - mebibytes) << 20)).Within(256 << 10));
        Write(block, newMebibytes);
        Memory.Validate();
        Arena.Free(block);
    }

    [Test]
    public void An_extent_that_has_a_neighbour_moves_with_its_contents()
    {
        byte* block = (byte*)Arena.Allocate(Size.MiB(64));
        void* neighbour = Arena.Allocate(Size.MiB(4));
        Write(block, 64);
        byte* moved = (byte*)Arena.Reallocate(block, Size.MiB(80));
        Assert.That((nint)moved, Is.Not.EqualTo((nint)block));
        Check(moved, 64);
        Write(moved, 80);
        Memory.Validate();
        Assert.That(() =>
            Arena.Free(block), Throws.TypeOf<EngineMemoryException>(), "the old place is no block any more");
        void* again = Arena.Allocate(Size.MiB(60));
        new Span<byte>(again, 60 << 20).Fill(1);
        Check(moved, 64);
        Arena.Free(again);
        Arena.Free(moved);
        Arena.Free(neighbour);
        Memory.Validate();
    }

    [Test]
    public void A_tracked_extent_that_moves_stays_one_live_allocation()
    {
        using LongLivedArena tracked = Memory.CreateLongLivedArena("tracked", ArenaTracking.Tags);
        void* block = tracked.Allocate(Size.MiB(64));
        void* neighbour = tracked.Allocate(Size.MiB(4));
        void* moved = tracked.Reallocate(block, Size.MiB(80));
        Assert.That((nint)moved, Is.Not.EqualTo((nint)block));
        tracked.Free(neighbour);
        Assert.That(tracked.LiveAllocations().Select(live =>
            (live.Bytes, live.Count)), Is.EqualTo(new[] { (Size.MiB(80), 1L) }));
        tracked.Free(moved);
        Assert.That(tracked.LiveAllocations(), Is.Empty);
    }

    [Test]
    public void A_free_block_is_not_reallocated_and_leaves_no_copy_behind([Values(100u, 3000u)] uint bytes)
    {
        void* block = Arena.Allocate(bytes);
        Arena.Free(block);
        Assert.That(() => Arena.Reallocate(block, 4 * bytes), Throws.TypeOf<EngineMemoryException>());
        Assert.That(Arena.LiveBlocks(), Is.Empty);
    }

    [Test]
    public void A_moved_extent_holds_its_memory_once()
    {
        byte* block = (byte*)Arena.Allocate(Size.MiB(128));
        byte* neighbour = (byte*)Arena.Allocate(Size.MiB(4));
        Write(block, 128);
        Write(neighbour, 4);
        nuint resident = ResidentMemory.Settled();
        byte* moved = (byte*)Arena.Reallocate(block, Size.MiB(132));
        Memory.Trim();
        Assert.That(ResidentMemory.MiBSince(resident), Is.EqualTo(4).Within(ResidentMemory.NoiseMiB));
        Check(moved, 128);
        Arena.Free(moved);
        Arena.Free(neighbour);
        Memory.Trim();
        Assert.That(ResidentMemory.MiBSince(resident), Is.EqualTo(-132).Within(ResidentMemory.NoiseMiB));
    }

    [Test]
    public void A_shrunk_extent_gives_back_when_less_than_half_is_used()
    {
        byte* block = (byte*)Arena.Allocate(Size.MiB(100));
        Write(block, 100);
        nuint resident = ResidentMemory.Settled();
        Assert.That((nint)Arena.Reallocate(block, Size.MiB(60)), Is.EqualTo((nint)block));
        byte* moved = (byte*)Arena.Reallocate(block, Size.MiB(20));
        Check(moved, 20);
        Memory.Trim();
        Assert.That(ResidentMemory.MiBSince(resident), Is.EqualTo(-80).Within(ResidentMemory.NoiseMiB));
        Memory.Validate();
        Arena.Free(moved);
    }

    [Test]
    public void A_growth_that_the_system_refuses_leaves_the_block_as_it_was()
    {
        using var context = new FailingContext();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), NativeContext = context });
        using var arena = memory.CreateLongLivedArena("refused");
        byte* block = (byte*)arena.Allocate(Size.MiB(4));
        Write(block, 4);
        context.FailAlways("mprotect", errno: 12);
        Assert.That(() => arena.Reallocate(block, Size.MiB(40)), Throws.TypeOf<EngineOutOfMemoryException>());
        context.Heal("mprotect");
        memory.Validate();
        Check(block, 4);
        byte* grown = (byte*)arena.Reallocate(block, Size.MiB(40));
        Check(grown, 4);
        Write(grown, 40);
        memory.Validate();
    }

    private static void Write(byte* block, int mebibytes)
    {
        for (nuint offset = 0; offset < Size.MiB(mebibytes); offset += 4096)
            *(nuint*)(block + offset) = offset ^ 0x5555;
    }

    private static void Check(byte* block, int mebibytes)
    {
        for (nuint offset = 0; offset < Size.MiB(mebibytes); offset += 4096)
        {
            if (*(nuint*)(block + offset) != (offset ^ 0x5555))
                Assert.Fail($"the contents at offset {offset} are gone");
        }
    }
}
