using System.Reflection;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Checks;

/// <summary>How full checks let blocks go: with damage, under refusals of the system, beside threads that wait for it,
/// and with reports that misbehave.</summary>
internal sealed unsafe class QuarantineTests
{
    private static readonly TimeSpan s_aMinute = TimeSpan.FromSeconds(60);

    [Test]
    public void A_damaged_block_is_freed_and_told_when_the_quarantine_is_full(
        [Values(0u, 100_000u)] uint quarantineBytes)
    {
        using EngineMemory memory = Make(new CheckSettings { QuarantineBytes = quarantineBytes });
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        for (int block = 0; block < 500; block++)
            arena.Free(arena.Allocate(1_000));

        byte* damaged = (byte*)arena.Allocate(1_000);
        damaged[1_001] = 1;
        string? told = null;
        Thread frees = new(() => told = MessageOf(() => arena.Free(damaged))) { IsBackground = true };
        frees.Start();
        Assert.That(frees.Join(s_aMinute), "the free comes back");
        Assert.That(told, Does.Contain("past its end"));
        Assert.That(MessageOf(() => arena.Free(damaged)), Does.Contain("was freed twice"));
        arena.Free(arena.Allocate(1_000));
        memory.Validate();
    }

    [Test]
    public void Everything_that_one_free_finds_damaged_is_told_and_told_once()
    {
        using EngineMemory memory = Make(new CheckSettings { QuarantineBytes = 10_000, GuardOneIn = 0 });
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        for (int block = 0; block < 5; block++)
        {
            byte* written = (byte*)arena.Allocate(1_000 + (nuint)block);
            arena.Free(written);
            written[block] = 0x40;
        }

        byte* large = (byte*)arena.Allocate(50_000); // pushes all of them out
        large[50_000] = 0x41;
        string? told = MessageOf(() => arena.Free(large));
        Assert.That(
            told, Does.Contain("past its end was written of the block of 48.8 KiB").Or.Contain("past its end"));
        for (int block = 0; block < 5; block++)
            Assert.That(told, Does.Contain($"0x40 stands {Sizes.Count(block, "byte", "bytes")} from its beginning"));

        Assert.That(() => arena.Free(arena.Allocate(60_000)), Throws.Nothing);
        memory.Validate();
    }

    [Test]
    public void A_block_whose_guard_page_is_not_opened_stays_and_is_returned_later()
    {
        using var context = new FailingContext();
        using EngineMemory memory = Make(new CheckSettings { QuarantineBytes = 0, GuardOneIn = 1 }, context);
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        nint[] blocks = [(nint)arena.Allocate(100_000), (nint)arena.Allocate(100_000), (nint)arena.Allocate(100_000)];
        context.FailAlways("mprotect", errno: 12);
        foreach (nint block in blocks)
            Assert.That(() => arena.Free((void*)block), Throws.Nothing);

        Assert.That(MessageOf(() => arena.Free((void*)blocks[0])), Does.Contain("was freed twice"));
        Assert.That(blocks, Does.Not.Contain((nint)arena.Allocate(100_000)), "what has a closed page is nobody's");
        memory.Validate();
        context.Heal("mprotect");
        void* other = arena.Allocate(200);
        arena.Free(other);
        List<nint> again = [];
        for (int block = 0; block < 100; block++)
        {
            byte* memoryAgain = (byte*)arena.Allocate(100_000);
            new Span<byte>(memoryAgain, 100_000).Fill(1);
            again.Add((nint)memoryAgain);
        }

        Assert.That(blocks, Is.SubsetOf(again), "they are had again");
        memory.Validate();
    }

    [Test]
    public void A_damaged_block_whose_guard_page_is_not_opened_is_told_and_freed()
    {
        using var context = new FailingContext();
        using EngineMemory memory = Make(new CheckSettings { QuarantineBytes = 0 }, context);
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        byte* block = (byte*)arena.Allocate(100_000);
        block[100_000] = 1;
        context.FailAlways("mprotect", errno: 12);
        Assert.That(MessageOf(() => arena.Free(block)), Does.Contain("past its end"));
        context.Heal("mprotect");
        Assert.That(() => arena.Free(arena.Allocate(10)), Throws.Nothing);
        Assert.That(arena.LiveBlocks(), Is.Empty);
        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.Zero);
    }

    [Test]
    public void A_reset_that_is_refused_a_guard_page_changes_nothing()
    {
        using var context = new FailingContext();
        using EngineMemory memory = Make(new CheckSettings { GuardOneIn = 1 }, context);
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        void* block = arena.Allocate(100_000);
        void* freed = arena.Allocate(5_000);
        arena.Free(freed);
        new Span<byte>(block, 100_000).Fill(3);
        context.FailAlways("mprotect", errno: 12);
        Assert.That(arena.Reset, Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That(MessageOf(() => arena.Free(freed)), Does.Contain("was freed twice"));
        Assert.That(new Span<byte>(block, 100_000).IndexOfAnyExcept((byte)3), Is.Negative);
        memory.Validate();
        context.Heal("mprotect");
        arena.Free(block);
        arena.Reset();
        memory.Validate();
        new Span<byte>(arena.Allocate(Size.MiB(2) - 100_000), (2 << 20) - 100_000).Fill(1);
    }

    [Test]
    public void A_dispose_that_is_refused_guard_pages_is_done_and_the_next_owner_can_write_every_page(
        [Values(100_000u, 40u << 20)] uint bytes)
    {
        using var context = new FailingContext();
        using EngineMemory memory = Make(new CheckSettings(), context, retainBytes: Size.MiB(256));
        LongLivedArena arena = memory.CreateLongLivedArena("a");
        arena.Allocate(bytes);
        arena.Free(arena.Allocate(bytes));
        int owned = arena.SuperSlabCount;
        context.FailAlways("mprotect", errno: 12);
        Assert.That(arena.Dispose, Throws.Nothing);
        context.Heal("mprotect");
        memory.Validate();
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
        using FrameArena next =
            memory.CreateFrameArena(
            "next", new FrameArenaOptions { BufferCount = 1, BytesPerLane = (nuint)owned << 21 });
        new Span<byte>(next.Lane(0).Allocate(next.LaneBytes), owned << 21).Fill(1);
    }

    [Test]
    public void A_guard_page_that_is_refused_leaves_a_block_without_one()
    {
        using var context = new FailingContext();
        using EngineMemory memory = Make(new CheckSettings { QuarantineBytes = 0 }, context);
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        arena.Allocate(10);
        context.FailAlways("mprotect", errno: 12);
        context.FailAlways("mmap", errno: 12);
        byte* block = (byte*)arena.Allocate(100_000);
        context.Heal("mmap");
        new Span<byte>(block, 100_000).Fill(1);
        Assert.That(() => arena.Free(block), Throws.Nothing);
        Assert.That(
            (nint)arena.Allocate(100_000), Is.EqualTo((nint)block), "it was returned: there was no page to open");
        context.Heal("mprotect");
    }

    [Test]
    public void What_is_held_back_is_returned_before_an_arena_says_that_it_has_no_memory()
    {
        using EngineMemory memory = Make(new CheckSettings());
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        arena.Budget = new ArenaBudget { HardBytes = Size.MiB(8), Overflow = ArenaOverflow.Fail };
        for (int round = 0; round < 60; round++)
        {
            nuint bytes = Size.MiB(1) + ((nuint)(round % 7) * 100_000);
            new Span<byte>(arena.Allocate(bytes), (int)bytes).Fill(1);
            arena.Free((void*)(nint)arena.Blocks().Single().Address);
        }

        memory.Validate();
    }

    [Test]
    public void Damage_that_an_allocation_finds_is_told_by_the_next_free()
    {
        using EngineMemory memory = Make(new CheckSettings());
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        arena.Budget = new ArenaBudget { HardBytes = Size.MiB(4), Overflow = ArenaOverflow.Fail };
        byte* block = (byte*)arena.Allocate(Size.MiB(1));
        arena.Free(block);
        block[5] = 0x45;
        void* next = arena.Allocate(Size.MiB(3));
        Assert.That(MessageOf(() => arena.Free(next)), Does.Contain("0x45 stands 5 bytes from its beginning"));
        Assert.That(arena.LiveBlocks(), Is.Empty);
    }

    [Test]
    public void A_block_that_waits_for_the_system_holds_up_no_other_threads_free()
    {
        using EngineMemory memory = Make(new CheckSettings { QuarantineBytes = 0 });
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        void* small = arena.Allocate(100);
        using ManualResetEventSlim asks = new();
        using ManualResetEventSlim mayGoOn = new();
        memory.Pool.Observer = (_, _) =>
        {
            asks.Set();
            mayGoOn.Wait();
        };
        Thread waits = new(() => arena.Allocate(Size.MiB(64)));
        Thread other = new(() => arena.Free(small)) { IsBackground = true };
        waits.Start();
        asks.Wait();
        other.Start();
        bool cameThrough = other.Join(s_aMinute);
        mayGoOn.Set();
        waits.Join();
        other.Join();
        Assert.That(cameThrough);
        memory.Validate();
    }

    [Test]
    public void A_thread_that_is_interrupted_in_its_allocation_loses_no_block()
    {
        using EngineMemory memory = Make(new CheckSettings { QuarantineBytes = 0 });
        using LongLivedArena arena = memory.CreateLongLivedArena("a");
        CheckedBlocks blocks =
            (CheckedBlocks)typeof(LongLivedArena).GetField(
            "_checked", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(arena)!;
        Lock tables =
            (Lock)typeof(CheckedBlocks).GetField("_lock", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(
            blocks)!;
        using ManualResetEventSlim isWarm = new();
        bool mayAllocate = false;
        Exception? thrown = null;
        Thread worker = new(() =>
        {
            arena.Free(arena.Allocate(100_000));
            isWarm.Set();
            while (!Volatile.Read(ref mayAllocate))
            {
                Thread.SpinWait(1); // without a wait, which the interrupt would hit
            }

            try
            {
                arena.Allocate(100_000);
            }
            catch (ThreadInterruptedException interrupted)
            {
                thrown = interrupted;
            }
        });
        worker.Start();
        isWarm.Wait();
        lock (tables)
        {
            worker.Interrupt(); // it takes effect where the worker first has to wait: for the tables
            Volatile.Write(ref mayAllocate, true);
            worker.Join(s_aMinute);
        }

        worker.Join();
        Assert.That(thrown, Is.Not.Null);
        Assert.That(arena.LiveBlocks(), Is.Empty);
        memory.Validate();
        Workers.Run(arena.Trim); // the worker is dead: what its cache has comes back, too
        Assert.That(arena.SuperSlabCount, Is.Zero, "nobody's block is out");
    }

    [Test]
    public void A_report_that_throws_stops_neither_the_dispose_nor_the_other_sentences()
    {
        List<string> told = [];
        Action<string> report = sentence =>
        {
            told.Add(sentence);
            throw new InvalidOperationException($"number {told.Count}");
        };
        using EngineMemory memory = Make(new CheckSettings { GuardOneIn = 0, Report = report });
        LongLivedArena arena = memory.CreateLongLivedArena("a");
        ((byte*)arena.Allocate(100))[100] = 1;
        ((byte*)arena.Allocate(200))[200] = 1;
        EngineMemoryException? thrown = Assert.Throws<EngineMemoryException>(arena.Dispose);
        Assert.That(thrown!.InnerException, Is.TypeOf<InvalidOperationException>().With.Message.EqualTo("number 1"));
        Assert.That(told, Has.Count.EqualTo(4), "two damaged, two sizes left");
        Assert.That(told.Count(sentence => sentence.Contains("past its end", StringComparison.Ordinal)), Is.EqualTo(2));
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
        Assert.That(arena.Dispose, Throws.Nothing);
        Assert.That(() => arena.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(told, Has.Count.EqualTo(4));
        memory.Validate();
    }

    [Test]
    public void A_report_may_use_the_arena_dispose_it_and_dispose_others()
    {
        LongLivedArena? arena = null;
        LongLivedArena? other = null;
        List<nint> left = [];
        List<string> told = [];
        void Report(string sentence)
        {
            told.Add(sentence);
            byte* block = (byte*)arena!.Allocate(70_000);
            new Span<byte>(block, 70_000).Fill(1);
            arena.Free(block);
            foreach (nint leak in left)
                arena.Free((void*)leak);

            left.Clear();
            other!.Dispose();
            arena.Dispose();
            arena.Validate();
            Workers.Run(() => arena.Free(arena.Allocate(10))); // no lock is held that another thread would wait for
        }

        using EngineMemory memory = Make(new CheckSettings { Report = Report });
        arena = memory.CreateLongLivedArena("a");
        other = memory.CreateLongLivedArena("other");
        left.Add((nint)arena.Allocate(300));
        Assert.That(arena.Dispose, Throws.Nothing);
        Assert.That(told, Has.Count.EqualTo(1));
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
        Assert.That(() => arena.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => other.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
    }

    private static EngineMemory Make(CheckSettings settings, FailingContext? context = null, nuint retainBytes = 0)
    {
        const int GuardInstall = 102;
        context?.FailAlways("madvise", errno: 22, GuardInstall); // before Linux 6.13 guards are made by mprotect
        return new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            Checks = MemoryChecks.Full,
            CheckSettings = settings,
            NativeContext = context,
            RetainBytes = retainBytes,
        });
    }

    private static string? MessageOf(Action misuse)
    {
        try
        {
            misuse();
            return null;
        }
        catch (EngineMemoryException exception)
        {
            return exception.Message;
        }
    }
}
