using System.Runtime.CompilerServices;
using CommunityToolkit.HighPerformance;

namespace SuperSlab;

/// <content>
/// The calls in other forms: without an exception where memory ends, with the alignment of a reallocated block, with
/// signed sizes and with elements; and how much memory an arena holds.
/// </content>
public sealed unsafe partial class LongLivedArena
{
    /// <summary>A trim has free blocks in its hands, which a reset would free once more.</summary>
    private readonly WordLock _trimming = new();

    /// <summary>Allocates a block where memory is left, its contents undefined. A refusal takes tens of microseconds,
    /// as
    /// the arena first takes back what threads and the quarantine hold.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="block">The block, or null.</param>
    /// <returns>False where the reservation, the budget or the system has no memory left, or could never hold the size.
    /// Nothing has changed then.</returns>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public bool TryAllocate(nuint bytes, out void* block) => Local.TryAllocate(bytes, out block);

    /// <summary>Allocates a block that begins at a multiple of <paramref name="alignment"/>, where memory is
    /// left.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="alignment">A power of two up to <see cref="MaximumAlignment"/>.</param>
    /// <param name="block">The block, or null.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number.</exception>
    /// <inheritdoc cref="TryAllocate(nuint, out void*)"/>
    public bool TryAllocate(nuint bytes, nuint alignment, out void* block) =>
        Local.TryAllocate(bytes, alignment, out block);

    /// <summary>Allocates a block of a signed size, such as an <see langword="int"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative, or above
    /// <see cref="MaximumBytes"/>.</exception>
    /// <inheritdoc cref="Allocate(nuint)"/>
    [OverloadResolutionPriority(-1)]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void* Allocate(long bytes) => Local.Allocate(Sizes.Signed(bytes));

    /// <summary>Allocates a block of a signed size and alignment.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative, or the size above
    /// <see cref="MaximumBytes"/>.</exception>
    /// <inheritdoc cref="Allocate(nuint, nuint)"/>
    [OverloadResolutionPriority(-1)]
    public void* Allocate(long bytes, long alignment) => Local.Allocate(bytes, alignment);

    /// <summary>Allocates a block and says how much of it may be used.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="usable">At least the size: what <see cref="UsableBytes(void*)"/> says of the block.</param>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public void* Allocate(nuint bytes, out nuint usable) => Local.Allocate(bytes, out usable);

    /// <inheritdoc cref="Allocate(nuint, out nuint)"/>
    /// <inheritdoc cref="Allocate(long)" path="/exception"/>
    [OverloadResolutionPriority(-1)]
    public void* Allocate(long bytes, out nuint usable) => Local.Allocate(Sizes.Signed(bytes), out usable);

    /// <summary>Allocates a block of a signed size whose first <paramref name="bytes"/> are 0.</summary>
    /// <inheritdoc cref="Allocate(long)"/>
    [OverloadResolutionPriority(-1)]
    public void* AllocateZeroed(long bytes) => Local.AllocateZeroed(Sizes.Signed(bytes));

    /// <summary>Allocates room for <paramref name="count"/> elements, all bytes 0.</summary>
    /// <inheritdoc cref="Allocate{T}(long)"/>
    public T* AllocateZeroed<T>(long count)
        where T : unmanaged => Local.AllocateZeroed<T>(count);

    /// <summary>Allocates elements as a span that begins at a multiple of <paramref name="alignment"/>, undefined. Free
    /// it with <see cref="Free{T}(Span{T})"/>.</summary>
    /// <param name="count">How many elements.</param>
    /// <param name="alignment">A power of two up to <see cref="MaximumAlignment"/>.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number.</exception>
    /// <inheritdoc cref="Allocate{T}(long)"/>
    public Span<T> AllocateSpan<T>(int count, nuint alignment)
        where T : unmanaged => Local.AllocateSpan<T>(count, alignment);

    /// <summary>Changes the size of a block that begins at a multiple of an alignment, as it does afterwards. A block
    /// that does not begin at one moves.</summary>
    /// <param name="block">The block, or null to allocate one.</param>
    /// <param name="bytes">The new size in bytes.</param>
    /// <param name="alignment">A power of two up to <see cref="MaximumAlignment"/>.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number.</exception>
    /// <inheritdoc cref="Reallocate(void*, nuint)"/>
    public void* Reallocate(void* block, nuint bytes, nuint alignment) => Local.Reallocate(block, bytes, alignment);

    /// <summary>Changes a block's size to a signed number.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative, or above
    /// <see cref="MaximumBytes"/>.</exception>
    /// <inheritdoc cref="Reallocate(void*, nuint)"/>
    [OverloadResolutionPriority(-1)]
    public void* Reallocate(void* block, long bytes) => Local.Reallocate(block, Sizes.Signed(bytes));

    /// <summary>Changes the number of a block's elements.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative, or the size is above
    /// <see cref="MaximumBytes"/>.</exception>
    /// <inheritdoc cref="Reallocate(void*, nuint)"/>
    public T* Reallocate<T>(T* block, long count)
        where T : unmanaged => Local.Reallocate(block, count);

    /// <summary>Frees a grid of <see cref="AllocateSpan2D{T}(int, int)"/>. An empty one is ignored.</summary>
    /// <inheritdoc cref="Free(void*)"/>
    public void Free<T>(Span2D<T> elements)
        where T : unmanaged => Local.Free(elements);

    /// <summary>Makes memory resident for the peak of another arena or an earlier run, for as many threads as used each
    /// size then.</summary>
    /// <param name="peaks">What <see cref="PeakBlocks"/> returned.</param>
    /// <returns>The bytes of SuperSlabs that the arena gained.</returns>
    /// <exception cref="EngineOutOfMemoryException">Memory ran out. The arena is as it was.</exception>
    public nuint Prewarm(IReadOnlyList<BlockCount> peaks)
    {
        ArgumentNullException.ThrowIfNull(peaks);
        int threads = 0;
        foreach (BlockCount peak in peaks)
            threads = Math.Max(threads, peak.Threads);

        return Prewarm([.. peaks], threads);
    }

    /// <summary>The live blocks by size class. Not for the hot loop; no other thread may use the arena
    /// meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public IReadOnlyList<BlockCount> LiveBlocks()
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        using WorkGate.Entry work = _work.Enter(this);
        List<BlockCount> live = [.. RangeBytes().Select(bytes => new BlockCount(bytes, 1))];
        if (_checked is not null)
            return [.. live, .. _checked.Live().Select(size => new BlockCount(size.Bytes, size.Count))];

        _slabs.CollectLive((bytes, count, sizeClass) =>
        {
            long held = count - _caches.CachedBlocks(sizeClass);
            if (held > 0)
                live.Add(new BlockCount(bytes, held));
        });
        return live;
    }

    /// <summary>
    /// Bytes of the live blocks, rounded up to their size classes; with full checks as they were asked for. Some
    /// moments old where other threads go on. Not for the hot loop.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public nuint LiveBytes()
    {
        nuint live = 0;
        foreach (BlockCount block in LiveBlocks())
            live += block.Bytes * (nuint)block.Count;

        return live;
    }

    /// <summary>
    /// Asks the system how many bytes of the arena's SuperSlabs are resident: pages that a write would not fault on. -1
    /// where the system cannot say. Takes about 10 microseconds for each MiB. Some moments old where other threads go
    /// on.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public long ResidentBytes()
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        using WorkGate.Entry work = _work.Enter(this);
        long resident = 0;
        for (int superSlab = 0; superSlab < _pool.End; superSlab++)
        {
            if (_reservation.SuperSlabs[superSlab].OwnerTag != _tag)
                continue;

            long bytes = _reservation.ResidentBytes(_reservation.AddressOf(superSlab), SlabGeometry.SuperSlabBytes);
            if (bytes < 0)
                return -1;

            resident += bytes;
        }

        return resident;
    }

    /// <summary>
    /// Frees every block at once, in time that does not depend on their number. Prewarmed memory stays with its
    /// classes, the rest in the retained reserve until <c>EngineMemory.Trim</c>.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void Reset()
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        using WorkGate.Entry work = _work.Enter(this);
        ResetCount++;
        string? damage = _checked?.Clear();
        _caches.RetireCounters();
        EndRanges();
        _caches.Drop();
        using (_trimming.Hold())
            _slabs.Reset();

        _tracker?.Clear();
        EngineMemoryException.ThrowIf(damage);
    }

    /// <summary>Gives the memory of free slabs, and of free pages in slabs with blocks, back to the system; 0 where the
    /// arena is being disposed.</summary>
    internal nuint TrimFree()
    {
        if (!_work.TryEnter(out WorkGate.Entry work))
            return 0;

        using (work)
        using (_trimming.Hold())
            return IsDisposed ? 0 : _slabs.TrimPages() + _slabs.Space.TrimSlabs();
    }

    /// <summary>Allocates, or returns null where memory or a budget has ended.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void* AllocateOrNull(ThreadCache* cache, nuint bytes, nuint alignment)
    {
        Disposed.ThrowIf(IsDisposed, this);
        try
        {
            return bytes > MaximumBytes ? null : new ArenaHandle(this, cache).Allocate(bytes, alignment);
        }
        catch (EngineOutOfMemoryException)
        {
            return null;
        }
    }
}
