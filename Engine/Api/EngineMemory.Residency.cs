namespace SuperSlab;

/// <content>What is resident, by which prefaulter, and what makes it stay.</content>
public sealed partial class EngineMemory
{
    /// <summary>Counts the pages that a write would fault on now, without touching them; -1 where the system cannot
    /// say.</summary>
    /// <param name="address">A multiple of the page size within the reservation.</param>
    /// <param name="bytes">A multiple of the page size.</param>
    /// <exception cref="EngineMemoryException">The range is not made of whole pages.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public long PagesThatWouldFault(nint address, nuint bytes)
    {
        using WorkGate.Entry work = Work.Enter(this, marks: false);
        return _os.PagesThatWouldFault(address, bytes);
    }

    /// <summary>
    /// Asks the system for the resident bytes of SuperSlabs and metadata: pages that a write would not fault on. -1
    /// where the system cannot say, 0 after Dispose. Takes about 10 microseconds for each MiB ever used; allocates
    /// nothing.
    /// </summary>
    public long ResidentBytes()
    {
        if (!Work.TryEnter(out WorkGate.Entry work, marks: false))
            return 0;

        using WorkGate.Entry inside = work;
        long blocks = _reservation.ResidentBytes(ReservationBase, (nuint)_pool.End << SlabGeometry.SuperSlabShift);
        long metadata = _reservation.MetadataBytesSeen();
        return blocks < 0 || metadata < 0 ? -1 : blocks + metadata;
    }

    /// <summary>
    /// Locks every resident page of the whole process, and others when they become resident: code, stacks, the
    /// collector's heap, drivers' memory. Nothing of it is swapped or dropped any more until <see
    /// cref="UnlockProcess"/>; it may still be moved. Linux (mlockall with MCL_ONFAULT). Any thread; at start-up, as
    /// the process stops for it.
    /// </summary>
    /// <remarks>
    /// Reserved address space counts as well, some 300 GiB in .NET, so the process needs CAP_IPC_LOCK or no
    /// RLIMIT_MEMLOCK. What the process maps and touches once stays resident until it is unmapped: a large file, a
    /// library's start-up code. Blocks of many SuperSlabs that grow are copied, as locked pages do not move.
    /// </remarks>
    /// <exception cref="EngineMemoryException">The system refused, or has no such call.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public void LockProcess()
    {
        using WorkGate.Entry work = Work.Enter(this);
        if (_os.LockProcess() is { } reason)
            throw new EngineMemoryException($"The memory of the process could not be locked: {reason}.");
    }

    /// <summary>
    /// Ends <see cref="LockProcess"/>, and with it the locks of <see cref="StayPolicy.Lock"/>; pins stay. Any thread.
    /// </summary>
    public void UnlockProcess() => _os.UnlockProcess();

    /// <summary>
    /// Whether the page of an address was made resident before a time, a Stopwatch's timestamp, and is in use: a later
    /// fault on it is the kernel's doing. With full checks no page is known to be, because of guard pages.
    /// </summary>
    internal bool IsReadySince(nint address, long time)
    {
        bool isKnown = Options.Prefault != PrefaultPolicy.None && Options.Checks != MemoryChecks.Full;
        if (!isKnown || !Contains(address) || !Work.TryEnter(out WorkGate.Entry work, marks: false))
            return false;

        using (work)
        {
            return _reservation.Contains(address)
                ? _pool.IsReadySince((int)((address - ReservationBase) >> SlabGeometry.SuperSlabShift), time)
                : _reservation.IsResidentMetadata(address, time);
        }
    }

    /// <summary>The prefaulter of a scene's plan; what the plan leaves open is the options'. Each policy is verified at
    /// its first use.</summary>
    internal Prefaulter PrefaulterFor(PrefaultChoice plan)
    {
        PrefaultChoice wanted = new(
            plan.Policy == PrefaultPolicy.Automatic ? Options.Prefault : plan.Policy,
            plan.Pages == PageKind.Automatic ? Options.Pages : plan.Pages,
            plan.Stay == StayPolicy.None ? Options.Stay : plan.Stay,
            plan.Granularity == PrefaultGranularity.SuperSlab ? Options.Granularity : plan.Granularity);
        if (wanted == ChoiceOf(Options))
            return _prefaulter;

        lock (_scenePrefaulters)
        {
            if (!_scenePrefaulters.TryGetValue(wanted, out Prefaulter? prefaulter))
            {
                prefaulter = new Prefaulter(_os, wanted, Options.HeadroomBytes);
                _scenePrefaulters.Add(wanted, prefaulter);
            }

            return prefaulter;
        }
    }

    /// <summary>Keeps the tables where they are while a scene is loaded whose prefaulter keeps its pages.</summary>
    internal void KeepTables(Prefaulter prefaulter)
    {
        if (KeepsMore(prefaulter))
            _reservation.Keep(prefaulter);
    }

    /// <summary>Ends a <see cref="KeepTables"/>. A scene may be disposed after its memory.</summary>
    internal void LetTablesGo(Prefaulter prefaulter)
    {
        if (KeepsMore(prefaulter) && Work.TryEnter(out WorkGate.Entry work, marks: false))
        {
            using (work)
                _reservation.LetGo();
        }
    }

    private static PrefaultChoice ChoiceOf(EngineMemoryOptions options) =>
        new(options.Prefault, options.Pages, options.Stay, options.Granularity);

    /// <summary>Whether it keeps pages, and is not the memory's own, which keeps the tables anyway.</summary>
    private bool KeepsMore(Prefaulter prefaulter) => prefaulter.KeepsPages && prefaulter != _prefaulter;
}
