using System.Runtime.InteropServices;

namespace Engine.Arenas;

/// <summary>
/// What one lane's owner writes, in two cache lines of its own so that lanes do not disturb each other.
/// Equations: Chunk.Start &lt;= Cursor &lt;= End = Chunk.Start + Chunk.Bytes; both ends are multiples of 16.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal unsafe struct LaneState
{
    public nuint HighWaterBytes;
    public byte* Cursor;
    public byte* End;
    public FrameChunk* Chunk;

    /// <summary>The first chunk of each buffer.</summary>
    public FrameChunk* First;

    /// <summary>Bytes of this frame in the chunks before the current one.</summary>
    public nuint BytesBefore;
    public long Overflows;
    public long Frame;

    /// <summary>No other lane of the process ever has this number; never 0.</summary>
    public long Id;

    /// <summary>Rewinds of this frame that may have made marks stale; see <see cref="LaneMarks"/>.</summary>
    public long MarkEpoch;

    /// <summary>No mark of this frame that is not stale lies at a higher position.</summary>
    public nuint HighestMark;

    /// <summary>The block with the newest of the rewinds that are kept.</summary>
    public LaneMarks.Block* Marks;

    public readonly nuint UsedBytes => Chunk == null ? 0 : BytesBefore + (nuint)(Cursor - Chunk->Start);
}
