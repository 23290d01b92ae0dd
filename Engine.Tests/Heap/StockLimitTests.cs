using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>What threads' stocks hold back together keeps within the arena's limit, as resident memory shows.</summary>
internal sealed unsafe class StockLimitTests
{
    private const int Classes = 6;
    private const int BytesOfClass = 8 << 20;

    [Test]
    public void Freed_blocks_go_back_to_the_system_but_for_the_limit([Values(1, 3)] int threads)
    {
        long free = HeldAfterFrees(stockBytes: 0, threads);
        long limited = HeldAfterFrees(stockBytes: 1 << 20, threads);
        Assert.That(free, Is.GreaterThan(24 << 20), "stocks hold megabytes of each size");
        Assert.That(limited, Is.LessThan(free * 2 / 3), "what is left of SuperSlabs holds loaded magazines");
    }

    [Test]
    public void A_limit_that_comes_later_holds_for_what_is_freed_from_then_on()
    {
        using EngineMemory memory = NewMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("late");
        AllocateAndFree(arena);
        long before = Resident(memory);
        arena.Budget = new ArenaBudget { StockBytes = 64 << 10 };
        AllocateAndFree(arena);
        Assert.That(Resident(memory), Is.LessThan(before * 2 / 3));
        arena.Budget = new ArenaBudget();
        AllocateAndFree(arena);
        Assert.That(Resident(memory), Is.GreaterThan(before * 2 / 3));
    }

    private static EngineMemory NewMemory() =>
        new(new EngineMemoryOptions { Pages = PageKind.Normal, ReservationBytes = Size.GiB(1) });

    /// <summary>What the memory holds after threads freed all of their blocks of several sizes.</summary>
    private static long HeldAfterFrees(int stockBytes, int threads)
    {
        using EngineMemory memory = NewMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("stocks");
        arena.Budget = new ArenaBudget { StockBytes = (nuint)stockBytes };
        Workers.Run(threads, _ => arena.AttachThread());
        Workers.Run(threads, _ => AllocateAndFree(arena));
        return Resident(memory);
    }

    private static long Resident(EngineMemory memory)
    {
        memory.Trim();
        long resident = memory.ResidentBytes();
        Assume.That(resident, Is.Not.EqualTo(-1), "the system does not tell");
        return resident;
    }

    private static void AllocateAndFree(LongLivedArena arena)
    {
        List<nint> blocks = [];
        for (int size = 0; size < Classes; size++)
        {
            nuint bytes = (nuint)(1024 << size);
            for (nuint sum = 0; sum < BytesOfClass; sum += bytes)
                blocks.Add((nint)arena.Allocate(bytes));
        }

        foreach (nint block in blocks)
            arena.Free((void*)block);
    }
}
