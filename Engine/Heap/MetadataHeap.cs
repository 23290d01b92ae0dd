namespace SuperSlab;

/// <summary>
/// Where the allocator's own objects live: thread caches, magazines, arena tables, slab bitmaps. Prefaulted before it is used, cut from
/// a cursor that only rises, and recycled by exact size, so nothing here faults in the hot loop once <see cref="Promise"/> made room.
/// Sizes are rounded to 64 bytes up to 1 KiB and to 1 KiB above; objects of 1 KiB and more are aligned to 1 KiB. Any thread.
/// Pages are made resident outside the lock, so that a level that loads does not stop another's threads that need a magazine.
/// What callers may still hold a pointer to is not freed but retired: it reads as 0 until it has waited behind so much other retired memory
/// that nobody is likely to hold it any more.
/// What it gives up: memory of one size is never merged into another. The sizes are few and come again.
/// </summary>
internal sealed unsafe class MetadataHeap
{
    public const nuint LargestBytes = 64 * 1024;

    /// <summary>
    /// The most that must be retired after an object before that is used again: what a game's last levels leave, 6 KiB for each thread and
    /// arena, so some 1,000 of them. Never more than a 10th of the heap.
    /// </summary>
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
    private readonly nuint _waitBytes;
    private readonly int* _lock;
    private readonly Lock _growing = new();
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
        _waitBytes = nuint.Min(MostRetiredBytes, region.LimitBytes / RetiredShare);
        _cursor = own;
    }

    public nuint UsedBytes => _cursor;

    /// <summary>Where the heap begins: a multiple of 1 KiB.</summary>
    public nint Base => _region.Address;

    /// <summary>Whether an object could lie there: the address is in the heap's resident part.</summary>
    public bool IsResident(void* address) => (nuint)((nint)address - _region.Address) < _region.ResidentBytes;

    /// <summary>What so many objects of a size take, the rests of chunks included.</summary>
    public static nuint BytesFor(nuint bytes, long count)
    {
        int list = ListOf(bytes, out nuint rounded);
        return list < SmallLists
            ? Sizes.DivideRoundingUp((nuint)count, ChunkBytes / rounded) * ChunkBytes
            : rounded * (nuint)count;
    }

    /// <summary>Zeroed memory of at least <paramref name="bytes"/>, up to 64 KiB.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="promise">Where the room was promised, if it was. Room that was promised to others is never used.</param>
    /// <exception cref="EngineOutOfMemoryException">The region is full, or the system gave no memory. Nothing has changed.</exception>
    public void* Allocate(nuint bytes, MetadataPromise? promise = null)
    {
        int list = ListOf(bytes, out nuint rounded);
        nint result;
        while (!TryTake(list, rounded, promise, out result, out nuint end))
            Grow(end);

        new Span<byte>((void*)result, (int)rounded).Clear();
        return (void*)result;
    }

    /// <summary>The same, but null where it would take an OS call.</summary>
    public void* TryAllocateReady(nuint bytes, MetadataPromise? promise = null)
    {
        int list = ListOf(bytes, out nuint rounded);
        if (TryTake(list, rounded, promise, out nint result, out _))
            new Span<byte>((void*)result, (int)rounded).Clear();

        return (void*)result;
    }

    public void Free(void* block, nuint bytes)
    {
        int list = ListOf(bytes, out nuint rounded);
        NativeLock.Enter(_lock);
        *Link((nint)block, rounded) = _free[list];
        _free[list] = (nint)block;
        NativeLock.Exit(_lock);
    }

    /// <summary>
    /// Frees memory that forgotten pointers may still lead to: from now on it reads as 0, but for the two words before its last. It is used
    /// again when as much was retired after it as <see cref="WaitBytes"/> says, or when the heap is full.
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

    /// <summary>How much must be retired after an object before that is used again.</summary>
    public nuint WaitBytes => _waitBytes;

    /// <summary>
    /// Makes room for this much more than was promised to others, whatever its sizes: later allocations with the promise make no OS call
    /// until it is used up.
    /// </summary>
    /// <exception cref="EngineOutOfMemoryException">The region is full, or the system gave no memory. Nothing has changed.</exception>
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

            Grow(end);
        }
    }

    /// <summary>Ends a promise as far as it is not used.</summary>
    public void Withdraw(MetadataPromise promise, nuint bytes)
    {
        NativeLock.Enter(_lock);
        nuint left = nuint.Min(bytes, promise.LeftBytes);
        promise.LeftBytes -= left;
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
                $"The metadata heap promised {_promised} bytes behind its first {_cursor}, and {_region.ResidentBytes} are resident.");
        }
    }

    /// <summary>Where a free object holds the next.</summary>
    private static nint* Link(nint block, nuint rounded) => (nint*)(block + (nint)rounded) - 1;

    private static Retired* RetiredAt(nint block, nuint rounded) => (Retired*)(block + (nint)rounded - sizeof(nint)) - 1;

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

    /// <summary>The region up to there is resident. What others take meanwhile may make it too little; then it is called again.</summary>
    private void Grow(nuint end)
    {
        lock (_growing)
            _region.Ensure(end);
    }

    /// <summary>Takes an object, or tells up to where the region must be resident for that.</summary>
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
        else if (HasWaited(list, rounded))
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

        NativeLock.Exit(_lock);
        return result != 0;
    }

    private bool HasWaited(int list, nuint rounded) =>
        _oldestRetired[list] != 0 && _everRetiredBytes - RetiredAt(_oldestRetired[list], rounded)->RetiredUpTo >= _waitBytes;

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
            // What is left of the chunk is a small object of its own size: nothing is thrown away.
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

    /// <summary>What the heap writes into retired memory: before its last word, which a forgotten thread cache reads as its empty magazine.</summary>
    private struct Retired
    {
        public nint Next;

        /// <summary>How much had ever been retired when this was, this included.</summary>
        public nuint RetiredUpTo;
    }
}

/// <summary>Room in a <see cref="MetadataHeap"/> that an arena was promised and has not used yet. Under the heap's lock.</summary>
internal sealed class MetadataPromise
{
    public nuint LeftBytes { get; set; }
}
