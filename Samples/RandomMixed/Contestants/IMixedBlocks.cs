namespace Samples.RandomMixed.Contestants;

/// <summary>
/// An allocator with the working set in it. Implementations are structs, so that the loop is compiled for each by itself and
/// nothing stands between it and the allocator.
/// </summary>
internal interface IMixedBlocks
{
    /// <summary>Frees the block of a slot. False when the slot is empty.</summary>
    bool TryFree(uint slot);

    /// <summary>Fills an empty slot with a new block and gives its first byte.</summary>
    ref byte Allocate(uint slot, nuint bytes);

    /// <summary>The first byte of a slot's block. False when the slot is empty.</summary>
    bool TryGetFirst(uint slot, out byte first);
}
