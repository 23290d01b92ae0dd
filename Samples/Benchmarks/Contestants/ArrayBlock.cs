using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Samples.Benchmarks.Contestants;

/// <summary>A block that is a managed array.</summary>
internal readonly struct ArrayBlock(byte[]? array) : IBlock
{
    /// <summary>The array, which is there.</summary>
    public byte[] Array
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => array!;
    }

    /// <inheritdoc/>
    public bool IsNone
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => array is null;
    }

    /// <inheritdoc/>
    public ref byte First
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref MemoryMarshal.GetArrayDataReference(array!);
    }
}
