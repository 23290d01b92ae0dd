using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Samples.GameReplay.Contestants;

/// <summary>The calls of a trace as calls of malloc and its family.</summary>
internal readonly unsafe struct MallocLane(void** addresses) : ILane
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte Allocate(uint slot, nuint bytes) => ref Keep(slot, NativeMemory.Alloc(bytes));

    /// <inheritdoc/>
    public ref byte AllocateAligned(uint slot, nuint bytes, byte alignmentShift) =>
        ref Keep(slot, NativeMemory.AlignedAlloc(bytes, (nuint)1 << alignmentShift));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte AllocateZeroed(uint slot, nuint bytes) => ref Keep(slot, NativeMemory.AllocZeroed(bytes));

    /// <inheritdoc/>
    public ref byte Resize(uint slot, nuint oldBytes, nuint bytes, byte alignmentShift) =>
        ref Keep(
            slot,
            alignmentShift == 0
                ? NativeMemory.Realloc(addresses[slot], bytes)
                : NativeMemory.AlignedRealloc(addresses[slot], bytes, (nuint)1 << alignmentShift));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(uint slot, byte alignmentShift)
    {
        if (alignmentShift == 0)
        {
            NativeMemory.Free(addresses[slot]);
        }
        else
        {
            NativeMemory.AlignedFree(addresses[slot]);
        }
    }

    /// <inheritdoc/>
    public ref byte Block(uint slot, byte alignmentShift) => ref *(byte*)addresses[slot];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref byte Keep(uint slot, void* block)
    {
        addresses[slot] = block;
        return ref *(byte*)block;
    }
}
