using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>What the checked modes tell of small arenas.</summary>
internal sealed unsafe class ArenaGroupChecksTests
{
    [TestCase(MemoryChecks.Hardened)]
    [TestCase(MemoryChecks.Full)]
    public void Two_threads_at_once_in_a_single_threaded_arena_are_told(MemoryChecks checks)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = checks });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        SmallArena arena = group.CreateArena("script", new() { SingleThreaded = true });
        void* block = arena.Allocate(100);
        SmallBlocks* blocks = group.SlabOf((nuint)block)->Owner;
        NativeLock.Enter(&blocks->Lock); // as a thread that is inside
        Assert.That(
            () => arena.Allocate(100),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("two threads used it at once"));
        NativeLock.Exit(&blocks->Lock);
        Workers.Run(() => arena.Free(block));
        Assert.That(arena.Blocks(), Is.Empty, "one after the other they may");
    }

    [Test]
    public void Full_checks_tell_what_happened_to_a_block_of_a_small_arena()
    {
        List<string> reports = [];
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            Checks = MemoryChecks.Full,
            CheckSettings = new CheckSettings { Report = reports.Add, GuardOneIn = 2 },
        });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        SmallArena arena = group.CreateArena("door");
        byte* block = (byte*)arena.Allocate(100);
        Assert.That((block[0], arena.UsableBytes(block)), Is.EqualTo((CheckedBlocks.Fresh, (nuint)100)));
        byte* written = (byte*)arena.Allocate(40);
        block[100] = 1;
        Refused(() => arena.Free(block), "In arena 'door', memory 1 byte past its end");
        Refused(() => arena.Free(block), "was freed twice: first by thread");
        Refused(() => arena.Free(written + 16), "lies 16 bytes from the beginning");
        arena.Free(written);
        written[8] = 1;
        Refused(memory.Validate, "after it was freed");
        written[8] = CheckedBlocks.Freed;
        for (int index = 0; index < 300; index++)
            arena.Free(arena.Reallocate(arena.Allocate((nuint)(index * 700)), (nuint)(index * 900)));

        memory.Validate();
        _ = arena.Allocate(70_000);
        arena.Dispose();
        Assert.That(reports, Has.Count.EqualTo(1));
        Assert.That(reports[0], Does.StartWith("Arena 'door' was disposed with 1 live block of 68.4 KiB ("));
        SmallArena other = group.CreateArena("other");
        byte* usable = (byte*)other.Allocate(65_536);
        new Span<byte>(usable, 65_536).Fill(1);
        group.Dispose();
        Assert.That(reports, Has.Count.EqualTo(2), "a group reports what its arenas leave");
    }

    [Test]
    public void A_report_that_throws_stops_no_dispose()
    {
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            Checks = MemoryChecks.Full,
            CheckSettings = new CheckSettings { Report = _ => throw new InvalidDataException("told") },
        });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        SmallArena arena = group.CreateArena("door");
        _ = arena.Allocate(10);
        Refused(arena.Dispose, "told");
        Assert.That((arena.IsDisposed, group.ArenaCount), Is.EqualTo((true, 0)));
        _ = group.CreateArena("next").Allocate(10);
        Refused(group.Dispose, "told");
        memory.Validate();
    }

    [Test]
    public void A_slab_whose_guard_page_is_not_opened_is_lent_to_nobody()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("The calls that are made to fail are Linux's.");

        using FailingContext context = new();
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            NativeContext = context,
            Checks = MemoryChecks.Full,
            CheckSettings = new CheckSettings { QuarantineBytes = 0, GuardOneIn = 1, Report = _ => { } },
        });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        SmallArena arena = group.CreateArena("script", new() { Budget = new ArenaBudget { HardBytes = 1 << 20 } });
        nint[] blocks = [(nint)arena.Allocate(1_000), (nint)arena.Allocate(100_000)];
        context.FailAlways("mprotect", errno: 12);
        context.FailAlways("madvise", errno: 12);
        arena.Dispose();
        memory.Validate();
        context.Heal("mprotect");
        context.Heal("madvise");
        for (int round = 0; round < 50; round++)
        {
            SmallArena next = group.CreateArena("next");
            foreach (int bytes in (int[])[1_000, 50_000, 100_000])
                next.AllocateSpan<byte>(bytes).Fill(1);
        }

        Assert.That(blocks, Has.Length.EqualTo(2));
        memory.Validate();
        group.Dispose();
        using LongLivedArena world = memory.CreateLongLivedArena("world");
        for (int block = 0; block < 200; block++)
            world.AllocateSpan<byte>(50_000).Fill(1);
    }

    private static void Refused(Action work, string message) =>
        Assert.That(() => work(), Throws.TypeOf<EngineMemoryException>().With.Message.Contains(message));
}
