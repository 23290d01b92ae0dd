namespace Engine.Profiling;

/// <summary>One size class of one arena in a <see cref="MemorySnapshot"/>; classes that the arena has no memory for are left out.</summary>
/// <param name="Arena">The arena's number.</param>
/// <param name="BlockBytes">The size of its blocks; 0 for blocks above 32 MiB, which have none in common.</param>
/// <param name="Live">Blocks that callers hold.</param>
/// <param name="Free">Blocks that lie free in their runs.</param>
/// <param name="Cached">Free blocks in thread caches and between threads.</param>
/// <param name="WasteBytes">Memory of its runs that no block can use.</param>
public readonly record struct SnapshotClass(int Arena, nuint BlockBytes, long Live, long Free, long Cached, nuint WasteBytes);
