namespace Samples.GameReplay.Playing;

/// <summary>What was measured in one step, over all threads.</summary>
/// <param name="WorkTicks">Time in the replayed work, in ticks of the stopwatch; waits for other threads are not in it.</param>
/// <param name="PageFaults">Page faults of the players.</param>
/// <param name="EngineFaults">Of these, those in the allocator's own range; null when that is not known.</param>
/// <param name="OsCalls">Calls of the allocator to the operating system.</param>
/// <param name="ManagedBytes">Managed memory allocated by the players.</param>
/// <param name="Collections">Garbage collections of any generation.</param>
internal readonly record struct StepFigures(
    long WorkTicks, long PageFaults, long? EngineFaults, long OsCalls, long ManagedBytes, long Collections)
{
    /// <summary>The sum of two steps.</summary>
    public static StepFigures operator +(StepFigures left, StepFigures right) => new(
        left.WorkTicks + right.WorkTicks,
        left.PageFaults + right.PageFaults,
        left.EngineFaults + right.EngineFaults,
        left.OsCalls + right.OsCalls,
        left.ManagedBytes + right.ManagedBytes,
        left.Collections + right.Collections);
}
