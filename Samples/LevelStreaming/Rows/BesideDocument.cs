namespace Samples.LevelStreaming.Rows;

/// <summary>What a load in the background cost the frames of a running level, as JSON has it.</summary>
internal sealed record BesideDocument
{
    /// <summary>What was loaded each time.</summary>
    public required long Megabytes { get; init; }

    /// <summary>All frames that were played, the rehearsal's included.</summary>
    public required long Frames { get; init; }

    public required long Violations { get; init; }

    public required string? FirstViolation { get; init; }

    /// <summary>Of the game's thread, in all frames after the rehearsal.</summary>
    public required long PageFaults { get; init; }

    /// <summary>The median of the repetitions' ratios.</summary>
    public required double Ratio { get; init; }

    public required List<BesideRepetition> Repetitions { get; init; }
}
