namespace SuperSlab;

/// <summary>How physical pages are put behind a SuperSlab before it is used.</summary>
public enum PrefaultPolicy
{
    /// <summary>The best policy the platform offers, verified on the running machine.</summary>
    Automatic,

    /// <summary>No prefault: each page is faulted in by its first write. What ordinary allocators do.</summary>
    None,

    /// <summary>One write to each page.</summary>
    Touch,

    /// <summary>The whole range is overwritten with zeros.</summary>
    Clear,

    /// <summary>The range is mapped anew with MAP_POPULATE (Linux).</summary>
    PopulateAtMapping,

    /// <summary>MADV_POPULATE_WRITE on the committed range (Linux 5.14 and later).</summary>
    PopulateWrite,

    /// <summary>The range is locked in memory: mlock, VirtualLock.</summary>
    Lock,

    /// <summary>PrefetchVirtualMemory, followed by a write to each page, because a prefetch may be ignored (Windows).</summary>
    Prefetch,
}

/// <summary>What kind of pages stand behind a SuperSlab.</summary>
public enum PageKind
{
    /// <summary>The best kind the machine offers without a privilege or a reserved pool.</summary>
    Automatic,

    /// <summary>The machine's base pages (4 KiB on x86-64, 16 KiB on Apple silicon).</summary>
    Normal,

    /// <summary>Transparent huge pages, asked for by madvise (Linux).</summary>
    TransparentHuge,

    /// <summary>Huge pages from a reserved pool or with a privilege: MAP_HUGETLB, Windows large pages, macOS superpages.</summary>
    ExplicitHuge,
}

/// <summary>On which memory node (NUMA) pages lie, where a machine has several.</summary>
public enum NodePolicy
{
    /// <summary><see cref="Interleave"/> where the process may use the memory of several nodes; nothing is done where it is one.</summary>
    Automatic,

    /// <summary>The system's way: on the node of the thread that first writes a page, which is the one that prefaults it.</summary>
    FirstTouch,

    /// <summary>
    /// Pages take turns over the nodes, so that a level that one thread loads does not lie behind one memory controller (Linux, mbind). Not
    /// those that <see cref="PrefaultPolicy.PopulateAtMapping"/> populates: they are there before the system can be told.
    /// </summary>
    Interleave,
}

/// <summary>How closely arenas watch their use. Chosen when the memory is made, without another build; the code that uses arenas stays the same.</summary>
public enum MemoryChecks
{
    /// <summary><see cref="Full"/> in a Debug build of the application, <see cref="Off"/> otherwise.</summary>
    Automatic,

    /// <summary>What costs nothing: foreign addresses, another arena's blocks, a block freed twice in a row. The fast path has no instruction more.</summary>
    Off,

    /// <summary>
    /// Cheap enough to ship: besides, each free is checked to be the beginning of a block that is out, and a block that was freed already
    /// is found whichever thread or run holds it by then. Allocating costs nothing more.
    /// </summary>
    Hardened,

    /// <summary>
    /// For development: fill patterns, red zones, guard pages, quarantine, and each block's history, so that messages say who allocated
    /// and who freed. Every call goes through a lock and a table of managed memory: not for the hot loop.
    /// </summary>
    Full,
}

/// <summary>
/// What a long-lived arena remembers of each live block, to say at unload what was left and by whom. Chosen when the arena is made.
/// Anything but <see cref="Off"/> sends every allocation and free of the arena through a lock and a table of managed memory: for
/// looking for leaks, not for the hot loop. The code that uses the arena stays the same.
/// </summary>
public enum ArenaTracking
{
    /// <summary>Nothing, and it costs nothing: the fast path has no test for it.</summary>
    Off,

    /// <summary>The size asked for, and the <see cref="AllocationTag"/> in force.</summary>
    Tags,

    /// <summary>The call stack besides: tens of microseconds for each allocation.</summary>
    CallStacks,
}
