using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>
/// Memory that belongs to nodes by its addresses, on a faked machine with two of them: where the kernel is told that
/// pages are to lie, on which processors they are populated, and which node's addresses each thread gets.
/// </summary>
[Category(Machine.NeedsRealKernel)]
[NonParallelizable]
[Platform("Linux")]
internal sealed unsafe class LocalNodesTests
{
    private const ulong ProcessorsOfFirst = 0b0011;
    private const ulong ProcessorsOfSecond = 0b1100;
    private const nuint StripeBytes = 128 << 20;
    private const nuint BlockBytes = 1 << 20;

    [Test]
    public void Every_stripe_of_the_reservation_is_one_nodes_by_turns()
    {
        using TwoNodes nodes = new();
        using EngineMemory memory = Memory(nodes);
        Assert.That(memory.Settings, Does.Contain("memory nodes: 0,4, 128 MiB each by turns"));
        nuint bound = 0;
        foreach ((nint address, nint bytes, nint mode, ulong mask) in TwoNodes.Binds)
        {
            const int Preferred = 1;
            Assert.That(mode, Is.EqualTo((nint)Preferred));
            Assert.That(mask, Is.EqualTo(NodeOf(address) == 0 ? 1UL << 0 : 1UL << 4));
            Assert.That(StripeOf(address + bytes - 1), Is.EqualTo(StripeOf(address)), "whole stripes, or parts of one");
            bound += (nuint)bytes;
        }

        Assert.That(bound, Is.GreaterThanOrEqualTo(memory.ReservationBytes));
    }

    [Test]
    public void A_thread_gets_memory_of_the_node_that_it_runs_on([Values] bool isPrewarmed)
    {
        const int Blocks = 64;
        using TwoNodes nodes = new();
        using EngineMemory memory = Memory(nodes);
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        if (isPrewarmed)
            arena.Prewarm([new BlockCount(BlockBytes, 4 * Blocks)], threads: 1);

        long callsBefore = memory.OsCalls;
        (int first, int second) = (0, 0);
        On(ProcessorsOfFirst, () => first = CountOn(0, arena, Blocks));
        On(ProcessorsOfSecond, () => second = CountOn(1, arena, Blocks));
        Assert.That((first, second), Is.EqualTo((Blocks, Blocks)));
        Assert.That(memory.OsCalls - callsBefore, isPrewarmed ? Is.Zero : Is.Positive);
        memory.Validate();
    }

    [Test]
    public void A_thread_gets_memory_of_its_own_node_from_the_reserve()
    {
        const int Blocks = 32;
        using TwoNodes nodes = new();
        using EngineMemory memory = Memory(nodes);
        using (LongLivedArena before = memory.CreateLongLivedArena("before"))
            before.Prewarm([new BlockCount(BlockBytes, 4 * Blocks)], threads: 1);

        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        long callsBefore = memory.OsCalls;
        int own = 0;
        On(ProcessorsOfSecond, () => own = CountOn(1, arena, Blocks));
        Assert.That((own, memory.OsCalls - callsBefore), Is.EqualTo((Blocks, 0L)));
    }

    [Test]
    public void A_thread_gets_slabs_of_its_own_node_from_the_SuperSlabs_of_the_arena()
    {
        const int SuperSlabs = 160;
        const int Blocks = 32;
        using TwoNodes nodes = new();
        using EngineMemory memory = Memory(nodes);
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        arena.PrewarmPlanned(
            [], SuperSlabs, together: 0, threads: 1, carve: false, new PrefaultTask(1, null, default));
        long callsBefore = memory.OsCalls;
        (int first, int second) = (0, 0);
        On(ProcessorsOfFirst, () => first = CountOn(0, arena, Blocks));
        On(ProcessorsOfSecond, () => second = CountOn(1, arena, Blocks));
        Assert.That((first, second, memory.OsCalls - callsBefore), Is.EqualTo((Blocks, Blocks, 0L)));
    }

    [Test]
    public void A_thread_whose_node_has_nothing_left_gets_the_others_memory()
    {
        using TwoNodes nodes = new();
        using EngineMemory memory = Memory(nodes);
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        arena.Prewarm([new BlockCount(BlockBytes, 32)], threads: 1);
        long callsBefore = memory.OsCalls;
        int own = 0;
        On(ProcessorsOfFirst, () => own = CountOn(0, arena, 32));
        Assert.That(own, Is.InRange(1, 31), "a prewarm takes memory of both");
        Assert.That(memory.OsCalls, Is.EqualTo(callsBefore), "others' memory comes before a call of the system");
    }

    [Test]
    public void The_threads_of_a_prewarm_run_on_the_node_that_they_populate_and_return()
    {
        const ulong ProcessorOfCaller = 0b0110;
        using TwoNodes nodes = new();
        using EngineMemory memory = Memory(nodes, PrefaultPolicy.PopulateWrite);
        Assume.That(memory.PrefaultDescription, Does.Not.Contain("absent"));
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        TwoNodes.Populated.Clear();
        ulong after = 0;
        On(ProcessorOfCaller, () =>
        {
            arena.PrewarmPlanned([], 160, together: 0, threads: 1, carve: true, new PrefaultTask(4, null, default));
            after = TwoNodes.Processors;
        });
        Assert.That(after, Is.EqualTo(ProcessorOfCaller), "where it ran before");
        int parts = 0;
        foreach ((nint address, nuint bytes, ulong processors) in TwoNodes.Populated)
        {
            if (bytes >= Size.MiB(14) && processors != ProcessorOfCaller)
            {
                ulong allowed = NodeOf(address) == 0 ? ProcessorsOfFirst : ProcessorsOfSecond;
                Assert.That(processors & ~allowed, Is.Zero, "no processor of the other node");
                Assert.That(processors, Is.Not.Zero);
                parts++;
            }
        }

        Assert.That(parts, Is.GreaterThan(8), "320 MiB in parts of 16");
    }

    [Test]
    public void Where_the_kernel_refuses_pages_lie_with_the_thread_that_touches_them([Values(0, 1, 5)] int succeed)
    {
        using TwoNodes nodes = new(succeed);
        using EngineMemory memory = Memory(nodes);
        Assert.That(memory.Settings, Does.Contain("memory nodes: first touch, mbind: Operation not permitted (1)"));
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        arena.Prewarm([new BlockCount(BlockBytes, 100)], threads: 4);
        On(ProcessorsOfSecond, () => arena.Free(arena.Allocate(BlockBytes)));
        memory.Validate();
    }

    [Test]
    public void On_a_machine_with_one_node_nothing_is_told_to_the_kernel()
    {
        using RedirectedFiles files = new("/proc/self/status");
        files.Write("/proc/self/status", "Name:\tgame\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t1");
        using EngineMemory local = new(Options(files, PrefaultPolicy.Automatic));
        using EngineMemory firstTouch =
            new(Options(files, PrefaultPolicy.Automatic) with { Nodes = NodePolicy.FirstTouch });
        Assert.That(local.OsCalls, Is.EqualTo(firstTouch.OsCalls));
        Assert.That(local.Settings, Does.Contain("memory nodes: first touch, 1 of them"));
    }

    private static EngineMemory Memory(TwoNodes nodes, PrefaultPolicy prefault = PrefaultPolicy.Automatic) =>
        new(Options(nodes, prefault));

    private static EngineMemoryOptions Options(
        Silk.NET.Core.Contexts.INativeContext context, PrefaultPolicy prefault) => new()
        {
            ReservationBytes = Size.GiB(1),
            RetainBytes = Size.MiB(512),
            Nodes = NodePolicy.Local,
            Prefault = prefault,
            NativeContext = context,
        };

    private static nuint StripeOf(nint address) => (nuint)address / StripeBytes;

    private static int NodeOf(nint address) => (int)(StripeOf(address) % 2);

    private static int CountOn(int node, LongLivedArena arena, int blocks)
    {
        int count = 0;
        for (int block = 0; block < blocks; block++)
            count += NodeOf((nint)arena.Allocate(BlockBytes)) == node ? 1 : 0;

        return count;
    }

    private static void On(ulong processors, Action work)
    {
        Thread thread = new(() =>
        {
            TwoNodes.Processors = processors;
            work();
        });
        thread.Start();
        thread.Join();
    }
}
