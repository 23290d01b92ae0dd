using System.Runtime.CompilerServices;
using Samples.GameReplay.Contestants;

namespace Samples.Benchmarks.Contestants;

/// <summary>The calls of a trace, answered with a place by the slot's number.</summary>
internal readonly unsafe struct NullReplayLane(byte* places) : ILane
{
    private const uint LastPlace = 63;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte Allocate(uint slot, nuint bytes) => ref places[(slot & LastPlace) << 12];

    /// <inheritdoc/>
    public ref byte AllocateAligned(uint slot, nuint bytes, byte alignmentShift) => ref Allocate(slot, bytes);

    /// <inheritdoc/>
    public ref byte AllocateZeroed(uint slot, nuint bytes) => ref Allocate(slot, bytes);

    /// <inheritdoc/>
    public ref byte Resize(uint slot, nuint oldBytes, nuint bytes, byte alignmentShift) => ref Allocate(slot, bytes);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(uint slot, byte alignmentShift)
    {
    }

    /// <inheritdoc/>
    public ref byte Block(uint slot, byte alignmentShift) => ref Allocate(slot, 0);
}
