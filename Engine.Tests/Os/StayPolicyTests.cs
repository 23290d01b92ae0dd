using System.Runtime.InteropServices;
using Engine.Tests.Support;
using SuperSlab.Scenes;

namespace Engine.Tests.Os;

/// <summary>
/// Pages that were asked to stay, as the kernel counts them (VmPin and VmLck), and whether they move when it compacts.
/// </summary>
[Platform("Linux")]
[Category(Machine.NeedsRealKernel)]
internal sealed unsafe class StayPolicyTests
{
    private const int SuperSlab = 2 << 20;
    private const int RingRegister = 427;
    private const int RingSetup = 425;
    private static readonly nuint s_reservation = Size.MiB(256);

    [Test]
    public void A_range_is_pinned_until_it_is_given_back([Values] bool isHuge)
    {
        KeptMemory.AssumePins();
        VirtualMemory os = VirtualMemory.Create();
        using ReservedRange range = new(os, 8 * SuperSlab);
        Prefaulter prefaulter =
            new(os, PrefaultPolicy.Automatic, isHuge ? PageKind.Automatic : PageKind.Normal, StayPolicy.Pin);
        prefaulter.Provide(range.Address, range.Bytes);
        Assert.That(KeptMemory.Read().Pinned, Is.EqualTo((long)range.Bytes));
        Assert.That(prefaulter.Describe(), Does.EndWith("stay: io_uring pins: ok"));

        int pagesOfTwo = 2 * SuperSlab / (int)os.Facts.PageBytes;
        os.Decommit(range.Address, SuperSlab);
        Assert.That(KeptMemory.Read().Pinned, Is.EqualTo(7 * SuperSlab));
        os.Discard(range.Address + SuperSlab, SuperSlab);
        Assert.That(KeptMemory.Read().Pinned, Is.EqualTo(6 * SuperSlab));
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.EqualTo(pagesOfTwo));
        os.LetGo(range.Address, range.Bytes);
        Assert.That(KeptMemory.Read().Pinned, Is.Zero);
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.EqualTo(pagesOfTwo));
    }

    [Test]
    public void A_part_that_goes_leaves_the_rest_of_its_pin_pinned()
    {
        KeptMemory.AssumePins();
        VirtualMemory os = VirtualMemory.Create();
        nuint page = os.Facts.PageBytes;
        using ReservedRange range = new(os, 2 * SuperSlab);
        new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Normal, StayPolicy.Pin)
            .Provide(range.Address, range.Bytes);
        range.Write(0, 1);
        range.Write(range.Bytes - 1, 2);
        os.Decommit(range.Address + (nint)(SuperSlab - page), 3 * page);

        Assert.That(KeptMemory.Read().Pinned, Is.EqualTo((long)(range.Bytes - (3 * page))));
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.EqualTo(3));
        Assert.That((range.Read(0), range.Read(range.Bytes - 1)), Is.EqualTo(((byte)1, (byte)2)));
    }

    [Test]
    public void Pins_follow_pages_that_move()
    {
        KeptMemory.AssumePins();
        VirtualMemory os = VirtualMemory.Create();
        Assume.That(os.Facts.MovesPages, "pages cannot move here");
        using ReservedRange range = new(os, 4 * SuperSlab);
        new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Automatic, StayPolicy.Pin)
            .Provide(range.Address, SuperSlab);
        range.Write(5, 77);
        nint to = range.Address + (2 * SuperSlab);
        Assert.That(os.TryMovePages(range.Address, to, SuperSlab));

        Assert.That(range.Read((2 * SuperSlab) + 5), Is.EqualTo(77));
        os.Decommit(range.Address, SuperSlab);
        Assert.That(KeptMemory.Read().Pinned, Is.EqualTo(SuperSlab), "at the new place");
        os.Decommit(to, SuperSlab);
        Assert.That(KeptMemory.Read().Pinned, Is.Zero);
    }

    [Test]
    public void Random_ranges_are_pinned_as_a_model_says()
    {
        KeptMemory.AssumePins();
        const int Pages = 2048;
        Random random = TestRandom.Create();
        VirtualMemory os = VirtualMemory.Create();
        nuint page = os.Facts.PageBytes;
        using ReservedRange range = new(os, Pages * page);
        os.Commit(range.Address, range.Bytes);
        bool[] isPinned = new bool[Pages];
        for (int step = 0; step < 200; step++)
        {
            int first = random.Next(Pages);
            int count = 1 + random.Next(Math.Min(Pages - first, random.Next(2) == 0 ? 700 : 8));
            nint address = range.Address + (nint)((nuint)first * page);
            bool pins = random.Next(2) == 0;
            if (pins)
                Assert.That(os.TryPin(address, (nuint)count * page, out PrefaultFailure failure), failure.Reason);
            else
                os.Discard(address, (nuint)count * page);

            isPinned.AsSpan(first, count).Fill(pins);
            Assert.That(KeptMemory.Read().Pinned, Is.EqualTo(isPinned.Count(true) * (long)page), $"step {step}");
        }
    }

    [Test]
    public void Pinned_pages_stay_where_they_are_while_the_kernel_compacts()
    {
        KeptMemory.AssumePins();
        VirtualMemory os = VirtualMemory.Create();
        using ReservedRange range = new(os, 16 * SuperSlab);
        new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Normal, StayPolicy.Pin)
            .Provide(range.Address, range.Bytes);
        ulong[] before = FramesOf(range);
        Assume.That(before[0], Is.Not.Zero, "the kernel does not tell frame numbers here");
        for (int round = 0; round < 3; round++)
        {
            Compact();
            Assert.That(FramesOf(range), Is.EqualTo(before));
        }
    }

    [Test]
    public void A_locked_range_is_unlocked_when_it_is_given_back()
    {
        VirtualMemory os = VirtualMemory.Create();
        using ReservedRange range = new(os, 4 * SuperSlab);
        Prefaulter prefaulter = new(os, PrefaultPolicy.Automatic, PageKind.Normal, StayPolicy.Lock);
        prefaulter.Provide(range.Address, range.Bytes);
        Assume.That(prefaulter.Describe(), Does.Not.Contain("stay: nothing"), "a limit of locked memory");
        Assert.That(KeptMemory.Read(), Is.EqualTo(new KeptMemory(0, (long)range.Bytes)));
        os.Decommit(range.Address, SuperSlab);
        Assert.That(KeptMemory.Read(), Is.EqualTo(new KeptMemory(0, 3 * SuperSlab)));
        os.LetGo(range.Address, range.Bytes);
        Assert.That(KeptMemory.Read(), Is.EqualTo(default(KeptMemory)));
    }

    [Test]
    public void A_lock_tells_whether_the_kernel_may_still_move_its_pages([Values(0, 1)] int mayMove)
    {
        using RedirectedFiles files = new("/proc/sys/vm");
        files.Write("/proc/sys/vm/compact_unevictable_allowed", $"{mayMove}");
        VirtualMemory os = VirtualMemory.Create(files);
        Assert.That(
            os.NameOf(StayPolicy.Lock),
            Is.EqualTo(mayMove == 0 ? "mlock"
                : "mlock (vm.compact_unevictable_allowed is 1, so the kernel may still move pages)"));
    }

    [TestCase(RingSetup, 1, "io_uring: Operation not permitted (1)")]
    [TestCase(RingSetup, 38, "io_uring: Function not implemented (38)")]
    [TestCase(RingRegister, 12, "io_uring: Cannot allocate memory (12)")]
    public void Where_pins_are_refused_pages_are_locked_and_the_reason_is_told(int call, int errno, string told)
    {
        using FailingContext context = new();
        context.FailAlways("syscall", errno, call);
        VirtualMemory os = VirtualMemory.Create(context);
        using ReservedRange range = new(os, 4 * SuperSlab);
        Prefaulter prefaulter = new(os, PrefaultPolicy.Automatic, PageKind.Normal, StayPolicy.Pin);
        prefaulter.Provide(range.Address, range.Bytes);

        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
        Assert.That(prefaulter.Describe(), Does.Contain(told).And.Contain("; stay: mlock"));
        Assert.That(KeptMemory.Read().Pinned, Is.Zero);
        Assume.That(
            prefaulter.Describe(), Does.EndWith(": ok").And.Not.Contain("stay: nothing"), "a limit of locked memory");
        Assert.That(KeptMemory.Read().Locked, Is.EqualTo((long)range.Bytes));
    }

    [Test]
    public void Where_neither_works_memory_is_had_all_the_same_and_both_reasons_are_told()
    {
        using FailingContext context = new();
        context.FailAlways("syscall", 1, RingSetup);
        context.FailAlways("mlock", 12);
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = s_reservation,
            Stay = StayPolicy.Pin,
            NativeContext = context,
        });
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        arena.Prewarm([new BlockCount(1024, 20_000)], threads: 1);

        Assert.That(KeptMemory.Read(), Is.EqualTo(default(KeptMemory)));
        Assert.That(memory.ResidentBytes(), Is.GreaterThan((long)Size.MiB(20)));
        Assert.That(
            memory.Settings,
            Does.Contain("stay: io_uring pins: io_uring: Operation not permitted (1)")
                .And.Contain(": mlock: Cannot allocate memory (12)")
                .And.Contain("stay: nothing, so pages may be moved and taken back: ok"));
    }

    [Test]
    public void A_scene_pins_its_memory_and_the_tables_and_leaves_nothing_pinned(
        [Values(StayPolicy.Pin, StayPolicy.Lock, StayPolicy.Automatic)] StayPolicy stay, [Values] bool inTheOptions)
    {
        KeptMemory.AssumePins();
        using (EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = s_reservation,
            Stay = inTheOptions ? stay : StayPolicy.None,
        }))
        {
            ScenePlan plan = new()
            {
                Stay = inTheOptions ? StayPolicy.None : stay,
                FrameArena = new FrameArenaOptions { BytesPerLane = Size.MiB(1), LaneCount = 2 },
                Arenas = [new ArenaPlan { Name = "world", Blocks = [new BlockCount(1000, 20_000)] }],
            };
            KeptMemory empty = KeptMemory.Read();
            for (int round = 0; round < 2; round++)
            {
                Scene scene = Scene.Load(memory, plan);
                Assume.That(memory.ResidentBytes(), Is.Not.EqualTo(-1), "the system does not tell");
                KeptMemory kept = KeptMemory.Read();
                Assert.That(kept.Bytes, Is.EqualTo(memory.ResidentBytes()), "the tables as well");
                Assert.That(kept.Locked == 0, Is.EqualTo(stay != StayPolicy.Lock));
                scene.Dispose();
                memory.Trim();
                Assert.That(KeptMemory.Read().Bytes, Is.EqualTo(inTheOptions ? memory.ResidentBytes() : empty.Bytes));
            }
        }

        Assert.That(KeptMemory.Read(), Is.EqualTo(default(KeptMemory)));
    }

    [Test]
    public void Memory_of_the_reserve_is_pinned_when_a_scene_that_wants_it_takes_it()
    {
        KeptMemory.AssumePins();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = s_reservation, RetainBytes = Size.MiB(64) });
        ScenePlan plan = new() { Arenas = [new ArenaPlan { Name = "world", SuperSlabCount = 10 }] };
        Scene.Load(memory, plan).Dispose();
        Assert.That(memory.ReadySuperSlabCount, Is.EqualTo(10));
        using (Scene.Load(memory, plan with { Stay = StayPolicy.Pin }))
            Assert.That(KeptMemory.Read().Pinned, Is.EqualTo(memory.ResidentBytes()));

        Assert.That(KeptMemory.Read().Pinned, Is.EqualTo(10 * SuperSlab), "the reserve keeps its pins");
        memory.Trim();
        Assert.That(KeptMemory.Read().Pinned, Is.Zero);
    }

    [Test]
    public void A_background_load_pins_its_own_and_an_extent_that_grows_stays_pinned()
    {
        KeptMemory.AssumePins();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = s_reservation, Stay = StayPolicy.Pin });
        using BackgroundLoader loader = new(memory);
        StreamedScene next = loader.Add(
            new ScenePlan { Name = "next", Arenas = [new ArenaPlan { Name = "world", SuperSlabCount = 8 }] });
        next.Load();
        Assert.That(next.Wait(), Is.EqualTo(StreamState.Loaded), () => $"{next.Error}");
        Assert.That(KeptMemory.Read().Pinned, Is.EqualTo(memory.ResidentBytes()));

        LongLivedArena arena = next.Scene.Arena;
        void* block = arena.Allocate(Size.MiB(20));
        *(int*)block = 12345;
        void* guard = arena.Allocate(Size.MiB(3));
        block = arena.Reallocate(block, Size.MiB(60));
        Assert.That(*(int*)block, Is.EqualTo(12345));
        Assert.That(KeptMemory.Read().Pinned, Is.EqualTo(memory.ResidentBytes()));
        arena.Free(block);
        arena.Free(guard);
    }

    [Test]
    public void A_locked_process_gives_memory_back_all_the_same_and_is_unlocked_again()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = s_reservation });
        try
        {
            memory.LockProcess();
        }
        catch (EngineMemoryException refused)
        {
            Assume.That(false, refused.Message);
        }

        try
        {
            Assert.That(KeptMemory.Read().Locked, Is.Positive);
            LongLivedArena arena = memory.CreateLongLivedArena("level");
            void* block = arena.Allocate(Size.MiB(20));
            *(int*)block = 7;
            block = arena.Reallocate(block, Size.MiB(60));
            Assert.That(*(int*)block, Is.EqualTo(7));
            Assert.That(memory.ResidentBytes(), Is.EqualTo(-1).Or.GreaterThan((long)Size.MiB(60)));
            arena.Dispose();
            memory.Trim();
            Assert.That(memory.ResidentBytes(), Is.LessThan((long)Size.MiB(4)), "what is locked is given back");
        }
        finally
        {
            memory.UnlockProcess();
        }

        Assert.That(KeptMemory.Read(), Is.EqualTo(default(KeptMemory)));
    }

    [Test]
    public void A_process_that_cannot_be_locked_is_told_why([Values] bool isAbsent)
    {
        using FailingContext context = new();
        if (isAbsent)
            context.Hide("mlockall");
        else
            context.Replace("mlockall", (nint)(delegate* unmanaged<int, int>)&RefuseToLock);

        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = s_reservation, NativeContext = context });
        Assert.That(memory.LockProcess, Throws.TypeOf<EngineMemoryException>().With.Message.StartsWith(
            "The memory of the process could not be locked: mlockall" + (isAbsent ? " is absent." : ": ")));
        Assert.That(KeptMemory.Read(), Is.EqualTo(default(KeptMemory)));
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        arena.Free(arena.Allocate(Size.MiB(5)));
    }

    [Test]
    public void Automatic_pins_nothing_where_locked_memory_has_a_limit()
    {
        using RedirectedFiles files = new("/proc/self/status");
        files.Write("/proc/self/status", "Name:\tgame\nCapEff:\t0000000000000000");
        using SystemLimit limit = SystemLimit.OfLockedMemory(64 * 1024);
        VirtualMemory os = VirtualMemory.Create(files);
        using ReservedRange range = new(os, 4 * SuperSlab);
        Prefaulter prefaulter = new(os, PrefaultPolicy.Automatic, PageKind.Normal, StayPolicy.Automatic);
        prefaulter.Provide(range.Address, range.Bytes);
        Assert.That(
            prefaulter.Describe(),
            Does.Contain("stay: io_uring pins: not unasked, as RLIMIT_MEMLOCK is 64 KiB"));
        Assert.That(KeptMemory.Read(), Is.EqualTo(default(KeptMemory)));
    }

    [UnmanagedCallersOnly]
    private static int RefuseToLock(int flags)
    {
        const int NoMemory = 12;
        Marshal.SetLastSystemError(NoMemory);
        return -1;
    }

    private static void Compact()
    {
        try
        {
            File.WriteAllText("/proc/sys/vm/compact_memory", "1");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Assume.That(false, $"the kernel cannot be asked to compact here: {exception.Message}");
        }
    }

    private static ulong[] FramesOf(ReservedRange range)
    {
        const ulong FrameNumber = (1UL << 55) - 1;
        nuint page = (nuint)Environment.SystemPageSize;
        ulong[] frames = new ulong[range.Bytes / page];
        using FileStream pages = new("/proc/self/pagemap", FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 0);
        pages.Position = (long)((nuint)range.Address / page * sizeof(ulong));
        pages.ReadExactly(MemoryMarshal.AsBytes(frames.AsSpan()));
        return Array.ConvertAll(frames, static entry => entry & FrameNumber);
    }
}
