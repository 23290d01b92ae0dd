using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace SuperSlab;

/// <summary>
/// What stands behind the handles of a small arena, and later behind those of others: the group never frees it. Its
/// generation is odd while an arena lives, and rises by one at each begin and end; a handle carries the one of its
/// arena.
/// </summary>
/// <remarks>
/// The lock guards <see cref="SmallBlocks"/> only: slabs are taken and given back, and the user's code runs, under no
/// lock, so the generation is looked at again afterwards.
/// </remarks>
internal sealed unsafe partial class SmallArenaState(ArenaGroup group, SmallBlocks* blocks)
{
    private readonly BudgetMeter _budget = group.NewMeter();
    private long _generation;
    private Guarding _guarding;
    private CheckedBlocks? _checked;
    private AllocationTracker? _tracker;
    private WeakReference<AssemblyLoadContext>? _context;
    private Action<AssemblyLoadContext>? _onUnloading;

    private enum Guarding
    {
        /// <summary>One thread at a time; nobody looks whether that is so.</summary>
        None,

        /// <summary>One thread at a time; a second one gets an exception.</summary>
        Detect,

        /// <summary>A second thread waits.</summary>
        Lock,
    }

    public string Name { get; private set; } = "";

    /// <summary>What references to the arenas lead to.</summary>
    public ArenaSlot? Slot { get; private set; }

    /// <summary>Resets of all arenas so far.</summary>
    public uint ResetCount { get; private set; }

    public long Generation => Volatile.Read(ref _generation);

    public MemoryChecks Checks => group.Checks;

    /// <summary>The next one without an arena.</summary>
    public SmallArenaState? NextIdle { get; set; }

    public bool IsAlive => (Volatile.Read(ref _generation) & 1) != 0;

    /// <summary>For readers that other threads do not wait for: some moments old.</summary>
    public (nuint LiveBytes, nuint HeldBytes) Bytes => (blocks->LiveBytes, blocks->HeldBytes);

    public ArenaBudget Limits => _budget.Limits;

    public override string ToString() => $"Arena '{Name}'";

    public bool IsStale(long generation) => Volatile.Read(ref _generation) != generation;

    /// <summary>Begins an arena, of which nobody knows yet.</summary>
    public SmallArena Begin(string name, in SmallArenaOptions options)
    {
        Debug.Assert(!IsAlive && blocks->HeldBytes == 0, "the arena before has ended");
        Name = name;
        _budget.Begin(options.Budget);
        bool isFull = group.Checks == MemoryChecks.Full;
        _checked = isFull ? new CheckedBlocks(name, group.CheckSettings, this, group.Pool) : null;
        ArenaTracking tracking = isFull && options.Tracking == ArenaTracking.Off
            ? group.CheckSettings.CallStacks ? ArenaTracking.CallStacks : ArenaTracking.Tags
            : options.Tracking;
        _tracker = tracking == ArenaTracking.Off ? null : new AllocationTracker(tracking);
        _guarding = !options.SingleThreaded ? Guarding.Lock
            : group.Checks == MemoryChecks.Off ? Guarding.None : Guarding.Detect;
        long generation = _generation + 1;
        Volatile.Write(ref _generation, generation);
        if (options.LoadContext is not null)
            JoinContext(options.LoadContext, generation);

        return new SmallArena(this, generation);
    }

    public void* Allocate(long generation, nuint bytes, nuint alignment)
    {
        nuint block = 0;
        if (_checked is null && _tracker is null && SmallBlocks.IsInSlabs(bytes, alignment))
        {
            Enter(generation);
            block = SmallBlocks.TryTake(blocks, bytes, alignment);
            Exit();
        }

        if (block == 0)
            return AllocateSlow(generation, bytes, alignment);

        if (CounterSwitch.IsOn)
            Count(block, ((IBlockSource)this).BytesOf(block), 0);

        return (void*)block;
    }

    /// <summary>Allocates, or returns null where memory or a budget has ended.</summary>
    public void* AllocateOrNull(long generation, nuint bytes, nuint alignment)
    {
        ThrowIfStale(generation);
        try
        {
            return bytes > group.MaximumBytes ? null : Allocate(generation, bytes, alignment);
        }
        catch (EngineOutOfMemoryException)
        {
            return null;
        }
    }

    public void Free(long generation, void* block)
    {
        if (_checked is not null || _tracker is not null || block == null)
        {
            FreeSlow(generation, block);
            return;
        }

        SmallBlock freed = Return(generation, block);
        if (CounterSwitch.IsOn)
            Count(0, 0, freed.Bytes);
    }

    public void* Reallocate(long generation, void* block, nuint bytes, nuint alignment)
    {
        if (block == null)
            return Allocate(generation, bytes, alignment);

        nuint usable = UsableBytes(generation, block);
        bool mayStay = _checked is null && (nuint)block % alignment == 0;
        if (mayStay && bytes <= usable && (bytes >= usable / 2 || usable <= SizeClasses.LinearBytes))
        {
            _tracker?.Move((nuint)block, (nuint)block, bytes);
            return block;
        }

        if (mayStay && usable > SlabGeometry.SlabBytes && bytes > usable)
            return GrowLarge(generation, block, bytes, alignment);

        return ReallocateByCopy(generation, block, nuint.Min(usable, bytes), bytes, alignment);
    }

    public nuint UsableBytes(long generation, void* block)
    {
        Enter(generation);
        SmallBlock found = Find(block, out _);
        Exit();
        if (_checked is null)
        {
            ThrowIfNotLive(block, found);
            return found.Bytes;
        }

        group.ThrowIfNotOf(Name, blocks, (nuint)block);
        return _checked.BytesOf(block);
    }

    public nuint LiveBytes(long generation)
    {
        ThrowIfStale(generation);
        return blocks->LiveBytes;
    }

    public nuint HeldBytes(long generation)
    {
        ThrowIfStale(generation);
        return blocks->HeldBytes;
    }

    public BudgetMeter Budget(long generation)
    {
        ThrowIfStale(generation);
        return _budget;
    }

    public IReadOnlyList<LiveAllocation> LiveAllocations(long generation)
    {
        ThrowIfStale(generation);
        return _tracker?.Live() ?? [];
    }

    public IReadOnlyList<ArenaBlock> Blocks(long generation)
    {
        ThrowIfStale(generation);
        if (_checked is not null)
            return [.. _checked.Blocks().Select(block => new ArenaBlock((nint)block.Address, block.Bytes))];

        List<ArenaBlock> live = [];
        Enter(generation);
        AddLive(live, blocks->Open.First);
        AddLive(live, blocks->Full.First);
        Exit();
        return live;
    }

    public void Reset(long generation)
    {
        ThrowIfStale(generation);
        ResetCount++;
        string? damage = _checked?.Clear();
        _tracker?.Clear();
        Enter(generation);
        SmallSlab* thrownAway = SmallBlocks.TakeAll(blocks);
        Exit();
        RetireCounters(thrownAway);
        GiveBack(thrownAway, []);
        EngineMemoryException.ThrowIf(damage);
    }

    /// <summary>Ends the arena of a generation; nothing where it has ended, and while the group ends all.</summary>
    public void Dispose(long generation)
    {
        if (IsStale(generation) || !group.Work.TryEnter(out WorkGate.Entry work, group.Checks == MemoryChecks.Full))
            return;

        using (work)
        {
            Exception? thrown = End(generation, givesBack: true);
            LongLivedArena.ThrowIfReportThrew(Name, thrown);
        }
    }

    /// <summary>Ends the arena of a generation if it lives.</summary>
    /// <param name="generation">The arena's.</param>
    /// <param name="givesBack">Whether its slabs go to the group, which has ended otherwise.</param>
    /// <returns>The first exception of the user's report.</returns>
    public Exception? End(long generation, bool givesBack)
    {
        // Only one of two threads ends it, and none that waits for the lock finds it alive.
        if ((generation & 1) == 0
            || Interlocked.CompareExchange(ref _generation, generation + 1, generation) != generation)
        {
            return null;
        }

        SmallSlab* thrownAway = TakeAllWaiting();
        if (_context is not null)
            LeaveContext();

        Exception? thrown = _checked is null ? null : LongLivedArena.Report(
            group.CheckSettings, LongLivedArena.DisposeSentences(Name, group.CheckSettings, _checked, _tracker));
        IReadOnlyList<nuint> closedPages = _checked?.Abandon() ?? [];
        _checked = null;
        _tracker = null;
        RetireCounters(thrownAway);
        if (givesBack)
        {
            GiveBack(thrownAway, closedPages);
            group.Recycle(this);
        }

        return thrown;
    }

    /// <summary>Ends the arena that lives now, if any, because the group ends.</summary>
    public Exception? EndAny()
    {
        Exception? thrown = End(Volatile.Read(ref _generation), givesBack: false);
        ArenaSlots.Remove(Slot);
        return thrown;
    }

    /// <summary>The arena of a generation, whose low half a reference carries.</summary>
    public SmallArena Handle(uint generation)
    {
        long current = Generation;
        return new SmallArena(this, (uint)current == generation ? current : current - 1);
    }

    /// <summary>Makes references possible, once the group knows the state and will end it.</summary>
    public void BeginReferences() => Slot = ArenaSlots.Add(this);

    /// <exception cref="EngineMemoryException">An equation does not hold.</exception>
    public void Validate()
    {
        string? fault = SmallBlocks.Fault(blocks);
        if (fault is null && (nuint)_budget.Held << SlabGeometry.SlabShift != blocks->HeldBytes)
            fault = $"its budget counts {_budget.Held} slabs as held, and {Sizes.Exact(blocks->HeldBytes)} are";

        if (fault is not null)
            throw new EngineMemoryException($"Arena '{Name}' of group '{group.Name}' is damaged: {fault}.");

        if (IsAlive)
            _checked?.Verify();
    }

    /// <summary>Frees a block, and what has become empty with it.</summary>
    private SmallBlock Return(long generation, void* block)
    {
        Enter(generation);
        SmallBlock found = Find(block, out SmallSlab* slab);
        SmallSlab* unused = null;
        if (CounterSwitch.IsOn && found.State == SmallBlockState.Live)
            group.ForgetSample((nuint)block);

        if (found.State == SmallBlockState.Live && slab->IsLarge)
            SmallBlocks.RemoveLarge(blocks, unused = slab);
        else if (found.State == SmallBlockState.Live)
            unused = SmallBlocks.Free(blocks, slab, found);

        Exit();
        ThrowIfNotLive(block, found);
        if (unused != null)
            group.TakeBack(_budget, unused);

        return found;
    }

    /// <summary>What an address is in this arena. Under the lock.</summary>
    private SmallBlock Find(void* block, out SmallSlab* slab)
    {
        slab = group.SlabOf((nuint)block);
        return slab != null && slab->Owner == blocks ? SmallSlab.Find(slab, (nuint)block) : default;
    }

    private void ThrowIfNotLive(void* block, in SmallBlock found)
    {
        if (found.State == SmallBlockState.Live)
            return;

        group.ThrowIfNotOf(Name, blocks, (nuint)block);
        throw new EngineMemoryException(found.State == SmallBlockState.Inside
            ? $"0x{(nuint)block:x} lies inside a block of {Sizes.Text(found.Bytes)} of arena '{Name}'; only the "
                + "address that the allocation returned can be used and freed."
            : $"No live block of arena '{Name}' begins at 0x{(nuint)block:x}: the block was freed twice, or is used "
                + "after it was freed.");
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Enter(long generation)
    {
        // Read in this order: when another arena has begun here, the generation is not the handle's.
        Guarding guarding = (Guarding)Volatile.Read(ref Unsafe.As<Guarding, int>(ref _guarding));
        if (Volatile.Read(ref _generation) != generation)
            ThrowDisposed();

        if (guarding != Guarding.None)
            EnterGuarded(generation, guarding);
    }

    private void EnterGuarded(long generation, Guarding guarding)
    {
        if (guarding == Guarding.Lock)
        {
            NativeLock.Enter(&blocks->Lock);
        }
        else if (!NativeLock.TryEnter(&blocks->Lock))
        {
            throw new EngineMemoryException(
                $"Arena '{Name}' is single-threaded, and two threads used it at once; make it without "
                    + "SmallArenaOptions.SingleThreaded, or let one wait for the other.");
        }

        if (Volatile.Read(ref _generation) != generation)
        {
            NativeLock.Exit(&blocks->Lock);
            ThrowDisposed();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Exit()
    {
        if (_guarding != Guarding.None)
            NativeLock.Exit(&blocks->Lock);
    }

    /// <summary>Takes all that the arena has when the last call that found it alive has ended.</summary>
    private SmallSlab* TakeAllWaiting()
    {
        if (_guarding != Guarding.None)
            NativeLock.Enter(&blocks->Lock);

        SmallSlab* all = SmallBlocks.TakeAll(blocks);
        Exit();
        return all;
    }

    /// <summary>Gives slabs back. What has a page that the system did not open stays with the group until its
    /// end.</summary>
    private void GiveBack(SmallSlab* thrownAway, IReadOnlyList<nuint> closedPages)
    {
        for (SmallSlab* next; thrownAway != null; thrownAway = next)
        {
            next = thrownAway->Next;
            bool isClosed = false;
            for (int index = 0; index < closedPages.Count; index++)
                isClosed |= closedPages[index] - thrownAway->Start < thrownAway->HeldBytes;

            if (isClosed)
                ArenaGroup.Abandon(_budget, thrownAway);
            else
                group.TakeBack(_budget, thrownAway);
        }
    }

    private static void AddLive(List<ArenaBlock> live, SmallSlab* slab)
    {
        for (; slab != null; slab = slab->Next)
        {
            nuint address = slab->Start;
            for (SmallBlock block; (block = SmallSlab.NextLive(slab, ref address)).Bytes != 0; address += block.Bytes)
                live.Add(new ArenaBlock((nint)address, block.Bytes));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Count(nuint block, nuint allocated, nuint freed) =>
        group.Count(SmallBlocks.CountersOf(blocks), block, allocated, freed);

    private void RetireCounters(SmallSlab* thrownAway)
    {
        if (!CounterSwitch.IsOn)
            return;

        group.RetireCounters(SmallBlocks.CountersOf(blocks));
        for (; thrownAway != null; thrownAway = thrownAway->Next)
            group.ForgetSlab(thrownAway->Start);
    }

    private void ThrowIfStale(long generation)
    {
        if (IsStale(generation))
            ThrowDisposed();
    }

    [DoesNotReturn]
    private void ThrowDisposed() => throw new ObjectDisposedException(
        IsAlive ? $"A small arena of group '{group.Name}'" : ToString());
}
