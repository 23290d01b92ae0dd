namespace Samples.RandomMixed.Rows;

/// <summary>What one run of the loop took.</summary>
internal readonly record struct LoopFigures(
    long Ticks, long PageFaults, long ManagedBytes, long Collections, long OsCalls, long? Interruptions);
