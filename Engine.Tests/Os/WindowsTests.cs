namespace Engine.Tests.Os;

/// <summary>What is particular to Windows. Under Wine this sees its gaps too: no large pages, a prefetch that does
/// nothing, no fault count.</summary>
[Platform("Win")]
internal sealed class WindowsTests
{
    private const nuint SuperSlab = 2 << 20;

    private readonly VirtualMemory _os = VirtualMemory.Create();

    [Test]
    public void The_working_set_tells_which_pages_are_there()
    {
        Assert.That(_os.Facts.TellsWhichPagesWouldFault, Is.True);
    }

    [Test]
    public void Large_pages_are_had_or_refused_with_a_reason()
    {
        bool isReserved = _os.TryReserveExplicitHuge(2 * SuperSlab, out nint address, out string reason);
        if (isReserved)
        {
            Assert.That(_os.PagesThatWouldFault(address, 2 * SuperSlab), Is.Zero);
            _os.Release(address, 2 * SuperSlab);
        }
        else
        {
            TestContext.Out.WriteLine(reason);
            Assert.That(reason, Is.Not.Empty);
        }

        var prefaulter = new Prefaulter(_os, PrefaultPolicy.Automatic, PageKind.ExplicitHuge);
        using var range = new ReservedRange(_os, SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);
        TestContext.Out.WriteLine(prefaulter.Describe());
        Assert.That(
            prefaulter.Describe(),
            Does.StartWith("MEM_LARGE_PAGES: ").And.Contain("touch on normal pages: ok, 0 of 512 pages would fault"));
    }

    [Test]
    public void A_prefetch_is_made_true([Values(1, 40)] int superSlabs)
    {
        var prefaulter = new Prefaulter(_os, PrefaultPolicy.Prefetch, PageKind.Normal);
        using var range = new ReservedRange(_os, (nuint)superSlabs * SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);
        Assert.That(_os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
    }

    [Test]
    public void Without_newer_functions_an_aligned_reservation_still_succeeds()
    {
        using var context =
            new HidingContext("VirtualAlloc2", "PrefetchVirtualMemory", "GetLargePageMinimum", "VirtualLock");
        VirtualMemory os = VirtualMemory.Create(context);
        using var range = new ReservedRange(os, 32 * SuperSlab, 16 * SuperSlab);
        Assert.That((nuint)range.Address % (16 * SuperSlab) == 0);

        var prefaulter = new Prefaulter(os, PrefaultPolicy.Prefetch, PageKind.Normal);
        prefaulter.Provide(range.Address, range.Bytes);
        Assert.That(
            prefaulter.Describe(),
            Does.Contain("PrefetchVirtualMemory is absent").And.Contain("touch on normal pages: ok"));
    }

    [Test]
    public void A_fault_count_that_does_not_count_is_not_believed()
    {
        TestContext.Out.WriteLine($"faults are counted: {PageFaults.IsSupported}");
        Assert.That(PageFaults.IsPerThread, Is.False);
        Assert.That(PageFaults.IsSupported || PageFaults.OfThread() == 0);
    }
}
