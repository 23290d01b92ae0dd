using Engine.Tests.Support;
using static Engine.Tests.Os.WindowsFunctionsHere;

namespace Engine.Tests.Os;

/// <summary>
/// What the code for Windows does with each function and each refusal, on functions that are made of Linux's: see
/// <see cref="WindowsFunctionsHere"/>. That Windows itself behaves so, the same code's tests show under Wine.
/// </summary>
[Platform("Linux")]
[NonParallelizable]
[Category(Machine.NeedsRealKernel)]
internal sealed class WindowsElsewhereTests
{
    private const nuint SuperSlab = 2 << 20;

    [Test]
    public void A_reservation_is_aligned_committed_decommitted_and_given_back([Values] bool isNew)
    {
        using WindowsFunctionsHere context = isNew ? new() : new("VirtualAlloc2");
        var os = new WindowsVirtualMemory(context);
        Assert.That(os.Facts.System, Is.EqualTo(SystemKinds.Windows));
        nuint before;
        using (var range = new ReservedRange(os, 32 * SuperSlab, 16 * SuperSlab))
        {
            Assert.That((nuint)range.Address % (16 * SuperSlab) == 0);
            Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.EqualTo((long)(range.Bytes / 4096)));
            os.Commit(range.Address, range.Bytes);
            before = ResidentMemory.Bytes;
            range.WriteEveryPage(1);
            Assert.That(ResidentMemory.MiBSince(before), Is.EqualTo(64).Within(ResidentMemory.NoiseMiB));
            Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
            Assert.That(os.ResidentBytes, Is.GreaterThan(before));
            Assert.That(os.PeakResidentBytes, Is.GreaterThanOrEqualTo(before));
            os.Decommit(range.Address, range.Bytes);
            Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        }

        Assert.That(os.OsCalls, Is.GreaterThanOrEqualTo(4));
    }

    [Test]
    public void An_aligned_reservation_is_found_by_the_old_way_when_the_new_one_is_refused_and_not_when_both_are()
    {
        using WindowsFunctionsHere context = new();
        var os = new WindowsVirtualMemory(context);
        Refuse("VirtualAlloc2");
        Assert.That(os.TryReserve(SuperSlab, SuperSlab, out nint address), Is.True);
        os.Release(address, SuperSlab);
        Refuse("VirtualAlloc/reserve");
        Assert.That(os.TryReserve(SuperSlab, SuperSlab, out _), Is.False);
    }

    [TestCase("VirtualAlloc/commit", "The operating system refused to commit 2 MiB (VirtualAlloc: ")]
    [TestCase("VirtualFree/decommit", "Decommit of 2 MiB was refused by the operating system (VirtualFree: ")]
    public void A_refusal_is_told_with_its_function(string function, string message)
    {
        using WindowsFunctionsHere context = new();
        var os = new WindowsVirtualMemory(context);
        using var range = new ReservedRange(os, SuperSlab);
        Refuse(function);
        Assert.That(
            () =>
            {
                os.Commit(range.Address, range.Bytes);
                os.Decommit(range.Address, range.Bytes);
            },
            Throws.InstanceOf<Exception>().With.Message.StartsWith(message));
    }

    [Test]
    public void A_release_that_is_refused_is_told()
    {
        using WindowsFunctionsHere context = new();
        var os = new WindowsVirtualMemory(context);
        Assert.That(os.TryReserve(SuperSlab, SuperSlab, out nint address), Is.True);
        Refuse("VirtualFree/release");
        Assert.That(() =>
            os.Release(address, SuperSlab),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("Release of 2 MiB was refused"));
    }

    [Test]
    public unsafe void A_part_cannot_be_released_and_what_is_discarded_reads_as_zero()
    {
        using WindowsFunctionsHere context = new();
        var os = new WindowsVirtualMemory(context);
        using var range = new ReservedRange(os, 2 * SuperSlab);
        os.Commit(range.Address, range.Bytes);
        range.WriteEveryPage(7);
        Assert.That(os.TryReleasePart(range.Address, SuperSlab), Is.False);
        Assert.That(
            MemoryMap.IsAccessible(range.Address), Is.False, "what was to be released is at least not there any more");
        os.Discard(range.Address + (nint)SuperSlab, SuperSlab);
        Assert.That(
            new ReadOnlySpan<byte>((void*)(range.Address + (nint)SuperSlab), (int)SuperSlab).IndexOfAnyExcept((byte)0),
            Is.EqualTo(-1));
        Refuse("VirtualAlloc/commit");
        Assert.That(() =>
            os.Discard(range.Address + (nint)SuperSlab, SuperSlab),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("Discard"));
    }

    [Test]
    public void Every_policy_leaves_no_page_to_fault_or_says_why(
        [Values] PrefaultPolicy policy, [Values] PageKind pages)
    {
        using WindowsFunctionsHere context = new();
        var os = new WindowsVirtualMemory(context);
        var prefaulter = new Prefaulter(os, policy, pages);
        using var range = new ReservedRange(os, 2 * SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);
        TestContext.Out.WriteLine(prefaulter.Describe());
        if (policy != PrefaultPolicy.None)
            Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
    }

    [TestCase(PrefaultPolicy.Prefetch, "PrefetchVirtualMemory", true, "PrefetchVirtualMemory is absent")]
    [TestCase(PrefaultPolicy.Prefetch, "PrefetchVirtualMemory", false, "PrefetchVirtualMemory: ")]
    [TestCase(PrefaultPolicy.Lock, "VirtualLock", true, "VirtualLock is absent")]
    [TestCase(PrefaultPolicy.Lock, "VirtualLock", false, "VirtualLock: ")]
    public void A_policy_that_is_absent_or_refused_falls_back_with_the_reason(
        PrefaultPolicy policy, string function, bool isAbsent, string reason)
    {
        using WindowsFunctionsHere context = isAbsent ? new(function) : new();
        if (!isAbsent)
            Refuse(function);

        var os = new WindowsVirtualMemory(context);
        var prefaulter = new Prefaulter(os, policy, PageKind.Normal);
        using var range = new ReservedRange(os, SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);
        Assert.That(prefaulter.Describe(), Does.Contain(reason).And.Contain("touch on normal pages: ok"));
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
    }

    [Test]
    public void A_lock_that_needs_a_larger_working_set_gets_one_and_falls_back_where_it_does_not(
        [Values("", "GetProcessWorkingSetSize", "SetProcessWorkingSetSize")] string absent)
    {
        using WindowsFunctionsHere context = new(absent);
        var os = new WindowsVirtualMemory(context);
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Lock, PageKind.Normal);
        using var range = new ReservedRange(os, 4 * SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);
        Assert.That(
            prefaulter.Describe(),
            Does.Contain(absent.Length == 0 ? "VirtualLock on normal pages: ok" : "VirtualLock: "));
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
    }

    [Test]
    public void Large_pages_are_had_at_once_or_refused_with_the_reason()
    {
        using WindowsFunctionsHere context = new();
        LargePageBytes = SuperSlab;
        var os = new WindowsVirtualMemory(context);
        Assert.That(os.TryReserveExplicitHuge(2 * SuperSlab, out nint address, out string reason), Is.True, reason);
        os.Release(address, 2 * SuperSlab);
        Assert.That(os.TryReserveExplicitHuge(SuperSlab + 4096, out _, out reason), Is.False);
        Assert.That(reason, Is.EqualTo("the size is not a multiple of the large page, 2 MiB"));
        Refuse("VirtualAlloc/large");
        Assert.That(os.TryReserveExplicitHuge(SuperSlab, out _, out reason), Is.False);
        Assert.That(reason, Does.StartWith("VirtualAlloc(MEM_LARGE_PAGES): "));
        Assert.That(OpenTokens, Is.Zero, "the token was closed");
    }

    [TestCase("OpenProcessToken", 0, "OpenProcessToken: ")]
    [TestCase("LookupPrivilegeValue", 0, "SeLockMemoryPrivilege: ")]
    [TestCase("", NotAllAssigned, "SeLockMemoryPrivilege: ")]
    public void A_privilege_that_is_not_given_is_the_reason_against_large_pages(
        string refused, int error, string reason)
    {
        using WindowsFunctionsHere context = new();
        LargePageBytes = SuperSlab;
        PrivilegeError = error;
        Refuse(refused);
        var os = new WindowsVirtualMemory(context);
        Assert.That(os.ReasonAgainst(PageKind.ExplicitHuge), Does.StartWith(reason));
        Assert.That(os.TryReserveExplicitHuge(SuperSlab, out _, out string told), Is.False);
        Assert.That(told, Does.StartWith(reason));
        Assert.That(OpenTokens, Is.Zero, "the token was closed");
    }

    [Test]
    public void Without_the_functions_that_ask_for_the_privilege_there_are_no_large_pages()
    {
        using WindowsFunctionsHere context = new("AdjustTokenPrivileges");
        LargePageBytes = SuperSlab;
        Assert.That(
            new WindowsVirtualMemory(context).ReasonAgainst(PageKind.ExplicitHuge),
            Does.Contain("functions that ask for SeLockMemoryPrivilege are absent"));
    }

    [Test]
    public void A_working_set_that_cannot_be_asked_is_not_believed()
    {
        using WindowsFunctionsHere context = new();
        Refuse("QueryWorkingSetEx");
        var os = new WindowsVirtualMemory(context);
        Assert.That(os.Facts.TellsWhichPagesWouldFault, Is.False);
        using var range = new ReservedRange(os, SuperSlab);
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.EqualTo(-1));
    }

    [Test]
    public void Faults_are_counted_for_the_process_where_they_are_counted_at_all([Values] bool counts)
    {
        using WindowsFunctionsHere context = new();
        CountsFaults = counts;
        FaultCounter counter = new WindowsVirtualMemory(context).FaultCounter;
        Assert.That(counter.IsSupported, Is.EqualTo(counts));
        Assert.That(counter.IsPerThread, Is.False);
        Assert.That(counter.OfProcess() > 0 && counter.OfThread() > 0, Is.EqualTo(counts));
    }

    [Test]
    public void Faults_are_not_counted_where_nothing_can_be_had_to_try_it()
    {
        using WindowsFunctionsHere context = new();
        Refuse("VirtualAlloc/reserve");
        Assert.That(new WindowsFaultCounter(new WindowsFunctions(context)).IsSupported, Is.False);
    }

    [TestCase(1ul << 30, 2ul << 30, "available physical memory of GlobalMemoryStatusEx")]
    [TestCase(2ul << 30, 1ul << 30, "commit limit of GlobalMemoryStatusEx")]
    public void What_is_available_is_the_lesser_of_memory_and_commit_limit(
        ulong physical, ulong pageFile, string source)
    {
        using WindowsFunctionsHere context = new();
        AvailablePhysical = physical;
        AvailablePageFile = pageFile;
        Assert.That(new WindowsVirtualMemory(context).AvailableBytes(out string told), Is.EqualTo((nuint)(1 << 30)));
        Assert.That(told, Is.EqualTo(source));
    }

    [Test]
    public void What_is_available_is_asked_elsewhere_where_Windows_does_not_tell()
    {
        using WindowsFunctionsHere context = new();
        Refuse("GlobalMemoryStatusEx");
        _ = new WindowsVirtualMemory(context).AvailableBytes(out string told);
        Assert.That(told, Does.Not.Contain("GlobalMemoryStatusEx"));
    }

    [Test]
    public void Without_a_function_that_everything_needs_it_is_told_by_name()
    {
        using WindowsFunctionsHere context = new("VirtualFree");
        Assert.That(() =>
            new WindowsVirtualMemory(context),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("no function named VirtualFree"));
    }
}
