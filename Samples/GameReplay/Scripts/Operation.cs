using System.Runtime.InteropServices;

namespace Samples.GameReplay.Scripts;

/// <summary>
/// One thing to do for a player thread, 32 bytes:
/// <code>
///   0      4    5         6         7   8        16          24     28
///   | slot | kind | publishes | align |   | bytes | old bytes | tag  | other thread |
/// </code>
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Operation
{
    /// <summary>Where the block's address is kept.</summary>
    public uint Slot;

    /// <summary>What to do.</summary>
    public OperationKind Kind;

    /// <summary>Whether another thread waits for this operation, so that its completion must be made known.</summary>
    public bool Publishes;

    /// <summary>The logarithm to the base 2 of the alignment the block was allocated with, 0 when none was asked for.</summary>
    public byte AlignmentShift;

    /// <summary>The size: asked for, of a Free the one the block has, of a Wait how many operations the other must have done.</summary>
    public ulong Bytes;

    /// <summary>Of a Resize, the size before it.</summary>
    public ulong OldBytes;

    /// <summary>From the block's number: what its bytes are made of.</summary>
    public uint Tag;

    /// <summary>Of a Wait, the thread waited for.</summary>
    public int OtherThread;
}
