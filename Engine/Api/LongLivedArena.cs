using System.Diagnostics;
using System.Runtime.CompilerServices;
using CommunityToolkit.HighPerformance;

namespace SuperSlab;

/// <summary>
/// Memory whose blocks are freed one by one, by any thread, or all at once when the level ends. Made by
/// <c>EngineMemory.CreateLongLivedArena</c>.
/// <para>
/// Allocate and free in the hot loop, from any thread; once prewarmed, neither faults, calls the system or makes
/// garbage. Blocks are aligned to 16 bytes by default; contents are undefined unless zeroed. A size of 0 is treated as
/// 1. <see cref="Reset"/>, <see cref="Validate"/> and <see cref="Dispose"/> are for level load and unload: no other
/// thread may use the arena meanwhile.
/// </para>
/// <para>
/// These methods look up the calling thread's cache each time; <see cref="GetHandle"/> does it once, for a job or a
/// frame.
/// </para>
/// </summary>
public sealed unsafe partial class LongLivedArena : IArena
{
    /// <summary>The largest alignment that can be asked for: 2 MiB.</summary>
    public const nuint MaximumAlignment = SlabGeometry.SuperSlabBytes;

    private readonly Reservation _reservation;
    private readonly SuperSlabPool _pool;
    private readonly ArenaRegistry _registry;
    private readonly uint _tag;

    /// <summary>The tag as wide as a free compares it: narrower it costs an instruction.</summary>
    private readonly nuint _tagOfBlocks;
    private readonly ArenaSlabs _slabs;
    private readonly ArenaCaches _caches;
    private readonly AllocationTracker? _tracker;
    private readonly CheckedBlocks? _checked;
    private readonly HardenedFrees? _hardened;
    private readonly CheckSettings _checkSettings;

    /// <summary>Level-load work in the arena, for which <see cref="Dispose"/> waits.</summary>
    private readonly WorkGate _work = new();

    private ThreadCache** _table;

    internal LongLivedArena(
        string name, Reservation reservation, SuperSlabPool pool, MetadataHeap heap, ArenaRegistry registry,
        MemoryChecks checks = MemoryChecks.Off, CheckSettings? checkSettings = null,
            ArenaTracking tracking = ArenaTracking.Off,
        CounterBoard? counters = null)
    {
        Name = name;
        _checkSettings = checkSettings ?? new CheckSettings();
        if (checks == MemoryChecks.Full && tracking == ArenaTracking.Off)
            tracking = _checkSettings.CallStacks ? ArenaTracking.CallStacks : ArenaTracking.Tags;

        _tracker = tracking == ArenaTracking.Off ? null : new AllocationTracker(tracking);
        _reservation = reservation;
        _pool = pool;
        _registry = registry;
        _tag = registry.Add(this);
        _tagOfBlocks = _tag;
        try
        {
            _slabs = new ArenaSlabs(reservation, pool, heap, _tag, cached: _tracker is null);
            _slabs.Space.Budget.Owner = $"Arena '{name}'";
            _slabs.Space.Budget.OuterWork = registry.Work;
            _slabs.Space.Budget.Work = _work;
            _checked = checks == MemoryChecks.Full ? new CheckedBlocks(name, _checkSettings, _slabs, pool) : null;
            _caches = new ArenaCaches(reservation, heap, _slabs, checks == MemoryChecks.Hardened, counters);
            _hardened = checks == MemoryChecks.Hardened ? new HardenedFrees(name, reservation, _slabs, _caches, _tag)
                : null;
            _table = _caches.Table;
            Slot = ArenaSlots.Add(this);
            registry.Show(_tag);
        }
        catch
        {
            _caches?.FreeTables();
            _slabs?.FreeTables();
            registry.Remove(_tag);
            throw;
        }
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>The arena as messages name it: "Arena 'world'".</summary>
    public override string ToString() => $"Arena '{Name}'";

    /// <inheritdoc/>
    public int SuperSlabCount => _slabs.Space.SuperSlabCount;

    /// <summary>The largest block that the reservation could hold, in bytes.</summary>
    public nuint MaximumBytes => _reservation.BlockBytes;

    /// <summary>What the arena may hold; read when it takes SuperSlabs. For level load. Default: no limit.</summary>
    /// <exception cref="ArgumentException">The soft limit is above the hard one.</exception>
    public ArenaBudget Budget
    {
        get => _slabs.Space.Budget.Limits;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            value.Validate(nameof(value));
            _slabs.Space.Budget.Limits = value;
            _caches.LimitStocks(value.StockBytes);
        }
    }

    /// <summary>
    /// The most bytes of SuperSlabs that were in use at once: those of which a slab held blocks, or a thread's cache
    /// had some. What a scene plan should prewarm for blocks that live together. Any thread.
    /// </summary>
    public nuint PeakUsedBytes => (nuint)_slabs.Space.PeakUsedSuperSlabs << SlabGeometry.SuperSlabShift;

    /// <summary>How often the arena took SuperSlabs beyond its soft budget.</summary>
    public long SoftOverruns => _slabs.Space.Budget.SoftOverruns;

    /// <summary>How often the arena wanted SuperSlabs beyond its hard budget.</summary>
    public long HardOverruns => _slabs.Space.Budget.HardOverruns;

    /// <summary>The most SuperSlabs that the arena owned at a time.</summary>
    internal int PeakSuperSlabCount => _slabs.Space.PeakSuperSlabCount;

    /// <summary>Marks the arena's slabs. No other living arena has it, nor one that is made soon after.</summary>
    internal nuint Tag => _tagOfBlocks;

    internal WorkGate Work => _work;

    internal ArenaSlabs Slabs => _slabs;

    internal ArenaCaches Caches => _caches;

    /// <summary>The group whose memory this is; null for an arena of its own.</summary>
    internal ArenaGroup? Group { get; set; }

    /// <summary>What references to the arena lead to.</summary>
    internal ArenaSlot Slot { get; } = null!;

    internal uint ResetCount { get; private set; }

    internal MemoryChecks Checks => _checked is not null ? MemoryChecks.Full
        : _hardened is not null ? MemoryChecks.Hardened : MemoryChecks.Off;

    /// <summary>Whether slabs say all of their blocks: no check or tracker knows more.</summary>
    internal bool HasPlainBlocks => _checked is null && _hardened is null && _tracker is null;

    internal bool IsDisposed => _table == ThreadCache.DetachedTable;

    /// <summary>
    /// The arena for the calling thread: the same methods without the look-up of its cache. Take it once for a job or a
    /// frame, on the thread that uses it; it must not outlive the arena.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public ArenaHandle GetHandle() => new(this, TakeCache());

    /// <summary>Allocates a block of at least <paramref name="bytes"/>, its contents undefined.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is above <see cref="MaximumBytes"/>.</exception>
    /// <exception cref="EngineOutOfMemoryException">The reservation, the budget or the system has no memory left.
    /// Nothing has changed.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void* Allocate(nuint bytes) => Local.Allocate(bytes);

    /// <summary>Allocates a block that begins at a multiple of <paramref name="alignment"/>.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="alignment">A power of two up to <see cref="MaximumAlignment"/>.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number.</exception>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public void* Allocate(nuint bytes, nuint alignment) => Local.Allocate(bytes, alignment);

    /// <summary>Allocates a block whose first <paramref name="bytes"/> are 0.</summary>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public void* AllocateZeroed(nuint bytes) => Local.AllocateZeroed(bytes);

    /// <summary>Allocates one <typeparamref name="T"/>, undefined. Its size class is a constant of the compiled
    /// code.</summary>
    /// <inheritdoc cref="Allocate(nuint)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T* Allocate<T>()
        where T : unmanaged => Local.Allocate<T>();

    /// <summary>Allocates room for <paramref name="count"/> elements, their contents undefined.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative, or the size is above
    /// <see cref="MaximumBytes"/>.</exception>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public T* Allocate<T>(long count)
        where T : unmanaged => Local.Allocate<T>(count);

    /// <summary>Allocates elements as a span, undefined. Free it with <see cref="Free{T}(Span{T})"/>.</summary>
    /// <inheritdoc cref="Allocate{T}(long)"/>
    public Span<T> AllocateSpan<T>(int count)
        where T : unmanaged => Local.AllocateSpan<T>(count);

    /// <summary>Allocates a height by width grid, row after row without gaps, its contents undefined.</summary>
    /// <inheritdoc cref="Allocate{T}(long)"/>
    public Span2D<T> AllocateSpan2D<T>(int height, int width)
        where T : unmanaged => Local.AllocateSpan2D<T>(height, width);

    /// <summary>
    /// Changes a block's size and keeps the contents up to the smaller size. The block stays where it is while its
    /// class fits and is at least half used, and where an extent has free memory behind it. An extent that moves to
    /// memory that is not prefaulted takes its pages along where the system can; otherwise the contents are copied. A
    /// moved block is aligned to 16 bytes. A null block is allocated.
    /// </summary>
    /// <returns>The block, which may have moved. When an exception is thrown the old block is as it was.</returns>
    /// <exception cref="EngineMemoryException">The address is not a block of this arena.</exception>
    /// <inheritdoc cref="Allocate(nuint)"/>
    public void* Reallocate(void* block, nuint bytes) => Local.Reallocate(block, bytes);

    /// <summary>Frees a block; any thread may. Null is ignored.</summary>
    /// <exception cref="EngineMemoryException">
    /// The address is foreign, another arena's, no block, or the block that this thread freed last. Nothing has
    /// changed. Other double frees are found late or never, unless <see cref="MemoryChecks"/> are on.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(void* block) => Local.Free(block);

    /// <summary>Frees a span of <see cref="AllocateSpan{T}(int)"/>. A default span is ignored.</summary>
    /// <inheritdoc cref="Free(void*)"/>
    public void Free<T>(Span<T> elements)
        where T : unmanaged => Local.Free(elements);

    /// <summary>The bytes that a block of a size has: its class's, or above 32 MiB whole SuperSlabs of 2 MiB.</summary>
    /// <param name="bytes">The size that is asked for; 0 is treated as 1.</param>
    /// <param name="alignment">A power of two up to <see cref="MaximumAlignment"/>.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number.</exception>
    public static nuint BlockBytes(nuint bytes, nuint alignment = SizeClasses.Quantum)
    {
        Sizes.CheckAlignment(alignment, MaximumAlignment);
        int sizeClass = SizeClasses.IndexOf(bytes, alignment);
        return sizeClass == SizeClasses.Huge
            ? nuint.Max(bytes, Sizes.AlignUp(bytes, SlabGeometry.SuperSlabBytes))
            : SizeClasses.BlockBytes(sizeClass);
    }

    /// <summary>The most free blocks of a size that one thread holds back from the others.</summary>
    /// <param name="bytes">The size that is asked for.</param>
    public static int CachedBlocks(nuint bytes) => SizeClasses.CacheBlocks(SizeClasses.IndexOf(bytes));

    /// <summary>How many bytes of a block may be used: at least what was asked for.</summary>
    /// <exception cref="EngineMemoryException">The address is not a block of this arena.</exception>
    public nuint UsableBytes(void* block)
    {
        Disposed.ThrowIf(IsDisposed, this);
        return UsableBytes(block, ClassOf(block));
    }

    /// <summary>
    /// Makes the memory of the given blocks resident, so that allocating them later makes no OS call and faults
    /// nothing. For level load. Adds to earlier prewarms; ends with <see cref="Dispose"/>.
    /// </summary>
    /// <param name="blocks">The blocks that are live at the same time. The free blocks of thread caches are
    /// added.</param>
    /// <param name="threads">How many threads will use the arena at the same time.</param>
    /// <param name="carve">
    /// Whether size classes get their slabs now. Otherwise only large blocks do, and the rest gets whole SuperSlabs to
    /// divide as needed.
    /// </param>
    /// <param name="progress">Receives the share of memory prefaulted, 0 to 1.</param>
    /// <param name="cancellation">Stops a large prefault; nothing is left behind.</param>
    /// <returns>The bytes of SuperSlabs that the arena gained.</returns>
    /// <exception cref="EngineOutOfMemoryException">Memory ran out. The arena is as it was.</exception>
    /// <exception cref="OperationCanceledException">The cancellation was asked for. The arena is as it was.</exception>
    public nuint Prewarm(
        ReadOnlySpan<BlockCount> blocks,
        int threads,
        bool carve = true,
        IProgress<double>? progress = null,
        CancellationToken cancellation = default) =>
        PrewarmPlanned(
            blocks, superSlabs: 0, together: 0, threads, carve,
            new PrefaultTask(Environment.ProcessorCount, progress, cancellation));

    /// <summary>
    /// A prewarm with additional SuperSlabs for blocks of any size up to 2 MiB, or with those in which all blocks live
    /// together.
    /// </summary>
    internal nuint PrewarmPlanned(
        ReadOnlySpan<BlockCount> blocks, int superSlabs, int together, int threads, bool carve, PrefaultTask task)
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        using WorkGate.Entry work = _work.Enter(this);
        using var linked = CancellationTokenSource
            .CreateLinkedTokenSource(task.Cancellation, _registry.Work.Closing, _work.Closing);
        try
        {
            PrefaultTask minded =
                task with { Progress = _work.Mind(_registry.Work.Mind(task.Progress)), Cancellation = linked.Token };
            int gained = new ArenaPrewarm(_reservation, _slabs, _caches, _pool, _tag)
                .Run(blocks, superSlabs, together, threads, carve, minded);
            return (nuint)gained << SlabGeometry.SuperSlabShift;
        }
        catch (OperationCanceledException) when (_work.HasCancelled(task.Cancellation)
            || _registry.Work.HasCancelled(task.Cancellation))
        {
            _pool.TryTrim();
            throw new ObjectDisposedException(
                nameof(LongLivedArena), $"Arena '{Name}' or its memory was disposed while it was prewarmed.");
        }
        catch
        {
            _pool.TryTrim();
            throw;
        }
    }

    /// <summary>
    /// The peak of each size class since the arena was made, thread caches included. Given to
    /// <see cref="Prewarm(IReadOnlyList{BlockCount})"/>, it holds for the same use again. Blocks above 32 MiB are
    /// counted by SuperSlabs.
    /// Not for the hot loop; other threads may go on.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public IReadOnlyList<BlockCount> PeakBlocks()
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        using WorkGate.Entry work = _work.Enter(this);
        List<BlockCount> peaks = [];
        _slabs.CollectPeaks((bytes, count, sizeClass) =>
            peaks.Add(new BlockCount(bytes, count, _caches.CachesUsing(sizeClass)) { IncludesCaches = true }));
        return peaks;
    }

    /// <summary>
    /// Each live block, in no order. With full checks the sizes are those that were asked for. Not for the hot loop: it
    /// looks up the free blocks first, in managed memory. No thread may use the arena
    /// until the walk is over.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public IEnumerable<ArenaBlock> Blocks()
    {
        Disposed.ThrowIf(IsDisposed, this);
        return Walk(_checked is not null ? _checked.Blocks().Select(block =>
            new ArenaBlock((nint)block.Address, block.Bytes)) : new ArenaBlocks(_reservation, _slabs, _caches));
    }

    /// <summary>A walk that the arena's end ends: it reads the arena's tables at each step.</summary>
    private IEnumerable<ArenaBlock> Walk(IEnumerable<ArenaBlock> blocks)
    {
        Disposed.ThrowIf(IsDisposed, this);
        foreach (ArenaBlock block in blocks)
        {
            yield return block;
            Disposed.ThrowIf(IsDisposed, this);
        }
    }

    /// <summary>
    /// The live blocks by size, tag and call stack, the most bytes first. Needs an arena made with an
    /// <see cref="ArenaTracking"/>, else empty. Not for the hot loop; other threads may go on.
    /// </summary>
    public IReadOnlyList<LiveAllocation> LiveAllocations() => _tracker?.Live() ?? [];

    /// <summary>Makes the calling thread's cache before its first allocation. For workers at level load.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void AttachThread() => AttachedCache();

    /// <summary>
    /// Returns the free blocks that the calling thread holds back, for a thread that will not use the arena for a
    /// while. Its handles are invalid afterwards; otherwise it may go on as before. Not for the hot loop.
    /// </summary>
    /// <exception cref="EngineMemoryException">A block freed earlier was no block. The others have been
    /// returned.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void DetachThread()
    {
        Disposed.ThrowIf(IsDisposed, this);
        using SlowPath slow = SlowPath.Enter();
        _caches.Detach();
    }

    /// <summary>
    /// Returns the free blocks of the calling thread, of dead and of waiting threads, and moves SuperSlabs without live
    /// blocks to the retained reserve. It gives threads 20 milliseconds to begin their wait. Prewarmed memory stays,
    /// and so does one magazine of each size of threads that run or hold a handle: 64 KiB, or 1 MiB of blocks above 32
    /// KiB. An arena does the same by itself before it says that there is no memory. Other threads may go on. Not for
    /// the hot loop.
    /// </summary>
    /// <exception cref="EngineMemoryException">A block freed earlier was no block. The others have been
    /// returned.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public void Trim()
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        using WorkGate.Entry work = _work.Enter(this);
        using SlowPath slow = SlowPath.Enter();
        _caches.ReclaimWithin(milliseconds: 20);
    }

    /// <summary>
    /// Does a part of what <see cref="Trim()"/> does, in about the time that a frame has left, and goes on in the next
    /// call: full magazines of all threads and the calling thread's own go back, and SuperSlabs without live blocks
    /// move to the retained reserve. Other threads' loaded magazines stay. For the pause between two frames: no OS
    /// call, no allocation, and no wait but for a thread that trims, too.
    /// </summary>
    /// <param name="budget">The time after which nothing more is begun: a magazine of 126 blocks or 1 MiB takes some
    /// microseconds. Below 0 is as 0, which does one such step.</param>
    /// <returns>True when all sizes had their turn since the last time that it returned true.</returns>
    /// <exception cref="EngineMemoryException">A block freed earlier was no block. The others have been
    /// returned.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public bool Trim(TimeSpan budget)
    {
        long start = Stopwatch.GetTimestamp();
        long ticks = (long)(Math.Max(0, budget.TotalSeconds) * Stopwatch.Frequency);
        Disposed.ThrowIf(IsDisposed, this);
        using SlowPath slow = SlowPath.Enter();
        return _caches.ReclaimUntil(ticks > long.MaxValue - start ? long.MaxValue : start + ticks);
    }

    /// <inheritdoc/>
    public void Validate()
    {
        using WorkGate.Entry memory = _registry.Work.Enter(this);
        using WorkGate.Entry work = _work.Enter(this);
        new ArenaValidator(_reservation, _slabs, _tag).Run(_caches);
        _checked?.Verify();
        ValidateRanges();
        Group?.ValidateArenas();
    }

    /// <summary>
    /// Throws all blocks away at once and gives the memory back to the system, except what the retained reserve keeps.
    /// A prewarm that goes on is cancelled and waited for. A second call does nothing; any other call afterwards, of
    /// handles too, throws <see cref="ObjectDisposedException"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">A callback of the arena's prewarm or dispose called it and would
    /// wait for itself. Nothing has changed.</exception>
    public void Dispose()
    {
        if (_isReporting && Monitor.IsEntered(_work))
            return;

        _work.ThrowIfInside($"Arena '{Name}'");

        // A memory that is being disposed takes its arenas along.
        if (IsDisposed || !_registry.Work.TryEnter(out WorkGate.Entry memory))
            return;

        using WorkGate.Entry inside = memory;
        lock (_work)
        {
            if (!IsDisposed)
            {
                _work.Close();
                Exception? thrown = Group is { } group ? group.EndArenas() : ReportChecks();
                DisposeTables();
                _work.EndClose();
                _pool.Trim();
                ThrowIfReportThrew(Name, thrown);
            }
        }
    }

    private void DisposeTables()
    {
        _caches.RetireCounters();
        ArenaSlots.Remove(Slot);
        _registry.Hide(_tag);
        _table = ThreadCache.DetachedTable;
        _hardened?.Close();
        _caches.FreeTables();
        EndRanges();
        _slabs.ReleaseAll();
        _slabs.FreeTables();
        _registry.Remove(_tag);
    }

    private ArenaHandle Local
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            // The slot first: looking it up is a call, which the table's address would have to be saved across.
            nint slot = ThreadSlots.InTable;
            return new(this, _table[slot]);
        }
    }
}
