using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Engine.Tests.Support;
using Silk.NET.Core.Contexts;

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
    public void A_list_of_nodes_is_read(string list, int[] nodes)
    {
        ulong[] mask = new ulong[16];
        Assert.That(LinuxNodes.Set(list, mask), Is.EqualTo(nodes.Length));
        Assert.That(Enumerable.Range(0, 1024).Where(node =>
            (mask[node / 64] >> (node % 64) & 1) != 0), Is.EqualTo(nodes));
    }

    [Test]
    public void Nodes_beyond_the_kernels_largest_number_are_left_out() =>
        Assert.That(LinuxNodes.Set("1020-2000", new ulong[16]), Is.EqualTo(4));

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
        using TwoNodes context = new();
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

    /// <summary>The system of a machine with two nodes, as far as the process's status file tells.</summary>
    private sealed class TwoNodes : INativeContext
    {
        private static readonly SystemLibraries s_system = new();
        private static readonly byte[] s_status =
            Encoding.UTF8.GetBytes(Path.Combine(Path.GetTempPath(), $"two-nodes-{Environment.ProcessId}.status") + "\0");

        public TwoNodes() =>
            File.WriteAllText(
                Encoding.UTF8.GetString(s_status).TrimEnd('\0'),
                "Name:\tgame\nMems_allowed_list:\t0-1\nvoluntary_ctxt_switches:\t1\n");

        public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
        {
            addr = proc == "open" ? (nint)(delegate* unmanaged<byte*, int, int, int>)&Open : 0;
            return addr != 0 || s_system.TryGetProcAddress(proc, out addr);
        }

        public nint GetProcAddress(string proc, int? slot = default) =>
            TryGetProcAddress(proc, out nint address) ? address : throw new EntryPointNotFoundException(proc);

        public void Dispose() => File.Delete(Encoding.UTF8.GetString(s_status).TrimEnd('\0'));

        [UnmanagedCallersOnly]
        private static int Open(byte* path, int flags, int mode)
        {
            bool isStatus =
                MemoryMarshal.CreateReadOnlySpanFromNullTerminated(path).SequenceEqual("/proc/self/status"u8);
            _ = s_system.TryGetProcAddress("open", out nint open);
            fixed (byte* status = s_status)
                return ((delegate* unmanaged<byte*, int, int, int>)open)(isStatus ? status : path, flags, mode);
        }
    }
}
