using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>
/// Transparent huge pages where the files about them cannot be read, as in sandboxes, or contradict each other, as
/// since Linux 6.8: what can be had is had, and the description says what is known.
/// </summary>
[Platform("Linux")]
internal sealed class HiddenSettingsTests
{
    private const nuint SuperSlab = 2 << 20;
    private const string Folder = "/sys/kernel/mm/transparent_hugepage/";

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Huge_pages_that_nothing_tells_about_are_tried_and_had()
    {
        using SystemSetting setting = SystemSetting.TransparentHugePages("madvise");
        using RedirectedFiles files = new("/sys/kernel");
        AssertHuge(VirtualMemory.Create(files), "THP: enabled cannot be read, ok; MADV_POPULATE_WRITE: ok");
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Huge_pages_are_had_where_a_sandbox_hides_the_systems_files()
    {
        using SystemSetting setting = SystemSetting.TransparentHugePages("madvise");
        SystemCallFilter.HideFolder("/sys/kernel", () =>
            AssertHuge(VirtualMemory.Create(), "THP: enabled cannot be read, ok; MADV_POPULATE_WRITE: ok"));
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Huge_pages_that_were_tried_and_did_not_come_are_left_for_normal_ones()
    {
        using SystemSetting setting = SystemSetting.TransparentHugePages("never");
        using RedirectedFiles files = new("/sys/kernel");
        VirtualMemory os = VirtualMemory.Create(files);
        Prefaulter prefaulter = new(os, PrefaultPolicy.Automatic, PageKind.TransparentHuge);
        using ReservedRange range = new(os, 2 * SuperSlab);
        PrefaultReport report = prefaulter.Provide(range.Address, SuperSlab, 1, null, default);
        Assume.That(os.HugePageBytesBehind(range.Address, SuperSlab), Is.Not.Negative, "the kernel tells (Linux 6.7)");

        Assert.That(report.Pages, Is.EqualTo(PageKind.Normal));
        Assert.That(os.PagesThatWouldFault(range.Address, SuperSlab), Is.Zero);
        Assert.That(
            prefaulter.Describe(),
            Is.EqualTo(
                "THP: enabled cannot be read, and no huge page came; MADV_POPULATE_WRITE on normal pages: ok, 0 of "
                + "512 pages would fault"));
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void The_setting_of_the_pages_own_size_is_the_one_in_force()
    {
        using SystemSetting all = SystemSetting.TransparentHugePages("never");
        using SystemSetting own = new(Folder + "hugepages-2048kB/enabled", "madvise");
        AssertHuge(VirtualMemory.Create(), "THP: hugepages-2048kB/enabled=madvise, ok; MADV_POPULATE_WRITE: ok");
    }

    [TestCase("always [madvise] never", null, "madvise", "enabled=madvise")]
    [TestCase("always madvise [never]", null, "never", "enabled=never")]
    [TestCase("[always] madvise never", "always [inherit] madvise never", "always", "enabled=always")]
    [TestCase("always [madvise] never", "always inherit madvise [never]", "never", "hugepages-2048kB/enabled=never")]
    [TestCase("always madvise [never]", "[always] inherit madvise never", "always", "hugepages-2048kB/enabled=always")]
    [TestCase("nonsense", null, "cannot be read", "enabled cannot be read")]
    [TestCase(null, null, "cannot be read", "enabled cannot be read")]
    public void What_the_files_say_is_what_is_told(string? all, string? own, string setting, string told)
    {
        Assume.That(Environment.SystemPageSize, Is.EqualTo(4096), "other pages have huge pages of other sizes");
        using RedirectedFiles files = new("/sys/kernel");
        if (all is not null)
            files.Write(Folder + "enabled", all);

        if (own is not null)
            files.Write(Folder + "hugepages-2048kB/enabled", own);

        VirtualMemory os = VirtualMemory.Create(files);
        Assert.That(os.Facts.TransparentHugePages, Is.EqualTo(setting));
        Assert.That(os.SettingOf(PageKind.TransparentHuge), Is.EqualTo(told));
    }

    [Test]
    public void A_kernel_without_them_and_one_whose_huge_pages_are_larger_have_none()
    {
        using RedirectedFiles files = new("/sys/kernel");
        files.CreateFolder("/sys/kernel/mm");
        Assert.That(VirtualMemory.Create(files).SettingOf(PageKind.TransparentHuge), Is.EqualTo("enabled=absent"));

        files.Write(Folder + "enabled", "[always] madvise never");
        files.Write(Folder + "hpage_pmd_size", "33554432");
        Assert.That(VirtualMemory.Create(files).SettingOf(PageKind.TransparentHuge), Is.EqualTo("enabled=absent"));
    }

    private static void AssertHuge(VirtualMemory os, string told)
    {
        Prefaulter prefaulter = new(os, PrefaultPolicy.Automatic, PageKind.Automatic);
        using ReservedRange range = new(os, 2 * SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);

        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.Zero);
        Assert.That(os.HugePageBytesBehind(range.Address, range.Bytes), Is.EqualTo(-1).Or.EqualTo((long)range.Bytes));
        Assert.That(prefaulter.Describe(), Does.StartWith(told));
    }
}
