using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>
/// Advice is a hint: whatever the system answers to it, memory is had, by another step if need be, and the refusal is
/// told.
/// </summary>
[Platform("Linux")]
internal sealed class RefusedAdviceTests
{
    private const nuint SuperSlab = 2 << 20;
    private const int NotPermitted = 1;
    private const int OutOfMemory = 12;
    private const int Invalid = 22;
    private const int NotImplemented = 38;
    private const int DontFork = 10;
    private const int HugePage = 14;
    private const int NoHugePage = 15;

    [TestCase(DontFork, "hints refused: madvise(MADV_DONTFORK): ")]
    [TestCase(HugePage, "THP: madvise(MADV_HUGEPAGE): ")]
    [Category(Machine.NeedsRealKernel)]
    public void A_refused_hint_decides_nothing_and_is_told(int advice, string told)
    {
        using SystemSetting setting = SystemSetting.TransparentHugePages("madvise");
        foreach (int errno in (int[])[NotPermitted, OutOfMemory, Invalid, NotImplemented])
        {
            using FailingContext context = new();
            context.FailAlways("madvise", errno, advice);
            VirtualMemory os = VirtualMemory.Create(context);
            Prefaulter prefaulter = new(os, PrefaultPolicy.Automatic, PageKind.Automatic);
            using ReservedRange range = new(os, 2 * SuperSlab);
            prefaulter.Provide(range.Address, range.Bytes);

            Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
            Assert.That(range.FaultsOfWritingEveryPage(), Is.Zero);
            Assert.That(prefaulter.Describe(), Does.Contain(told).And.Contain($"({errno})"));
        }
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void A_refused_hint_against_huge_pages_leaves_normal_pages_to_be_had()
    {
        using SystemSetting setting = SystemSetting.TransparentHugePages("madvise");
        using FailingContext context = new();
        context.FailAlways("madvise", Invalid, NoHugePage);
        VirtualMemory os = VirtualMemory.Create(context);
        using ReservedRange range = new(os, 4 * SuperSlab);
        new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.TransparentHuge).Provide(range.Address, 2 * SuperSlab);
        Prefaulter normal = new(os, PrefaultPolicy.Automatic, PageKind.Normal);
        normal.Provide(range.Address + (2 * (nint)SuperSlab), 2 * SuperSlab);

        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
        Assert.That(
            normal.Describe(),
            Does.EndWith("; hints refused: madvise(MADV_NOHUGEPAGE): Invalid argument (22)"));
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Where_huge_pages_come_unasked_a_refused_request_for_them_does_not_matter()
    {
        using SystemSetting setting = SystemSetting.TransparentHugePages("always");
        using FailingContext context = new();
        context.FailAlways("madvise", NotPermitted, HugePage);
        VirtualMemory os = VirtualMemory.Create(context);
        Prefaulter prefaulter = new(os, PrefaultPolicy.Automatic, PageKind.TransparentHuge);
        using ReservedRange range = new(os, SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);

        Assert.That(os.HugePageBytesBehind(range.Address, range.Bytes), Is.EqualTo(-1).Or.EqualTo((long)SuperSlab));
        Assert.That(
            prefaulter.Describe(),
            Does.StartWith("THP: enabled=always, ok").And.Contain("hints refused: madvise(MADV_HUGEPAGE)"));
    }

    [TestCase(NotPermitted)]
    [TestCase(Invalid)]
    [TestCase(NotImplemented)]
    public void Without_any_advice_a_memory_lives_and_gives_all_back(int errno)
    {
        using FailingContext context = new();
        context.FailAlways("madvise", errno);
        Live(new EngineMemoryOptions { ReservationBytes = Size.MiB(256), NativeContext = context });
    }

    [Test]
    public void Without_the_function_for_advice_a_memory_lives_and_gives_all_back()
    {
        using HidingContext context = new("madvise");
        Live(new EngineMemoryOptions { ReservationBytes = Size.MiB(256), NativeContext = context });
    }

    [TestCase(NotPermitted, null)]
    [TestCase(NotImplemented, null)]
    [TestCase(NotPermitted, DontFork)]
    [TestCase(Invalid, HugePage)]
    [Category(Machine.NeedsRealKernel)]
    public void Under_a_filter_of_the_kernel_a_memory_lives_and_gives_all_back(int errno, int? advice) =>
        SystemCallFilter.RefuseMadvise(
            errno, advice, () => Live(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) }));

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Advice_that_a_filter_refuses_is_not_asked_for_again()
    {
        using FailingContext context = new();
        context.FailAlways("madvise", NotPermitted);
        VirtualMemory os = VirtualMemory.Create(context);
        Prefaulter prefaulter = new(os, PrefaultPolicy.Automatic, PageKind.Normal);
        using ReservedRange range = new(os, 2 * SuperSlab);
        prefaulter.Provide(range.Address, SuperSlab);
        long calls = context.CallsOf("madvise");
        prefaulter.Provide(range.Address + (nint)SuperSlab, SuperSlab);

        Assert.That(
            context.CallsOf("madvise") - calls, Is.LessThanOrEqualTo(1),
            "MADV_POPULATE_WRITE is left; the one call is MADV_DONTFORK for the new mapping");
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
    }

    private static unsafe void Live(EngineMemoryOptions options)
    {
        VirtualMemory os = VirtualMemory.Create();
        nuint before = ResidentMemory.Settled();
        using (EngineMemory memory = new(options))
        {
            using LongLivedArena arena = memory.CreateLongLivedArena("world");
            byte* block = (byte*)arena.Allocate(Size.MiB(48));
            new Span<byte>(block, 48 << 20).Fill(7);
            Assert.That(new Span<byte>(block, 48 << 20).IndexOfAnyExcept((byte)7), Is.Negative);
            Assert.That(os.ResidentBytes, Is.GreaterThan(before + Size.MiB(32)));
            arena.Free(block);
            memory.Validate();
        }

        Assert.That(ResidentMemory.SettledMiBSince(before), Is.LessThan(16));
    }
}
