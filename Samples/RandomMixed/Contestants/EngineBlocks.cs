using System.Runtime.CompilerServices;
using SuperSlab;

namespace Samples.RandomMixed.Contestants;

/// <summary>The engine's arena, which finds the calling thread's cache at each call.</summary>
internal readonly unsafe struct EngineBlocks(LongLivedArena arena, void** slots) : IMixedBlocks
{
    private readonly LongLivedArena _arena = arena;
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

        _arena.Free(block);
        _slots[slot] = null;
        return true;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte Allocate(uint slot, nuint bytes)
    {
        void* block = _arena.Allocate(bytes);
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
