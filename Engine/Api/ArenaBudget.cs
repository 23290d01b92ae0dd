namespace SuperSlab;

/// <summary>How many bytes of SuperSlabs (2 MiB each) an arena may hold. Immutable.</summary>
public sealed record ArenaBudget
{
    /// <summary>Going beyond it is counted, nothing else. 0, the default, is no limit.</summary>
    public nuint SoftBytes { get; init; }

    /// <summary>Going beyond it is counted and handled as <see cref="Overflow"/> says. 0, the default, is no limit.</summary>
    public nuint HardBytes { get; init; }

    /// <summary>What happens beyond <see cref="HardBytes"/>. Default: the allocation fails.</summary>
    public ArenaOverflow Overflow { get; init; }

    /// <summary>
    /// Decides, for <see cref="ArenaOverflow.Callback"/>, whether the arena gets more; none refuses. Called on the allocating thread, after
    /// the arena gave back what it does not use, and under no lock: it may allocate and free, in this arena too, trim or dispose others,
    /// take a snapshot, or wait. A dispose of
    /// this arena or its memory is refused with an <see cref="InvalidOperationException"/>. What it throws is what the allocation throws; nothing has changed then.
    /// </summary>
    public Func<ArenaOverflowRequest, bool>? OnOverflow { get; init; }
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
/// <param name="HeldBytes">What the arena holds, in bytes of SuperSlabs.</param>
/// <param name="MoreBytes">What it wants in addition.</param>
/// <param name="BlockBytes">The size of the blocks it is for; 0 where they have no size in common.</param>
public readonly record struct ArenaOverflowRequest(nuint HeldBytes, nuint MoreBytes, nuint BlockBytes);
