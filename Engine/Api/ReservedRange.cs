using System.Diagnostics.CodeAnalysis;

namespace SuperSlab;

/// <summary>
/// Addresses of an arena behind which memory comes as it is needed, so what lies there grows and never moves: one array
/// of a size that nobody knows yet. Made by <see cref="LongLivedArena.Reserve(nuint)"/>.
/// <code>
/// using ReservedRange range = world.Reserve(256 &lt;&lt; 20);   // addresses only
/// range.Grow(8 &lt;&lt; 20);                                    // at level load: 8 MiB are resident
/// Span&lt;Body&gt; bodies = range.AsSpan&lt;Body&gt;(bodyCount);
/// </code>
/// </summary>
/// <remarks>
/// Memory comes in SuperSlabs of 2 MiB, prefaulted, and counts against the arena's budget from then on. In snapshots,
/// trackers and leak reports the range is one block of what it has. It ends with <see cref="Dispose"/>, the arena's
/// reset or its disposal. One thread at a time changes it; any may use its memory meanwhile.
/// </remarks>
public sealed unsafe class ReservedRange : IDisposable
{
    private readonly LongLivedArena _arena;

    internal ReservedRange(LongLivedArena arena, nint address, int superSlab, int reserved)
    {
        _arena = arena;
        Address = (void*)address;
        SuperSlab = superSlab;
        Reserved = reserved;
    }

    /// <summary>Where it begins: a multiple of 2 MiB. Readable and writable as far as <see cref="Bytes"/>.</summary>
    public void* Address { get; }

    /// <summary>How many bytes have memory, and may be used without a fault: a multiple of 2 MiB.</summary>
    public nuint Bytes => (nuint)Length << SlabGeometry.SuperSlabShift;

    /// <summary>How many bytes it can have: what was reserved, rounded up to 2 MiB.</summary>
    public nuint MaximumBytes => (nuint)Reserved << SlabGeometry.SuperSlabShift;

    /// <summary>Its first SuperSlab.</summary>
    internal int SuperSlab { get; }

    /// <summary>SuperSlabs that it can have.</summary>
    internal int Reserved { get; }

    /// <summary>SuperSlabs that it has.</summary>
    internal int Length { get; private set; }

    internal bool IsEnded { get; private set; }

    /// <summary>
    /// Puts memory behind the first bytes, as far as there is none: new contents are undefined. At level load it
    /// prewarms the range; in a frame it calls the system where more than <see cref="Bytes"/> are asked for.
    /// </summary>
    /// <param name="bytes">How many bytes are to have memory; rounded up to 2 MiB.</param>
    /// <exception cref="EngineOutOfMemoryException">The range, the budget or the system has no memory left. Nothing has
    /// changed.</exception>
    /// <exception cref="ObjectDisposedException">The range has ended.</exception>
    public void Grow(nuint bytes)
    {
        ThrowIfEnded();
        if (bytes > MaximumBytes)
        {
            throw new EngineOutOfMemoryException(
                $"{_arena} reserved a range of {Sizes.Text(MaximumBytes)}, and {Sizes.Exact(bytes)} of it were asked "
                + "for; reserve as much as it may ever need, which takes addresses only.");
        }

        int length = (int)Sizes.DivideRoundingUp(bytes, SlabGeometry.SuperSlabBytes);
        if (length > Length)
            _arena.GrowRange(this, length);
    }

    /// <summary>The first elements, which have memory. Hot-loop safe.</summary>
    /// <param name="count">How many.</param>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative, or they are more than <see
    /// cref="Bytes"/>.</exception>
    /// <exception cref="ObjectDisposedException">The range has ended.</exception>
    public Span<T> AsSpan<T>(int count)
        where T : unmanaged
    {
        ThrowIfEnded();
        if (Sizes.Of<T>(count) > Bytes)
            ThrowBeyond(Sizes.Of<T>(count), nameof(count));

        return new Span<T>(Address, count);
    }

    /// <summary>
    /// Gives memory behind the first bytes back to the system; their contents stay, and the addresses stay reserved.
    /// Not for the hot loop.
    /// </summary>
    /// <param name="bytes">How many bytes keep their memory; rounded up to 2 MiB, of which one stays where there is
    /// one.</param>
    /// <exception cref="EngineMemoryException">The system refused: the memory stays resident until the range grows
    /// there again, or ends.</exception>
    /// <exception cref="ObjectDisposedException">The range has ended.</exception>
    public void Trim(nuint bytes)
    {
        ThrowIfEnded();
        nuint kept = nuint.Max(1, Sizes.DivideRoundingUp(bytes, SlabGeometry.SuperSlabBytes));
        if (kept < (nuint)Length)
            _arena.TrimRange(this, (int)kept);
    }

    /// <summary>Gives the memory to the arena's retained reserve, and the addresses to whoever needs them. Repeatable,
    /// also after the arena.</summary>
    public void Dispose()
    {
        if (!IsEnded)
            _arena.EndRange(this);
    }

    /// <summary>"reserved range of 64 MiB, 4 MiB of it in use".</summary>
    public override string ToString() =>
        $"reserved range of {Sizes.Text(MaximumBytes)}, {Sizes.Text(Bytes)} of it in use";

    internal void SetLength(int length) => Length = length;

    /// <summary>Its memory and addresses are others'.</summary>
    internal void End()
    {
        IsEnded = true;
        Length = 0;
    }

    internal void ThrowIfEnded()
    {
        if (IsEnded)
            ThrowEnded();
    }

    [DoesNotReturn]
    private void ThrowBeyond(nuint bytes, string parameter) => throw new ArgumentOutOfRangeException(
        parameter,
        $"Elements of {Sizes.Exact(bytes)} were asked for where {Sizes.Exact(Bytes)} of a range have memory; Grow "
        + "first.");

    [DoesNotReturn]
    private void ThrowEnded() => throw new ObjectDisposedException(
        nameof(ReservedRange),
        $"A reserved range of arena '{_arena.Name}' was disposed, or the arena was reset or disposed.");
}

/// <content>Reserved ranges; see <see cref="ReservedRange"/>.</content>
public sealed unsafe partial class LongLivedArena
{
    /// <summary>The ranges that have not ended. Under its own lock.</summary>
    private readonly List<ReservedRange> _ranges = [];

    /// <summary>
    /// Reserves addresses for memory that grows and never moves. Takes no memory until <see
    /// cref="ReservedRange.Grow"/>, but makes an object: for level load. Tables of 1.1 KiB for each MiB become resident
    /// once something lies behind the range.
    /// </summary>
    /// <param name="maximumBytes">The most bytes that it may ever have; rounded up to 2 MiB.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is above <see cref="MaximumBytes"/>.</exception>
    /// <exception cref="EngineOutOfMemoryException">The reservation has no such run of addresses without
    /// memory.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public ReservedRange Reserve(nuint maximumBytes)
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        using WorkGate.Entry work = _work.Enter(this);
        if (maximumBytes > MaximumBytes)
        {
            throw new ArgumentOutOfRangeException(
                nameof(maximumBytes), maximumBytes,
                $"A range of {Sizes.Exact(maximumBytes)} was to be reserved; arena '{Name}' can reserve at most "
                + $"{Sizes.Text(MaximumBytes)}.");
        }

        int count = (int)Sizes.DivideRoundingUp(nuint.Max(1, maximumBytes), SlabGeometry.SuperSlabBytes);
        int start = _pool.Reserve(count);
        if (start < 0)
        {
            throw new EngineOutOfMemoryException(
                $"Arena '{Name}' was to reserve {Sizes.Text(maximumBytes)} of addresses, and the reservation of "
                + $"{Sizes.Text(_reservation.BlockBytes)} has no such run without memory; a larger "
                + "EngineMemoryOptions.ReservationBytes gives more, EngineMemory.Trim those of the reserve.");
        }

        ReservedRange range = new(this, _reservation.AddressOf(start), start, count);
        lock (_ranges)
            _ranges.Add(range);

        return range;
    }

    /// <summary>Reserves addresses for elements.</summary>
    /// <param name="maximumCount">The most elements that there may ever be.</param>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative, or the size is above
    /// <see cref="MaximumBytes"/>.</exception>
    /// <inheritdoc cref="Reserve(nuint)"/>
    public ReservedRange Reserve<T>(long maximumCount)
        where T : unmanaged => Reserve(Sizes.Of<T>(maximumCount));

    /// <summary>The range that begins at an address.</summary>
    /// <exception cref="EngineMemoryException">There is none.</exception>
    internal ReservedRange RangeAt(void* address)
    {
        lock (_ranges)
        {
            return _ranges.Find(range => range.Address == address) ?? throw new EngineMemoryException(
                $"No reserved range of arena '{Name}' begins at 0x{(nint)address:x}; the arena's reset ended it.");
        }
    }

    /// <summary>See <see cref="ReservedRange.Grow"/>.</summary>
    internal void GrowRange(ReservedRange range, int length)
    {
        using SlowPath slow = SlowPath.Enter();
        BudgetMeter budget = _slabs.Space.Budget;
        int before = range.Length;
        while (before < length)
        {
            // The budget's callback may do anything, with this range too.
            _slabs.Space.AdmitOrReclaim(length - before);
            if (!range.IsEnded && range.Length == before)
                break;

            budget.Return(length - before);
            range.ThrowIfEnded();
            before = range.Length;
        }

        int more = length - before;
        if (more <= 0)
            return;

        bool isLarge = (nuint)more << SlabGeometry.SuperSlabShift >= Prefaulter.LargeBytes;
        PrefaultTask? task = isLarge ? new(Environment.ProcessorCount, null, CancellationToken.None) : null;
        bool hasGrown = false;
        try
        {
            _slabs.GrowRange(range.SuperSlab, before, more, task);
            hasGrown = true;
        }
        finally
        {
            if (!hasGrown)
                budget.Return(more);
        }

        nuint bytes = range.Bytes;
        range.SetLength(length);
        CountRange(range, bytes, range.Bytes);
    }

    /// <summary>See <see cref="ReservedRange.Trim"/>.</summary>
    internal void TrimRange(ReservedRange range, int kept)
    {
        using SlowPath slow = SlowPath.Enter();
        int length = range.Length;
        CountRange(range, range.Bytes, (nuint)kept << SlabGeometry.SuperSlabShift);
        range.SetLength(kept);
        _slabs.ShrinkRange(range.SuperSlab, length, kept);
    }

    /// <summary>See <see cref="ReservedRange.Dispose"/>.</summary>
    internal void EndRange(ReservedRange range)
    {
        using SlowPath slow = SlowPath.Enter();
        int length = range.Length;
        CountRange(range, range.Bytes, 0);
        lock (_ranges)
            _ranges.Remove(range);

        range.End();
        _pool.Unreserve(range.SuperSlab, range.Reserved, length);
        if (length != 0)
            _slabs.EndRange(range.SuperSlab, length);
    }

    /// <summary>Ends all ranges, whose blocks the caller frees. No other thread uses the arena.</summary>
    private void EndRanges()
    {
        foreach (ReservedRange range in _ranges)
        {
            _pool.Unreserve(range.SuperSlab, range.Reserved, range.Length);
            range.End();
        }

        _ranges.Clear();
    }

    /// <summary>Bytes of each range that has memory.</summary>
    private nuint[] RangeBytes()
    {
        lock (_ranges)
            return [.. _ranges.Where(range => range.Length != 0).Select(range => range.Bytes)];
    }

    /// <summary>Counts and tracks a range as a block that was freed with one size and allocated with
    /// another.</summary>
    private void CountRange(ReservedRange range, nuint before, nuint after)
    {
        nuint block = (nuint)range.Address;
        if (CounterSwitch.IsOn)
        {
            ThreadCache* own = AttachedCache();
            if (before != 0)
            {
                _caches.ForgetSample(block);
                _caches.CountFreeOf(own, before);
            }

            if (after != 0)
                _caches.CountAllocationOf(own, block, after);
        }

        if (after == 0)
            _tracker?.Remove(block);
        else if (before == 0)
            _tracker?.Add(block, after);
        else
            _tracker?.Move(block, block, after);
    }

    private void ValidateRanges()
    {
        lock (_ranges)
        {
            foreach (ReservedRange range in _ranges)
            {
                int slab = range.SuperSlab * SlabGeometry.SlabCount;
                bool isOwned = _pool.OwnerTagOf(range.SuperSlab) == _tag;
                int has = isOwned && _slabs.Runs[slab]->IsRange ? _slabs.Runs[slab]->SlabCount : 0;
                if (has != range.Length * SlabGeometry.SlabCount)
                {
                    throw new EngineMemoryException(
                        $"The arena is damaged: a range has {range.Length} SuperSlabs, and its block {has} slabs.");
                }
            }
        }
    }

    private void ThrowIfRange(void* block, int sizeClass, string instead)
    {
        if (_slabs.IsRange((nint)block, sizeClass))
        {
            throw new EngineMemoryException(
                $"0x{(nint)block:x} is a reserved range of arena '{Name}', which is no block to free or reallocate; "
                + $"its {instead} does that.");
        }
    }
}
