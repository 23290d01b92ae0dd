namespace Engine.Arenas;

/// <summary>
/// A place in a lane to rewind to; see <see cref="FrameLane.Mark"/>. Valid in its lane until the frame ends or the lane is rewound to an
/// earlier place; it may be used any number of times until then.
/// </summary>
public readonly unsafe struct FrameMark
{
    internal FrameMark(LaneState* lane, nuint position)
    {
        Lane = lane->Id;
        Frame = lane->Frame;
        Epoch = lane->MarkEpoch;
        Position = position;
        Chunk = lane->Chunk;
        Cursor = lane->Cursor;
    }

    /// <summary>The lane's number, which no other lane of the process ever has; 0 in a mark that was never taken.</summary>
    internal long Lane { get; }

    internal long Frame { get; }

    internal long Epoch { get; }

    /// <summary>Bytes of the frame in the lane before the mark.</summary>
    internal nuint Position { get; }

    /// <summary>Where the lane's pointer stood. To be followed only while the mark is not stale: a chunk that the lane left may be gone.</summary>
    internal FrameChunk* Chunk { get; }

    internal byte* Cursor { get; }
}
