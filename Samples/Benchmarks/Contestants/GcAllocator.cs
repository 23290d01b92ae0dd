using System.Runtime.CompilerServices;

namespace Samples.Benchmarks.Contestants;

/// <summary>The garbage collector: a block is a new array, and freeing it is forgetting it.</summary>
internal readonly struct GcAllocator : IAllocator<ArrayBlock>, IContestant<GcAllocator>
{
    /// <inheritdoc/>
    public GcAllocator Open() => this;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ArrayBlock Allocate(nuint bytes, uint place) => new(new byte[bytes]);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(ArrayBlock block)
    {
    }

    /// <inheritdoc/>
    public ArrayBlock Reallocate(ArrayBlock block, nuint oldBytes, nuint bytes)
    {
        byte[] array = block.Array;
        Array.Resize(ref array, (int)bytes);
        return new(array);
    }
}
