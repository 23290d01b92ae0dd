namespace Samples.GameReplay.Contestants;

/// <summary>
/// One thread's way into an allocator for one step: where each of the trace's calls becomes a real one. The address, or the
/// array, of a block is kept at its slot. Blocks are handed out as a reference to their first byte, which native memory and
/// arrays have in common. Implementations are structs, so that the player's loop is compiled for each by itself.
/// </summary>
internal interface ILane
{
    /// <summary>A new block of uncertain content.</summary>
    ref byte Allocate(uint slot, nuint bytes);

    /// <summary>A new block of uncertain content at a multiple of <c>1 &lt;&lt; alignmentShift</c>.</summary>
    ref byte AllocateAligned(uint slot, nuint bytes, byte alignmentShift);

    /// <summary>A new block of zeros.</summary>
    ref byte AllocateZeroed(uint slot, nuint bytes);

    /// <summary>Gives the block another size and keeps the content that both sizes have in common.</summary>
    ref byte Resize(uint slot, nuint oldBytes, nuint bytes, byte alignmentShift);

    /// <summary>Frees the block. The alignment is the one it was allocated with.</summary>
    void Free(uint slot, byte alignmentShift);

    /// <summary>The block at a slot.</summary>
    ref byte Block(uint slot, byte alignmentShift);
}
