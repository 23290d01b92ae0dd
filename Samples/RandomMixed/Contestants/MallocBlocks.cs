using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Samples.RandomMixed.Contestants;

/// <summary>The C library's allocator.</summary>
internal readonly unsafe struct MallocBlocks(void** slots) : IMixedBlocks
{
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

        NativeMemory.Free(block);
        _slots[slot] = null;
        return true;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte Allocate(uint slot, nuint bytes)
    {
        void* block = NativeMemory.Alloc(bytes);
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
