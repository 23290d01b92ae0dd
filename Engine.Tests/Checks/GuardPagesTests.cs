using System.Globalization;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Checks;

/// <summary>Guard pages leave the process enough mappings to live, by one means or the other.</summary>
[Platform("Linux")]
internal sealed unsafe class GuardPagesTests
{
    private const int Invalid = 22;
    private const int GuardInstall = 102;
    private const int GuardRemove = 103;
    private const int Blocks = 300;

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Guard_pages_take_no_mapping_where_the_kernel_has_advice_for_them()
    {
        using EngineMemory memory = Make(null, _ => { });
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        arena.Free(arena.Allocate(100_000));
        int before = Mappings();
        nint[] blocks = AllocateAll(arena);
        AssumeAdvice(memory);
        Assert.That(Mappings() - before, Is.LessThan(Blocks / 2), "each split would add two");
        foreach (nint block in blocks)
            Assert.That(IsGuarded(block), Is.True);

        foreach (nint block in blocks)
            arena.Free((void*)block);

        arena.Reset();
        foreach (nint block in AllocateAll(arena, checkGuard: false))
            new Span<byte>((void*)block, 100_000).Fill(1);

        memory.Validate();
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Guard_pages_that_split_mappings_are_a_share_and_then_it_is_said_once()
    {
        List<string> told = [];
        using RedirectedFiles files = FewMappings(out FailingContext context, mostMappings: 80);
        using (context)
        using (EngineMemory memory = Make(files, told.Add))
        {
            int before = Mappings();
            using LongLivedArena arena = memory.CreateLongLivedArena("level");
            using LongLivedArena other = memory.CreateLongLivedArena("other");
            nint[] blocks = AllocateAll(arena, checkGuard: false);
            other.Allocate(100_000);

            Assert.That(Mappings() - before, Is.LessThan(100));
            Assert.That(IsGuarded(blocks[0]), Is.True);
            Assert.That(blocks.Count(IsGuarded), Is.LessThanOrEqualTo(10));
            Assert.That(told, Has.Count.EqualTo(1));
            Assert.That(
                told[0], Does.Contain("no more guard pages").And.Contain("'level'").And.Contain("takes 10 at most"));

            // A block without a guard page has its red zone.
            byte* last = (byte*)blocks[^1];
            last[100_000] = 1;
            Assert.That(
                () => arena.Free(last),
                Throws.TypeOf<EngineMemoryException>().With.Message.Contains("past its end"));
            foreach (nint block in blocks[..^1])
                arena.Free((void*)block);

            arena.Reset();
            nint again = (nint)arena.Allocate(100_000);
            Assert.That(IsGuarded(again), Is.True, "the share is free again");
            memory.Validate();
        }

        Assert.That(told, Has.Count.LessThanOrEqualTo(3), "besides, what is live at the disposes");
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void What_the_report_of_a_shortage_throws_leaves_everything_as_it_was()
    {
        using RedirectedFiles files = FewMappings(out FailingContext context, mostMappings: 8);
        using (context)
        {
            bool throws = true;
            using EngineMemory memory = Make(files, sentence =>
            {
                if (throws)
                    throw new InvalidOperationException(sentence);
            });
            using LongLivedArena arena = memory.CreateLongLivedArena("level");
            nint[] live = [(nint)arena.Allocate(100_000), (nint)arena.Allocate(100_000)];
            Assert.That(() => arena.Allocate(100_000), Throws.InvalidOperationException);
            throws = false;
            Assert.That(arena.LiveBlocks().Sum(size => size.Count), Is.EqualTo(2));
            arena.Allocate(100_000);
            foreach (nint block in live)
                arena.Free((void*)block);

            memory.Validate();
        }
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void A_guard_page_whose_advice_is_not_taken_back_is_opened_by_a_new_mapping()
    {
        using FailingContext context = new();
        using EngineMemory memory = Make(context, _ => { });
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        byte* block = (byte*)arena.Allocate(100_000);
        AssumeAdvice(memory);
        context.FailAlways("madvise", 12, GuardRemove);
        Assert.That(() => arena.Free(block), Throws.Nothing);
        arena.Reset();
        block = (byte*)arena.Allocate(Size.MiB(1));
        new Span<byte>(block, 1 << 20).Fill(1);
        memory.Validate();
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void A_guard_page_that_is_never_opened_is_opened_before_its_memory_is_anothers()
    {
        using FailingContext context = new();
        using EngineMemory memory = Make(context, _ => { }, retainBytes: Size.MiB(64));
        LongLivedArena arena = memory.CreateLongLivedArena("a");
        arena.Allocate(100_000);
        AssumeAdvice(memory);
        context.FailAlways("madvise", 12, GuardRemove);
        context.FailAlways("mmap", 12);
        Assert.That(arena.Dispose, Throws.Nothing);
        context.Heal("madvise");
        context.Heal("mmap");
        using FrameArena next = memory.CreateFrameArena(
            "next", new FrameArenaOptions { BufferCount = 1, BytesPerLane = Size.MiB(2) });
        new Span<byte>(next.Lane(0).Allocate(next.LaneBytes), 2 << 20).Fill(1);
    }

    /// <summary>32,700 blocks of 64 KiB used up vm.max_map_count, and the runtime died.</summary>
    [TestCase(40_000, 65_536, true)]
    [TestCase(40_000, 65_536, false)]
    [Category(Machine.NeedsRealKernel)]
    [Category(Lane.Slow)]
    public void A_process_lives_on_with_more_blocks_than_mappings(int count, int bytes, bool byAdvice)
    {
        using FailingContext context = new();
        if (!byAdvice)
            context.FailAlways("madvise", Invalid, GuardInstall);

        VirtualMemory os = VirtualMemory.Create();
        Assume.That(os.AvailableBytes(out _), Is.GreaterThan(Size.GiB(6)), "memory for the blocks");
        using EngineMemory memory = Make(context, _ => { }, reservationBytes: Size.GiB(16));
        using LongLivedArena arena = memory.CreateLongLivedArena("world");
        for (int block = 0; block < count; block++)
            *(byte*)arena.Allocate((nuint)bytes) = 1;

        int most = int.Parse(File.ReadAllText("/proc/sys/vm/max_map_count"), CultureInfo.InvariantCulture);
        Assert.That(Mappings(), Is.LessThan(most / 2));
        Thread thread = new(() => { });
        thread.Start();
        thread.Join();
    }

    private static RedirectedFiles FewMappings(out FailingContext context, int mostMappings)
    {
        context = new FailingContext();
        context.FailAlways("madvise", Invalid, GuardInstall);
        RedirectedFiles files = new(context, "/proc/sys/vm/max_map_count");
        files.Write("/proc/sys/vm/max_map_count", mostMappings.ToString(CultureInfo.InvariantCulture));
        return files;
    }

    private static EngineMemory Make(
        Silk.NET.Core.Contexts.INativeContext? context, Action<string> report, nuint reservationBytes = 0,
        nuint retainBytes = 0) => new(new EngineMemoryOptions
        {
            ReservationBytes = reservationBytes == 0 ? Size.GiB(1) : reservationBytes,
            Checks = MemoryChecks.Full,
            CheckSettings = new CheckSettings { Report = report },
            NativeContext = context,
            RetainBytes = retainBytes,
        });

    private static nint[] AllocateAll(LongLivedArena arena, bool checkGuard = true)
    {
        nint[] blocks = new nint[Blocks];
        for (int block = 0; block < Blocks; block++)
        {
            blocks[block] = (nint)arena.Allocate(100_000);
            if (checkGuard)
                Assert.That(IsGuarded(blocks[block]), Is.True);
        }

        return blocks;
    }

    /// <summary>Whether the page behind a block of 100,000 bytes and its red zone, 16 bytes, is closed.</summary>
    private static bool IsGuarded(nint block) => !MemoryMap.AnswersReads((block + 100_000 + 16 + 4095) & ~4095);

    private static int Mappings() => File.ReadLines("/proc/self/maps").Count();

    private static void AssumeAdvice(EngineMemory memory)
    {
        Assume.That(
            memory.Options.NativeContext is not null || Environment.OSVersion.Version >= new Version(6, 13),
            "MADV_GUARD_INSTALL is of Linux 6.13");
        Assume.That(Environment.OSVersion.Version, Is.GreaterThanOrEqualTo(new Version(6, 13)));
    }
}
