namespace Samples.Benchmarks.Contestants;

/// <summary>
/// One thread's way into an allocator: where the work of a loop becomes a real call. Implementations are structs and are handed on by
/// value, so that nothing stands between the loop and the allocator, and what they hold can live in registers.
/// </summary>
/// <typeparam name="TBlock">What the allocator hands out.</typeparam>
internal interface IAllocator<TBlock>
    where TBlock : struct, IBlock
{
    /// <summary>A new block of uncertain content.</summary>
    /// <param name="bytes">Its size, at least 1.</param>
    /// <param name="place">Where the caller will keep it, a number that no other live block has. Only the empty loop looks at it.</param>
    TBlock Allocate(nuint bytes, uint place);

    /// <summary>Gives a block back.</summary>
    void Free(TBlock block);

    /// <summary>Makes a block larger, keeping its content.</summary>
    TBlock Reallocate(TBlock block, nuint oldBytes, nuint bytes);
}
