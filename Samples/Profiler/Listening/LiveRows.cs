namespace Samples.Profiler.Listening;

/// <summary>A frame as it was heard of; sizes in bytes.</summary>
/// <param name="Seconds">When it ended, since the session began.</param>
internal sealed record LiveFrame(
    double Seconds, long Number, long Nanoseconds, long Allocations, long AllocatedBytes, long PageFaults, long Overflows, long ManagedBytes, long Collections);

/// <summary>A level load or what else was noted.</summary>
internal sealed record LiveSpan(string Track, string Name, long Nanoseconds);

/// <summary>An arena as it was at the last reading.</summary>
internal sealed record LiveArena(
    string Name, string Kind, long SuperSlabs, long LiveBytes, long CachedBytes, long PeakBytes, long SoftBudget, long HardBudget, long Overflows);

/// <summary>A tag as it was at the last reading.</summary>
internal sealed record LiveTag(string Name, long BudgetBytes, long LiveBytes, long Allocations, long Frees);

/// <summary>All the memory as it was at the last reading.</summary>
internal sealed record LiveTotals(
    long MappedBytes, long ResidentBytes, long OwnedSuperSlabs, long ReadySuperSlabs, long MetadataBytes, long OsCalls, long PrefaultNanoseconds);
