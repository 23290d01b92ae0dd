using System.Runtime.CompilerServices;

namespace Samples.Benchmarks.Contestants;

/// <summary>No allocator: each place has its room in one buffer. What this contestant takes is what the loop itself costs.</summary>
internal readonly unsafe struct NullAllocator(byte* buffer, nuint placeBytes) : IAllocator<Address>, IContestant<NullAllocator>
{
    private readonly byte* _buffer = buffer;
    private readonly nuint _placeBytes = placeBytes;

    /// <inheritdoc/>
    public NullAllocator Open() => this;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address Allocate(nuint bytes, uint place) => new(_buffer + (place * _placeBytes));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block)
    {
    }

    /// <inheritdoc/>
    public Address Reallocate(Address block, nuint oldBytes, nuint bytes) => block;
}
