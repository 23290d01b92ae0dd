namespace Engine.Tests.Os;

/// <summary>
/// What a POSIX system gets of which nothing else is known: run on Linux with Linux's numbers. And machines with larger
/// pages, which are faked.
/// </summary>
[Platform("Linux")]
internal sealed unsafe class OtherPosixTests
{
    private const nuint SuperSlab = 2 << 20;
    private static readonly PosixConstants Constants = PosixConstants.Linux with { System = SystemKinds.OtherPosix };

    [Test]
    public void Any_posix_system_touches_and_verifies_by_counting(
        [Values] PrefaultPolicy policy, [Values] PageKind pages)
    {
        var os = new PosixVirtualMemory(new SystemLibraries(), Constants);
        var prefaulter = new Prefaulter(os, policy, pages);
        using var range = new ReservedRange(os, 2 * SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);
        if (policy != PrefaultPolicy.None)
        {
            Assert.That(prefaulter.Describe(), Does.Contain("0 of 512 pages faulted in a counted write pass"));
            Assert.That(range.FaultsOfWritingEveryPage(), Is.Zero);
        }
    }

    [Test]
    public void What_was_asked_for_and_does_not_exist_is_said()
    {
        var os = new PosixVirtualMemory(new SystemLibraries(), Constants);
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Prefetch, PageKind.ExplicitHuge);
        using var range = new ReservedRange(os, SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);
        Assert.That(
            prefaulter.Describe(),
            Does.StartWith(
            "ExplicitHuge: not on this system; Prefetch: not on this system; touch on normal pages: ok"));
    }

    [Test]
    public void Decommit_lowers_resident_memory_there_too()
    {
        VirtualMemory linux = VirtualMemory.Create();
        var os = new PosixVirtualMemory(new SystemLibraries(), Constants);
        using var range = new ReservedRange(os, 64 << 20);
        os.Commit(range.Address, range.Bytes);
        range.WriteEveryPage(1);
        nuint before = linux.ResidentBytes;
        os.Decommit(range.Address, range.Bytes);
        Assert.That(linux.ResidentBytes, Is.LessThan(before - (60 << 20)));
    }

    [Test]
    public void Larger_pages_are_asked_for_and_not_assumed(
        [Values(16384, 65536)] int pageBytes, [Values] PrefaultPolicy policy, [Values] PageKind pages)
    {
        using var context = new FailingContext();
        context.PretendPages((nuint)pageBytes);
        VirtualMemory os = VirtualMemory.Create(context);
        Assert.That(os.Facts.PageBytes, Is.EqualTo((nuint)pageBytes));
        using var range = new ReservedRange(os, SuperSlab);
        Assert.That(() =>
            os.Commit(range.Address, 4096),
            Throws.TypeOf<SuperSlab.EngineMemoryException>()
                .With.Message.Contains($"page size, {Sizes.Text((nuint)pageBytes)},"));

        new Prefaulter(os, policy, pages).Provide(range.Address, (nuint)pageBytes);
        os.Decommit(range.Address, (nuint)pageBytes);
        new Prefaulter(os, policy, pages).Provide(range.Address, range.Bytes);
        range.WriteEveryPage(7);
        os.Decommit(range.Address, range.Bytes);
        os.Commit(range.Address, range.Bytes);
        Assert.That(range.Read(0), Is.Zero);
        Assert.That(FailingContext.CallsOverPartsOfPages, Is.Zero);
    }
}
