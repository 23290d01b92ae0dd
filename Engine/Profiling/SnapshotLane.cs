namespace Engine.Profiling;

/// <summary>One lane of a frame arena in a <see cref="MemorySnapshot"/>.</summary>
/// <param name="Arena">The arena's number.</param>
/// <param name="Lane">Its index.</param>
/// <param name="CapacityBytes">Its share before it overflows.</param>
/// <param name="UsedBytes">Used in the current frame.</param>
/// <param name="HighWaterBytes">The most that was used in one frame.</param>
public readonly record struct SnapshotLane(int Arena, int Lane, nuint CapacityBytes, nuint UsedBytes, nuint HighWaterBytes);
