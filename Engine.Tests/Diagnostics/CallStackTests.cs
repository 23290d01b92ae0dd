using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Tests.Os;
using Engine.Tests.Support;
using static Engine.Tests.Diagnostics.Sampled;

namespace Engine.Tests.Diagnostics;

/// <summary>The call stacks of samples: whom they name, and what is known where they cannot be walked.</summary>
[Platform("Linux")]
internal sealed unsafe class CallStackTests
{
    [Test]
    public void Where_stacks_cannot_be_walked_tags_are_true_all_the_same() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(4),
            Checks = MemoryChecks.Off,
            NativeContext = new HidingContext("pthread_getattr_np"),
        });
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        using Profiler profiler = Sampling(memory, Everything);
        List<nint> blocks = [];
        using (AllocationTag.Register("tag").Begin())
        {
            for (int block = 0; block < 100; block++)
                blocks.Add((nint)arena.Allocate(64));
        }

        ProfileCallSites sites = profiler.ToDocument("test").CallSites;
        Assert.That(sites.NoStacks, Is.Not.Empty);
        Assert.That(sites.Sites.Single().Name, Is.EqualTo("(no call stacks here)"));
        Assert.That(sites.Tags.Single(), Is.EqualTo(
            new ProfileCallSites.SiteRow("tag", 6400, 0, 100, 6400, 0, 100)));
    });

    [Test]
    public void A_stack_names_the_callers_outwards_and_begins_outside_of_the_engine() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        using Profiler profiler = Sampling(memory, Everything);
        Outer(arena, 3);
        ProfileCallSites sites = profiler.ToDocument("test").CallSites;
        string[] places = sites.TextOf(sites.Stacks.Single()).Split(" < ");
        string[] names = [.. places.Select(place => place[(place.LastIndexOf('.') + 1)..])];
        TestContext.Out.WriteLine(string.Join(" < ", places));
        Assert.That(names[..5], Is.EqualTo((string[])
            [nameof(Allocate), nameof(Recursive), nameof(Recursive), nameof(Recursive), nameof(Outer)]));
        Assert.That(places, Has.None.StartsWith("SuperSlab."));
    });

    /// <summary>The system gives process numbers again, and who is killed leaves its port's file.</summary>
    [Test]
    public void A_port_that_a_killed_process_of_the_same_number_left_is_passed_over() => WithCounters.Run(static () =>
    {
        string[] stale = [PortOf("0"), PortOf("zz")];
        try
        {
            foreach (string port in stale)
                File.WriteAllText(port, ""); // as a socket that nobody listens at, it refuses

            using EngineMemory memory = Memory();
            using LongLivedArena arena = memory.CreateLongLivedArena("arena");
            using Profiler profiler = Sampling(memory, Everything);
            Outer(arena, 1);
            ProfileCallSites sites = profiler.ToDocument("test").CallSites;
            Assert.That(sites.TextOf(sites.Stacks.Single()), Does.Contain(nameof(Outer)));
        }
        finally
        {
            Array.ForEach(stale, File.Delete);
        }

        static string PortOf(string start) =>
            Path.Combine(Path.GetTempPath(), $"dotnet-diagnostic-{Environment.ProcessId}-{start}-socket");
    });

    [TestCase(MemoryChecks.Off)]
    [TestCase(MemoryChecks.Full)]
    public void Every_way_to_allocate_names_the_method_that_allocates(MemoryChecks checks) => WithCounters.Run(
        static value =>
        {
            using EngineMemory memory = Memory((MemoryChecks)value);
            using LongLivedArena arena = memory.CreateLongLivedArena("arena");
            using ArenaGroup group = memory.CreateArenaGroup("scripts");
            SmallArena small = group.CreateArena("small");
            using Profiler profiler = Sampling(memory, Everything);
            long asked = ByArena(arena) + ByHandle(arena) + BySmallArena(small);
            ProfileCallSites sites = profiler.ToDocument("test").CallSites;
            TestContext.Out.WriteLine(string.Join('\n', sites.Stacks.Select(sites.TextOf)));
            Assert.That(sites.SampleCount, Is.EqualTo(asked));
            Assert.That(
                sites.Stacks.Select(sites.PlaceOf).Distinct(), Is.EquivalentTo(
                    new[] { nameof(ByArena), nameof(ByHandle), nameof(BySmallArena) }
                        .Select(name => $"{typeof(CallStackTests).FullName}.{name}")));
        },
        (int)checks);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long ByArena(LongLivedArena arena)
    {
        long count = 0;
        for (int round = 1; round <= 60; round++, count += 15)
        {
            arena.Allocate(40);
            arena.Allocate((nuint)round * 100);
            arena.Allocate((nuint)round << 15);
            arena.Allocate(100, 256);
            arena.Allocate<decimal>();
            arena.Allocate<Large>();
            arena.Allocate<long>(300);
            arena.AllocateZeroed(round * 10);
            arena.AllocateZeroed<long>(10);
            arena.AllocateSpan<int>(7);
            arena.AllocateSpan<int>(7, 128);
            arena.AllocateSpan2D<int>(7, 8);
            arena.TryAllocate(300, out _);
            arena.TryAllocate(70_000, 4096, out _);
            arena.Reallocate(null, 100);
        }

        void* grown = arena.Reallocate(arena.Reallocate(arena.Allocate(50), 5000), 5 << 20);
        arena.Reallocate(grown, 100 << 20);
        return count + 4;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long ByHandle(LongLivedArena arena)
    {
        ArenaHandle handle = arena.GetHandle();
        long count = 0;
        for (int round = 1; round <= 60; round++, count += 13)
        {
            handle.Allocate(40);
            handle.Allocate((nuint)round * 100);
            handle.Allocate((nuint)round << 15);
            handle.Allocate(100, 256);
            handle.Allocate<decimal>();
            handle.Allocate<Large>();
            handle.Allocate<long>(300);
            handle.AllocateZeroed((nuint)round * 10);
            handle.AllocateZeroed<long>(10);
            handle.AllocateSpan<int>(7);
            handle.TryAllocate(300, out _);
            handle.TryAllocate(70_000, 4096, out _);
            handle.Reallocate(null, 100);
        }

        return count;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long BySmallArena(SmallArena arena)
    {
        long count = 0;
        for (int round = 1; round <= 60; round++, count += 6)
        {
            arena.Allocate(40);
            arena.Allocate((nuint)round * 100);
            arena.Allocate(100_000);
            arena.Allocate<decimal>();
            arena.TryAllocate(300, out _);
            arena.Reallocate(null, 100);
        }

        return count;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Outer(LongLivedArena arena, int depth)
    {
        Recursive(arena, depth);
        GC.KeepAlive(arena);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Recursive(LongLivedArena arena, int depth)
    {
        if (depth > 1)
            Recursive(arena, depth - 1);
        else
            Allocate(arena);

        GC.KeepAlive(arena);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Allocate(LongLivedArena arena)
    {
        // With a loop it has a frame of its own.
        for (int block = 0; block < 1; block++)
            arena.Allocate(40 * 1024);
    }

    [StructLayout(LayoutKind.Sequential, Size = 30_000)]
    private struct Large;
}
