namespace Engine.Profiling;

/// <summary>One tag in a <see cref="MemorySnapshot"/>: what all arenas of the memory counted under it, since the memory was made.</summary>
/// <param name="Number">Its number; 0 is that of code without a tag.</param>
/// <param name="Name">Its name; empty for code without a tag.</param>
/// <param name="BudgetBytes">How much may live under it; 0 where there is no limit.</param>
/// <param name="Allocations">Blocks allocated.</param>
/// <param name="AllocatedBytes">Their bytes, as large as their size classes.</param>
/// <param name="Frees">Blocks freed, those included that a reset or disposed arena threw away.</param>
/// <param name="FreedBytes">Their bytes.</param>
public readonly record struct SnapshotTag(
    int Number, SnapshotName Name, nuint BudgetBytes, long Allocations, long AllocatedBytes, long Frees, long FreedBytes)
{
    /// <summary>Bytes allocated less bytes freed while the tag was in force; below 0 where others' blocks were freed under it.</summary>
    public long LiveBytes => AllocatedBytes - FreedBytes;
}
