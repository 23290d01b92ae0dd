using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Samples.RandomMixed.Contestants;

/// <summary>The garbage collector: a block is a new array, and freeing it is forgetting it.</summary>
internal readonly struct GcBlocks(byte[]?[] slots) : IMixedBlocks
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFree(uint slot)
    {
        if (slots[slot] is null)
        {
            return false;
        }

        slots[slot] = null;
        return true;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte Allocate(uint slot, nuint bytes)
    {
        byte[] block = new byte[(int)bytes];
        slots[slot] = block;
        return ref MemoryMarshal.GetArrayDataReference(block);
    }

    /// <inheritdoc/>
    public bool TryGetFirst(uint slot, out byte first)
    {
        byte[]? block = slots[slot];
        first = block is null ? (byte)0 : block[0];
        return block is not null;
    }
}
