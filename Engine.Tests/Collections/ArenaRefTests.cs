using System.Runtime.CompilerServices;
using Engine.Tests.Support;

namespace Engine.Tests.Collections;

/// <summary>References to arenas that a struct in native memory can hold.</summary>
internal sealed unsafe class ArenaRefTests
{
    private ContainerPlaces _places = null!;

    [SetUp]
    public void Make() => _places = new ContainerPlaces(MemoryChecks.Off);

    [TearDown]
    public void End() => _places.Dispose();

    [Test]
    public void A_reference_has_8_bytes_and_survives_as_a_number()
    {
        Assert.That(Unsafe.SizeOf<ArenaRef>(), Is.EqualTo(8));
        foreach (ArenaRef arena in _places.All)
            Assert.That(ArenaRef.FromValue(arena.Value), Is.EqualTo(arena).And.Property("IsAlive").True);

        Assert.That(_places.All.Distinct().Count(), Is.EqualTo(3));
        ArenaRef again = _places.LongLived;
        Assert.That(again, Is.EqualTo((ArenaRef)_places.LongLived));
        Assert.That(_places.Lane.ToString(), Is.EqualTo("Lane 0 of frame arena 'frames'"));
    }

    [Test]
    public void Blocks_had_by_a_reference_hold_what_was_written_and_are_freed()
    {
        foreach (ArenaRef arena in _places.All)
        {
            byte* block = (byte*)arena.Allocate(100);
            byte* aligned = (byte*)arena.Allocate(100, 256);
            Assert.That((long)aligned % 256, Is.Zero, arena.ToString());
            new Span<byte>(block, 100).Fill(7);
            block = (byte*)arena.Reallocate(block, 100, 100_000);
            Assert.That(new Span<byte>(block, 100).IndexOfAnyExcept((byte)7), Is.Negative, arena.ToString());
            Assert.That(arena.UsableBytes(block, 100_000), Is.GreaterThanOrEqualTo((nuint)100_000));
            arena.Free(block);
            arena.Free(aligned);
            arena.Free(null);
        }

        Assert.That(_places.LongLived.LiveBlocks(), Is.Empty);
        Assert.That(_places.Small.Blocks(), Is.Empty);
    }

    [Test]
    public void A_lanes_last_block_grows_in_place_and_another_moves_with_its_contents()
    {
        ArenaRef lane = _places.Lane;
        int* block = (int*)lane.Allocate(40);
        *block = 5;
        Assert.That((nint)lane.Reallocate(block, 40, 4_000), Is.EqualTo((nint)block));
        Assert.That((nint)lane.Allocate(16), Is.EqualTo((nint)block + 4_000));
        int* moved = (int*)lane.Reallocate(block, 4_000, 8_000);
        Assert.That((nint)moved, Is.Not.EqualTo((nint)block));
        Assert.That(*moved, Is.EqualTo(5));
    }

    [Test]
    public void A_reference_that_outlives_its_arena_is_told_whatever_came_after()
    {
        ArenaRef[] stale = [.. _places.All];
        _places.LongLived.Dispose();
        _places.Small.Dispose();
        _places.Frames.Dispose();
        using ContainerPlaces later = new(MemoryChecks.Off);
        List<ArenaRef> living = [];
        for (int round = 0; round < 50; round++)
        {
            living.Add(_places.Memory.CreateLongLivedArena("later"));
            living.Add(_places.Memory.CreateFrameArena("later").Lane(0));
        }

        foreach (ArenaRef arena in stale)
        {
            Assert.That(arena.IsAlive, Is.False);
            Assert.That(living, Has.No.Member(arena));
            Assert.That(() => (nint)arena.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => arena.Free(null), Throws.TypeOf<ObjectDisposedException>());
        }

        Assert.That(living.All(arena => arena.IsAlive), "the later ones live");
        Assert.That(() => (ArenaRef)_places.LongLived, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_small_arena_that_takes_anothers_place_is_another()
    {
        using ArenaGroup group = _places.Memory.CreateArenaGroup("group");
        SmallArena first = group.CreateArena("first");
        ArenaRef old = first;
        first.Dispose();
        SmallArena second = group.CreateArena("second");
        ArenaRef now = second;
        Assert.That((old.IsAlive, now.IsAlive), Is.EqualTo((false, true)));
        Assert.That(() => (nint)old.Allocate(16), Throws.TypeOf<ObjectDisposedException>());
        now.Free(now.Allocate(16));
        group.Dispose();
        Assert.That(now.IsAlive, Is.False);
    }

    [Test]
    public void What_names_no_arena_is_told()
    {
        Assert.That(() => (nint)default(ArenaRef).Allocate(1), Throws.InvalidOperationException);
        Assert.That(default(ArenaRef).IsAlive, Is.False);
        ArenaRef wild = ArenaRef.FromValue(ulong.MaxValue - 5);
        Assert.That(wild.IsAlive, Is.False);
        Assert.That(() => wild.Free(null), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_reference_costs_no_managed_byte()
    {
        ArenaRef[] arenas = [.. _places.All];
        Use(arenas);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Use(arenas);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);

        static void Use(ArenaRef[] arenas)
        {
            foreach (ArenaRef arena in arenas)
            {
                for (int round = 0; round < 100; round++)
                    arena.Free(arena.Reallocate(arena.Allocate(64), 64, 100));
            }
        }
    }
}
