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

    public readonly nuint UsedBytes => Chunk == null ? 0 : BytesBefore + (nuint)(Cursor - Chunk->Start);
}
