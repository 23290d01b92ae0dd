namespace Engine.Platform;

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
