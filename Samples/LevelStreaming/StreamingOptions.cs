using Samples.LevelStreaming.Rows;

namespace Samples.LevelStreaming;

/// <summary>What was asked for on the command line.</summary>
internal sealed record StreamingOptions
{
    public required WalkOptions Walk { get; init; }

    /// <summary>Where recorded plans are written to; then nothing else is done.</summary>
    public required string? Record { get; init; }

    /// <summary>Where plans are read from; null records them first.</summary>
    public required string? Plans { get; init; }

    /// <summary>MiB that are loaded beside a running level, to tell what that costs its frames; then nothing else is done.</summary>
    public required int? Beside { get; init; }

    /// <summary>The rows to run.</summary>
    public required RowKind[] Rows { get; init; }

    public required string? Json { get; init; }

    /// <summary>Where a profile is written to; then one of the engine's rows is run.</summary>
    public required string? Profile { get; init; }

    /// <summary>Set in the measuring child processes: the one row to measure.</summary>
    public required RowKind? OnlyRow { get; init; }
}
