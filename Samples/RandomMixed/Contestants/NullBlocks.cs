using System.Runtime.CompilerServices;

namespace Samples.RandomMixed.Contestants;

/// <summary>No allocator: each slot has its place in one buffer. What this row takes is what the loop itself costs.</summary>
internal readonly unsafe struct NullBlocks(byte* buffer, void** slots) : IMixedBlocks
{
    /// <summary>The room of one slot, which holds the largest block.</summary>
    public const int SlotBytes = 1088;

    private readonly byte* _buffer = buffer;
    private readonly void** _slots = slots;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFree(uint slot)
    {
        void* block = _slots[slot];
        if (block == null)
        {
            return false;
        }

        _slots[slot] = null;
        return true;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte Allocate(uint slot, nuint bytes)
    {
        void* block = _buffer + ((nuint)slot * SlotBytes);
        _slots[slot] = block;
        return ref *(byte*)block;
    }

    /// <inheritdoc/>
    public bool TryGetFirst(uint slot, out byte first)
    {
        byte* block = (byte*)_slots[slot];
        first = block == null ? (byte)0 : *block;
        return block != null;
    }
}
