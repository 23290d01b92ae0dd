using System.Runtime.CompilerServices;
using SuperSlab;

namespace Samples.GameReplay.Contestants;

/// <summary>The calls of a trace as calls of an arena's per-thread handle.</summary>
internal readonly unsafe ref struct EngineLane(ArenaHandle arena, void** addresses) : ILane
{
    private readonly ArenaHandle _arena = arena;
    private readonly void** _addresses = addresses;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte Allocate(uint slot, nuint bytes) => ref Keep(slot, _arena.Allocate(bytes));

    /// <inheritdoc/>
    public ref byte AllocateAligned(uint slot, nuint bytes, byte alignmentShift) =>
        ref Keep(slot, _arena.Allocate(bytes, (nuint)1 << alignmentShift));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte AllocateZeroed(uint slot, nuint bytes) => ref Keep(slot, _arena.AllocateZeroed(bytes));

    /// <inheritdoc/>
    public ref byte Resize(uint slot, nuint oldBytes, nuint bytes, byte alignmentShift) =>
        ref Keep(slot, _arena.Reallocate(_addresses[slot], bytes));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(uint slot, byte alignmentShift) => _arena.Free(_addresses[slot]);

    /// <inheritdoc/>
    public ref byte Block(uint slot, byte alignmentShift) => ref *(byte*)_addresses[slot];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref byte Keep(uint slot, void* block)
    {
        _addresses[slot] = block;
        return ref *(byte*)block;
    }
}
