using System.Runtime.CompilerServices;
using CommunityToolkit.HighPerformance;

namespace SuperSlab;

/// <summary>
/// A <see cref="LongLivedArena"/> in the hands of one thread: the same methods, with the same results and exceptions,
/// without looking up the thread's cache each time. Taken with <see cref="LongLivedArena.GetHandle"/> once for a job or
/// a frame; hot-loop safe. It cannot leave the thread's stack, and must not be used after the arena was disposed.
/// </summary>
public readonly unsafe ref struct ArenaHandle
{
    private readonly LongLivedArena _arena;
    private readonly ThreadCache* _cache;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ArenaHandle(LongLivedArena arena, ThreadCache* cache)
    {
        _arena = arena;
        _cache = cache;
    }

    /// <inheritdoc cref="LongLivedArena.Allocate(nuint)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void* Allocate(nuint bytes)
    {
        if (bytes <= SizeClasses.MappedBytes)
        {
            nuint block = ThreadCache.TryAllocate(_cache, ThreadCache.MapOf(_cache)[bytes]);
            if (block != 0)
                return (void*)block;
        }

        return _arena.AllocateSlow(_cache, bytes);
    }

    /// <inheritdoc cref="LongLivedArena.Free(void*)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(void* block)
    {
        nuint offset = (nuint)((nint)block - _cache->ReservationBase);
        if (offset < _cache->ReservationBytes)
        {
            // The slab's tag is (arena, class); only a block of this arena leaves a bare class.
            nuint sizeClass = _cache->Tags[offset >> SlabGeometry.SlabShift] ^ _arena.Tag;
            if (sizeClass <= byte.MaxValue && ThreadCache.TryFree(_cache, sizeClass, (nuint)block))
                return;
        }

        _arena.FreeSlow(_cache, block);
    }

    /// <inheritdoc cref="LongLivedArena.Allocate(nuint, nuint)"/>
    public void* Allocate(nuint bytes, nuint alignment)
    {
        Sizes.CheckAlignment(alignment, LongLivedArena.MaximumAlignment);
        return alignment <= SizeClasses.Quantum || bytes > SlabGeometry.SuperSlabBytes
            ? Allocate(bytes)
            : _arena.AllocateOfClass(_cache, SizeClasses.IndexOf(bytes, alignment), bytes, alignment);
    }

    /// <inheritdoc cref="LongLivedArena.AllocateZeroed(nuint)"/>
    public void* AllocateZeroed(nuint bytes)
    {
        void* block = Allocate(bytes);
        System.Runtime.InteropServices.NativeMemory.Clear(block, bytes);
        return block;
    }

    /// <inheritdoc cref="LongLivedArena.Allocate{T}()"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T* Allocate<T>()
        where T : unmanaged
    {
        // A small size's class is the thread's home's, so the map says it; that of others is settled when the code is
        // compiled.
        int sizeClass = SizeClasses.IndexOf((nuint)sizeof(T));
        nuint loaded = sizeClass < ArenaClasses.SmallClasses ? ThreadCache.MapOf(_cache)[sizeof(T)] : (nuint)sizeClass;
        nuint block = ThreadCache.TryAllocate(_cache, loaded);
        return block != 0 ? (T*)block : (T*)_arena.AllocateOfClass(_cache, sizeClass, (nuint)sizeof(T));
    }

    /// <inheritdoc cref="LongLivedArena.Allocate{T}(long)"/>
    public T* Allocate<T>(long count)
        where T : unmanaged => (T*)Allocate(Sizes.Of<T>(count));

    /// <inheritdoc cref="LongLivedArena.AllocateSpan{T}(int)"/>
    public Span<T> AllocateSpan<T>(int count)
        where T : unmanaged => new(Allocate<T>(count), count);

    /// <inheritdoc cref="LongLivedArena.AllocateSpan2D{T}(int, int)"/>
    public Span2D<T> AllocateSpan2D<T>(int height, int width)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(height);
        ArgumentOutOfRangeException.ThrowIfNegative(width);
        return new(Allocate<T>((long)height * width), height, width, pitch: 0);
    }

    /// <inheritdoc cref="LongLivedArena.Reallocate(void*, nuint)"/>
    public void* Reallocate(void* block, nuint bytes) =>
        _arena.ReallocateBlock(_cache, block, bytes, SizeClasses.Quantum);

    /// <inheritdoc cref="LongLivedArena.Free{T}(Span{T})"/>
    public void Free<T>(Span<T> elements)
        where T : unmanaged =>
            Free(Unsafe.AsPointer(ref System.Runtime.InteropServices.MemoryMarshal.GetReference(elements)));

    /// <inheritdoc cref="LongLivedArena.UsableBytes(void*)"/>
    public nuint UsableBytes(void* block) => _arena.UsableBytes(block);

    /// <inheritdoc cref="LongLivedArena.TryAllocate(nuint, out void*)"/>
    public bool TryAllocate(nuint bytes, out void* block) => TryAllocate(bytes, SizeClasses.Quantum, out block);

    /// <inheritdoc cref="LongLivedArena.TryAllocate(nuint, nuint, out void*)"/>
    public bool TryAllocate(nuint bytes, nuint alignment, out void* block)
    {
        Sizes.CheckAlignment(alignment, LongLivedArena.MaximumAlignment);
        block = alignment <= SizeClasses.Quantum && bytes <= SizeClasses.MappedBytes
            ? (void*)ThreadCache.TryAllocate(_cache, ThreadCache.MapOf(_cache)[bytes]) : null;
        if (block == null)
            block = _arena.AllocateOrNull(_cache, bytes, alignment);

        return block != null;
    }

    /// <inheritdoc cref="LongLivedArena.Allocate(long)"/>
    [OverloadResolutionPriority(-1)]
    public void* Allocate(long bytes) => Allocate(Sizes.Signed(bytes));

    /// <inheritdoc cref="LongLivedArena.Allocate(long, long)"/>
    [OverloadResolutionPriority(-1)]
    public void* Allocate(long bytes, long alignment) =>
        Allocate(Sizes.Signed(bytes), Sizes.Signed(alignment, nameof(alignment)));

    /// <inheritdoc cref="LongLivedArena.Allocate(nuint, out nuint)"/>
    public void* Allocate(nuint bytes, out nuint usable)
    {
        void* block = Allocate(bytes);
        usable = _arena.UsableBytes(block);
        return block;
    }

    /// <inheritdoc cref="LongLivedArena.AllocateZeroed{T}(long)"/>
    public T* AllocateZeroed<T>(long count)
        where T : unmanaged => (T*)AllocateZeroed(Sizes.Of<T>(count));

    /// <inheritdoc cref="LongLivedArena.AllocateSpan{T}(int, nuint)"/>
    public Span<T> AllocateSpan<T>(int count, nuint alignment)
        where T : unmanaged => new(Allocate(Sizes.Of<T>(count), alignment), count);

    /// <inheritdoc cref="LongLivedArena.Reallocate(void*, nuint, nuint)"/>
    public void* Reallocate(void* block, nuint bytes, nuint alignment)
    {
        Sizes.CheckAlignment(alignment, LongLivedArena.MaximumAlignment);
        return _arena.ReallocateBlock(_cache, block, bytes, alignment);
    }

    /// <inheritdoc cref="LongLivedArena.Reallocate{T}(T*, long)"/>
    public T* Reallocate<T>(T* block, long count)
        where T : unmanaged => (T*)Reallocate((void*)block, Sizes.Of<T>(count));

    /// <inheritdoc cref="LongLivedArena.Free{T}(Span2D{T})"/>
    public void Free<T>(Span2D<T> elements)
        where T : unmanaged => Free(Unsafe.AsPointer(ref elements.DangerousGetReference()));
}
