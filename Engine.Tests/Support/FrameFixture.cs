namespace Engine.Tests.Support;

/// <summary>Tests of one frame arena of two lanes and two buffers, whose structures are checked after each test.</summary>
internal abstract class FrameFixture
{
    protected EngineMemory Memory { get; private set; } = null!;

    protected FrameArena Arena { get; private set; } = null!;

    [SetUp]
    public void MakeArena()
    {
        Memory = new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.GiB(4) });
        Arena = Memory.CreateFrameArena("frame", new FrameArenaOptions { LaneCount = 2, BytesPerLane = 256 * 1024, OverflowSuperSlabs = 2 });
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
