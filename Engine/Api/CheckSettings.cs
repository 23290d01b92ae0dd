namespace SuperSlab;

/// <summary>What <see cref="MemoryChecks.Full"/> does in detail.</summary>
public sealed record CheckSettings
{
    /// <summary>Whether each block remembers its call stacks: tens of microseconds for each call.</summary>
    public bool CallStacks { get; init; }

    /// <summary>
    /// Blocks of this size and above, in bytes, end at a page that cannot be accessed: a write past their end stops the
    /// program at that instruction. Default 64 KiB.
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
    /// Called at an arena's dispose with a sentence for each thing that is still live or damaged. Null, the default,
    /// writes to standard error.
    /// <para>
    /// The disposing thread calls it, under no lock, while the arena still works: it may allocate and free there, use
    /// and dispose other arenas, and throw. An exception stops neither the dispose nor the further sentences: when the
    /// arena is gone, Dispose throws an <see cref="EngineMemoryException"/> with the first exception inside. A dispose
    /// of the same arena in here does nothing.
    /// </para>
    /// </summary>
    public Action<string>? Report { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    internal void Validate() => ArgumentOutOfRangeException.ThrowIfNegative(GuardOneIn);

    internal void Tell(string sentence) => (Report ?? Console.Error.WriteLine)(sentence);
}
