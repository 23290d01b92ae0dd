using Samples.GameReplay.Rows;

namespace Samples.GameReplay;

/// <summary>What was asked for on the command line.</summary>
internal sealed record ReplayOptions
{
    public required string Trace { get; init; }

    public required AllocatorKind? Allocator { get; init; }

    public required bool Cold { get; init; }

    public required bool Verify { get; init; }

    public required TouchMode Touch { get; init; }

    public required int Repeat { get; init; }

    public required string? Json { get; init; }

    /// <summary>The scene plan that the prewarmed engine is loaded by; null takes the one that the first pass makes.</summary>
    public required string? Plan { get; init; }

    /// <summary>Where a recorded scene plan is written to; then nothing but recording is done.</summary>
    public required string? RecordPlan { get; init; }

    /// <summary>Where a profile is written to; then only the engine's row is replayed, once.</summary>
    public required string? Profile { get; init; }

    /// <summary>Set in the measuring child processes: the one row to measure.</summary>
    public required RowSpec? OnlyRow { get; init; }

    /// <summary>What is really done with the blocks: verifying has a way of its own.</summary>
    public TouchMode EffectiveTouch => Verify ? TouchMode.Verify : Touch;
}
