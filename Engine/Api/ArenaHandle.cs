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
    public void* Reallocate(void* block, nuint bytes) => _arena.ReallocateBlock(_cache, block, bytes);

    /// <inheritdoc cref="LongLivedArena.Free{T}(Span{T})"/>
    public void Free<T>(Span<T> elements)
        where T : unmanaged =>
            Free(Unsafe.AsPointer(ref System.Runtime.InteropServices.MemoryMarshal.GetReference(elements)));

    /// <inheritdoc cref="LongLivedArena.UsableBytes(void*)"/>
    public nuint UsableBytes(void* block) => _arena.UsableBytes(block);
}
