namespace Engine.Tests.Os;

/// <summary>The verbs, judged by what they do to the process and not by what they say.</summary>
internal sealed class VirtualMemoryTests
{
    private const nuint Mebibyte = 1 << 20;
    private const nuint SuperSlab = 2 * Mebibyte;

    private readonly VirtualMemory _os = VirtualMemory.Create();

    [Test]
    public void A_reservation_is_aligned_and_charges_no_memory(
        [Values(4096u, 65536u, 2u << 20, 64u << 20)] uint alignment)
    {
        nuint before = _os.ResidentBytes;
        using var range = new ReservedRange(_os, 256 * Mebibyte, alignment);

        Assert.That((nuint)range.Address % alignment == 0);
        Assert.That(_os.ResidentBytes, Is.LessThan(before + (4 * Mebibyte)));
    }

    [Test]
    public void Resident_memory_rises_with_writes_and_falls_at_once_with_decommit()
    {
        using var range = new ReservedRange(_os, 64 * Mebibyte);
        _os.Commit(range.Address, range.Bytes);
        nuint before = _os.ResidentBytes;
        range.WriteEveryPage(7);
        nuint written = _os.ResidentBytes;
        _os.Decommit(range.Address, range.Bytes);
        nuint after = _os.ResidentBytes;

        Assert.That(written, Is.GreaterThan(before + (60 * Mebibyte)));
        Assert.That(after, Is.LessThan(before + (4 * Mebibyte)));
        Assert.That(_os.PeakResidentBytes, Is.GreaterThanOrEqualTo(written - (2 * Mebibyte)));
    }

    [Test]
    public void What_is_committed_again_is_zero()
    {
        using var range = new ReservedRange(_os, SuperSlab);
        _os.Commit(range.Address, range.Bytes);
        range.WriteEveryPage(7);
        _os.Decommit(range.Address, range.Bytes);
        _os.Commit(range.Address, range.Bytes);

        for (nuint offset = 0; offset < range.Bytes; offset++)
            Assert.That(range.Read(offset), Is.Zero);
    }

    [Test]
    public void What_is_discarded_is_zero_and_there_and_takes_no_memory()
    {
        using var range = new ReservedRange(_os, 64 * Mebibyte);
        _os.Commit(range.Address, range.Bytes);
        range.WriteEveryPage(7);
        nuint written = _os.ResidentBytes;
        _os.Discard(range.Address, range.Bytes);
        Assert.That(_os.ResidentBytes, Is.LessThan(written - (60 * Mebibyte)));
        for (nuint offset = 0; offset < range.Bytes; offset += 4096)
            Assert.That(range.Read(offset), Is.Zero);

        range.WriteEveryPage(8);
        Assert.That(range.Read(4096), Is.EqualTo(8));
    }

    [Test]
    public void Pages_that_would_fault_are_told_without_touching_them()
    {
        Assume.That(_os.Facts.TellsWhichPagesWouldFault);
        using var range = new ReservedRange(_os, SuperSlab);
        _os.Commit(range.Address, range.Bytes);
        long pages = (long)(range.Bytes / _os.Facts.PageBytes);

        Assert.That(_os.PagesThatWouldFault(range.Address, range.Bytes), Is.EqualTo(pages));
        range.WriteEveryPage(0, SuperSlab / 2, 1);
        Assert.That(_os.PagesThatWouldFault(range.Address, range.Bytes), Is.EqualTo(pages / 2));

        // Reading maps the shared zero page, which still faults when written, or (some kernels) a page of one's own,
        // which does not.
        _ = range.Read(SuperSlab - 1);
        long told = _os.PagesThatWouldFault(range.Address, range.Bytes);
        Assert.That(range.FaultsOfWritingEveryPage(), Is.EqualTo(PageFaults.IsPerThread ? told : 0));
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Moving_is_known_to_linux()
    {
        Assert.That(_os.Facts.MovesPages, Is.EqualTo(OperatingSystem.IsLinux()));
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Moved_pages_keep_their_contents_and_take_no_fault()
    {
        Assume.That(_os.Facts.MovesPages);
        using var range = new ReservedRange(_os, 3 * SuperSlab);
        nint from = range.Address;
        nint to = range.Address + (nint)(2 * SuperSlab);
        _os.Commit(from, SuperSlab);
        range.WriteEveryPage(0, SuperSlab, 42);

        Assert.That(_os.TryMovePages(from, to, SuperSlab), Is.True);
        Assert.That(_os.PagesThatWouldFault(to, SuperSlab), Is.Zero);
        Assert.That(range.Read(2 * SuperSlab), Is.EqualTo(42));
        Assert.That(_os.PagesThatWouldFault(from, SuperSlab), Is.EqualTo((long)(SuperSlab / _os.Facts.PageBytes)));
        Assert.That(range.Read(0), Is.Zero, "the source is committed and empty");
        range.Write(0, 1);
    }

    [Test]
    [Platform("Linux")]
    [Category(Machine.NeedsRealKernel)]
    public void A_move_that_fails_changes_nothing()
    {
        using var context = new FailingContext();
        VirtualMemory os = VirtualMemory.Create(context);
        Assume.That(os.Facts.MovesPages);
        using var range = new ReservedRange(os, 2 * SuperSlab);
        os.Commit(range.Address, SuperSlab);
        range.Write(5, 42);
        context.FailAlways("mremap", errno: 12);

        Assert.That(os.TryMovePages(range.Address, range.Address + (nint)SuperSlab, SuperSlab), Is.False);
        Assert.That(range.Read(5), Is.EqualTo(42));
        os.Commit(range.Address + (nint)SuperSlab, SuperSlab);
        Assert.That(range.Read(SuperSlab), Is.Zero);
    }

    [Test]
    [Category(Machine.NeedsRealKernel)] // an exception from the end of this method takes the emulated runtime down
    public void Wrong_arguments_get_a_sentence()
    {
        using var range = new ReservedRange(_os, SuperSlab);

        Assert.That(() =>
            _os.Commit(range.Address + 1, SuperSlab),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("page size"));
        Assert.That(() =>
            _os.Commit(range.Address, 17), Throws.TypeOf<EngineMemoryException>().With.Message.Contains("17"));
        Assert.That(() => _os.Commit(range.Address, 0), Throws.TypeOf<EngineMemoryException>());
        Assert.That(() =>
            _os.TryReserve(SuperSlab, 3, out _),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("power of two"));
        Assert.That(() => _os.Commit(range.Address, nuint.MaxValue - 4095), Throws.TypeOf<EngineMemoryException>());
        Assert.That(_os.TryReserve(nuint.MaxValue - 65535, SuperSlab, out _), Is.False);
    }

    [TestCase("mmap", 1)]
    [TestCase("munmap", 1)]
    [Platform("Linux")]
    public void A_reservation_that_fails_halfway_leaves_nothing_behind(string function, int call)
    {
        using var context = new FailingContext();
        VirtualMemory os = VirtualMemory.Create(context);
        int mappings = File.ReadAllLines("/proc/self/maps").Length;
        context.Fail(function, call, errno: 12);

        Assert.That(os.TryReserve(256 * Mebibyte, 128 * Mebibyte, out _), Is.False);
        Assert.That(
            File.ReadAllLines("/proc/self/maps"),
            Has.Length.LessThanOrEqualTo(mappings + (Machine.IsEmulated ? 20 : 2)));
        Assert.That(context.TotalCalls, Is.EqualTo(os.OsCalls), "every call that changes memory is counted");
    }

    [Test]
    [Platform("Linux")]
    public void A_commit_that_is_refused_leaves_the_range_reserved()
    {
        using var context = new FailingContext();
        VirtualMemory os = VirtualMemory.Create(context);
        using var range = new ReservedRange(os, SuperSlab);
        context.Fail("mprotect", call: 1, errno: 12);

        Assert.That(() =>
            os.Commit(range.Address, SuperSlab),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("(12)"));
        os.Commit(range.Address, SuperSlab);
        range.WriteEveryPage(1);
    }

    [Test]
    [Platform("Linux")]
    public void A_child_process_makes_no_page_of_the_parent_fault()
    {
        Assume.That(File.Exists("/bin/sleep"), "the child is /bin/sleep");
        using var range = new ReservedRange(_os, SuperSlab);
        _os.Commit(range.Address, range.Bytes);
        range.WriteEveryPage(1);
        using (var child = System.Diagnostics.Process.Start("/bin/sleep", "1"))
        {
            Assert.That(_os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
            child.Kill();
            child.WaitForExit();
        }
    }
}
