using System.Runtime.CompilerServices;

namespace Samples.Benchmarks.Contestants;

/// <summary>
/// A native allocator in its fastest form for C#: called through function pointers, without the transition by which the runtime lets the
/// collector run meanwhile. (Calls of microseconds should not be made so in a real program: the collector waits for them.)
/// </summary>
internal readonly unsafe struct FunctionAllocator(nint allocate, nint free, nint reallocate) : IAllocator<Address>, IContestant<FunctionAllocator>
{
    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nuint, void*> _allocate =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<nuint, void*>)allocate;

    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<void*, void> _free =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<void*, void>)free;

    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<void*, nuint, void*> _reallocate =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<void*, nuint, void*>)reallocate;

    /// <inheritdoc/>
    public FunctionAllocator Open() => this;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address Allocate(nuint bytes, uint place) => new(_allocate(bytes));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block) => _free(block.Start);

    /// <inheritdoc/>
    public Address Reallocate(Address block, nuint oldBytes, nuint bytes) => new(_reallocate(block.Start, bytes));
}
