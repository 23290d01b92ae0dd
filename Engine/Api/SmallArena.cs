using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using CommunityToolkit.HighPerformance;

namespace SuperSlab;

/// <summary>
/// The memory of something small that comes and goes, such as a script: an arena that draws slabs of 64 KiB from the
/// SuperSlabs of its <see cref="ArenaGroup"/>, which makes it. Blocks of all sizes share a slab; blocks above 64 KiB
/// come from the group one by one. Blocks are freed one by one or, with <see cref="Dispose"/>, all at once.
/// <para>
/// The calls, errors and checks are those of <see cref="LongLivedArena"/>. Creating, allocating, freeing and disposing
/// are for the hot loop: once the group is prewarmed they neither fault, call the system nor make garbage. A size of 0
/// is treated as 1; blocks are aligned to 16 bytes by default; contents are undefined unless zeroed. Any thread may use
/// the arena at any time, under a lock of its own; with <see cref="SmallArenaOptions.SingleThreaded"/> one thread at a
/// time, without. No thread holds back free blocks, so any wrong free is found at once, in each mode of
/// <see cref="MemoryChecks"/>.
/// </para>
/// </summary>
/// <remarks>
/// A handle: a reference and a number in 16 bytes, to be copied freely. An object for each arena would be garbage a
/// thousand times a second; what stands behind the handle is used again for a later arena, whose number differs, so a
/// handle that outlives its arena gets an <see cref="ObjectDisposedException"/> and never the later arena.
/// </remarks>
public readonly unsafe struct SmallArena : IDisposable, IEquatable<SmallArena>
{
    /// <summary>The largest alignment that can be asked for: 2 MiB.</summary>
    public const nuint MaximumAlignment = LongLivedArena.MaximumAlignment;

    private readonly SmallArenaState? _state;
    private readonly long _generation;

    internal SmallArena(SmallArenaState state, long generation)
    {
        _state = state;
        _generation = generation;
    }

    /// <summary>The name given at creation, as reports and messages show it; that of a later arena or none after
    /// Dispose.</summary>
    public string Name => State.Name;

    /// <summary>Whether the arena or its group is disposed. A default handle counts as disposed.</summary>
    public bool IsDisposed => _state is null || _state.IsStale(_generation);

    /// <summary>Bytes of the live blocks, rounded up to what they may use.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public nuint LiveBytes => State.LiveBytes(_generation);

    /// <summary>Bytes of the slabs and large blocks that the arena holds of its group.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public nuint HeldBytes => State.HeldBytes(_generation);

    /// <summary>How often the arena took slabs beyond its soft budget.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public long SoftOverruns => State.Budget(_generation).SoftOverruns;

    /// <summary>How often the arena wanted slabs beyond its hard budget.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public long HardOverruns => State.Budget(_generation).HardOverruns;

    internal ArenaRef Reference => State.Slot!.Reference(_state!, IsDisposed);

    private SmallArenaState State => _state ?? throw new InvalidOperationException(
        "A default SmallArena is no arena; ArenaGroup.CreateArena makes one.");

    /// <summary>Whether both are the same arena.</summary>
    public static bool operator ==(SmallArena left, SmallArena right) => left.Equals(right);

    /// <summary>Whether they are different arenas.</summary>
    public static bool operator !=(SmallArena left, SmallArena right) => !left.Equals(right);

    /// <summary>Allocates a block of at least <paramref name="bytes"/>, its contents undefined.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is above what the reservation can hold.</exception>
    /// <exception cref="EngineOutOfMemoryException">The reservation, a budget or the system has no memory left. Nothing
    /// has changed.</exception>
    /// <exception cref="EngineMemoryException">Another thread uses the arena, which is <see
    /// cref="SmallArenaOptions.SingleThreaded"/>; found by hardened and full checks.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void* Allocate(nuint bytes) => State.Allocate(_generation, bytes, SizeClasses.Quantum);

    /// <summary>Allocates a block that begins at a multiple of <paramref name="alignment"/>.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="alignment">A power of two up to <see cref="MaximumAlignment"/>.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number.</exception>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public void* Allocate(nuint bytes, nuint alignment)
    {
        Sizes.CheckAlignment(alignment, MaximumAlignment);
        return State.Allocate(_generation, bytes, alignment);
    }

    /// <summary>Allocates a block of a signed size, such as an <see langword="int"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative, or above what the reservation can
    /// hold.</exception>
    /// <inheritdoc cref="Allocate(nuint)"/>
    [OverloadResolutionPriority(-1)]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void* Allocate(long bytes) => Allocate(Sizes.Signed(bytes));

    /// <summary>Allocates a block and says how much of it may be used.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="usable">At least the size: what <see cref="UsableBytes(void*)"/> says of the block.</param>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public void* Allocate(nuint bytes, out nuint usable)
    {
        void* block = Allocate(bytes);
        usable = UsableBytes(block);
        return block;
    }

    /// <summary>Allocates a block where memory is left, its contents undefined. A refusal takes tens of
    /// microseconds.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="block">The block, or null.</param>
    /// <returns>False where the reservation, a budget or the system has no memory left, or could never hold the size.
    /// Nothing has changed then.</returns>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public bool TryAllocate(nuint bytes, out void* block) => TryAllocate(bytes, SizeClasses.Quantum, out block);

    /// <summary>Allocates a block that begins at a multiple of <paramref name="alignment"/>, where memory is
    /// left.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="alignment">A power of two up to <see cref="MaximumAlignment"/>.</param>
    /// <param name="block">The block, or null.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number.</exception>
    /// <inheritdoc cref="TryAllocate(nuint, out void*)"/>
    public bool TryAllocate(nuint bytes, nuint alignment, out void* block)
    {
        Sizes.CheckAlignment(alignment, MaximumAlignment);
        block = State.AllocateOrNull(_generation, bytes, alignment);
        return block != null;
    }

    /// <summary>Allocates a block whose first <paramref name="bytes"/> are 0.</summary>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public void* AllocateZeroed(nuint bytes)
    {
        void* block = Allocate(bytes);
        NativeMemory.Clear(block, bytes);
        return block;
    }

    /// <summary>Allocates a block of a signed size whose first <paramref name="bytes"/> are 0.</summary>
    /// <inheritdoc cref="Allocate(long)"/>
    [OverloadResolutionPriority(-1)]
    public void* AllocateZeroed(long bytes) => AllocateZeroed(Sizes.Signed(bytes));

    /// <summary>Allocates room for <paramref name="count"/> elements, all bytes 0.</summary>
    /// <inheritdoc cref="Allocate{T}(long)"/>
    public T* AllocateZeroed<T>(long count)
        where T : unmanaged => (T*)AllocateZeroed(Sizes.Of<T>(count));

    /// <summary>Allocates one <typeparamref name="T"/>, undefined.</summary>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public T* Allocate<T>()
        where T : unmanaged => (T*)Allocate((nuint)sizeof(T));

    /// <summary>Allocates room for <paramref name="count"/> elements, their contents undefined.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative, or the size is above what the reservation
    /// can hold.</exception>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public T* Allocate<T>(long count)
        where T : unmanaged => (T*)Allocate(Sizes.Of<T>(count));

    /// <summary>Allocates elements as a span, undefined. Free it with <see cref="Free{T}(Span{T})"/>.</summary>
    /// <inheritdoc cref="Allocate{T}(long)"/>
    public Span<T> AllocateSpan<T>(int count)
        where T : unmanaged => new(Allocate<T>((long)count), count);

    /// <summary>Allocates elements as a span that begins at a multiple of <paramref name="alignment"/>,
    /// undefined.</summary>
    /// <param name="count">How many elements.</param>
    /// <param name="alignment">A power of two up to <see cref="MaximumAlignment"/>.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number.</exception>
    /// <inheritdoc cref="Allocate{T}(long)"/>
    public Span<T> AllocateSpan<T>(int count, nuint alignment)
        where T : unmanaged => new(Allocate(Sizes.Of<T>(count), alignment), count);

    /// <summary>Allocates a height by width grid, row after row without gaps, its contents undefined.</summary>
    /// <inheritdoc cref="Allocate{T}(long)"/>
    public Span2D<T> AllocateSpan2D<T>(int height, int width)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(height);
        ArgumentOutOfRangeException.ThrowIfNegative(width);
        return new(Allocate<T>((long)height * width), height, width, pitch: 0);
    }

    /// <summary>
    /// Changes a block's size and keeps the contents up to the smaller size. The block stays where it is while it fits
    /// and is at least half used; blocks above 64 KiB may grow in place or move their pages. A moved block is aligned
    /// to 16 bytes. A null block is allocated.
    /// </summary>
    /// <returns>The block, which may have moved. When an exception is thrown the old block is as it was.</returns>
    /// <exception cref="EngineMemoryException">The address is not a block of this arena.</exception>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public void* Reallocate(void* block, nuint bytes) =>
        State.Reallocate(_generation, block, bytes, SizeClasses.Quantum);

    /// <summary>Changes the size of a block that begins at a multiple of an alignment, as it does afterwards. A block
    /// that does not begin at one moves.</summary>
    /// <param name="block">The block, or null to allocate one.</param>
    /// <param name="bytes">The new size in bytes.</param>
    /// <param name="alignment">A power of two up to <see cref="MaximumAlignment"/>.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number.</exception>
    /// <inheritdoc cref="Reallocate(void*, nuint)"/>
    public void* Reallocate(void* block, nuint bytes, nuint alignment)
    {
        Sizes.CheckAlignment(alignment, MaximumAlignment);
        return State.Reallocate(_generation, block, bytes, alignment);
    }

    /// <summary>Changes a block's size to a signed number.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative, or above what the reservation can
    /// hold.</exception>
    /// <inheritdoc cref="Reallocate(void*, nuint)"/>
    [OverloadResolutionPriority(-1)]
    public void* Reallocate(void* block, long bytes) => Reallocate(block, Sizes.Signed(bytes));

    /// <summary>Changes the number of a block's elements.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative, or the size is above what the reservation
    /// can hold.</exception>
    /// <inheritdoc cref="Reallocate(void*, nuint)"/>
    public T* Reallocate<T>(T* block, long count)
        where T : unmanaged => (T*)Reallocate((void*)block, Sizes.Of<T>(count));

    /// <summary>Frees a block. Null is ignored.</summary>
    /// <exception cref="EngineMemoryException">
    /// The address is foreign, another arena's, inside a block, or of a block that is free already; or see <see
    /// cref="Allocate(nuint)"/>. Nothing has changed.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void Free(void* block) => State.Free(_generation, block);

    /// <summary>Frees a span of <see cref="AllocateSpan{T}(int)"/>. A default span is ignored.</summary>
    /// <inheritdoc cref="Free(void*)"/>
    public void Free<T>(Span<T> elements)
        where T : unmanaged => Free(Unsafe.AsPointer(ref MemoryMarshal.GetReference(elements)));

    /// <summary>Frees a grid of <see cref="AllocateSpan2D{T}(int, int)"/>. An empty one is ignored.</summary>
    /// <inheritdoc cref="Free(void*)"/>
    public void Free<T>(Span2D<T> elements)
        where T : unmanaged => Free(Unsafe.AsPointer(ref elements.DangerousGetReference()));

    /// <summary>How many bytes of a block may be used: at least what was asked for.</summary>
    /// <exception cref="EngineMemoryException">The address is not a live block of this arena.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public nuint UsableBytes(void* block) => State.UsableBytes(_generation, block);

    /// <summary>Frees every block at once, and gives the slabs back to the group. No other thread may use the arena
    /// meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void Reset() => State.Reset(_generation);

    /// <summary>Each live block, in no order. With full checks the sizes are those that were asked for. Allocates
    /// managed memory: not for the hot loop.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public IReadOnlyList<ArenaBlock> Blocks() => State.Blocks(_generation);

    /// <summary>
    /// The live blocks by size, tag and call stack, the most bytes first. Needs an arena made with an
    /// <see cref="ArenaTracking"/>, else empty. Not for the hot loop.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public IReadOnlyList<LiveAllocation> LiveAllocations() => State.LiveAllocations(_generation);

    /// <summary>
    /// Throws all blocks away and gives the slabs back to the group, in time that does not depend on the number of
    /// blocks. Any thread, while no other uses the arena. A second call does nothing; any other call afterwards throws
    /// <see cref="ObjectDisposedException"/>.
    /// </summary>
    /// <exception cref="EngineMemoryException">With full checks: the report of what was left threw. The arena is
    /// disposed.</exception>
    public void Dispose() => _state?.Dispose(_generation);

    /// <inheritdoc/>
    public bool Equals(SmallArena other) => _state == other._state && _generation == other._generation;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is SmallArena other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_state, _generation);

    /// <summary>The arena as messages name it: "Arena 'guard 7'".</summary>
    public override string ToString() => _state?.ToString() ?? "No arena";
}

/// <summary>What a small arena is made with. The default, nothing set, costs nothing.</summary>
public readonly record struct SmallArenaOptions
{
    /// <summary>
    /// One thread at a time uses the arena, not always the same: it takes no lock. Hardened and full checks find two
    /// threads in it at once.
    /// </summary>
    public bool SingleThreaded { get; init; }

    /// <summary>How many bytes of slabs (64 KiB each) and large blocks the arena may hold; null, the default, is no
    /// limit. The group's own budget holds besides.</summary>
    public ArenaBudget? Budget { get; init; }

    /// <summary>What the arena remembers of each live block. Anything but Off makes garbage.</summary>
    public ArenaTracking Tracking { get; init; }

    /// <summary>
    /// A collectible context whose unloading disposes the arena, on the thread that unloads it: what the context's code
    /// left behind goes with it. The arena does not keep the context alive. Null, the default, is none. Costs a managed
    /// object and a lock of the runtime's.
    /// </summary>
    public AssemblyLoadContext? LoadContext { get; init; }
}
