namespace Samples.LevelStreaming.Rows;

/// <summary>One row, as JSON has it.</summary>
internal sealed record RowDocument
{
    public required string Row { get; init; }

    public required string Prefault { get; init; }

    public required uint Seed { get; init; }

    public required int Frames { get; init; }

    /// <summary>Made of all levels as they were left: the same in all rows.</summary>
    public required uint Checksum { get; init; }

    public required long Violations { get; init; }

    public required string? FirstViolation { get; init; }

    /// <summary>Page faults of all threads but the loader's, without those of the main thread between frames.</summary>
    public required long ProcessFaultsInFrames { get; init; }

    /// <summary>How long the walk stood still because a level was not loaded yet.</summary>
    public required double MillisecondsWaited { get; init; }

    public required double GuardNanosecondsPerFrame { get; init; }

    public required List<LevelDocument> Levels { get; init; }
}
