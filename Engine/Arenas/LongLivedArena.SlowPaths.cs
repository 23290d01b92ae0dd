using System.Runtime.CompilerServices;
using Engine.Caches;
using Engine.Checking;
using Engine.Core;
using Engine.Slabs;
using Engine.SuperSlabs;

namespace Engine.Arenas;

/// <content>Where the fast paths of <see cref="ArenaHandle"/> go when a magazine is empty or full, or something about a call is unusual.</content>
public sealed unsafe partial class LongLivedArena
{
    /// <summary>Allocates when the size is not in the thread cache's map, or its magazine is empty, or the cache is detached.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void* AllocateSlow(ThreadCache* cache, nuint bytes)
    {
        if (bytes <= SuperSlab.Bytes)
        {
            // Sizes above the map, and full of blocks: this is their fast path.
            int sizeClass = SizeClasses.IndexOf(bytes);
            nuint block = ThreadCache.Pop(cache, (nuint)sizeClass);
            if (block != 0 && CounterSwitch.IsOn)
            {
                ThreadCounters.CountAllocation(cache, (nuint)sizeClass);
            }

            return block != 0 ? (void*)block : AllocateOfClass(cache, sizeClass, bytes);
        }

        if (bytes > MaximumBytes)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes), bytes, $"A block of {bytes} bytes was asked for; arena '{Name}' can hold blocks of at most {Sizes.Text(MaximumBytes)}.");
        }

        return AllocateOfClass(cache, SizeClasses.IndexOf(bytes), bytes, SuperSlab.Bytes);
    }

    /// <summary>Allocates a block of a class that the size was mapped to before.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void* AllocateOfClass(ThreadCache* cache, int sizeClass, nuint bytes, nuint alignment = SizeClasses.Quantum)
    {
        nuint block = ThreadCache.Pop(cache, (nuint)sizeClass);
        if (block == 0)
        {
            using SlowPath slow = SlowPath.Enter();
            ThreadCache* own = Checked(cache);
            // The thread may have a cache only now, perhaps a dead thread's with blocks in it.
            block = own == cache ? 0 : ThreadCache.Pop(own, (nuint)sizeClass);
            if (block == 0)
            {
                return AllocateNew(own, sizeClass, bytes, alignment);
            }

            cache = own;
        }

        if (CounterSwitch.IsOn)
        {
            ThreadCounters.CountAllocation(cache, (nuint)sizeClass);
        }

        return (void*)block;
    }

    private void* AllocateNew(ThreadCache* cache, int sizeClass, nuint bytes, nuint alignment)
    {
        nuint block = _checked is not null ? (nuint)_checked.Allocate(bytes, alignment, AllocationTag.CurrentName)
            : sizeClass == SizeClasses.Huge ? _slabs.AllocateHuge(bytes)
            : _caches.Allocate(cache, sizeClass);
        if (block == 0)
        {
            throw new EngineOutOfMemoryException(
                $"Arena '{Name}' asked for a block of {Sizes.Text(bytes)}, and the reservation of {Sizes.Text(_reservation.BlockBytes)} has no room left for it; "
                + "free something, or set a larger EngineMemoryOptions.ReservationBytes.");
        }

        if (CounterSwitch.IsOn)
        {
            _caches.CountAllocationOf(cache, UsableBytes((void*)block, sizeClass));
        }

        _tracker?.Add(block, bytes);
        return (void*)block;
    }

    /// <summary>Frees when the address is no block of ours, or its magazine is full, or the cache is detached.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void FreeSlow(ThreadCache* cache, void* block)
    {
        HardenedFrees? hardened = _hardened;
        if (hardened is null || !hardened.TryFree(cache, (nuint)block))
        {
            FreeSlowly(cache, block);
        }
        else if (CounterSwitch.IsOn)
        {
            ThreadCounters.CountFree(cache, (nuint)ClassOf(block));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void FreeSlowly(ThreadCache* cache, void* block)
    {
        if (block == null && !IsDisposed)
        {
            return;
        }

        using SlowPath slow = SlowPath.Enter();
        cache = Checked(cache);
        int sizeClass = ClassOf(block);
        nuint bytes = CounterSwitch.IsOn && _checked is null ? _slabs.UsableBytes((nint)block, sizeClass) : 0;
        if (_checked is not null)
        {
            bytes = FreeChecked(block);
        }
        else
        {
            FreeToCache(cache, sizeClass, (nuint)block);
        }

        if (CounterSwitch.IsOn)
        {
            _caches.CountFreeOf(cache, bytes);
        }
    }

    private void FreeToCache(ThreadCache* cache, int sizeClass, nuint block)
    {
        nuint* top = ThreadCache.Top(cache, sizeClass);
        if ((top != null && top[-1] == block) || _caches.IsLastOnly(cache, sizeClass, block))
        {
            throw new EngineMemoryException($"The block at 0x{block:x} ({Sizes.Text(_slabs.UsableBytes((nint)block, sizeClass))}, arena '{Name}') was freed twice in a row.");
        }

        _hardened?.Check(sizeClass, block);
        if (((nuint)top & Magazine.Mask) != 0)
        {
            // The cache was detached when the caller looked; the thread has one.
            *top = block;
            ThreadCache.SetTop(cache, sizeClass, top + 1);
            return;
        }

        _tracker?.Remove(block);
        _caches.Free(cache, sizeClass, block);
    }

    internal void* ReallocateBlock(ThreadCache* cache, void* block, nuint bytes)
    {
        ArenaHandle handle = new(this, cache);
        if (block == null)
        {
            return handle.Allocate(bytes);
        }

        ObjectDisposedException.ThrowIf(IsDisposed, this);
        using SlowPath slow = SlowPath.Enter();
        int sizeClass = ClassOf(block);
        nuint usable = UsableBytes(block, sizeClass);
        if (_checked is null && bytes <= usable && (bytes >= usable / 2 || usable <= SizeClasses.LinearBytes))
        {
            _tracker?.Move((nuint)block, (nuint)block, bytes);
            return block;
        }

        nuint grown = _checked is null && bytes > usable && bytes <= MaximumBytes ? GrowTracked((nuint)block, sizeClass, bytes) : 0;
        if (grown != 0)
        {
            if (CounterSwitch.IsOn)
            {
                ThreadCache* own = Checked(cache);
                _caches.CountFreeOf(own, usable);
                _caches.CountAllocationOf(own, UsableBytes((void*)grown, SizeClasses.IndexOf(bytes)));
            }

            return (void*)grown;
        }

        return ReallocateByCopy(handle, block, nuint.Min(usable, bytes), bytes);
    }

    private nuint GrowTracked(nuint block, int sizeClass, nuint bytes)
    {
        if (_tracker is null)
        {
            return _slabs.Grow((nint)block, sizeClass, bytes);
        }

        AllocationTracker.Origin origin = _tracker.Take(block);
        nuint grown = 0;
        try
        {
            grown = _slabs.Grow((nint)block, sizeClass, bytes);
        }
        finally
        {
            _tracker.Put(grown == 0 ? block : grown, grown == 0 ? origin : origin with { Bytes = bytes });
        }

        return grown;
    }

    private static void* ReallocateByCopy(ArenaHandle handle, void* block, nuint kept, nuint bytes)
    {
        void* moved = handle.Allocate(bytes);
        Buffer.MemoryCopy(block, moved, kept, kept);
        bool isFreed = false;
        try
        {
            handle.Free(block);
            isFreed = true;
        }
        finally
        {
            if (!isFreed)
            {
                // The old block was no block that can be freed: the caller keeps it, and the copy is nobody's.
                handle.Free(moved);
            }
        }

        return moved;
    }

    /// <summary>The class of one of this arena's blocks.</summary>
    private int ClassOf(void* block)
    {
        nint address = (nint)block;
        if (!_reservation.Contains(address))
        {
            throw new EngineMemoryException($"0x{address:x} does not belong to the engine's memory, so arena '{Name}' can do nothing with it.");
        }

        uint tag = _reservation.Tags[(address - _reservation.Base) >> SuperSlab.SlabShift];
        uint owner = tag & ~(uint)byte.MaxValue;
        if (owner != _tag)
        {
            throw new EngineMemoryException(tag == 0
                ? $"0x{address:x} is no block of arena '{Name}': no live block begins in its slab. Was it freed already, or taken from a frame arena?"
                : $"The block at 0x{address:x} belongs to arena '{_registry.NameOf(owner)}' and was handed to arena '{Name}'.");
        }

        return (int)(tag & byte.MaxValue);
    }

    internal ThreadCache* AttachedCache()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return _caches.Attach();
    }

    /// <summary>
    /// The cache that a slow path may use: the caller's own, made now where the thread had none; the detached one where there is neither a
    /// slot nor memory for it.
    /// </summary>
    private ThreadCache* Checked(ThreadCache* cache)
    {
        ThreadCache* own = AttachedCache();
        return cache == ThreadCache.Detached || cache == own
            ? own
            : throw new EngineMemoryException($"A handle of arena '{Name}' was used by another thread than the one that took it; take one on each thread.");
    }
}
