namespace SuperSlab;

/// <summary>How a SuperSlab is made resident before it is used.</summary>
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

    /// <summary>PrefetchVirtualMemory, then a write to each page, since Windows may ignore a prefetch.</summary>
    Prefetch,
}

/// <summary>The kind of pages behind a SuperSlab.</summary>
public enum PageKind
{
    /// <summary>The best kind that needs neither a privilege nor a reserved pool.</summary>
    Automatic,

    /// <summary>The machine's base pages (4 KiB on x86-64, 16 KiB on Apple silicon).</summary>
    Normal,

    /// <summary>Transparent huge pages, asked for by madvise (Linux).</summary>
    TransparentHuge,

    /// <summary>Reserved or privileged huge pages: MAP_HUGETLB, Windows large pages, macOS superpages.</summary>
    ExplicitHuge,
}

/// <summary>
/// What keeps pages where they are once they were made resident. The kernel may compact, merge, reclaim and swap memory
/// at any time, and the next touch of such a page faults. Where a step does not work, the next weaker one is taken, and
/// <see cref="EngineMemory.PrefaultDescription"/> says why.
/// </summary>
public enum StayPolicy
{
    /// <summary>Nothing: the kernel may move pages and take them back. Costs nothing.</summary>
    None,

    /// <summary>
    /// Pages are locked (mlock, VirtualLock): they are not taken back. Linux may still move them, which takes a minor
    /// fault, unless vm.compact_unevictable_allowed is 0.
    /// </summary>
    Lock,

    /// <summary>
    /// Pages are pinned (Linux 5.13, as buffers of an io_uring): they are neither moved nor taken back, and the kernel
    /// cannot compact the memory around them. Counts against RLIMIT_MEMLOCK without CAP_IPC_LOCK. At most 32 GiB.
    /// Elsewhere, and where it is refused, <see cref="Lock"/>.
    /// </summary>
    Pin,

    /// <summary><see cref="Pin"/> where the process may lock as much as it likes, else <see cref="None"/>.</summary>
    Automatic,
}

/// <summary>How much of an arena's last SuperSlab a prewarm makes resident.</summary>
public enum PrefaultGranularity
{
    /// <summary>All 2 MiB: huge pages fit, and the arena has room for what the plan does not name.</summary>
    SuperSlab,

    /// <summary>
    /// Only the slabs of 64 KiB that the plan's blocks need, on normal pages, for small scenes. What goes beyond them
    /// costs a call of the system and its page faults, like a SuperSlab that is not ready. SuperSlabs that are full,
    /// spare, for blocks that live together, kept in place (<see cref="StayPolicy"/>), or on explicit huge pages are
    /// prefaulted whole.
    /// </summary>
    Slab,
}

/// <summary>The memory node (NUMA) that pages lie on, where a machine has several.</summary>
public enum NodePolicy
{
    /// <summary><see cref="Interleave"/> where the process may use several nodes; no call is made where it has
    /// one.</summary>
    Automatic,

    /// <summary>The system's default: the node of the thread that prefaults the page.</summary>
    FirstTouch,

    /// <summary>
    /// Pages take turns over the nodes, so that a level loaded by one thread does not lie behind one memory controller
    /// (Linux, mbind). Without effect on <see cref="PrefaultPolicy.PopulateAtMapping"/>: its pages exist before the
    /// call.
    /// </summary>
    Interleave,

    /// <summary>
    /// Each 128 MiB of addresses lie on one node, by turns (Linux, mbind). A thread gets SuperSlabs of the node that it
    /// runs on where there are some, a prewarm takes as many of each node, and the threads of a prewarm run on the node
    /// whose memory they fill. For engines that keep each thread on one node. A node without free pages has the others'
    /// taken. Where the process may use one node only: <see cref="FirstTouch"/>.
    /// </summary>
    Local,
}

/// <summary>How closely arenas check their use. Chosen when the memory is made; needs no other build and no other
/// code.</summary>
public enum MemoryChecks
{
    /// <summary><see cref="Full"/> in a Debug build of the application, <see cref="Off"/> otherwise.</summary>
    Automatic,

    /// <summary>Foreign addresses, another arena's blocks, a block freed twice in a row. Adds no instruction to the
    /// fast path.</summary>
    Off,

    /// <summary>
    /// Cheap enough to ship. Besides, each free must be the beginning of a live block; a block that was freed already
    /// is found wherever it is. Allocating costs the same.
    /// </summary>
    Hardened,

    /// <summary>
    /// For development: fill patterns, red zones, guard pages, quarantine, and the history of each block for messages.
    /// Every call takes a lock and a managed table: not for the hot loop.
    /// </summary>
    Full,
}

/// <summary>
/// What a long-lived arena remembers of each live block, to report leaks at unload. Chosen when the arena is made.
/// Anything but <see cref="Off"/> sends every call through a lock and a managed table: not for the hot loop.
/// </summary>
public enum ArenaTracking
{
    /// <summary>Nothing. Adds no instruction to the fast path.</summary>
    Off,

    /// <summary>The size asked for, and the <see cref="AllocationTag"/> in force.</summary>
    Tags,

    /// <summary>The tag and the call stack: tens of microseconds an allocation.</summary>
    CallStacks,
}
