using Engine.Arenas;

namespace Engine.Tests.Support;

/// <summary>Tests of one long-lived arena in a memory of its own, whose structures are checked after each test.</summary>
internal abstract class ArenaFixture
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
}
