// The trace file; TRACE-FORMAT.md describes it.
using Samples.Common;

namespace Samples.GameReplay.Tracing;

/// <summary>The constants of the trace file; TRACE-FORMAT.md describes it.</summary>
internal static class TraceFormat
{
    public const byte Version = 1;

    /// <summary>The name's ending by which the embedded traces are known.</summary>
    public const string FileEnding = ".alloctrace.gz";

    /// <summary>
    /// A replay gives each thread of the trace a thread of the operating system, so there is a limit to what it takes
    /// on. The format has none.
    /// </summary>
    public const int MaxThreads = 1024;

    /// <summary>The first four bytes of the unpacked stream.</summary>
    public static ReadOnlySpan<byte> Magic => "ATRC"u8;
}

/// <summary>
/// What the file promises about itself. The reader compares it with what it finds, and nobody sizes memory by it: a
/// header of a few bytes may claim anything.
/// </summary>
internal readonly record struct TraceHeader(ulong Records, ulong Threads, ulong Frames, ulong Blocks);

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

    /// <summary>
    /// The logarithm to the base 2 of the alignment the block was allocated with, 0 when none was asked for.
    /// </summary>
    public byte AlignmentShift;
}

/// <summary>What a record says; the values are the opcodes of the file.</summary>
internal enum RecordKind : byte
{
    None = 0,
    Alloc = 1,
    AllocAligned = 2,
    Free = 3,
    Realloc = 4,
    Thread = 5,
    Frame = 6,
    AllocZeroed = 7,
}

/// <summary>
/// A trace breaks a rule of the format; the message names the trace, the record, the byte and the rule.
/// </summary>
internal sealed class TraceFormatException(string message) : BadInputException(message);
