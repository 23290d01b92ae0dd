using System.Buffers;
using System.Runtime.CompilerServices;

namespace Samples.Benchmarks.Contestants;

/// <summary>The array pool that .NET programs share: a block is a rented array, at least as long as asked for.</summary>
internal readonly struct PoolAllocator : IAllocator<ArrayBlock>, IContestant<PoolAllocator>
{
    /// <inheritdoc/>
    public PoolAllocator Open() => this;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ArrayBlock Allocate(nuint bytes, uint place) => new(ArrayPool<byte>.Shared.Rent((int)bytes));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(ArrayBlock block) => ArrayPool<byte>.Shared.Return(block.Array);

    /// <inheritdoc/>
    public ArrayBlock Reallocate(ArrayBlock block, nuint oldBytes, nuint bytes)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent((int)bytes);
        block.Array.AsSpan(0, (int)oldBytes).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(block.Array);
        return new(larger);
    }
}
