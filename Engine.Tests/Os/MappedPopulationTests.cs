using System.Runtime.InteropServices;

namespace Engine.Tests.Os;

/// <summary>
/// mmap does not say that it could not populate, and a write to an explicit huge page that is absent kills the process:
/// what it populated is looked at each time, or the next step is taken.
/// </summary>
[Platform("Linux")]
internal sealed unsafe class MappedPopulationTests
{
    private const nuint SuperSlab = 2 << 20;
    private const int PopulateWrite = 23;
    private const int Invalid = 22;

    private static nint s_mmap;
    private static int s_populating;

    [TestCase(PrefaultPolicy.PopulateAtMapping, true)]
    [TestCase(PrefaultPolicy.Automatic, false)]
    [TestCase(PrefaultPolicy.Automatic, true)]
    [TestCase(PrefaultPolicy.Lock, true)]
    [Category(Machine.NeedsRealKernel)]
    public void Beyond_a_groups_limit_of_huge_pages_other_pages_are_handed_out(
        PrefaultPolicy policy, bool hasPopulateWrite)
    {
        using SystemSetting pool = SystemSetting.HugePageCount(8);
        using ControlGroup group = ControlGroup.OfHugePages(2 * (long)SuperSlab);
        using FailingContext context = new();
        if (!hasPopulateWrite)
            context.FailAlways("madvise", Invalid, PopulateWrite);

        AssertAllPopulated(VirtualMemory.Create(context), policy, PageKind.ExplicitHuge);
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void A_range_that_mmap_did_not_populate_is_not_handed_out(
        [Values(PageKind.ExplicitHuge, PageKind.Normal)] PageKind pages, [Values] bool hasPageMap)
    {
        using SystemSetting pool = SystemSetting.HugePageCount(8);
        using FailingContext context = new();
        context.FailAlways("madvise", Invalid, PopulateWrite);
        PopulateOnly(context, calls: 2);
        if (!hasPageMap)
            context.Hide("pread");

        AssertAllPopulated(VirtualMemory.Create(context), PrefaultPolicy.PopulateAtMapping, pages);
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Huge_pages_that_nothing_can_look_at_are_not_taken_from_mmap()
    {
        using SystemSetting pool = SystemSetting.HugePageCount(8);
        using FailingContext context = new();
        context.FailAlways("madvise", Invalid, PopulateWrite);
        context.Hide("pread");
        context.Hide("mincore");
        string told = AssertAllPopulated(
            VirtualMemory.Create(context), PrefaultPolicy.PopulateAtMapping, PageKind.ExplicitHuge);
        Assert.That(told, Does.Contain("MAP_POPULATE cannot be verified: no pagemap, no mincore"));
    }

    private static string AssertAllPopulated(VirtualMemory os, PrefaultPolicy policy, PageKind pages)
    {
        const int Ranges = 5;
        Prefaulter prefaulter = new(os, policy, pages);
        using ReservedRange range = new(os, Ranges * SuperSlab);
        for (int i = 0; i < Ranges; i++)
        {
            prefaulter.Provide(range.Address + (i * (nint)SuperSlab), SuperSlab);
            range.WriteEveryPage((nuint)i * SuperSlab, SuperSlab, (byte)(i + 1)); // dies where there is no memory
        }

        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
        for (int i = 0; i < Ranges; i++)
            Assert.That(range.Read(((nuint)i * SuperSlab) + 4096), Is.EqualTo(i + 1));

        os.Decommit(range.Address, range.Bytes);
        return prefaulter.Describe();
    }

    /// <summary>From so many calls on, mmap says that it is done and populates nothing.</summary>
    private static void PopulateOnly(FailingContext context, int calls)
    {
        Assert.That(context.TryGetProcAddress("mmap", out s_mmap), Is.True);
        s_populating = calls;
        context.Replace(
            "mmap", (nint)(delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)&MmapWithoutPopulate);
    }

    [UnmanagedCallersOnly]
    private static nint MmapWithoutPopulate(nint address, nuint bytes, int protection, int flags, int file, nint offset)
    {
        const int Populate = 0x8000;
        if ((flags & Populate) != 0 && s_populating-- <= 0)
            flags &= ~Populate;

        var mmap = (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)s_mmap;
        return mmap(address, bytes, protection, flags, file, offset);
    }
}
