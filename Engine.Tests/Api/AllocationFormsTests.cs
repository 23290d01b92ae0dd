using CommunityToolkit.HighPerformance;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>The calls of arenas in their other forms: without exceptions, with signed sizes, alignments and
/// elements.</summary>
internal sealed unsafe class AllocationFormsTests : ArenaFixture
{
    [Test]
    public void A_size_that_never_fits_is_refused_without_an_exception([Values] bool small)
    {
        using ArenaGroup group = Memory.CreateArenaGroup("group");
        SmallArena script = group.CreateArena("script");
        foreach (nuint bytes in (nuint[])[nuint.MaxValue, Arena.MaximumBytes + 1, Arena.MaximumBytes])
        {
            void* block = (void*)1;
            bool got = small ? script.TryAllocate(bytes, out block) : Arena.TryAllocate(bytes, out block);
            Assert.That((got, (nint)block), Is.EqualTo((false, (nint)0)));
        }

        Assert.That(Arena.LiveBytes(), Is.EqualTo((nuint)0));
        script.Dispose();
        Assert.That(() => script.TryAllocate(1, out _), Throws.TypeOf<ObjectDisposedException>());
    }

    [TestCase(64u, 16u)]
    [TestCase(1_000u, 256u)]
    [TestCase(100_000u, 16u)]
    [TestCase(3u << 20, 16u)]
    public void A_spent_budget_is_refused_and_what_was_freed_is_given_again(uint bytes, uint alignment)
    {
        Arena.Budget = new ArenaBudget { HardBytes = Size.MiB(8) };
        ShadowModel model = new();
        while (Arena.TryAllocate(bytes, alignment, out void* block))
            model.Add(block, bytes, alignment);

        Assert.That(model.LiveBytes, Is.GreaterThan(Size.MiB(4)));
        Assert.That(() => Arena.Allocate(bytes, alignment), Throws.TypeOf<EngineOutOfMemoryException>());
        void* freed = model.Pick(TestRandom.Create(), out _);
        model.Remove(freed);
        Arena.Free(freed);
        Assert.That(Arena.GetHandle().TryAllocate(bytes, alignment, out void* again));
        model.Add(again, bytes, alignment);
        model.CheckAll();
        model.Drain(block => Arena.Free((void*)block));
    }

    [Test]
    public void A_refusal_by_the_system_is_false_and_passes()
    {
        using var context = new FailingContext();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), NativeContext = context });
        using LongLivedArena arena = memory.CreateLongLivedArena("refused");
        context.FailAlways("mprotect", errno: 12);
        Assert.That(arena.TryAllocate(Size.MiB(4), out _), Is.False);
        context.Heal("mprotect");
        Assert.That(arena.TryAllocate(Size.MiB(4), out void* block));
        new Span<byte>(block, 4 << 20).Fill(1);
        memory.Validate();
    }

    [Test]
    public void A_negative_size_is_named()
    {
        int negative = -5;
        SmallArena script = Memory.CreateArenaGroup("group").CreateArena("script");
        Action[] calls =
        [
            () => Arena.Allocate(negative),
            () => Arena.Allocate(negative, 16),
            () => Arena.Allocate(16, negative),
            () => Arena.Allocate(negative, out _),
            () => Arena.AllocateZeroed(negative),
            () => Arena.Reallocate(null, negative),
            () => Arena.GetHandle().Allocate(negative),
            () => script.Allocate(negative),
            () => script.AllocateZeroed(negative),
            () => script.Reallocate(null, negative),
        ];
        foreach (Action call in calls)
        {
            Assert.That(() => call(), Throws.TypeOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("-5").And.Message.Contains("must not be negative"));
        }

        Assert.That(() => Arena.Reallocate<int>(null, -2), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Signed_and_unsigned_sizes_give_the_same_blocks()
    {
        int signed = 100;
        nuint unsigned = 100;
        foreach (nint block in (nint[])
            [(nint)Arena.Allocate(signed), (nint)Arena.Allocate(unsigned), (nint)Arena.Allocate(100)])
        {
            Assert.That(Arena.UsableBytes((void*)block), Is.EqualTo((nuint)112));
        }

        void* known = Arena.Allocate(signed, out nuint usable);
        Assert.That((usable, Arena.UsableBytes(known)), Is.EqualTo(((nuint)112, (nuint)112)));
        Assert.That((nuint)Arena.Allocate(signed, 4096) % 4096, Is.EqualTo((nuint)0));
    }

    [Test]
    public void Reallocation_keeps_alignment_and_contents([Values] bool small, [Values] MemoryChecks checks)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), Checks = checks });
        using LongLivedArena arena = memory.CreateLongLivedArena("aligned");
        using ArenaGroup group = memory.CreateArenaGroup("group");
        using SmallArena script = group.CreateArena("script");
        Random random = TestRandom.Create();
        ShadowModel model = new();
        for (nuint alignment = 8; alignment <= LongLivedArena.MaximumAlignment; alignment *= 4)
        {
            // The first block is aligned to 16 bytes only.
            nuint bytes = 24;
            void* block = small ? script.Allocate(bytes) : arena.Allocate(bytes);
            model.Add(block, bytes);
            for (int round = 0; round < 24; round++)
            {
                bytes = random.NextSize(round % 8 == 0 ? 23 : 17);
                void* moved = small ? script.Reallocate(block, bytes, alignment)
                    : arena.Reallocate(block, bytes, alignment);
                Assert.That((nuint)moved % alignment, Is.EqualTo((nuint)0), $"{bytes} bytes at {alignment}");
                model.Moved(block, moved, bytes);
                block = moved;
            }
        }

        model.CheckAll();
        model.Drain(block =>
        {
            if (small)
                script.Free((void*)block);
            else
                arena.Free((void*)block);
        });
        Assert.That((arena.LiveBytes(), script.Blocks().Count), Is.EqualTo(((nuint)0, 0)));
        memory.Validate();
    }

    [Test]
    public void Elements_grow_are_zeroed_and_aligned()
    {
        int* numbers = Arena.AllocateZeroed<int>(1_000);
        Assert.That(new Span<int>(numbers, 1_000).IndexOfAnyExcept(0), Is.EqualTo(-1));
        numbers[999] = 7;
        numbers = Arena.Reallocate(numbers, 100_000);
        Assert.That(numbers[999], Is.EqualTo(7));
        Span<double> span = Arena.AllocateSpan<double>(33, 512);
        fixed (double* start = span)
            Assert.That((span.Length, (nuint)start % 512), Is.EqualTo((33, (nuint)0)));

        Arena.Free(span);
        Arena.Free(numbers);
        Assert.That(Arena.LiveBytes(), Is.EqualTo((nuint)0));
    }

    [TestCase(30, 40)]
    [TestCase(0, 40)]
    [TestCase(30, 0)]
    public void A_grid_is_freed(int height, int width)
    {
        using ArenaGroup group = Memory.CreateArenaGroup("group");
        using SmallArena script = group.CreateArena("script");
        Span2D<int> grid = Arena.AllocateSpan2D<int>(height, width);
        Span2D<int> small = script.AllocateSpan2D<int>(height, width);
        Span2D<int> handles = Arena.GetHandle().AllocateSpan2D<int>(height, width);
        Arena.Free(grid);
        Arena.Free(handles);
        Arena.Free(default(Span2D<int>));
        script.Free(small);
        Assert.That(Arena.LiveBytes() + script.LiveBytes, Is.EqualTo((nuint)0));
    }

    [Test]
    public void An_arena_is_prewarmed_for_the_peak_of_another()
    {
        nint[] blocks = Allocate(200, 5_000);
        using LongLivedArena next = Memory.CreateLongLivedArena("next");
        Assert.That(next.Prewarm(Arena.PeakBlocks()), Is.GreaterThan((nuint)0));
        FreeAll(blocks);
        _ = next.GetHandle().Allocate(200);
        HotLoopCost cost = HotLoopCost.Of(Memory, () =>
        {
            for (int index = 1; index < 5_000; index++)
                *(long*)next.Allocate(200) = index;
        });
        Assert.That((cost.EngineFaults, cost.OsCalls), Is.EqualTo((0L, 0L)));
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Live_and_resident_bytes_are_those_of_the_arena()
    {
        using LongLivedArena other = Memory.CreateLongLivedArena("other");
        _ = other.Allocate(Size.MiB(6));
        nint[] blocks = Allocate(1024, 3_000);
        void* large = Arena.Allocate(Size.MiB(4));
        new Span<byte>(large, 4 << 20).Fill(1);
        Assert.That(Arena.LiveBytes(), Is.EqualTo((nuint)(3_000 * 1024) + Size.MiB(4)));
        Assert.That(Arena.ResidentBytes(), Is.EqualTo((long)Arena.SuperSlabCount << 21).Or.EqualTo(-1));
        FreeAll(blocks);
        Arena.Free(large);
        Arena.Trim();
        Assert.That(Arena.LiveBytes(), Is.EqualTo((nuint)0));
        Assert.That(Arena.ResidentBytes(), Is.EqualTo((long)Arena.SuperSlabCount << 21).Or.EqualTo(-1));
    }
}
