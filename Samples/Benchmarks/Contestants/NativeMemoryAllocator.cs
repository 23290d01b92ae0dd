using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Samples.Benchmarks.Contestants;

/// <summary>The C library's allocator as .NET gives it to everyone: <see cref="NativeMemory"/>.</summary>
internal readonly unsafe struct NativeMemoryAllocator : IAllocator<Address>, IContestant<NativeMemoryAllocator>
{
    /// <inheritdoc/>
    public NativeMemoryAllocator Open() => this;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address Allocate(nuint bytes, uint place) => new(NativeMemory.Alloc(bytes));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block) => NativeMemory.Free(block.Start);

    /// <inheritdoc/>
    public Address Reallocate(Address block, nuint oldBytes, nuint bytes) => new(NativeMemory.Realloc(block.Start, bytes));
}
