using System.Runtime.CompilerServices;

namespace SuperSlab;

/// <content>The slow paths of <see cref="ArenaHandle"/>: an empty or full magazine, or an unusual call.</content>
public sealed unsafe partial class LongLivedArena
{
    /// <summary>Allocates sizes above the cache's map, from an empty magazine, or with a detached cache.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void* AllocateSlow(ThreadCache* cache, nuint bytes)
    {
        int sizeClass = SizeClasses.IndexOf(bytes);
        if (bytes <= SlabGeometry.SuperSlabBytes)
        {
            // The fast path of sizes above the map.
            nuint block = ThreadCache.TryAllocate(cache, (nuint)sizeClass);
            if (block != 0)
                return (void*)block;
        }
        else if (bytes > MaximumBytes)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes), bytes,
                    $"A block of {Sizes.Exact(bytes)} was asked for; arena '{Name}' can hold blocks of at most "
                    + $"{Sizes.Text(MaximumBytes)}.");
        }

        return AllocateOfClass(cache, sizeClass, bytes);
    }

    /// <summary>Allocates a block of a size class that the size was mapped to before.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void* AllocateOfClass(
        ThreadCache* cache, int sizeClass, nuint bytes, nuint alignment = SizeClasses.Quantum)
    {
        int own = ThreadCache.ClassFor(cache, sizeClass);
        nuint block = ThreadCache.Pop(cache, (nuint)own) is var popped and not 0 ? popped
            : _caches.TryTakeStocked(cache, own);
        if (block == 0)
            return AllocateNew(cache, sizeClass, bytes, alignment);

        if (CounterSwitch.IsOn)
            ThreadCounters.CountAllocation(cache, (nuint)own, block);

        return (void*)block;
    }

    /// <summary>Allocates where the thread has no free block, or has only now got a cache, perhaps a dead
    /// thread's.</summary>
    private void* AllocateNew(ThreadCache* cache, int sizeClass, nuint bytes, nuint alignment)
    {
        using SlowPath slow = SlowPath.Enter();
        cache = Checked(cache);
        sizeClass = ThreadCache.ClassFor(cache, sizeClass);
        nuint block = _checked is not null
            ? (nuint)_checked
            .Allocate(
            bytes, nuint.Max(alignment, bytes > SlabGeometry.SuperSlabBytes ? SlabGeometry.SuperSlabBytes : 0),
            AllocationTag.CurrentName)
            : sizeClass == SizeClasses.Huge ? _slabs.AllocateHuge(bytes)
            : ThreadCache.Pop(cache, (nuint)sizeClass) is var popped and not 0 ? popped
            : _caches.Allocate(cache, sizeClass);
        if (block == 0)
        {
            throw new EngineOutOfMemoryException(
                $"Arena '{Name}' asked for a block of {Sizes.Text(bytes)}, and the reservation of "
                    + $"{Sizes.Text(_reservation.BlockBytes)} has no room left for it; "
                + "free something, or set a larger EngineMemoryOptions.ReservationBytes.");
        }

        if (CounterSwitch.IsOn)
            _caches.CountAllocationOf(cache, block, UsableBytes((void*)block, sizeClass));

        _tracker?.Add(block, bytes);
        return (void*)block;
    }

    /// <summary>Frees into a full magazine, with a detached cache, or refuses an address that is no block of the
    /// arena.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void FreeSlow(ThreadCache* cache, void* block)
    {
        if (_hardened is { } hardened && hardened.TryFree(cache, (nuint)block))
            return;

        nuint offset = (nuint)((nint)block - cache->ReservationBase);
        nuint sizeClass = offset < cache->ReservationBytes
            ? cache->Tags[offset >> SlabGeometry.SlabShift] ^ _tagOfBlocks : nuint.MaxValue;
        if (CounterSwitch.IsOn && sizeClass <= byte.MaxValue)
            _caches.ForgetSample((nuint)block);

        if (sizeClass > byte.MaxValue || !_caches.TryPutStocked(cache, (int)sizeClass, (nuint)block))
            FreeChecked(cache, block);
        else if (CounterSwitch.IsOn)
            ThreadCounters.CountFree(cache, sizeClass);
    }

    /// <summary>Frees what needs a closer look, or a place for the block.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void FreeChecked(ThreadCache* cache, void* block)
    {
        if (block == null && !IsDisposed)
            return;

        using SlowPath slow = SlowPath.Enter();
        cache = Checked(cache);
        int sizeClass = ClassOf(block);
        ThrowIfRange(block, sizeClass, "Dispose");
        nuint bytes = _checked?.BytesOf(block, "freed") ?? _slabs.UsableBytes((nint)block, sizeClass);
        if (_checked is null && IsLastFreed(cache, sizeClass, (nuint)block))
        {
            throw new EngineMemoryException(
                $"The block at 0x{(nint)block:x} ({Sizes.Text(bytes)}, arena '{Name}') was freed twice in a row.");
        }

        // There is room where the cache was detached when the caller looked, and the thread has one.
        _hardened?.Check(sizeClass, (nuint)block);
        if (ThreadCache.TryFree(cache, (nuint)sizeClass, (nuint)block))
            return;

        _tracker?.Remove((nuint)block);
        if (CounterSwitch.IsOn)
            _caches.ForgetSample((nuint)block);

        try
        {
            // Damage to earlier blocks is reported after this one is freed.
            if (_checked is not null)
                _checked.Free(block, AllocationTag.CurrentName);
            else
                _caches.Free(cache, sizeClass, (nuint)block);
        }
        finally
        {
            if (CounterSwitch.IsOn)
                _caches.CountFreeOf(cache, bytes);
        }
    }

    private bool IsLastFreed(ThreadCache* cache, int sizeClass, nuint block)
    {
        nuint* top = ThreadCache.Top(cache, sizeClass);
        return top != null ? top[-1] == block : _caches.IsLastOnly(cache, sizeClass, block);
    }

    internal void* ReallocateBlock(ThreadCache* cache, void* block, nuint bytes, nuint alignment)
    {
        ArenaHandle handle = new(this, cache);
        if (block == null)
            return handle.Allocate(bytes, alignment);

        Disposed.ThrowIf(IsDisposed, this);
        using SlowPath slow = SlowPath.Enter();
        int sizeClass = ClassOf(block);
        ThrowIfRange(block, sizeClass, "Grow");
        nuint usable = UsableBytes(block, sizeClass);
        bool mayStay = _checked is null && (nuint)block % alignment == 0;
        if (mayStay && bytes <= usable && (bytes >= usable / 2 || usable <= SizeClasses.LinearBytes))
        {
            _tracker?.Move((nuint)block, (nuint)block, bytes);
            return block;
        }

        // What moves as it grows is an extent, aligned to 2 MiB.
        nuint grown = mayStay && bytes > usable && bytes <= MaximumBytes
            ? CounterSwitch.IsOn ? GrowSampled((nuint)block, sizeClass, bytes)
                : GrowTracked((nuint)block, sizeClass, bytes)
            : 0;
        if (grown != 0)
        {
            if (CounterSwitch.IsOn)
            {
                ThreadCache* own = Checked(cache);
                _caches.CountFreeOf(own, usable);
                _caches.CountAllocationOf(own, grown, UsableBytes((void*)grown, SizeClasses.IndexOf(bytes)));
            }

            return (void*)grown;
        }

        void* copy = ReallocateByCopy(handle, block, nuint.Min(usable, bytes), bytes, alignment);
        if (_checked is null && bytes > usable)
            _slabs.KeepRoom((nint)copy);

        return copy;
    }

    /// <summary>Grows a block that ends as it was and begins anew for samples, unless it does not grow.</summary>
    private nuint GrowSampled(nuint block, int sizeClass, nuint bytes)
    {
        SampledBlock? sample = _caches.TakeSample(block);
        nuint grown = 0;
        try
        {
            grown = GrowTracked(block, sizeClass, bytes);
        }
        finally
        {
            if (grown == 0 && sample is { } lives)
                _caches.PutSample(block, lives);
        }

        return grown;
    }

    private nuint GrowTracked(nuint block, int sizeClass, nuint bytes)
    {
        if (_tracker is null)
            return _slabs.Grow((nint)block, sizeClass, bytes);

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

    private static void* ReallocateByCopy(
        ArenaHandle handle, void* block, nuint kept, nuint bytes, nuint alignment)
    {
        void* moved = handle.Allocate(bytes, alignment);
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
            throw new EngineMemoryException(
                $"0x{address:x} does not belong to the engine's memory, so arena '{Name}' can do nothing with it.");
        }

        uint tag = _reservation.Tags[(address - _reservation.Base) >> SlabGeometry.SlabShift];
        uint owner = tag & ~(uint)byte.MaxValue;
        if (owner != _tag)
        {
            throw new EngineMemoryException(tag == 0
                ? $"0x{address:x} is no block of arena '{Name}': no live block begins in its slab. Was it freed "
                    + "already, or taken from a frame arena?"
                : $"The block at 0x{address:x} belongs to arena '{_registry.NameOf(owner)}' and was handed to arena "
                    + $"'{Name}'.");
        }

        return (int)(tag & byte.MaxValue);
    }

    /// <summary>The calling thread's cache, which nobody takes from until the thread detaches or ends.</summary>
    internal ThreadCache* TakeCache()
    {
        ThreadCache* cache = AttachedCache();
        if (cache != ThreadCache.Detached)
            cache->HasHandle = true;

        return cache;
    }

    internal ThreadCache* AttachedCache()
    {
        Disposed.ThrowIf(IsDisposed, this);
        return _caches.Attach();
    }

    /// <summary>
    /// The cache that a slow path may use: the caller's own, made now where it had none, or the detached one where
    /// there is no slot or no memory for it.
    /// </summary>
    private ThreadCache* Checked(ThreadCache* cache)
    {
        ThreadCache* own = AttachedCache();
        return cache == ThreadCache.Detached || cache == own
            ? own
            : throw new EngineMemoryException(
                $"A handle of arena '{Name}' was used by another thread than the one that took it; take one on each "
                + "thread.");
    }
}

/// <content>What hardened and full checks do on the way; see <see cref="MemoryChecks"/>.</content>
public sealed unsafe partial class LongLivedArena
{
    /// <summary>The user's report of the dispose runs: a dispose that it asks for is under way already.</summary>
    private bool _isReporting;

    private nuint UsableBytes(void* block, int sizeClass) =>
        _checked?.BytesOf(block) ?? _slabs.UsableBytes((nint)block, sizeClass);

    /// <summary>
    /// Reports damage and leaks while the arena can still be used; full checks then forget its blocks. The user's code
    /// may do anything.
    /// </summary>
    /// <returns>The first exception of the user's code.</returns>
    private Exception? ReportChecks()
    {
        if (_checked is null)
            return null;

        _isReporting = true;
        Exception? thrown = Report(
            _checkSettings, DisposeSentences(Name, _checkSettings, _checked, _tracker));
        _isReporting = false;
        _checked.Abandon();
        return thrown;
    }

    /// <summary>Tells all sentences.</summary>
    /// <returns>The first exception of the user's code.</returns>
    internal static Exception? Report(CheckSettings settings, List<string> sentences)
    {
        Exception? thrown = null;
        foreach (string sentence in sentences)
        {
            try
            {
                settings.Tell(sentence);
            }
            catch (Exception exception)
            {
                thrown ??= exception;
            }
        }

        return thrown;
    }

    /// <summary>What an arena's dispose reports: damage, and, if somebody listens, leaks.</summary>
    internal static List<string> DisposeSentences(
        string arena, CheckSettings settings, CheckedBlocks blocks, AllocationTracker? tracker)
    {
        List<string> sentences = [.. blocks.FindDamage()];
        if (settings.Report is not null)
        {
            foreach (LiveAllocation left in tracker?.Live() ?? [])
            {
                sentences.Add(
                    $"Arena '{arena}' was disposed with {Sizes.Count(left.Count, "live block", "live blocks")} of "
                        + $"{Sizes.Exact(left.Bytes)}{(left.Tag is null ? "" : $", tag '{left.Tag}'")}."
                    + (left.CallStack is null ? "" : $"{Environment.NewLine}{left.CallStack}"));
            }
        }

        return sentences;
    }

    internal static void ThrowIfReportThrew(string arena, Exception? thrown)
    {
        if (thrown is not null)
        {
            throw new EngineMemoryException(
                $"The report of what was left in arena '{arena}' threw: {thrown.Message} The arena is disposed.",
                thrown);
        }
    }
}
