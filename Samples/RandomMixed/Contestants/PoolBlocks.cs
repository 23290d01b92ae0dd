using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Samples.RandomMixed.Contestants;

/// <summary>The array pool that .NET programs share: a block is a rented array, at least as long as asked for.</summary>
internal readonly struct PoolBlocks(byte[]?[] slots) : IMixedBlocks
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFree(uint slot)
    {
        if (slots[slot] is not { } block)
        {
            return false;
        }

        ArrayPool<byte>.Shared.Return(block);
        slots[slot] = null;
        return true;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte Allocate(uint slot, nuint bytes)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent((int)bytes);
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
