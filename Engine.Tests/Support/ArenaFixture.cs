namespace Engine.Tests.Support;

/// <summary>Tests of one long-lived arena in a memory of its own, whose structures are checked after each test.</summary>
internal abstract unsafe class ArenaFixture
{
    protected EngineMemory Memory { get; private set; } = null!;

    protected LongLivedArena Arena { get; private set; } = null!;

    [SetUp]
    public void MakeArena()
    {
        Memory = new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.GiB(4) });
        Arena = Memory.CreateLongLivedArena("arena");
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

    /// <summary>Blocks of one size, in the order in which the arena gave them.</summary>
    protected nint[] Allocate(nuint bytes, int count)
    {
        nint[] blocks = new nint[count];
        for (int index = 0; index < count; index++)
        {
            blocks[index] = (nint)Arena.Allocate(bytes);
        }

        return blocks;
    }

    protected void FreeAll(nint[] blocks)
    {
        foreach (nint block in blocks)
        {
            Arena.Free((void*)block);
        }
    }
}
