using System.Diagnostics;

namespace SuperSlab;

/// <summary>
/// Where the allocator's own objects live: thread caches, magazines, arena tables, slab bitmaps. Any thread.
/// </summary>
/// <remarks>
/// Memory is prefaulted before use, cut from a cursor that only rises, and recycled by exact size, so nothing here
/// faults in the hot loop once <see cref="Promise"/> made room. Pages become resident outside the lock: a level that
/// loads does not stop another level's threads that need a magazine. Sizes are rounded to 64 bytes below 1 KiB and to 1
/// KiB above; objects from 1 KiB on are aligned to 1 KiB. Memory to which callers may still hold a pointer is retired
/// instead of freed: it reads as 0 until so much more was retired that such a pointer is unlikely. The price of exact
/// sizes: free memory of one size never becomes part of another. The sizes are few and recur.
/// <para>Equation, checked by <see cref="Validate"/>: _cursor + _promised &lt;= the region's ResidentBytes.</para>
/// </remarks>
internal sealed unsafe class MetadataHeap
{
    public const nuint LargestBytes = 64 * 1024;

    /// <summary>The most of <see cref="WaitBytes"/>: 6 KiB for each of some 1,000 threads and arenas.</summary>
    public const nuint MostRetiredBytes = 6 << 20;
    private const nuint SmallStep = 64;
    private const nuint LargeStep = 1024;
    private const nuint ChunkBytes = 4096;
    private const nuint RetiredShare = 10;
    private const int SmallLists = (int)(LargeStep / SmallStep);
    private const int Lists = SmallLists + (int)(LargestBytes / LargeStep);

    private readonly PrefaultedRegion _region;
    private readonly nint* _free;
    private readonly nint* _oldestRetired;
    private readonly nint* _newestRetired;
    private readonly int* _lock;
    private nuint _cursor;
    private nuint _promised;
    private nuint _everRetiredBytes;
    private nint _chunk;
    private nuint _chunkLeft;

    public MetadataHeap(PrefaultedRegion region)
    {
        _region = region;
        nuint own = Sizes.AlignUp((nuint)(3 * Lists * sizeof(nint)) + 64, LargeStep);
        region.Ensure(own);
        _lock = (int*)region.Address;
        _free = (nint*)(region.Address + 64);
        _oldestRetired = _free + Lists;
        _newestRetired = _oldestRetired + Lists;
        WaitBytes = nuint.Min(MostRetiredBytes, region.LimitBytes / RetiredShare);
        _cursor = own;
    }

    public nuint UsedBytes => _cursor;

    /// <summary>Where the heap begins, a multiple of 1 KiB.</summary>
    public nint Base => _region.Address;

    /// <summary>Whether an address is in the heap's resident part.</summary>
    public bool IsResident(void* address) => (nuint)((nint)address - _region.Address) < _region.ResidentBytes;

    /// <summary>What this many objects of a size take, with the unused ends of chunks.</summary>
    public static nuint BytesFor(nuint bytes, long count)
    {
        int list = ListOf(bytes, out nuint rounded);
        return list < SmallLists
            ? Sizes.DivideRoundingUp((nuint)count, ChunkBytes / rounded) * ChunkBytes
            : rounded * (nuint)count;
    }

    /// <summary>Zeroed memory, up to 64 KiB, of a promise or of room that was promised to nobody.</summary>
    /// <exception cref="EngineOutOfMemoryException">The region is full, or the system gave no memory.</exception>
    public void* Allocate(nuint bytes, MetadataPromise? promise = null)
    {
        void* result;
        while ((result = TryAllocate(bytes, promise, out nuint end)) == null)
            _region.Ensure(end); // others may take of it

        return result;
    }

    /// <summary>Zeroed memory, or null where it would take an OS call.</summary>
    public void* TryAllocateReady(nuint bytes, MetadataPromise? promise = null) => TryAllocate(bytes, promise, out _);

    private void* TryAllocate(nuint bytes, MetadataPromise? promise, out nuint end)
    {
        int list = ListOf(bytes, out nuint rounded);
        if (TryTake(list, rounded, promise, out nint result, out end))
            new Span<byte>((void*)result, (int)rounded).Clear();

        return (void*)result;
    }

    public void Free(void* block, nuint bytes)
    {
        int list = ListOf(bytes, out nuint rounded);
        Debug.Assert((nuint)((nint)block - Base) < _cursor, "the block is the heap's");
        NativeLock.Enter(_lock);
        *Link((nint)block, rounded) = _free[list];
        _free[list] = (nint)block;
        NativeLock.Exit(_lock);
    }

    /// <summary>
    /// Frees memory to which forgotten pointers may lead. It reads as 0 from now on, except the two words before its
    /// last. It is used again once <see cref="WaitBytes"/> were retired after it, or when the heap is full.
    /// </summary>
    public void Retire(void* block, nuint bytes)
    {
        int list = ListOf(bytes, out nuint rounded);
        new Span<byte>(block, (int)rounded).Clear();
        NativeLock.Enter(_lock);
        _everRetiredBytes += rounded;
        Retired* retired = RetiredAt((nint)block, rounded);
        retired->RetiredUpTo = _everRetiredBytes;
        if (_oldestRetired[list] == 0)
            _oldestRetired[list] = (nint)block;
        else
            RetiredAt(_newestRetired[list], rounded)->Next = (nint)block;

        _newestRetired[list] = (nint)block;
        NativeLock.Exit(_lock);
    }

    /// <summary>How much must be retired after an object before its reuse; at most a tenth of the heap.</summary>
    public nuint WaitBytes { get; }

    /// <summary>Makes room beyond what others were promised: allocations that use it make no OS call.</summary>
    /// <exception cref="EngineOutOfMemoryException">The region is full, or the system gave no memory.</exception>
    public void Promise(MetadataPromise promise, nuint bytes)
    {
        while (true)
        {
            NativeLock.Enter(_lock);
            nuint end = _cursor + _promised + bytes;
            bool hasRoom = end <= _region.ResidentBytes;
            _promised += hasRoom ? bytes : 0;
            promise.LeftBytes += hasRoom ? bytes : 0;
            NativeLock.Exit(_lock);
            if (hasRoom)
                return;

            _region.Ensure(end); // others may take of it, so this tries again
        }
    }

    /// <summary>Ends the unused part of a promise.</summary>
    public void Withdraw(MetadataPromise promise, nuint bytes)
    {
        NativeLock.Enter(_lock);
        nuint left = nuint.Min(bytes, promise.LeftBytes);
        promise.LeftBytes -= left;
        Debug.Assert(left <= _promised, "the heap's promises include each arena's");
        _promised -= left;
        NativeLock.Exit(_lock);
    }

    /// <exception cref="EngineMemoryException">A promise cannot be kept.</exception>
    public void Validate()
    {
        NativeLock.Enter(_lock);
        nuint end = _cursor + _promised;
        NativeLock.Exit(_lock);
        if (end > _region.ResidentBytes)
        {
            throw new EngineMemoryException(
                $"The metadata heap promised {_promised} bytes behind its first {_cursor}, "
                + $"and {_region.ResidentBytes} are resident.");
        }
    }

    /// <summary>Where a free object holds the address of the next.</summary>
    private static nint* Link(nint block, nuint rounded) => (nint*)(block + (nint)rounded) - 1;

    private static Retired* RetiredAt(nint block, nuint rounded) =>
        (Retired*)(block + (nint)rounded - sizeof(nint)) - 1;

    private static int ListOf(nuint bytes, out nuint rounded)
    {
        if (bytes <= LargeStep - SmallStep)
        {
            rounded = Sizes.AlignUp(nuint.Max(bytes, 1), SmallStep);
            return (int)(rounded / SmallStep) - 1;
        }

        rounded = Sizes.AlignUp(bytes, LargeStep);
        return SmallLists + (int)(rounded / LargeStep) - 1;
    }

    /// <summary>Takes an object, or says up to where the region must be resident for that.</summary>
    private bool TryTake(int list, nuint rounded, MetadataPromise? promise, out nint result, out nuint end)
    {
        NativeLock.Enter(_lock);
        nuint cut = list < SmallLists ? ChunkBytes : rounded;
        nuint drawn = promise is not null && promise.LeftBytes >= cut ? cut : 0;
        end = _cursor + _promised - drawn + cut;
        result = _free[list];
        if (result != 0)
        {
            _free[list] = *Link(result, rounded);
        }
        else if (_oldestRetired[list] != 0 && Waited(list, rounded) >= WaitBytes)
        {
            result = TakeRetired(list, rounded);
        }
        else if (list < SmallLists && _chunkLeft >= rounded)
        {
            result = CutSmall(rounded);
        }
        else if (end <= _region.ResidentBytes)
        {
            result = list < SmallLists ? CutSmall(rounded) : Cut(rounded);
            _promised -= drawn;
            if (drawn != 0)
                promise!.LeftBytes -= drawn;
        }
        else if (end > _region.LimitBytes && _oldestRetired[list] != 0)
        {
            result = TakeRetired(list, rounded);
        }

        Debug.Assert(_cursor + _promised <= _region.ResidentBytes, "each promise can be kept");
        NativeLock.Exit(_lock);
        return result != 0;
    }

    /// <summary>How much was retired after the oldest retired object of a list.</summary>
    private nuint Waited(int list, nuint rounded) =>
        _everRetiredBytes - RetiredAt(_oldestRetired[list], rounded)->RetiredUpTo;

    private nint TakeRetired(int list, nuint rounded)
    {
        nint result = _oldestRetired[list];
        _oldestRetired[list] = RetiredAt(result, rounded)->Next;
        return result;
    }

    private nint CutSmall(nuint rounded)
    {
        if (_chunkLeft < rounded)
        {
            // The chunk's rest becomes a small object of its own size: nothing is thrown away.
            nint fresh = Cut(ChunkBytes);
            if (_chunkLeft != 0)
            {
                int list = ListOf(_chunkLeft, out _);
                *Link(_chunk, _chunkLeft) = _free[list];
                _free[list] = _chunk;
            }

            _chunk = fresh;
            _chunkLeft = ChunkBytes;
        }

        nint result = _chunk;
        _chunk += (nint)rounded;
        _chunkLeft -= rounded;
        return result;
    }

    private nint Cut(nuint rounded)
    {
        nint result = _region.Address + (nint)_cursor;
        _cursor += rounded;
        return result;
    }

    /// <summary>Lies before the last word, which a forgotten thread cache reads as its empty magazine.</summary>
    private struct Retired
    {
        public nint Next;

        /// <summary>How much had ever been retired, this object included.</summary>
        public nuint RetiredUpTo;
    }
}

/// <summary>Unused room that a <see cref="MetadataHeap"/> promised to an arena. Under the heap's lock.</summary>
internal sealed class MetadataPromise
{
    public nuint LeftBytes { get; set; }
}
