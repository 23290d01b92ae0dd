namespace Engine.Tests.Support;

/// <summary>Tests of one arena in a memory of its own, whose structures are checked after each test.</summary>
internal abstract class ArenaFixture<TArena>
    where TArena : IDisposable
{
    protected EngineMemory Memory { get; private set; } = null!;

    protected TArena Arena { get; private set; } = default!;

    protected virtual EngineMemoryOptions Options => new() { ReservationBytes = Size.GiB(4) };

    [SetUp]
    public void MakeArena()
    {
        Memory = new EngineMemory(Options);
        Arena = Make();
    }

    [TearDown]
    public void CheckAndDispose()
    {
        try
        {
            Memory.Validate();
        }
        finally
        {
            Arena.Dispose();
            Memory.Dispose();
        }
    }

    /// <summary>Makes the arena.</summary>
    protected abstract TArena Make();
}

/// <summary>Tests of one long-lived arena.</summary>
internal abstract unsafe class ArenaFixture : ArenaFixture<LongLivedArena>
{
    protected override LongLivedArena Make() => Memory.CreateLongLivedArena("arena");

    /// <summary>Blocks of one size, in the order in which the arena gave them.</summary>
    protected nint[] Allocate(nuint bytes, int count)
    {
        nint[] blocks = new nint[count];
        for (int index = 0; index < count; index++)
            blocks[index] = (nint)Arena.Allocate(bytes);

        return blocks;
    }

    protected void SkipWithoutResidency()
    {
        if (Memory.ResidentBytes() < 0)
            Assert.Ignore("The system does not tell what is resident.");
    }

    /// <summary>Threads do a step again and again, each with a model of its own blocks, until another has trimmed the
    /// memory. Each model holds at the end.</summary>
    protected void WhileAnotherTrims(int threads, int trims, Action<Random, ShadowModel> step)
    {
        int seed = TestRandom.Seed();
        bool isOver = false;
        Workers.Run(1 + threads, worker =>
        {
            if (worker == 0)
            {
                for (int round = 0; round < trims; round++)
                    Memory.Trim();

                Volatile.Write(ref isOver, true);
                return;
            }

            Random random = new(seed + worker);
            ShadowModel model = new();
            while (!Volatile.Read(ref isOver) || model.Count < 20)
                step(random, model);

            model.CheckAll();
            model.Drain(block => Arena.Free((void*)block));
        });
        Memory.Validate();
    }

    protected void FreeAll(nint[] blocks)
    {
        foreach (nint block in blocks)
            Arena.Free((void*)block);
    }
}

/// <summary>Tests of one frame arena of two lanes and two buffers.</summary>
internal abstract class FrameFixture : ArenaFixture<FrameArena>
{
    protected override FrameArena Make() => Memory.CreateFrameArena(
        "frame", new FrameArenaOptions { LaneCount = 2, BytesPerLane = 256 * 1024, OverflowSuperSlabs = 2 });
}
