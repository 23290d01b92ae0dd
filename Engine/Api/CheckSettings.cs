namespace SuperSlab;

/// <summary>What <see cref="MemoryChecks.Full"/> does in detail.</summary>
public sealed record CheckSettings
{
    /// <summary>Whether each block remembers its call stacks: tens of microseconds for each call.</summary>
    public bool CallStacks { get; init; }

    /// <summary>
    /// Blocks of this size and above, in bytes, end at a page that cannot be accessed: a write past their end stops the
    /// program at that instruction. Default 64 KiB. Where the system guards pages by splitting mappings (Linux before
    /// 6.13), a quarter of vm.max_map_count is taken at most, and further blocks have red zones only.
    /// </summary>
    public nuint GuardFromBytes { get; init; } = 64 * Sizes.KiB;

    /// <summary>One in this many smaller blocks ends at such a page too. Default 64; 0 is none.</summary>
    public int GuardOneIn { get; init; } = 64;

    /// <summary>
    /// How much freed memory of an arena is held back and watched for late writes, in bytes. Default 16 MiB. An arena
    /// takes all of it back before it refuses an allocation.
    /// </summary>
    public nuint QuarantineBytes { get; init; } = 16 * Sizes.MiB;

    /// <summary>
    /// Called at an arena's dispose with a sentence for each thing that is damaged, and for the blocks that are still
    /// live, and once a memory by an allocation that finds no more guard pages to be had. Null, the default, writes to
    /// standard error, but not of live blocks: to throw an arena away with its blocks is no error.
    /// <para>
    /// The thread that disposes or allocates calls it, under no lock, while the arena still works: it may allocate and
    /// free there, use and dispose other arenas, and throw. An exception stops neither the dispose nor the further
    /// sentences: when the arena is gone, Dispose throws an <see cref="EngineMemoryException"/> with the first
    /// exception inside. A dispose of the same arena in here does nothing. An exception at an allocation is the
    /// allocation's, and nothing has changed.
    /// </para>
    /// </summary>
    public Action<string>? Report { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    internal void Validate() => ArgumentOutOfRangeException.ThrowIfNegative(GuardOneIn);

    internal void Tell(string sentence) => (Report ?? Console.Error.WriteLine)(sentence);
}
