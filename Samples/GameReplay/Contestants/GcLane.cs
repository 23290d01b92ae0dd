using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Common;

namespace Samples.GameReplay.Contestants;

/// <summary>
/// The calls of a trace as arrays. The few blocks with an alignment are pinned arrays with room to begin at an aligned byte,
/// because the collector moves the others and aligns to 8 bytes.
/// </summary>
internal readonly unsafe struct GcLane(byte[]?[] arrays) : ILane
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte Allocate(uint slot, nuint bytes)
    {
        byte[] array = GC.AllocateUninitializedArray<byte>(Length(bytes));
        arrays[slot] = array;
        return ref MemoryMarshal.GetArrayDataReference(array);
    }

    /// <inheritdoc/>
    public ref byte AllocateAligned(uint slot, nuint bytes, byte alignmentShift)
    {
        arrays[slot] = GC.AllocateUninitializedArray<byte>(Length(bytes + ((nuint)1 << alignmentShift)), pinned: true);
        return ref Block(slot, alignmentShift);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref byte AllocateZeroed(uint slot, nuint bytes)
    {
        byte[] array = new byte[Length(bytes)];
        arrays[slot] = array;
        return ref MemoryMarshal.GetArrayDataReference(array);
    }

    /// <inheritdoc/>
    public ref byte Resize(uint slot, nuint oldBytes, nuint bytes, byte alignmentShift)
    {
        int common = Length(nuint.Min(oldBytes, bytes));
        byte[] old = arrays[slot]!;
        Span<byte> from = MemoryMarshal.CreateSpan(ref Block(slot, alignmentShift), common);
        ref byte block = ref alignmentShift == 0 ? ref Allocate(slot, bytes) : ref AllocateAligned(slot, bytes, alignmentShift);
        from.CopyTo(MemoryMarshal.CreateSpan(ref block, common));
        GC.KeepAlive(old);
        return ref block;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(uint slot, byte alignmentShift) => arrays[slot] = null;

    /// <inheritdoc/>
    public ref byte Block(uint slot, byte alignmentShift)
    {
        ref byte first = ref MemoryMarshal.GetArrayDataReference(arrays[slot]!);
        if (alignmentShift == 0)
        {
            return ref first;
        }

        // A pinned array, so its address may be reckoned with.
        nuint mask = ((nuint)1 << alignmentShift) - 1;
        nuint address = (nuint)Unsafe.AsPointer(ref first);
        return ref Unsafe.AddByteOffset(ref first, (0 - address) & mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Length(nuint bytes)
    {
        if (bytes > (nuint)Array.MaxLength)
        {
            ThrowTooLong(bytes);
        }

        return (int)bytes;
    }

    [DoesNotReturn]
    private static void ThrowTooLong(nuint bytes) =>
        throw new RunFailedException($"the trace has a block of {bytes} bytes, and an array holds at most {Array.MaxLength}");
}
