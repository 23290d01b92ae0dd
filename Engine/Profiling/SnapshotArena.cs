namespace Engine.Profiling;

/// <summary>One arena in a <see cref="MemorySnapshot"/>.</summary>
/// <param name="Number">What the other rows call it. Given to another arena once this one is disposed.</param>
/// <param name="Name">Its name.</param>
/// <param name="IsFrame">Whether it is a frame arena.</param>
/// <param name="SuperSlabs">SuperSlabs that it owns.</param>
/// <param name="LiveBytes">Blocks that callers hold; of a frame arena the bytes used in the current frame. With full checks, red zones and freed blocks that are watched count too.</param>
/// <param name="CachedBytes">Free blocks in thread caches and between threads.</param>
/// <param name="PeakBytes">The most SuperSlab bytes held at a time; of a frame arena those held now, which are given back by its Trim only.</param>
/// <param name="SoftBudget">In bytes; 0 where there is none.</param>
/// <param name="HardBudget">In bytes; 0 where there is none.</param>
/// <param name="SoftOverruns">How often it went beyond.</param>
/// <param name="HardOverruns">How often it wanted to.</param>
/// <param name="Overflows">Of a frame arena, how often a lane needed more than its share.</param>
public readonly record struct SnapshotArena(
    int Number,
    SnapshotName Name,
    bool IsFrame,
    int SuperSlabs,
    nuint LiveBytes,
    nuint CachedBytes,
    nuint PeakBytes,
    nuint SoftBudget,
    nuint HardBudget,
    long SoftOverruns,
    long HardOverruns,
    long Overflows);
