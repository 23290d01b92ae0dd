namespace Samples.GameReplay.Tracing;

/// <summary>One record, with what the reader knows about its block.</summary>
internal struct TraceRecord
{
    public RecordKind Kind;

    /// <summary>The thread that did it; after a Thread record, the new one.</summary>
    public int Thread;

    /// <summary>The block's place in the reader's <see cref="BlockTable"/>.</summary>
    public int Slot;

    /// <summary>The number of the block, from 0 in the order of allocation.</summary>
    public ulong BlockId;

    /// <summary>The size asked for; of a Free, the size the block has.</summary>
    public ulong Bytes;

    /// <summary>Of a Realloc, the size the block had.</summary>
    public ulong OldBytes;

    /// <summary>The logarithm to the base 2 of the alignment the block was allocated with, 0 when none was asked for.</summary>
    public byte AlignmentShift;
}
