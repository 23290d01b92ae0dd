using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace SuperSlab;

/// <summary>
/// Makes and feeds small arenas, thousands of them, that live and die one by one: the scripts of a scene, say. They
/// share the group's SuperSlabs, each holding slabs of 64 KiB. Made by <c>EngineMemory.CreateArenaGroup</c>.
/// <code>
/// using ArenaGroup scripts = memory.CreateArenaGroup("scripts");
/// scripts.Prewarm(arenaCount: 10_000);
/// ...
/// using SmallArena script = scripts.CreateArena("door 7", new() { SingleThreaded = true });
/// Span&lt;int&gt; locals = script.AllocateSpan&lt;int&gt;(100);
/// </code>
/// Any thread may call any member. <see cref="CreateArena"/> is for the hot loop; <see cref="Prewarm"/>,
/// <see cref="Trim"/>, <see cref="Validate"/> and <see cref="Dispose"/> are for level load and unload.
/// </summary>
/// <remarks>
/// The group's memory is a <see cref="LongLivedArena"/> whose blocks are slabs, large blocks, and the descriptions of
/// both. So threads take and return slabs by their caches, without a lock; budgets, prewarms and reclaims are its own;
/// and a slab's descriptor says which small arena has it.
/// </remarks>
public sealed unsafe class ArenaGroup : IDisposable
{
    private readonly LongLivedArena _slabs;
    private readonly Reservation _reservation;
    private readonly ArenaRegistry _registry;
    private readonly CounterBoard? _counters;

    /// <summary>Guards what follows; no memory is taken under it.</summary>
    private readonly WordLock _lock = new();
    private SmallArenaState?[] _states = [];
    private int _made;
    private SmallArenaState? _idle;
    private int _alive;

    internal ArenaGroup(
        LongLivedArena slabs, Reservation reservation, SuperSlabPool pool, ArenaRegistry registry,
        EngineMemoryOptions options, CounterBoard? counters)
    {
        _slabs = slabs;
        _reservation = reservation;
        Pool = pool;
        _registry = registry;
        _counters = counters;
        Checks = options.Checks;

        // What a small arena holds back of freed blocks stays small too.
        CheckSettings = options.CheckSettings with
        {
            QuarantineBytes = nuint.Min(options.CheckSettings.QuarantineBytes, SlabGeometry.SlabBytes),
        };
        slabs.Group = this;
    }

    /// <summary>The name given at creation, as reports and messages show it.</summary>
    public string Name => _slabs.Name;

    /// <summary>The small arenas that live now.</summary>
    public int ArenaCount => Volatile.Read(ref _alive);

    /// <summary>SuperSlabs of 2 MiB that the group owns now.</summary>
    public int SuperSlabCount => _slabs.SuperSlabCount;

    /// <summary>The memory that all arenas of the group may hold together, in SuperSlabs; the arenas' own budgets hold
    /// besides. Set it at level load. Default: no limit.</summary>
    /// <exception cref="ArgumentException">The soft limit is above the hard one.</exception>
    public ArenaBudget Budget
    {
        get => _slabs.Budget;
        set => _slabs.Budget = value;
    }

    /// <summary>How often the group took SuperSlabs beyond its soft budget.</summary>
    public long SoftOverruns => _slabs.SoftOverruns;

    /// <summary>How often the group wanted SuperSlabs beyond its hard budget.</summary>
    public long HardOverruns => _slabs.HardOverruns;

    internal LongLivedArena Slabs => _slabs;

    internal SuperSlabPool Pool { get; }

    internal MemoryChecks Checks { get; }

    internal CheckSettings CheckSettings { get; }

    internal nuint MaximumBytes => _slabs.MaximumBytes;

    internal WorkGate Work => _slabs.Work;

    /// <summary>The states ever made, in no order; those behind the count are null.</summary>
    internal ReadOnlySpan<SmallArenaState?> States
    {
        get
        {
            // In this order: the array is replaced before the count rises.
            int made = Volatile.Read(ref _made);
            return Volatile.Read(ref _states).AsSpan(0, made);
        }
    }

    /// <summary>
    /// Makes a small arena. Takes well under a microsecond, and in a prewarmed group no OS call, page fault or managed
    /// byte; its first allocation takes its first slab.
    /// </summary>
    /// <param name="name">For reports and messages.</param>
    /// <param name="options">The default is an arena for any threads without a budget.</param>
    /// <exception cref="ArgumentException">The budget's soft limit is above the hard one, or the context cannot be
    /// unloaded.</exception>
    /// <exception cref="EngineOutOfMemoryException">The reservation, the budget or the system has no memory for the
    /// arena's tables.</exception>
    /// <exception cref="ObjectDisposedException">The group is disposed.</exception>
    public SmallArena CreateArena(string name, SmallArenaOptions options = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        options.Budget?.Validate(nameof(options));
        if (options.LoadContext is { IsCollectible: false })
        {
            throw new ArgumentException(
                $"Arena '{name}' is to end with the context '{options.LoadContext.Name}', which cannot be unloaded; "
                    + "only a collectible one can.", nameof(options));
        }

        using WorkGate.Entry work = Work.Enter(this, marks: false);
        SmallArenaState state = TakeIdle() ?? MakeState();
        Interlocked.Increment(ref _alive);
        return state.Begin(name, options);
    }

    /// <summary>
    /// Makes memory resident for arenas that live at the same time, so that creating, using and disposing them makes no
    /// OS call, faults nothing and makes no garbage. For level load. Adds to earlier prewarms; ends with
    /// <see cref="Dispose"/>.
    /// </summary>
    /// <param name="arenaCount">The arenas alive at the same time.</param>
    /// <param name="slabsPerArena">Slabs of 64 KiB that each holds, on average.</param>
    /// <param name="superSlabs">Further SuperSlabs of 2 MiB, for blocks above 64 KiB.</param>
    /// <param name="threads">The threads that create, use and dispose arenas at the same time.</param>
    /// <param name="progress">Receives the share of memory prefaulted, 0 to 1.</param>
    /// <param name="cancellation">Stops a large prefault; nothing is left behind.</param>
    /// <returns>The bytes of SuperSlabs that the group gained.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    /// <exception cref="EngineOutOfMemoryException">Memory ran out. The group is as it was.</exception>
    /// <exception cref="OperationCanceledException">The cancellation was asked for. The group is as it was.</exception>
    /// <exception cref="ObjectDisposedException">The group is disposed.</exception>
    public nuint Prewarm(
        int arenaCount,
        int slabsPerArena = 1,
        int superSlabs = 0,
        int threads = 1,
        IProgress<double>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(arenaCount);
        ArgumentOutOfRangeException.ThrowIfNegative(slabsPerArena);
        ArgumentOutOfRangeException.ThrowIfNegative(superSlabs);
        long slabs = (long)arenaCount * slabsPerArena;
        PrefaultTask task = new(Environment.ProcessorCount, progress, cancellation);
        nuint gained = _slabs.PrewarmPlanned(
            [
                new BlockCount(SlabGeometry.SlabBytes, slabs),
                new BlockCount((nuint)sizeof(SmallSlab), slabs),
                new BlockCount(SmallSlab.HeadBytes, (long)superSlabs * SlabGeometry.SlabCount / 2),
                new BlockCount(StateBytes, arenaCount),
            ],
            superSlabs, together: 0, threads, carve: true, task);
        MakeIdle(arenaCount);
        if (arenaCount != 0 && slabsPerArena != 0 && Checks != MemoryChecks.Full)
            Rehearse();

        return gained;
    }

    /// <summary>
    /// Makes the calling thread's cache before it first creates or uses an arena. For workers at level load.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The group is disposed.</exception>
    public void AttachThread() => _slabs.AttachThread();

    /// <summary>
    /// Takes back the slabs that the calling thread, dead and waiting threads hold back, and moves SuperSlabs without
    /// slabs in use to the retained reserve, as <see cref="LongLivedArena.Trim()"/> does. Prewarmed memory stays.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The group is disposed.</exception>
    public void Trim() => _slabs.Trim();

    /// <summary>Checks every equation of the group and its arenas. Slow; no other thread may use them
    /// meanwhile.</summary>
    /// <exception cref="EngineMemoryException">What does not hold.</exception>
    /// <exception cref="ObjectDisposedException">The group is disposed.</exception>
    public void Validate() => _slabs.Validate();

    /// <summary>
    /// Disposes all small arenas and gives the memory back to the system, except what the retained reserve keeps. No
    /// other thread may use an arena meanwhile; arenas that other threads create or dispose are waited for. A second
    /// call does nothing.
    /// </summary>
    /// <exception cref="EngineMemoryException">With full checks: the report of what was left threw. The group is
    /// disposed.</exception>
    /// <exception cref="InvalidOperationException">A callback of the group's prewarm or dispose called it and would
    /// wait for itself. Nothing has changed.</exception>
    public void Dispose() => _slabs.Dispose();

    /// <summary>The group as messages name it: "Arena group 'scripts'".</summary>
    public override string ToString() => $"Arena group '{Name}'";

    internal BudgetMeter NewMeter() => new(SlabGeometry.SlabShift)
    {
        OuterWork = _registry.Work,
        Work = Work,
    };

    /// <summary>Takes a slab, or a large block, for an arena. Under no lock.</summary>
    /// <param name="budget">The arena's.</param>
    /// <param name="largeBytes">The size of a large block; 0 for a slab.</param>
    /// <param name="alignment">Of a large block.</param>
    /// <exception cref="EngineOutOfMemoryException">A budget is spent, or there is no memory. Nothing has
    /// changed.</exception>
    internal SmallSlab* Lend(BudgetMeter budget, nuint largeBytes, nuint alignment)
    {
        bool isLarge = largeBytes != 0;
        nuint bytes = isLarge ? LargeBytesOf(largeBytes, alignment) : SlabGeometry.SlabBytes;
        int units = checked((int)(bytes >> SlabGeometry.SlabShift));
        if (!budget.TryTake(units, SizeClasses.IndexOf(bytes), isLast: true))
            budget.ThrowOver(units);

        void* slab = null;
        void* memory = null;
        try
        {
            slab = _slabs.Allocate(isLarge ? SmallSlab.HeadBytes : (nuint)SmallSlab.Bytes);
            memory = isLarge ? _slabs.Allocate(bytes, alignment) : _slabs.Allocate(SlabGeometry.SlabBytes);
        }
        finally
        {
            if (memory == null)
            {
                _slabs.Free(slab);
                budget.Return(units);
            }
        }

        if (isLarge)
            SmallSlab.BeginLarge((SmallSlab*)slab, (nuint)memory, bytes);
        else
            SmallSlab.Begin((SmallSlab*)slab, (nuint)memory);

        RunAt((nuint)memory)->LentTo = (SmallSlab*)slab;
        return (SmallSlab*)slab;
    }

    /// <summary>Takes back what <see cref="Lend"/> gave.</summary>
    internal void TakeBack(BudgetMeter budget, SmallSlab* slab)
    {
        Debug.Assert(RunAt(slab->Start)->LentTo == slab, "only what was lent comes back");
        int units = (int)(slab->HeldBytes >> SlabGeometry.SlabShift);
        RunAt(slab->Start)->LentTo = null;
        _slabs.Free((void*)slab->Start);
        _slabs.Free(slab);
        budget.Return(units);
    }

    /// <summary>Keeps what cannot be lent again until the group ends.</summary>
    internal static void Abandon(BudgetMeter budget, SmallSlab* slab)
    {
        slab->Owner = null;
        budget.Return((int)(slab->HeldBytes >> SlabGeometry.SlabShift));
    }

    /// <summary>Makes a large block larger; it may move.</summary>
    /// <exception cref="EngineOutOfMemoryException">A budget is spent, or there is no memory. Nothing has
    /// changed.</exception>
    internal nuint Grow(BudgetMeter budget, SmallSlab* large, nuint bytes, nuint alignment)
    {
        bytes = LargeBytesOf(bytes, alignment);
        int units = checked((int)((bytes - large->LargeBytes) >> SlabGeometry.SlabShift));
        if (!budget.TryTake(units, SizeClasses.IndexOf(bytes), isLast: true))
            budget.ThrowOver(units);

        // The old place may be another arena's as soon as the block has moved.
        RunAt(large->Start)->LentTo = null;
        nuint grown = 0;
        try
        {
            grown = (nuint)_slabs.Reallocate((void*)large->Start, bytes, alignment);
            large->Start = grown;
            large->LargeBytes = bytes;
        }
        finally
        {
            RunAt(large->Start)->LentTo = large;
            if (grown == 0)
                budget.Return(units);
        }

        return grown;
    }

    /// <summary>What an arena of this group has of the slab at an address; null where that is no such slab.</summary>
    internal SmallSlab* SlabOf(nuint address) =>
        _reservation.Contains((nint)address) && (TagAt(address) & ~(uint)byte.MaxValue) == _slabs.Tag
            ? RunAt(address)->LentTo
            : null;

    /// <exception cref="EngineMemoryException">The address is not in a slab of the arena.</exception>
    internal void ThrowIfNotOf(string arena, SmallBlocks* blocks, nuint address)
    {
        if (!_reservation.Contains((nint)address))
        {
            throw new EngineMemoryException(
                $"0x{address:x} does not belong to the engine's memory, so arena '{arena}' can do nothing with it.");
        }

        SmallSlab* slab = SlabOf(address);
        if (slab != null && slab->Owner == blocks)
            return;

        uint tag = TagAt(address);
        bool isGroups = (tag & ~(uint)byte.MaxValue) == _slabs.Tag;
        if (tag == 0 || (isGroups && (slab == null || slab->Owner == null)))
        {
            throw new EngineMemoryException(
                $"0x{address:x} is no block of arena '{arena}': no live block begins in its slab. Was it freed "
                    + "already, or taken from a frame arena?");
        }

        string owner = isGroups ? NameOf(slab->Owner->Index) : _registry.NameOf(tag & ~(uint)byte.MaxValue);
        throw new EngineMemoryException(
            $"The block at 0x{address:x} belongs to arena '{owner}' and was handed to arena '{arena}'.");
    }

    /// <summary>Counts an allocation or a free of a small arena under the calling thread's tag.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Count(CounterCell* cells, nuint block, nuint allocated, nuint freed)
    {
        int tag = ThreadSlots.Current == 0 ? 0 : ThreadCounters.TagAt(*ThreadSlots.CurrentTag);
        _counters?.Count(cells, tag, block, (long)allocated, (long)freed);
    }

    /// <summary>A small arena's block is about to be freed, or a slab of its blocks; see
    /// <see cref="CounterBoard.Forget"/>.</summary>
    internal void ForgetSample(nuint block) => _counters?.Forget(block);

    internal void ForgetSlab(nuint start) => _counters?.ForgetSlab(start);

    internal SampledBlock? TakeSample(nuint block) => _counters?.TakeSample(block);

    internal void PutSample(nuint block, in SampledBlock sample) => _counters?.PutSample(block, sample);

    internal void RetireCounters(CounterCell* cells) => _counters?.Retire(cells);

    /// <summary>Takes the state of an arena that has ended, for another.</summary>
    internal void Recycle(SmallArenaState state)
    {
        using (_lock.Hold())
        {
            state.NextIdle = _idle;
            _idle = state;
        }

        Interlocked.Decrement(ref _alive);
    }

    /// <summary>Ends all arenas, whose slabs go with the group's memory.</summary>
    /// <returns>The first exception of the user's report.</returns>
    internal Exception? EndArenas()
    {
        Exception? first = null;
        foreach (SmallArenaState? state in States)
        {
            Exception? thrown = state!.EndAny();
            first ??= thrown;
        }

        _alive = 0;
        return first;
    }

    /// <exception cref="EngineMemoryException">An equation of an arena does not hold.</exception>
    internal void ValidateArenas()
    {
        foreach (SmallArenaState? state in States)
            state!.Validate();
    }

    /// <summary>What stands behind an arena, with its counters where those are on.</summary>
    private static nuint StateBytes => SmallBlocks.Bytes
        + (CounterSwitch.IsOn ? (nuint)(ThreadCounters.Tags * sizeof(CounterCell)) : 0);

    /// <summary>Whole slabs: no other block shares a large one's.</summary>
    private static nuint LargeBytesOf(nuint bytes, nuint alignment) => bytes <= SlabGeometry.SuperSlabBytes
        ? LongLivedArena.BlockBytes(Sizes.AlignUp(bytes, SlabGeometry.SlabBytes), alignment)
        : LongLivedArena.BlockBytes(bytes);

    private uint TagAt(nuint address) =>
        _reservation.Tags[(nuint)((nint)address - _reservation.Base) >> SlabGeometry.SlabShift];

    private SlabRun* RunAt(nuint address) => _slabs.Slabs.Runs[_slabs.Slabs.Runs.SlabOf((nint)address)];

    private string NameOf(int index) => index < States.Length ? States[index]!.Name : "(unknown)";

    private SmallArenaState? TakeIdle()
    {
        using (_lock.Hold())
        {
            SmallArenaState? state = _idle;
            _idle = state?.NextIdle;
            return state;
        }
    }

    private void MakeIdle(int count)
    {
        SmallArenaState? made = null;
        for (; count > 0; count--)
        {
            SmallArenaState state = MakeState();
            state.NextIdle = made;
            made = state;
        }

        using (_lock.Hold())
        {
            for (SmallArenaState? next; made is not null; made = next)
            {
                next = made.NextIdle;
                made.NextIdle = _idle;
                _idle = made;
            }
        }
    }

    private SmallArenaState MakeState()
    {
        SmallBlocks* blocks = (SmallBlocks*)_slabs.AllocateZeroed(StateBytes);
        SmallArenaState state = new(this, blocks);
        while (true)
        {
            SmallArenaState?[] states = _states;
            SmallArenaState?[] longer = _made < states.Length ? states : new SmallArenaState?[Math.Max(16, 2 * _made)];
            using (_lock.Hold())
            {
                if (_states != states || _made >= longer.Length)
                    continue;

                states.AsSpan(0, _made).CopyTo(longer);
                blocks->Index = _made;
                longer[_made] = state;
                Volatile.Write(ref _states, longer);
                Volatile.Write(ref _made, _made + 1);
                state.BeginReferences();
                return state;
            }
        }
    }

    /// <summary>Runs the code of an arena's life once, so that none is compiled in a hot loop.</summary>
    private void Rehearse()
    {
        foreach (bool isSingle in (ReadOnlySpan<bool>)[false, true])
        {
            using SmallArena arena = CreateArena("rehearsal", new SmallArenaOptions { SingleThreaded = isSingle });
            void* block = arena.Reallocate(arena.Allocate(SmallSlab.CellBytes), 2 * SmallSlab.CellBytes);
            arena.Free(arena.Allocate(2 * SmallClass.LargestBytes, SizeClasses.LinearBytes));
            arena.Free(block);
            arena.Reset();
        }
    }
}
