namespace SuperSlab;

/// <summary>What a frame arena holds ready. Immutable.</summary>
public sealed record FrameArenaOptions
{
    /// <summary>Bytes that each lane can allocate in a frame without overflow; prefaulted. Default 1 MiB.</summary>
    public nuint BytesPerLane { get; init; } = 1024 * 1024;

    /// <summary>Lanes, one for each worker that allocates at the same time. Default 1.</summary>
    public int LaneCount { get; init; } = 1;

    /// <summary>
    /// Buffers that take turns, a frame each: a frame's memory stays readable for BufferCount - 1 more frames. Default
    /// 2.
    /// </summary>
    public int BufferCount { get; init; } = 2;

    /// <summary>
    /// SuperSlabs (2 MiB each) prefaulted for lanes that overflow. Further overflows take from the retained reserve,
    /// then from the system. Default 0.
    /// </summary>
    public int OverflowSuperSlabs { get; init; }

    internal void Validate()
    {
        OptionRange.Check(this, LaneCount is >= 1 and <= 512, LaneCount, "from 1 to 512");
        OptionRange.Check(this, BufferCount is >= 1 and <= 16, BufferCount, "from 1 to 16");
        OptionRange.Check(this, OverflowSuperSlabs is >= 0 and <= 65_536, OverflowSuperSlabs, "from 0 to 65,536");
        OptionRange.Check(this, BytesPerLane is >= 4096 and <= 1u << 30, BytesPerLane, "from 4 KiB to 1 GiB");
    }
}
