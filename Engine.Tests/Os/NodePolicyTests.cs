using System.Globalization;
using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>What the kernel's /proc/self/numa_maps says of the engine's memory: over which nodes its pages take
/// turns.</summary>
internal sealed unsafe class NodePolicyTests
{
    private static readonly nuint s_reservation = Size.MiB(256);

    [TestCase("0", new[] { 0 })]
    [TestCase("0-1,4", new[] { 0, 1, 4 })]
    [TestCase("2,63-65", new[] { 2, 63, 64, 65 })]
    [TestCase("3-1", new int[0])]
    [TestCase("", new int[0])]
    [TestCase("all", new int[0])]
    [TestCase("0-99999999999", new int[0])]
    public void A_list_of_nodes_is_read(string list, int[] nodes) =>
        Assert.That(LinuxNodes.Numbers(list, 1024), Is.EqualTo(nodes));

    [Test]
    public void Numbers_from_the_limit_on_are_left_out() =>
        Assert.That(LinuxNodes.Numbers("1020-2000", 1024), Is.EqualTo(Enumerable.Range(1020, 4)));

    [Category(Machine.NeedsRealKernel)]
    [Test]
    public void Every_mapping_takes_turns_over_the_nodes_through_a_whole_life(
        [Values(PrefaultPolicy.Automatic, PrefaultPolicy.PopulateAtMapping,
            PrefaultPolicy.None)] PrefaultPolicy prefault)
    {
        AssumeNodes();
        using EngineMemory memory =
            new(new EngineMemoryOptions
            {
                ReservationBytes = s_reservation,
                Nodes = NodePolicy.Interleave,
                Prefault = prefault
            });
        Assert.That(memory.Settings, Does.Contain("memory nodes: interleaved over "));
        using (LongLivedArena arena = memory.CreateLongLivedArena("level"))
        {
            arena.Prewarm([new BlockCount(1024, 10_000)], threads: 1);
            void* block = arena.Allocate(Size.MiB(5));
            *(byte*)block = 1;
            CheckAll(memory, "with an arena");
            void* moved = arena.Reallocate(block, Size.MiB(9));
            CheckAll(memory, "after a block grew");
            arena.Free(moved);
        }

        memory.Trim();
        CheckAll(memory, "after a trim");
    }

    [Category(Machine.NeedsRealKernel)]
    [Test]
    public void One_node_is_left_alone_and_costs_no_call()
    {
        AssumeNodes();
        Assume.That(ReadNodes(), Does.Not.Contain("-").And.Not.Contain(","), "this machine has several nodes");
        using EngineMemory automatic = new(new EngineMemoryOptions { ReservationBytes = s_reservation });
        using EngineMemory firstTouch =
            new(new EngineMemoryOptions { ReservationBytes = s_reservation, Nodes = NodePolicy.FirstTouch });
        Assert.That(automatic.OsCalls, Is.EqualTo(firstTouch.OsCalls));
        Assert.That(PoliciesWithin(automatic), Is.All.EqualTo("default"));
        Assert.That(automatic.Settings, Does.Contain("memory nodes: first touch, 1 of them"));
    }

    [Category(Machine.NeedsRealKernel)]
    [Test]
    public void Several_nodes_are_used_by_turns_without_asking()
    {
        AssumeNodes();
        using RedirectedFiles context = new("/proc/self/status");
        context.Write("/proc/self/status", "Name:\tgame\nMems_allowed_list:\t0-1\nvoluntary_ctxt_switches:\t1");
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = s_reservation, NativeContext = context });
        Assert.That(memory.Settings, Does.Contain("memory nodes: interleaved over 0-1"));
        CheckAll(memory, "with two nodes, of which this kernel knows those it has");
    }

    [Test]
    public void Without_the_call_memory_comes_as_the_system_gives_it()
    {
        Assume.That(OperatingSystem.IsLinux());
        using HidingContext context = new("syscall");
        using EngineMemory memory = new(
            new EngineMemoryOptions
            {
                ReservationBytes = s_reservation,
                Nodes = NodePolicy.Interleave,
                NativeContext = context
            });
        Assert.That(memory.Settings, Does.Contain("memory nodes: first touch, mbind: "));
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        arena.Free(arena.Allocate(Size.MiB(5)));
        arena.Validate();
    }

    private static void AssumeNodes() =>
        Assume.That(
            OperatingSystem.IsLinux() && File.Exists("/proc/self/numa_maps")
                && File.Exists("/sys/devices/system/node/online"),
            "the kernel tells nothing of memory nodes");

    private static string ReadNodes() => File.ReadAllText("/sys/devices/system/node/online");

    private static void CheckAll(EngineMemory memory, string when)
    {
        string[] policies = PoliciesWithin(memory);
        Assert.That(policies, Is.Not.Empty);
        Assert.That(policies, Is.All.StartsWith("interleave:"), when);
    }

    private static string[] PoliciesWithin(EngineMemory memory) =>
    [
        .. from line in File.ReadLines("/proc/self/numa_maps")
           let words = line.Split(' ')
           where ulong.Parse(
               words[0], NumberStyles.HexNumber,
               CultureInfo.InvariantCulture) - (ulong)memory.ReservationBase < memory.ReservationBytes
           select words[1],
    ];
}
