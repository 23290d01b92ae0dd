namespace SuperSlab;

/// <summary>How many bytes of SuperSlabs (2 MiB each) an arena may hold, or a <see cref="SmallArena"/> of slabs (64 KiB
/// each). Immutable.</summary>
public sealed record ArenaBudget
{
    /// <summary>Going beyond it is counted. 0, the default, is no limit.</summary>
    public nuint SoftBytes { get; init; }

    /// <summary>Beyond it, <see cref="Overflow"/> decides; each attempt is counted. 0, the default, is no
    /// limit.</summary>
    public nuint HardBytes { get; init; }

    /// <summary>What happens beyond <see cref="HardBytes"/>. Default: the allocation fails.</summary>
    public ArenaOverflow Overflow { get; init; }

    /// <summary>
    /// Decides for <see cref="ArenaOverflow.Callback"/> whether the arena grows; null refuses. The allocating thread
    /// calls it under no lock, after the arena returned what it does not use. It may allocate and free, in this arena
    /// too, trim or dispose other arenas, take a snapshot, or wait. Disposing this arena or its memory throws
    /// <see cref="InvalidOperationException"/>. The allocation throws what the callback throws; nothing has changed
    /// then.
    /// </summary>
    public Func<ArenaOverflowRequest, bool>? OnOverflow { get; init; }

    /// <summary>
    /// Free blocks that all threads' stocks of a long-lived arena hold back together, in bytes; each of the arena's
    /// threads may have an equal share. What a thread frees beyond it goes to the arena's slabs, for blocks of any
    /// size. The one or two magazines that a thread works with in each size class are not counted. 0, the default, is
    /// no limit but that of each thread, 64 MiB. Small arenas have no stocks.
    /// </summary>
    public nuint StockBytes { get; init; }

    /// <exception cref="ArgumentException">The soft limit is above the hard one.</exception>
    internal void Validate(string parameter)
    {
        if (HardBytes != 0 && SoftBytes > HardBytes)
        {
            throw new ArgumentException(
                $"The soft budget of {Sizes.Exact(SoftBytes)} is above the hard one of {Sizes.Exact(HardBytes)}; it "
                    + "must be at most that.",
                parameter);
        }
    }
}

/// <summary>What happens when an arena wants more than its hard budget.</summary>
public enum ArenaOverflow
{
    /// <summary>The allocation fails with an <see cref="EngineOutOfMemoryException"/>.</summary>
    Fail,

    /// <summary>The arena grows, and the overrun is counted.</summary>
    Grow,

    /// <summary>The budget's callback decides.</summary>
    Callback,
}

/// <summary>An arena's wish for more than its hard budget.</summary>
/// <param name="HeldBytes">What the arena holds, in bytes of SuperSlabs or slabs.</param>
/// <param name="MoreBytes">What it wants in addition.</param>
/// <param name="BlockBytes">The size of the blocks it is for; 0 where they have no size in common.</param>
public readonly record struct ArenaOverflowRequest(nuint HeldBytes, nuint MoreBytes, nuint BlockBytes);
