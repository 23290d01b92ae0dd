using System.Runtime.CompilerServices;
using SuperSlab;

namespace Samples.Benchmarks.Contestants;

/// <summary>The engine's arena, which finds the calling thread's cache at each call.</summary>
internal readonly unsafe struct EngineAllocator(LongLivedArena arena) : IAllocator<Address>, IContestant<EngineAllocator>
{
    private readonly LongLivedArena _arena = arena;

    /// <inheritdoc/>
    public EngineAllocator Open()
    {
        _arena.AttachThread();
        return this;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address Allocate(nuint bytes, uint place) => new(_arena.Allocate(bytes));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block) => _arena.Free(block.Start);

    /// <inheritdoc/>
    public Address Reallocate(Address block, nuint oldBytes, nuint bytes) => new(_arena.Reallocate(block.Start, bytes));
}
