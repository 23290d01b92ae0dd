using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>
/// Before memory runs out there is an exception, and room to handle it: what a container or the machine has left is
/// read from every file that limits it, and a part of it stays free.
/// </summary>
[Platform("Linux")]
[NonParallelizable]
internal sealed unsafe class HeadroomTests
{
    private const string Group = "/sys/fs/cgroup/game/level";
    private const string Machine16GiB = "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 8388608 kB";

    [TestCase("max", "max", 8UL << 30, "MemAvailable of /proc/meminfo")]
    [TestCase("1073741824", "max", 1000UL << 20, Group + "/memory.max")]
    [TestCase("max", "209715200", 176UL << 20, Group + "/memory.high")]
    [TestCase("1073741824", "209715200", 176UL << 20, Group + "/memory.high")]
    [TestCase("209715200", "1073741824", 176UL << 20, Group + "/memory.max")]
    public void Both_limits_of_a_group_are_read(string max, string high, ulong available, string source)
    {
        using RedirectedFiles files = Container(max, high);
        VirtualMemory os = VirtualMemory.Create(files);
        Assert.That(os.AvailableBytes(out string told), Is.EqualTo((nuint)available), "24 MiB of 32 are used for good");
        Assert.That(told, Is.EqualTo(source));
    }

    [Test]
    public void A_groups_parent_limits_it_too()
    {
        using RedirectedFiles files = Container("max", "max");
        files.Write("/sys/fs/cgroup/game/memory.high", "104857600");
        files.Write("/sys/fs/cgroup/game/memory.current", "52428800");
        Assert.That(VirtualMemory.Create(files).AvailableBytes(out string told), Is.EqualTo(Size.MiB(50)));
        Assert.That(told, Is.EqualTo("/sys/fs/cgroup/game/memory.high"));
    }

    [TestCase("67108864", null, 8)]
    [TestCase("314572800", null, 18.75)]
    [TestCase("1073741824", null, 64)]
    [TestCase("8589934592", null, 256)]
    [TestCase("314572800", 0, 0)]
    [TestCase("314572800", 100, 100)]
    public void What_stays_free_is_a_share_of_the_limit_or_as_asked(string max, int? askedMiB, double keptMiB)
    {
        using RedirectedFiles files = Container(max, "max");
        nuint? asked = askedMiB is null ? null : Size.MiB(askedMiB.Value);
        Prefaulter prefaulter = new(
            VirtualMemory.Create(files), PrefaultPolicy.Automatic, PageKind.Automatic, headroomBytes: asked);
        Assert.That(prefaulter.HeadroomBytes, Is.EqualTo((nuint)(keptMiB * 1048576)));
    }

    [Test]
    public void Taking_goes_on_up_to_what_stays_free_and_no_further([Values(0, 40)] int keptMiB)
    {
        // The group's files do not change: 76 MiB are left all the time, so each answer is the last trust.
        using RedirectedFiles files = Container("104857600", "max");
        VirtualMemory os = VirtualMemory.Create(files);
        nuint most = Size.MiB(76 - keptMiB);
        nuint tables = most / 512;
        using ReservedRange range = new(os, Size.MiB(80));
        foreach ((nuint bytes, bool fits) in
            ((nuint, bool)[])[(most - Size.MiB(2), true), (most - tables + 8192, false), (Size.MiB(80), false)])
        {
            Prefaulter prefaulter =
                new(os, PrefaultPolicy.Automatic, PageKind.Normal, headroomBytes: Size.MiB(keptMiB));
            void Provide() => prefaulter.Provide(range.Address, bytes & ~(nuint)4095);
            if (fits)
                Assert.That(Provide, Throws.Nothing);
            else
            {
                Assert.That(
                    Provide,
                    Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains(
                        $"of which {Sizes.Text(Size.MiB(keptMiB))} stay free (EngineMemoryOptions.HeadroomBytes)"));
            }

            os.Decommit(range.Address, range.Bytes);
        }
    }

    [Test]
    [Category(Os.Machine.NeedsRealKernel)]
    public void In_a_group_of_300_MiB_the_exception_comes_first_and_leaves_room_to_handle_it()
    {
        using ControlGroup group = ControlGroup.OfMemory(300 << 20);
        using EngineMemory memory = new();
        using LongLivedArena arena = memory.CreateLongLivedArena("world");
        int taken = 0;
        Assert.That(
            () =>
            {
                for (; taken < 300; taken += 2)
                    new Span<byte>(arena.Allocate(Size.MiB(2)), 2 << 20).Fill(1);
            },
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("stay free"));
        long left = (300 << 20)
            - group.Read(group.Has("memory.current") ? "memory.current" : "memory.usage_in_bytes");
        List<byte[]> kept = [];
        for (int part = 0; part < 128; part++)
        {
            kept.Add(new byte[16 << 10]);
            kept[^1].AsSpan().Fill(1);
        }

        Assert.That(taken, Is.GreaterThan(200), "most of the group can be had");
        Assert.That(left, Is.GreaterThan(8 << 20), "a part of the 18.75 MiB may be taken by others meanwhile");
    }

    private static RedirectedFiles Container(string max, string high)
    {
        RedirectedFiles files = new("/proc/meminfo", "/proc/self/cgroup", "/sys/fs/cgroup");
        files.Write("/proc/meminfo", Machine16GiB);
        files.Write("/proc/self/cgroup", "0::/game/level");
        files.Write(Group + "/memory.max", max);
        files.Write(Group + "/memory.high", high);
        files.Write(Group + "/memory.current", (32 << 20).ToString(provider: null));
        files.Write(
            Group + "/memory.stat", $"anon {24 << 20}\ninactive_file {6 << 20}\nactive_file {2 << 20}\nfile 1");
        return files;
    }
}
