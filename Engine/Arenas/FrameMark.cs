namespace Engine.Arenas;

/// <summary>A place in a lane to rewind to; see <see cref="FrameLane.Mark"/>. Valid in its lane until the frame ends.</summary>
public readonly unsafe struct FrameMark
{
    internal FrameMark(LaneState* lane)
    {
        Lane = lane;
        Chunk = lane->Chunk;
        Cursor = lane->Cursor;
        BytesBefore = lane->BytesBefore;
        Frame = lane->Frame;
    }

    internal LaneState* Lane { get; }

    internal FrameChunk* Chunk { get; }

    internal byte* Cursor { get; }

    internal nuint BytesBefore { get; }

    internal long Frame { get; }
}
