using Engine.Tests.Support;

namespace Engine.Tests.Diagnostics;

/// <summary>Walking a quiet arena finds what callers hold, and nothing that is free, wherever it is kept.</summary>
internal sealed unsafe class ArenaBlocksTests
{
    [TestCase(MemoryChecks.Off)]
    [TestCase(MemoryChecks.Hardened)]
    [TestCase(MemoryChecks.Full)]
    public void A_walk_finds_exactly_the_live_blocks(MemoryChecks checks)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), Checks = checks });
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        Dictionary<nint, nuint> live = [];
        for (int thread = 0; thread < 3; thread++)
        {
            // Each leaves its caches behind with free blocks in them, and frees what those before it allocated.
            var worker = new Thread(() => Work(arena, live, seed: thread));
            worker.Start();
            worker.Join();
            MustBe(live, arena);
        }

        Work(arena, live, seed: 9);
        MustBe(live, arena);
        foreach (nint block in live.Keys.ToArray())
            arena.Free((void*)block);

        Assert.That(arena.Blocks(), Is.Empty);
        arena.Trim();
        Assert.That(arena.Blocks(), Is.Empty);
    }

    private static void MustBe(Dictionary<nint, nuint> live, LongLivedArena arena)
    {
        Assert.That(arena.Blocks().Select(block => (block.Address, block.Bytes)), Is.EquivalentTo(live.Select(block =>
            (block.Key, block.Value))));
    }

    private static void Work(LongLivedArena arena, Dictionary<nint, nuint> live, int seed)
    {
        Random random = new(seed);
        for (int step = 0; step < 4000; step++)
        {
            if (live.Count != 0 && random.Next(5) < 2)
            {
                nint freed = live.Keys.ElementAt(random.Next(Math.Min(live.Count, 50)));
                live.Remove(freed);
                arena.Free((void*)freed);
            }
            else
            {
                nuint bytes = random.Next(500) == 0 ? (nuint)random.Next(1, 40 << 20) : (nuint)random.Next(1, 3000);
                nint block = (nint)arena.Allocate(bytes);
                live[block] = arena.UsableBytes((void*)block);
            }
        }
    }
}
