namespace Engine.Profiling;

/// <summary>What a <see cref="MemorySnapshot"/> says of all the engine's memory.</summary>
/// <param name="Base">Where the reservation begins.</param>
/// <param name="MappedBytes">Address space reserved.</param>
/// <param name="ResidentBytes">Of it resident, as the system says; -1 where it does not, or was not asked.</param>
/// <param name="OwnedSuperSlabs">Held by arenas; some of them may be on the way there.</param>
/// <param name="ReadySuperSlabs">Prefaulted and held by none.</param>
/// <param name="MetadataBytes">Resident tables, caches and descriptors.</param>
/// <param name="OsCalls">Calls to the system's memory functions so far.</param>
/// <param name="PrefaultNanoseconds">Time spent in making memory resident so far.</param>
public readonly record struct SnapshotTotals(
    nint Base, nuint MappedBytes, long ResidentBytes, int OwnedSuperSlabs, int ReadySuperSlabs, nuint MetadataBytes, long OsCalls, long PrefaultNanoseconds);
