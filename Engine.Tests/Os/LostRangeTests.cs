using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>
/// A call that maps over a part of a reservation unmaps it and fails. What nobody took meanwhile is ours again; what
/// somebody took is his for good: never committed, written, moved to, decommitted or released by us.
/// </summary>
internal sealed unsafe class LostRangeTests
{
    private const int OutOfMemory = 12;
    private const nuint SuperSlab = 2 << 20;
    private static readonly PrefaultStep s_atMapping = new(PageKind.Normal, PrefaultPolicy.PopulateAtMapping);

    private FailingContext _context = null!;
    private VirtualMemory _os = null!;
    private nint _address;

    private nint Second => _address + (nint)SuperSlab;

    [SetUp]
    public void Reserve()
    {
        Assume.That(OperatingSystem.IsLinux() && !Machine.IsEmulated, "the calls that are made to fail are Linux's");
        _context = new FailingContext();
        _os = VirtualMemory.Create(_context);
        Assert.That(_os.TryReserve(2 * SuperSlab, SuperSlab, out _address), Is.True);
    }

    [TearDown]
    public void Release()
    {
        if (_os is not null && _address != 0)
        {
            _os.Release(_address, 2 * SuperSlab);
            if (MemoryMap.CountWithin(_address, 2 * SuperSlab) != 0)
            {
                VirtualMemory.Create().Release(_address, 2 * SuperSlab); // the thief's page
            }
        }

        _context?.Dispose();
    }

    [Test]
    public void A_hole_that_nobody_took_is_ours_again([Values(0, 1, 2)] int refusals)
    {
        Assert.That(_os.TryPrepare(_address, SuperSlab, s_atMapping, out _), Is.True);
        _context.FailHalfDone("mmap", 1, OutOfMemory, refusals);
        Assert.That(_os.TryPopulate(_address, SuperSlab, s_atMapping, out PrefaultFailure failure), Is.False);
        Assert.That(failure.Reason, Does.Contain("MAP_POPULATE"));
        _context.Heal("mmap");

        Assert.That(_os.IsLost(_address, SuperSlab), Is.False);
        Assert.That(
            MemoryMap.CoveredWithin(_address, 2 * SuperSlab), Is.EqualTo((ulong)(2 * SuperSlab)),
            "no address is free for others");
        _os.Decommit(_address, SuperSlab);
        Assert.That(
            _os.TryPrepare(_address, SuperSlab, s_atMapping, out _)
            && _os.TryPopulate(_address, SuperSlab, s_atMapping, out _), Is.True);
        *(byte*)_address = 1;
    }

    [Test]
    public void A_hole_that_cannot_be_closed_is_not_used_any_more()
    {
        Assert.That(_os.TryPrepare(_address, SuperSlab, s_atMapping, out _), Is.True);
        _context.FailHalfDone("mmap", 1, OutOfMemory, 100);
        Assert.That(_os.TryPopulate(_address, SuperSlab, s_atMapping, out _), Is.False);
        _context.Heal("mmap");
        Assert.That(_os.IsLost(_address, SuperSlab), Is.True);
        Assert.That(() => _os.Commit(_address, SuperSlab), Throws.TypeOf<EngineOutOfMemoryException>());
    }

    [Test]
    public void A_call_that_fails_and_unmaps_nothing_loses_nothing()
    {
        _os.Commit(_address, SuperSlab);
        *(byte*)_address = 5;
        _context.FailAlways("mmap", OutOfMemory);
        Assert.That(_os.TryPopulate(_address, SuperSlab, s_atMapping, out _), Is.False);
        _context.Heal("mmap");
        Assert.That(_os.IsLost(_address, 2 * SuperSlab), Is.False);
        Assert.That(*(byte*)_address, Is.EqualTo(5));
    }

    [Test]
    public void What_another_took_of_a_failed_mapping_is_left_alone()
    {
        Assert.That(_os.TryPrepare(_address, SuperSlab, s_atMapping, out _), Is.True);
        FailingContext.StealsHoles = true;
        _context.FailHalfDone("mmap", 1, OutOfMemory);
        Assert.That(_os.TryPopulate(_address, SuperSlab, s_atMapping, out _), Is.False);
        LeavesTheFirstAlone();
    }

    [Test]
    public void No_block_lies_where_another_took_a_SuperSlab()
    {
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.MiB(64),
            NativeContext = _context,
            Prefault = PrefaultPolicy.PopulateAtMapping,
            Pages = PageKind.Normal,
        });
        using LongLivedArena arena = memory.CreateLongLivedArena("beside a thief");
        List<nint> blocks = [(nint)arena.Allocate(SuperSlab)];
        FailingContext.StealsHoles = true;
        _context.FailHalfDone("mmap", 1, OutOfMemory);
        blocks.Add((nint)arena.Allocate(SuperSlab)); // it tries again, elsewhere
        FailingContext.StealsHoles = false;
        _context.Heal("mmap");
        nint stolen = FailingContext.StolenPage;
        Assert.That(
            (int)((stolen - memory.ReservationBase) / (nint)SuperSlab), Is.InRange(0, 31), "it is one for blocks");
        Assert.That(
            () =>
            {
                while (true)
                {
                    blocks.Add((nint)arena.Allocate(SuperSlab));
                    *(byte*)blocks[^1] = 1;
                }
            },
            Throws.TypeOf<EngineOutOfMemoryException>());
        Assert.That(blocks, Does.Not.Contain(stolen));
        Assert.That(blocks, Has.Count.EqualTo((int)(arena.MaximumBytes / SuperSlab) - 1), "all others");
        Assert.That(*(byte*)stolen, Is.EqualTo(FailingContext.Stolen));
        memory.Validate();
    }

    [Test]
    public void What_another_took_of_a_refused_decommit_is_left_alone()
    {
        _os.Commit(_address, SuperSlab);
        FailingContext.StealsHoles = true;
        _context.FailAlways("madvise", OutOfMemory, argument: 4);
        _context.FailHalfDone("mmap", 1, OutOfMemory);
        Assert.That(() => _os.Decommit(_address, SuperSlab), Throws.TypeOf<EngineMemoryException>());
        _context.Heal("madvise");
        LeavesTheFirstAlone();
    }

    [Test]
    public void What_another_took_of_a_failed_move_is_left_alone()
    {
        Assume.That(_os.Facts.MovesPages);
        _os.Commit(Second, SuperSlab);
        *(byte*)Second = 9;
        FailingContext.StealsHoles = true;
        _context.FailHalfDone("mremap", 1, OutOfMemory);
        Assert.That(_os.TryMovePages(Second, _address, SuperSlab), Is.False);
        Assert.That(*(byte*)Second, Is.EqualTo(9));
        LeavesTheFirstAlone();
    }

    [Test]
    public void A_failed_move_that_unmapped_its_goal_throws_nothing([Range(0, 4)] int refusals)
    {
        Assume.That(_os.Facts.MovesPages);
        _os.Commit(_address, SuperSlab);
        *(byte*)_address = 9;
        _context.FailRun("mmap", 1, refusals, OutOfMemory);
        _context.FailRun("madvise", 1, 1, OutOfMemory);
        _context.FailHalfDone("mremap", 1, OutOfMemory);
        Assert.That(_os.TryMovePages(_address, Second, SuperSlab), Is.False);
        _context.Heal("mmap");
        _context.Heal("madvise");
        Assert.That(*(byte*)_address, Is.EqualTo(9));
        Assert.That(_os.IsLost(Second, SuperSlab), Is.EqualTo(refusals > 2));
        Assert.That(_os.IsLost(_address, SuperSlab), Is.False);
    }

    [Test]
    public void A_refused_decommit_is_told_and_may_be_tried_again_at_any_time()
    {
        List<(nint Address, nuint Bytes)> told = [];
        _os.DecommitRefused = (address, bytes) => told.Add((address, bytes));
        _os.Commit(_address, 2 * SuperSlab);
        new Span<byte>((void*)_address, (int)(2 * SuperSlab)).Fill(3);
        _context.FailAlways("madvise", OutOfMemory, argument: 4);
        _context.FailAlways("mmap", OutOfMemory);
        Assert.That(() =>
            _os.Decommit(_address, SuperSlab), Throws.TypeOf<EngineMemoryException>().With.Message.Contains("refused"));
        Assert.That(_os.TryDecommit(Second, SuperSlab, out string reason), Is.False);
        Assert.That(reason, Does.Contain("mmap"));
        Assert.That(told, Is.EqualTo(new[] { (_address, SuperSlab), (Second, SuperSlab) }));
        _context.Heal("madvise");
        _context.Heal("mmap");

        Assert.That(
            _os.TryPrepare(_address, SuperSlab, s_atMapping, out _)
            && _os.TryPopulate(_address, SuperSlab, s_atMapping, out _), Is.True, "used again");
        *(byte*)_address = 1;
        _os.Decommit(_address, 2 * SuperSlab);
        Assert.That(MemoryMap.ResidentWithin(_address, 2 * SuperSlab), Is.Zero);
        Assert.That(MemoryMap.IsAccessible(_address), Is.False);
    }

    private void LeavesTheFirstAlone()
    {
        FailingContext.StealsHoles = false;
        _context.Heal("mmap");
        Assert.That(_os.IsLost(_address, SuperSlab), Is.True);
        Assert.That(_os.IsLost(Second, SuperSlab), Is.False);
        Assert.That(() =>
            _os.Commit(_address, SuperSlab),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("somebody else"));
        Assert.That(
            () => new Prefaulter(_os, PrefaultPolicy.Automatic, PageKind.Automatic).Provide(_address, 2 * SuperSlab),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("somebody else"));
        Assert.That(_os.TryMovePages(Second, _address, SuperSlab), Is.False);
        _os.Decommit(_address, 2 * SuperSlab);
        _os.Commit(Second, SuperSlab);
        *(byte*)Second = 1;
        Assert.That(*(byte*)_address, Is.EqualTo(FailingContext.Stolen));

        _os.Release(_address, 2 * SuperSlab);
        Assert.That(*(byte*)_address, Is.EqualTo(FailingContext.Stolen), "it outlives the reservation");
        Assert.That(MemoryMap.CoveredWithin(_address, 2 * SuperSlab), Is.EqualTo((ulong)Environment.SystemPageSize));
        Assert.That(
            _os.IsLost(_address, SuperSlab), Is.False, "whoever reserves these addresses next has them by right");
        VirtualMemory.Create().Release(_address, (nuint)Environment.SystemPageSize);
        _address = 0;
    }
}
