using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.ExceptionServices;

namespace SuperSlab;

/// <summary>
/// The engine's memory: one reservation of address space and the arenas in it. It builds the layers bottom-up and takes
/// them down top-down. Make one at start-up. Any thread may call any member; none belongs in the hot loop. After
/// <see cref="Dispose"/>, properties still answer and every other call throws <see cref="ObjectDisposedException"/>.
/// <code>
///   EngineMemory
///     |-- LongLivedArena ... : thread caches -> slab runs by size class -> slabs
///     |-- ArenaGroup ...     : small arenas -> slabs of a long-lived arena
///     |-- FrameArena ...     : lanes                                            \
///     '-- SuperSlabPool      : SuperSlabs of 2 MiB, prefaulted  &lt;-- Prefaulter &lt;-- VirtualMemory (the OS)
/// </code>
/// </summary>
public sealed partial class EngineMemory : IDisposable
{
    private readonly VirtualMemory _os;
    private readonly Prefaulter _prefaulter;
    private readonly Reservation _reservation;
    private readonly MetadataHeap _heap;
    private readonly SuperSlabPool _pool;
    private readonly ArenaRegistry _arenas = new();
    private readonly AddressOwners _owners;
    private readonly Dictionary<PrefaultChoice, Prefaulter> _scenePrefaulters = [];
    private readonly string _environment;
    private readonly Lock _disposing = new();
    private readonly CounterBoard? _counters;

    /// <summary>Reserves the address space and makes the first metadata resident.</summary>
    /// <param name="options">Null takes the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="EngineOutOfMemoryException">The system refused the address space, or memory for the
    /// metadata.</exception>
    /// <exception cref="EngineMemoryException">
    /// The system lacks a function without which nothing works, or an environment variable has a value that is not
    /// valid.
    /// </exception>
    /// <exception cref="PlatformNotSupportedException">A 32-bit process, or WebAssembly.</exception>
    public EngineMemory(EngineMemoryOptions? options = null)
    {
        ThisPlatform.ThrowIfUnsupported();
        NativeLock.Rehearse();
        EnvironmentSettings environment = new(Environment.GetEnvironmentVariable);
        Options = (options ?? new EngineMemoryOptions()).With(environment);
        Options.CheckSettings.Validate();
        _environment = environment.Describe();
        _os = VirtualMemory.Create(Options.NativeContext);
        _os.UseNodes(Options.Nodes);
        _prefaulter = new Prefaulter(_os, ChoiceOf(Options), Options.HeadroomBytes);
        _reservation = new Reservation(_os, _prefaulter, Options.ReservationBytes);
        try
        {
            _heap = new MetadataHeap(_reservation.Heap);
            _counters = CounterSwitch.IsOn ? new CounterBoard(_heap) : null;
            _pool = new SuperSlabPool(_os, _prefaulter, _reservation, Options.RetainBytes);
            _pool.Shortage = _arenas.Reclaim;
            _owners = new AddressOwners(_reservation, _pool, _arenas);
        }
        catch
        {
            _reservation.Dispose();
            throw;
        }
    }

    /// <summary>The options in force: those given, with what the environment says instead.</summary>
    public EngineMemoryOptions Options { get; }

    /// <summary>
    /// The settings in force on this machine, one a line, for logs and reports. Sizes and words are those that the
    /// environment variables take.
    /// </summary>
    public string Settings
    {
        get
        {
            nuint hugePage = _os.Facts.HugePageBytes;
            string asked = Options.ReservationBytes == 0 ? "automatic" : "as asked";
            string headroom = Options.HeadroomBytes is null ? "automatic" : "as asked";
            string? policy = SettingWords.Prefault.WordOf(Options.Prefault);
            string? pages = SettingWords.Pages.WordOf(Options.Pages);
            string? stay = SettingWords.Stay.WordOf(Options.Stay);
            string variables = _environment.Length == 0
                ? "nothing set"
                : _environment.Trim().ReplaceLineEndings(", ");
            return string.Create(
                CultureInfo.InvariantCulture,
                $"""
                system: {_os.Facts.System}, pages of {Sizes.Text(_os.Facts.PageBytes)}, huge pages {HugeText(hugePage)}
                reservation: {SizeText.Write(ReservationBytes)} at 0x{ReservationBase:x} ({asked})
                prefault: {policy} on pages {pages}; {PrefaultDescription}
                stay: {stay}
                memory nodes: {_os.Nodes}
                retain: {SizeText.Write(Options.RetainBytes)}
                headroom: {SizeText.Write(_prefaulter.HeadroomBytes)} ({headroom})
                checks: {SettingWords.Checks.WordOf(Options.Checks)}
                environment: {variables}
                """);
        }
    }

    /// <summary>Where the reservation begins.</summary>
    public nint ReservationBase => _reservation.Base;

    /// <summary>The size of the reservation in bytes.</summary>
    public nuint ReservationBytes => _reservation.TotalBytes;

    /// <summary>How memory is prefaulted on this machine: the chain of policies with the reasons, in one
    /// line.</summary>
    public string PrefaultDescription => _prefaulter.Describe();

    /// <summary>Calls to the operating system's memory functions made so far.</summary>
    public long OsCalls => _os.OsCalls;

    /// <summary>SuperSlabs (2 MiB each) that arenas own; 0 after Dispose.</summary>
    public int OwnedSuperSlabCount => _pool.OwnedCount;

    /// <summary>Prefaulted SuperSlabs that no arena owns; an arena takes them without an OS call. 0 after
    /// Dispose.</summary>
    public int ReadySuperSlabCount
    {
        get
        {
            if (!Work.TryEnter(out WorkGate.Entry work, marks: false))
                return 0;

            using (work)
            {
                return _pool.ReadyCount;
            }
        }
    }

    /// <summary>Resident bytes of the allocator's own tables, caches and descriptors; 0 after Dispose.</summary>
    public nuint MetadataBytes => Work.IsClosed ? 0 : _reservation.MetadataResidentBytes;

    /// <summary>Time spent in making memory resident, summed over the threads that asked for it.</summary>
    public TimeSpan PrefaultTime
    {
        get
        {
            long nanoseconds = _prefaulter.Nanoseconds;
            lock (_scenePrefaulters)
            {
                foreach (Prefaulter prefaulter in _scenePrefaulters.Values)
                    nanoseconds += prefaulter.Nanoseconds;
            }

            return TimeSpan.FromTicks(nanoseconds / TimeSpan.NanosecondsPerTick);
        }
    }

    /// <summary>Tests inspect each memory here, before it is disposed.</summary>
    internal static Action<EngineMemory>? Disposing { get; set; }

    internal SuperSlabPool Pool => _pool;

    internal Reservation Reservation => _reservation;

    internal Prefaulter Prefaulter => _prefaulter;

    internal ArenaRegistry Arenas => _arenas;

    /// <summary>The work that <see cref="Dispose"/> waits for.</summary>
    internal WorkGate Work => _arenas.Work;

    /// <summary>Where allocations are counted and sampled; null where they are not counted.</summary>
    internal CounterBoard? Counters => _counters;

    /// <summary>Reads what was allocated and freed, by tag. Allocates nothing.</summary>
    /// <param name="sums">Room for <see cref="AllocationTag.Count"/>.</param>
    /// <returns>False, and nothing is written, where it is not counted, and once the memory is disposed.</returns>
    internal bool TryReadCounters(Span<CounterCell> sums)
    {
        if (_counters is null || !Work.TryEnter(out WorkGate.Entry work, marks: false))
            return false;

        using (work)
        {
            _counters.Sum(sums);
            return true;
        }
    }

    /// <summary>Reads the live bytes of each tag, by its number; number 0 is code without a tag. Allocates
    /// nothing.</summary>
    /// <param name="liveBytes">Room for <see cref="AllocationTag.MaximumCount"/> and one.</param>
    /// <returns>How many were read: 0 where nothing is counted.</returns>
    internal int ReadTags(Span<long> liveBytes)
    {
        Span<CounterCell> room = stackalloc CounterCell[ThreadCounters.Tags];
        Span<CounterCell> sums = room[..AllocationTag.Count];
        if (!TryReadCounters(sums))
            return 0;

        for (int tag = 0; tag < sums.Length; tag++)
            liveBytes[tag] = sums[tag].LiveBytes;

        return sums.Length;
    }

    /// <summary>Makes an arena whose blocks are freed one by one or all at once.</summary>
    /// <param name="name">For reports and messages.</param>
    /// <param name="tracking">What the arena remembers of each live block. Default: nothing, at no cost.</param>
    /// <exception cref="EngineOutOfMemoryException">There is no memory for the arena's tables.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public LongLivedArena CreateLongLivedArena(string name, ArenaTracking tracking = ArenaTracking.Off)
    {
        using WorkGate.Entry work = Work.Enter(this);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return new LongLivedArena(
            name, _reservation, _pool, _heap, _arenas, Options.Checks, Options.CheckSettings, tracking, _counters);
    }

    /// <summary>Makes a group of small arenas, which share SuperSlabs.</summary>
    /// <param name="name">For reports and messages.</param>
    /// <exception cref="EngineOutOfMemoryException">There is no memory for the group's tables.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public ArenaGroup CreateArenaGroup(string name)
    {
        using WorkGate.Entry work = Work.Enter(this);
        ArgumentException.ThrowIfNullOrEmpty(name);

        // Its blocks are slabs of 64 KiB: checks and counters are the small arenas'.
        LongLivedArena slabs = new(name, _reservation, _pool, _heap, _arenas);
        return new ArenaGroup(slabs, _reservation, _pool, _arenas, Options, _counters);
    }

    /// <summary>Makes an arena for frames, prefaulted.</summary>
    /// <param name="name">For reports and messages.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <param name="progress">Receives the share of memory prefaulted, 0 to 1.</param>
    /// <param name="cancellation">Stops a large prefault; nothing is left behind.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing is left behind.</exception>
    /// <exception cref="OperationCanceledException">The cancellation was asked for.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public FrameArena CreateFrameArena(
        string name, FrameArenaOptions? options = null, IProgress<double>? progress = null,
            CancellationToken cancellation = default) =>
        CreateFrameArena(
            name, options ?? new FrameArenaOptions(),
            new PrefaultTask(Environment.ProcessorCount, progress, cancellation));

    /// <summary>Whether an address lies in the engine's memory; none does once it is disposed.</summary>
    public bool Contains(nint address) => (nuint)(address - ReservationBase) < ReservationBytes && !Work.IsClosed;

    /// <summary>The owner of an address, for messages; null outside the engine's memory.</summary>
    internal string? OwnerOf(nint address, out string? arena)
    {
        AddressOwner? owner = FindOwner(address);
        arena = owner?.Arena?.Name;
        return arena is null ? owner?.Describe() : $"arena '{arena}' ({owner?.Describe()})";
    }

    /// <summary>The part of the engine's memory that an address lies in; null outside it and after Dispose.</summary>
    internal AddressOwner? FindOwner(nint address)
    {
        if (!Contains(address) || !Work.TryEnter(out WorkGate.Entry work, marks: false))
            return null;

        using (work)
        {
            return _owners.Find(address);
        }
    }

    /// <summary>
    /// Gives prefaulted memory that no arena owns back to the system, down to <paramref name="retainBytes"/>, and drops
    /// the retain sizes of unloaded scenes. Slabs of 64 KiB and pages on which no block lies go as well, where their
    /// SuperSlab is in use and came by no prewarm: the next block there calls the system. Pages stay where a prewarm
    /// named their blocks' size.
    /// </summary>
    /// <returns>The bytes given back.</returns>
    /// <exception cref="EngineMemoryException">The system refused. The memory stays free and is prefaulted again at its
    /// next use.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public nuint Trim(nuint retainBytes = 0)
    {
        using WorkGate.Entry work = Work.Enter(this);
        _pool.EndRaise();
        nuint inUse = 0;
        foreach (IArena arena in _arenas.Complete())
            inUse += (arena as LongLivedArena)?.TrimFree() ?? 0;

        return inUse + _pool.Trim(retainBytes);
    }

    /// <summary>Checks every equation of the pool and of all arenas. Slow; no other thread may use the memory
    /// meanwhile.</summary>
    /// <exception cref="EngineMemoryException">What does not hold.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public void Validate()
    {
        using WorkGate.Entry work = Work.Enter(this);
        _heap.Validate();
        _pool.Validate(tag => _arenas.Find(tag) is not null);
        int owned = 0;
        foreach (IArena arena in _arenas.Snapshot())
        {
            arena.Validate();
            owned += arena.SuperSlabCount;
        }

        if (owned != _pool.OwnedCount)
        {
            throw new EngineMemoryException(
                $"The arenas own {owned} SuperSlabs, and the pool has handed out {_pool.OwnedCount}.");
        }
    }

    /// <summary>
    /// Disposes all arenas and gives the reservation back. Running loads and prewarms are cancelled, throw
    /// <see cref="ObjectDisposedException"/>, and are waited for; new ones are refused. Threads must have stopped
    /// allocating and freeing: those calls are not waited for. Handles and lanes throw afterwards. A second call does
    /// nothing but wait for the first.
    /// </summary>
    /// <exception cref="EngineMemoryException">The system refused to take something back; another call tries
    /// again.</exception>
    /// <exception cref="InvalidOperationException">
    /// A callback of a load, prewarm or dispose of this memory called it and would wait for itself. Nothing has
    /// changed.
    /// </exception>
    public void Dispose()
    {
        Work.ThrowIfInside("The memory");
        lock (_disposing)
        {
            bool isFirst = !Work.IsClosed;
            Work.Close();
            if (isFirst)
                Disposing?.Invoke(this);

            try
            {
                ExceptionDispatchInfo? thrown = DisposeArenas();
                _counters?.Dispose();
                _reservation.DisposeButHeap();
                thrown?.Throw();
            }
            finally
            {
                Work.EndClose();
            }
        }
    }

    internal FrameArena CreateFrameArena(string name, FrameArenaOptions options, PrefaultTask task)
    {
        using WorkGate.Entry work = Work.Enter(this);
        ArgumentException.ThrowIfNullOrEmpty(name);
        using CancellationTokenSource linked = CancellationTokenSource
            .CreateLinkedTokenSource(task.Cancellation, Work.Closing);
        PrefaultTask minded = task with { Progress = Work.Mind(task.Progress), Cancellation = linked.Token };
        try
        {
            return new FrameArena(
                name, options, _reservation, _pool, _heap, _arenas, minded,
                isChecked: Options.Checks == MemoryChecks.Full)
            { Checks = Options.Checks };
        }
        catch (OperationCanceledException) when (Work.HasCancelled(task.Cancellation))
        {
            throw new ObjectDisposedException(
                nameof(EngineMemory), $"The memory was disposed while frame arena '{name}' was made.");
        }
    }

    /// <summary>Raises the reserve's size to at least this, for when arenas are disposed.</summary>
    internal void RaiseRetained(nuint bytes)
    {
        // A scene may be disposed after its memory, when there is no pool any more.
        if (Work.TryEnter(out WorkGate.Entry work, marks: false))
        {
            using (work)
            {
                _pool.RaiseRetained(bytes);
            }
        }
    }

    private static string HugeText(nuint bytes) => bytes == 0 ? "absent" : "of " + Sizes.Text(bytes);

    /// <returns>The first exception of a callback. Memory that the system refuses here goes with the
    /// reservation.</returns>
    [SuppressMessage("Design", "CA1031", Justification = "The first is thrown when everything is given back.")]
    private ExceptionDispatchInfo? DisposeArenas()
    {
        ExceptionDispatchInfo? first = null;
        foreach (IArena arena in _arenas.Snapshot())
        {
            try
            {
                arena.Dispose();
            }
            catch (EngineMemoryException)
            {
            }
            catch (Exception exception)
            {
                first ??= ExceptionDispatchInfo.Capture(exception);
            }
        }

        return first;
    }
}
