using System.Runtime.InteropServices;
using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>Every policy with every kind of pages: zero faults by two means, or the next one and the reason.</summary>
[Platform("Linux")]
internal sealed unsafe partial class PrefaultPolicyTests
{
    private const nuint SuperSlab = 2 << 20;
    private static int s_pagesToTakeBack;

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Every_sensible_combination_leaves_no_fault_or_says_why(
        [Values] PrefaultPolicy policy, [Values] PageKind pages)
    {
        using SystemSetting pool = SystemSetting.HugePageCount(8);
        VirtualMemory os = VirtualMemory.Create();
        var step = new PrefaultStep(pages, policy);
        using var range = new ReservedRange(os, 2 * SuperSlab);
        bool isPrepared = os.TryPrepare(range.Address, range.Bytes, step, out PrefaultFailure failure);
        if (!PrefaultTable.MakesSense(step, SystemKinds.Linux))
        {
            Assert.That(isPrepared, Is.False);
            Assert.That(failure.Reason, Does.Contain("makes no sense"));
            return;
        }

        Assert.That(isPrepared, Is.True, failure.Reason);
        Assert.That(os.TryPopulate(range.Address, range.Bytes, step, out failure), Is.True, failure.Reason);
        long expected = policy == PrefaultPolicy.None ? (long)(range.Bytes / os.Facts.PageBytes) : 0;
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.EqualTo(expected));
        if (policy != PrefaultPolicy.None)
        {
            Assert.That(range.FaultsOfWritingEveryPage(), Is.Zero);
            long huge = os.HugePageBytesBehind(range.Address, range.Bytes);
            Assert.That(huge, Is.EqualTo(-1).Or.EqualTo(pages == PageKind.Normal ? 0 : (long)range.Bytes));
        }

        range.WriteEveryPage(7);
        os.Decommit(range.Address, range.Bytes);
        Assert.That(
            os.PagesThatWouldFault(range.Address, range.Bytes),
            Is.EqualTo((long)(range.Bytes / os.Facts.PageBytes)).Or.EqualTo(-1));

        os.Commit(range.Address, range.Bytes);
        Assert.That(range.Read(0), Is.Zero, "what was decommitted is gone");
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Every_mapping_is_kept_from_child_processes([Values] PrefaultPolicy policy, [Values] PageKind pages)
    {
        Assume.That(PrefaultTable.MakesSense(new(pages, policy), SystemKinds.Linux));
        using SystemSetting pool = SystemSetting.HugePageCount(8);
        VirtualMemory os = VirtualMemory.Create();
        using var range = new ReservedRange(os, 2 * SuperSlab);
        new Prefaulter(os, policy, pages).Provide(range.Address, range.Bytes);

        Assert.That(FlagsOf(range.Address), Does.Contain(" dc "));
        os.Decommit(range.Address, range.Bytes);
        Assert.That(FlagsOf(range.Address), Does.Contain(" dc "));
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Explicit_huge_pages_are_used_while_there_are_some_and_then_the_next_kind()
    {
        using SystemSetting pool = SystemSetting.HugePageCount(3);
        VirtualMemory os = VirtualMemory.Create();
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.ExplicitHuge);
        using var range = new ReservedRange(os, 5 * SuperSlab);
        for (int i = 0; i < 5; i++)
            prefaulter.Provide(range.Address + (i * (nint)SuperSlab), SuperSlab);

        Assert.That(FreeHugePages(), Is.Zero);
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
        Assert.That(range.FaultsOfWritingEveryPage(), Is.Zero);
        Assert.That(prefaulter.Describe(), Does.Contain("no free huge pages (0 of 3)").And.Contain("THP: enabled="));

        os.Decommit(range.Address, range.Bytes);
        Assert.That(FreeHugePages(), Is.EqualTo(3), "the pool has its pages back");
        prefaulter.Provide(range.Address, 2 * SuperSlab);
        Assert.That(FreeHugePages(), Is.EqualTo(1), "a dry pool is asked again");
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Without_huge_pages_in_the_pool_the_chain_reads_as_promised()
    {
        using SystemSetting pool = SystemSetting.HugePageCount(0);
        using SystemSetting setting = SystemSetting.TransparentHugePages("madvise");
        VirtualMemory os = VirtualMemory.Create();
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.ExplicitHuge);
        using var range = new ReservedRange(os, SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);

        Assert.That(
            prefaulter.Describe(),
            Does.StartWith(
                "MAP_HUGETLB: no free huge pages (0 of 0); THP: enabled=madvise, ok; MADV_POPULATE_WRITE: ok, 0 of "
                + "512 pages would fault"));
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void With_transparent_huge_pages_forbidden_normal_pages_do()
    {
        using SystemSetting setting = SystemSetting.TransparentHugePages("never");
        VirtualMemory os = VirtualMemory.Create();
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.TransparentHuge);
        using var range = new ReservedRange(os, SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);

        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
        Assert.That(prefaulter.Describe(), Is.EqualTo(
            "THP: enabled=never; MADV_POPULATE_WRITE on normal pages: ok, 0 of 512 pages would fault"));
    }

    [Test]
    public void Normal_pages_stay_normal_where_huge_ones_come_unasked()
    {
        using SystemSetting setting = SystemSetting.TransparentHugePages("always");
        VirtualMemory os = VirtualMemory.Create();
        using var range = new ReservedRange(os, 2 * SuperSlab);
        new Prefaulter(os, PrefaultPolicy.Touch, PageKind.Normal).Provide(range.Address, range.Bytes);

        Assert.That(os.HugePageBytesBehind(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
    }

    [TestCase(PrefaultPolicy.PopulateWrite, 23)]
    [Category(Machine.NeedsRealKernel)]
    public void A_policy_that_lies_is_found_out_and_left(PrefaultPolicy policy, int advice)
    {
        using var context = new FailingContext();
        VirtualMemory os = VirtualMemory.Create(context);
        context.Lie("madvise", advice);
        var prefaulter = new Prefaulter(os, policy, PageKind.Normal);
        using var range = new ReservedRange(os, 2 * SuperSlab);
        prefaulter.Provide(range.Address, SuperSlab);
        long calls = context.CallsOf("madvise");
        prefaulter.Provide(range.Address + (nint)SuperSlab, SuperSlab);

        Assert.That(
            context.CallsOf("madvise") - calls, Is.LessThanOrEqualTo(1),
            "the liar is not asked again (the one call is MADV_DONTFORK)");
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
        Assert.That(
            prefaulter.Describe(),
            Does.Contain("said it was done, but 512 of 512 pages would fault").And.Contain(
            "MAP_POPULATE on normal pages: ok"));
    }

    /// <summary>The kernel may reclaim or move a page at any time.</summary>
    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void A_page_that_the_system_took_back_at_once_makes_no_liar_of_the_policy()
    {
        using var context = new FailingContext();
        context.Replace("madvise", (nint)(delegate* unmanaged<nint, nuint, int, int>)&PopulateAndTakeOneBack);
        s_pagesToTakeBack = 1;
        VirtualMemory os = VirtualMemory.Create(context);
        Assume.That(os.Facts.TellsWhichPagesWouldFault, "the page map can be read");
        var prefaulter = new Prefaulter(os, PrefaultPolicy.PopulateWrite, PageKind.Normal);
        using var range = new ReservedRange(os, SuperSlab);
        prefaulter.Provide(range.Address, SuperSlab);
        Assert.That(s_pagesToTakeBack, Is.Zero, "one was taken back");
        Assert.That(range.FaultsOfWritingEveryPage(), Is.Zero);
        Assert.That(
            prefaulter.Describe(),
            Does.Contain("MADV_POPULATE_WRITE on normal pages: ok, 0 of 512 pages would fault"));
    }

    [UnmanagedCallersOnly]
    private static int PopulateAndTakeOneBack(nint address, nuint bytes, int advice)
    {
        const int PopulateWrite = 23;
        const int DontNeed = 4;
        int result = madvise(address, bytes, advice);
        if (advice == PopulateWrite && s_pagesToTakeBack > 0)
        {
            s_pagesToTakeBack--;
            _ = madvise(address + (nint)(bytes / 2), (nuint)Environment.SystemPageSize, DontNeed);
        }

        return result;
    }

    [Test]
    public void Where_the_page_map_cannot_be_read_a_counted_write_pass_finds_the_liar()
    {
        using var context = new FailingContext();
        context.Hide("pread");
        Assert.That(() => VirtualMemory.Create(context), Throws.Nothing);
        VirtualMemory os = VirtualMemory.Create(context);
        Assert.That(os.Facts.TellsWhichPagesWouldFault, Is.False);
        context.Lie("madvise", 23);
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Normal);
        using var range = new ReservedRange(os, SuperSlab);
        prefaulter.Provide(range.Address, SuperSlab);

        Assert.That(prefaulter.Describe(), Does.Match("51[2-9] of 512 pages faulted in a counted write pass"));
        Assert.That(range.FaultsOfWritingEveryPage(), Is.Zero);
    }

    [Test]
    [Category(Machine.NeedsRealKernel)] // hundreds of changes to the pool of huge pages take an emulator minutes
    [Category(Lane.Slow)]
    public void Any_call_may_fail_at_any_time_and_the_range_is_provided_or_reserved_as_before(
        [Values("mmap", "munmap", "mprotect", "madvise", "mremap", "mlock")] string function,
        [Values(1, 2, 3)] int call,
        [Values] PrefaultPolicy policy,
        [Values] PageKind pages)
    {
        using SystemSetting pool = SystemSetting.HugePageCount(8);
        using var context = new FailingContext();
        VirtualMemory os = VirtualMemory.Create(context);
        var prefaulter = new Prefaulter(os, policy, pages);
        using var range = new ReservedRange(os, SuperSlab);
        context.Fail(function, call, errno: 12);
        try
        {
            prefaulter.Provide(range.Address, range.Bytes);
            range.WriteEveryPage(1);
        }
        catch (Exception exception) when (exception is EngineOutOfMemoryException or EngineMemoryException)
        {
            Assert.That(exception.Message, Is.Not.Empty);
            context.Heal(function);
            prefaulter.Provide(range.Address, range.Bytes);
        }

        context.Heal(function);
        Assert.That(policy == PrefaultPolicy.None || os.PagesThatWouldFault(range.Address, range.Bytes) <= 0);
        os.Decommit(range.Address, range.Bytes);
        Assert.That(FreeHugePages(), Is.EqualTo(8));
    }

    [Test]
    public void More_than_there_is_gets_an_exception_before_anything_is_done()
    {
        VirtualMemory os = VirtualMemory.Create();
        nuint available = os.AvailableBytes(out _);
        Assume.That(available, Is.LessThan((nuint)1 << 40));
        nuint tooMuch = (available + unchecked((nuint)(8UL << 30))) & ~(SuperSlab - 1);
        using var range = new ReservedRange(os, tooMuch);
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Automatic);
        long calls = os.OsCalls;

        Assert.That(
            () => prefaulter.Provide(range.Address, range.Bytes),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("available").And.Message.Contains("/"));
        Assert.That(os.OsCalls, Is.EqualTo(calls));
    }

    private static long FreeHugePages()
    {
        const string Free = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
        Assume.That(File.Exists(Free), "the pool's files cannot be read here");
        return long.Parse(File.ReadAllText(Free), null);
    }

    private static string FlagsOf(nint address)
    {
        bool isInside = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] parts = line.Split(' ', 2)[0].Split('-');
            if (parts.Length == 2
                && long.TryParse(parts[0], System.Globalization.NumberStyles.HexNumber, null, out long start))
            {
                isInside = start <= address
                    && address < long.Parse(parts[1], System.Globalization.NumberStyles.HexNumber, null);
            }
            else if (isInside && line.StartsWith("VmFlags:", StringComparison.Ordinal))
                return line + " ";
        }

        return string.Empty;
    }

    [LibraryImport("libc")]
    private static partial int madvise(nint address, nuint bytes, int advice);
}
