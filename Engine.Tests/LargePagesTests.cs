using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests;

/// <summary>
/// The engine's life where the system's pages have 16 KiB (arm64 of Apple and Asahi) or 64 KiB (arm64 servers, POWER),
/// which is faked: the system says so and refuses every call over a part of such a page. See
/// <see cref="FailingContext.PretendPages"/>.
/// </summary>
[Platform("Linux")]
internal sealed unsafe class LargePagesTests
{
    private const int Page = 16 * 1024;

    [Test]
    public void Scenes_come_and_go_in_whole_pages(
        [Values(16, 64)] int pageKiB,
        [Values(PageKind.Automatic, PageKind.Normal, PageKind.TransparentHuge)] PageKind pages,
        [Values(PrefaultPolicy.Automatic, PrefaultPolicy.Touch, PrefaultPolicy.PopulateAtMapping)]
            PrefaultPolicy policy)
    {
        using FailingContext context = new();
        context.PretendPages((nuint)pageKiB * Sizes.KiB);
        using SceneLife life = new(context, policy, pages);
        life.Run();
        Assert.That((life.Failures, FailingContext.CallsOverPartsOfPages), Is.EqualTo((0, 0L)));
    }

    [Test]
    public void What_was_prewarmed_is_resident_and_goes_with_its_arena([Values(16, 64)] int pageKiB)
    {
        using FailingContext context = new();
        context.PretendPages((nuint)pageKiB * Sizes.KiB);
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            RetainBytes = 0,
            NativeContext = context,
        });
        LongLivedArena arena = memory.CreateLongLivedArena("level");
        FrameArena frames = memory.CreateFrameArena("frames", new FrameArenaOptions { LaneCount = 3 });
        nuint before = ResidentMemory.Settled();
        arena.Prewarm([new BlockCount(1 << 20, 64)], threads: 2);
        Assert.That(ResidentMemory.MiBSince(before), Is.AtLeast(60));
        new Span<byte>(frames.Lane(2).Allocate(Size.MiB(40)), 40 << 20).Fill(1);
        frames.NextFrame();
        frames.Trim();
        arena.Trim();
        arena.Dispose();
        frames.Dispose();
        memory.Validate();
        Assert.That(ResidentMemory.SettledMiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        Assert.That(FailingContext.CallsOverPartsOfPages, Is.Zero);
    }

    [Test]
    public void A_trim_takes_whole_pages_and_small_plans_get_whole_ones([Values(16, 64)] int pageKiB)
    {
        using FailingContext context = new();
        context.PretendPages((nuint)pageKiB * Sizes.KiB);
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            Granularity = PrefaultGranularity.Slab,
            NativeContext = context,
        });
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        arena.Prewarm([new BlockCount(100, 500)], threads: 1);
        Random random = TestRandom.Create();
        ShadowModel model = new();
        for (int round = 0; round < 6; round++)
        {
            for (int count = 0; count < 3_000; count++)
            {
                nuint bytes = (nuint)random.Next(16, 30_000);
                model.Add(arena.Allocate(bytes), bytes);
            }

            while (model.Count > 100)
                arena.Free(model.Take(random));

            arena.Trim();
            Assert.That((long)memory.Trim(), Is.GreaterThan(1 << 20));
            memory.Validate();
        }

        model.CheckAll();
        Assert.That(FailingContext.CallsOverPartsOfPages, Is.Zero);
        model.Drain(block => arena.Free((void*)block));
    }

    [Test]
    public void A_guard_page_is_a_whole_one_right_behind_its_block([Values] bool byAdvice)
    {
        const int Bytes = 100_000;
        const int NoAccess = 22;
        const int GuardInstall = 102;
        using FailingContext context = new();
        context.PretendPages(Page);
        if (!byAdvice)
            context.FailAlways("madvise", NoAccess, GuardInstall);

        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            Checks = MemoryChecks.Full,
            NativeContext = context,
        });
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        arena.Allocate(Bytes); // Behind it, the next.
        byte* block = (byte*)arena.Allocate(Bytes);
        nint guard = ((nint)block + Bytes + Page - 1) & -Page;
        for (int offset = 0; offset < Page; offset += Environment.SystemPageSize)
            Assert.That(MemoryMap.AnswersReads(guard + offset), Is.False, $"{offset} bytes into the guard page");

        Assert.That(MemoryMap.AnswersReads(guard - 1));
        Assert.That(MemoryMap.AnswersReads(guard + Page));
        new Span<byte>(block, Bytes).Fill(1);
        arena.Free(block);
        arena.Reset();
        new Span<byte>(arena.Allocate(Size.MiB(1)), 1 << 20).Fill(2);
        memory.Validate();
        Assert.That(FailingContext.CallsOverPartsOfPages, Is.Zero);
    }

    [Test]
    public void Pages_as_large_as_a_slab_leave_red_zones_instead_of_guard_pages()
    {
        using FailingContext context = new();
        context.PretendPages(64 * Sizes.KiB);
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            Checks = MemoryChecks.Full,
            NativeContext = context,
        });
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        byte* block = (byte*)arena.Allocate(100_000);
        block[100_000] = 1;
        Assert.That(
            () => arena.Free(block), Throws.TypeOf<EngineMemoryException>().With.Message.Contains("past its end"));
        memory.Validate();
        Assert.That(FailingContext.CallsOverPartsOfPages, Is.Zero);
    }
}
