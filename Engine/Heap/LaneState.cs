using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// What one lane's owner writes, in two cache lines, so that lanes do not disturb each other.
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

    /// <summary>Unique among the lanes of the process; never 0.</summary>
    public long Id;

    /// <summary>Rewinds of this frame that may have made marks stale; see <see cref="LaneMarks"/>.</summary>
    public long MarkEpoch;

    /// <summary>All marks of this frame that are not stale lie at or below this position.</summary>
    public nuint HighestMark;

    /// <summary>The block with the newest kept rewind.</summary>
    public LaneMarks.Block* Marks;

    public readonly nuint UsedBytes => Chunk == null ? 0 : BytesBefore + (nuint)(Cursor - Chunk->Start);
}

/// <summary>
/// A stretch of memory for one buffer of one lane. The first is the lane's share of the arena's own memory. Later ones
/// came with an overflow and stay for frames to come, until one of those needs a larger one instead. While its arena
/// lives a chunk is used for nothing else, also without memory: a profiler may walk a chain that changes.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal unsafe struct FrameChunk
{
    public byte* Start;
    public nuint Bytes;
    public FrameChunk* Next;

    /// <summary>The SuperSlabs of an overflow chunk; the first chunk has a count of 0.</summary>
    public int SuperSlab;
    public int SuperSlabCount;

    /// <summary>Taken from the spares, to which it returns as it was.</summary>
    public bool IsSpare;
}

/// <summary>
/// Knows which marks of a lane are stale. A mark at position q is stale if, after it was taken, the lane was rewound to
/// a position below q. A position counts bytes from the frame's begin, so it names one place. Any one thread at a time.
/// </summary>
/// <remarks>
/// A lane numbers the rewinds that may have made marks stale (MarkEpoch), and each mark carries the number at which it
/// was taken. The lane keeps a stack of those rewinds that no later one went below. Of the rewinds newer than a mark,
/// the oldest kept went furthest back, so that entry decides.
/// <para>
/// Equations, checked by <see cref="Fault"/>:
/// <code>
///   kept rewinds, oldest first:   Epoch and Position both rise
///   newest Epoch                  &lt;= MarkEpoch
///   newest Position               &lt;= HighestMark &lt;= the lane's UsedBytes
///   newest Position &lt; HighestMark =&gt; there is room for one more entry, so that a rewind never needs memory
/// </code>
/// The cost is 16 bytes of metadata a kept rewind. Scopes one after the other keep none; nested scopes keep one for
/// each outer scope with memory allocated behind it. Blocks stay from frame to frame.
/// </para>
/// </remarks>
internal static unsafe class LaneMarks
{
    private const nuint FirstBytes = 1024;

    /// <summary>Makes the first block of a lane of zeroed memory.</summary>
    public static void Begin(LaneState* lane, MetadataHeap heap)
    {
        Debug.Assert(sizeof(LaneState) == 128 && sizeof(FrameChunk) == 64, "whole cache lines");
        lane->Marks = NewBlock(heap, FirstBytes);
    }

    /// <summary>Frees the blocks.</summary>
    public static void End(LaneState* lane, MetadataHeap heap)
    {
        Block* block = lane->Marks;
        while (block != null && block->Previous != null)
            block = block->Previous;

        while (block != null)
        {
            Block* next = block->Next;
            heap.Free(block, block->Bytes);
            block = next;
        }
    }

    /// <summary>Begins a frame, of which no mark is taken yet.</summary>
    public static void Clear(LaneState* lane)
    {
        lane->Marks->Count = 0;
        while (lane->Marks->Previous != null)
        {
            lane->Marks = lane->Marks->Previous;
            lane->Marks->Count = 0;
        }

        lane->HighestMark = 0;
        lane->MarkEpoch = 0;
    }

    /// <exception cref="EngineOutOfMemoryException">There is no room to note a rewind. Nothing has changed.</exception>
    public static FrameMark Take(LaneState* lane, MetadataHeap heap)
    {
        nuint position = lane->UsedBytes;
        if (position > lane->HighestMark)
        {
            Block* block = lane->Marks;
            if (block->Count == block->Capacity && block->Next == null)
            {
                block->Next = NewBlock(heap, nuint.Min(block->Bytes * 2, MetadataHeap.LargestBytes));
                block->Next->Previous = block;
            }

            lane->HighestMark = position;
        }

        return new FrameMark(lane, position);
    }

    /// <summary>Whether the lane was rewound below the mark, in its frame, after it was taken.</summary>
    public static bool IsStale(LaneState* lane, in FrameMark mark)
    {
        Block* block = lane->Marks;
        if (block->Count == 0 || block->Newest->Epoch <= mark.Epoch)
            return false;

        while (block->Previous != null && block->Previous->Newest->Epoch > mark.Epoch)
            block = block->Previous;

        int from = 0;
        int to = block->Count - 1;
        while (from < to)
        {
            int middle = (from + to) / 2;
            (from, to) = block->Entries[middle].Epoch > mark.Epoch ? (from, middle) : (middle + 1, to);
        }

        return block->Entries[from].Position < mark.Position;
    }

    /// <summary>Notes that the lane is rewound to a position. Needs no memory.</summary>
    public static void NoteRewind(LaneState* lane, nuint position)
    {
        if (lane->HighestMark <= position)
            return;

        Block* block = lane->Marks;
        while (block->Count != 0 && block->Newest->Position >= position)
        {
            block->Count--;
            if (block->Count == 0 && block->Previous != null)
                block = block->Previous;
        }

        if (block->Count == block->Capacity)
            block = block->Next;

        Debug.Assert(block != null && block->Count < block->Capacity, "Take made room for a rewind");

        block->Entries[block->Count++] = new Rewound { Epoch = ++lane->MarkEpoch, Position = position };
        lane->Marks = block;
        lane->HighestMark = position;
    }

    /// <returns>What contradicts the equations, or null.</returns>
    public static string? Fault(LaneState* lane)
    {
        Rewound newer = new() { Epoch = lane->MarkEpoch + 1, Position = lane->HighestMark + 1 };
        for (Block* block = lane->Marks; block != null; block = block->Previous)
        {
            for (int index = block->Count - 1; index >= 0; index--)
            {
                Rewound older = block->Entries[index];
                if (older.Epoch >= newer.Epoch || older.Position >= newer.Position)
                    return "the rewinds that it remembers are not in their order";

                newer = older;
            }
        }

        bool hasRoom = lane->Marks->Count < lane->Marks->Capacity || lane->Marks->Next != null
            || lane->Marks->Newest->Position == lane->HighestMark;
        return lane->HighestMark > lane->UsedBytes ? "a mark lies ahead of its pointer"
            : hasRoom ? null
            : "it has no room for the next rewind";
    }

    private static Block* NewBlock(MetadataHeap heap, nuint bytes)
    {
        Block* block = (Block*)heap.Allocate(bytes);
        block->Bytes = bytes;
        block->Capacity = (int)((bytes - (nuint)sizeof(Block)) / (nuint)sizeof(Rewound));
        return block;
    }

    /// <summary>A rewind that may have made marks stale.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Rewound
    {
        public long Epoch;
        public nuint Position;
    }

    /// <summary>A piece of the stack, entries behind it. Blocks after the last one with entries are empty.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Block
    {
        public Block* Previous;
        public Block* Next;
        public nuint Bytes;
        public int Count;
        public int Capacity;

        public Rewound* Entries => (Rewound*)((Block*)Unsafe.AsPointer(ref this) + 1);

        public Rewound* Newest => Entries + Count - 1;
    }
}

/// <summary>
/// A place in a lane to rewind to; see <see cref="FrameLane.Mark"/>. Valid, for any number of uses, until the frame
/// ends or the lane is rewound to an earlier place.
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

    /// <summary>The lane's number, unique in the process; 0 in a mark that was never taken.</summary>
    internal long Lane { get; }

    internal long Frame { get; }

    internal long Epoch { get; }

    /// <summary>Bytes of the frame in the lane before the mark.</summary>
    internal nuint Position { get; }

    /// <summary>Where the lane's pointer stood. To be followed only while the mark is not stale: chunks go.</summary>
    internal FrameChunk* Chunk { get; }

    internal byte* Cursor { get; }
}
