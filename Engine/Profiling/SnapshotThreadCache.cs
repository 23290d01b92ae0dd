namespace Engine.Profiling;

/// <summary>One thread's cache of one arena in a <see cref="MemorySnapshot"/>.</summary>
/// <param name="Arena">The arena's number.</param>
/// <param name="Slot">The thread's slot, which the next new thread gets when it has ended.</param>
/// <param name="Thread">The thread's name; empty where it has none.</param>
/// <param name="ManagedThreadId">Its number among the runtime's threads.</param>
/// <param name="HasEnded">Whether the thread is gone and the cache waits for the next.</param>
/// <param name="Blocks">Free blocks that it holds.</param>
/// <param name="Bytes">Their bytes.</param>
public readonly record struct SnapshotThreadCache(
    int Arena, int Slot, SnapshotName Thread, int ManagedThreadId, bool HasEnded, long Blocks, nuint Bytes);
