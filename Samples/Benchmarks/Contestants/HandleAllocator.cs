using System.Runtime.CompilerServices;
using SuperSlab;

namespace Samples.Benchmarks.Contestants;

/// <summary>The engine's arena in the hands of one thread, so that nothing is looked up.</summary>
internal readonly unsafe ref struct HandleAllocator(ArenaHandle arena) : IAllocator<Address>
{
    private readonly ArenaHandle _arena = arena;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address Allocate(nuint bytes, uint place) => new(_arena.Allocate(bytes));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block) => _arena.Free(block.Start);

    /// <inheritdoc/>
    public Address Reallocate(Address block, nuint oldBytes, nuint bytes) => new(_arena.Reallocate(block.Start, bytes));
}
