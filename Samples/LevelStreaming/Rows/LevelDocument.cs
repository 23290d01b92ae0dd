namespace Samples.LevelStreaming.Rows;

/// <summary>One level of one row, as JSON has it. Counts are sums over all its frames.</summary>
internal sealed record LevelDocument
{
    public required string Level { get; init; }

    public required double PrewarmMilliseconds { get; init; }

    public required long Bytes { get; init; }

    public required int Frames { get; init; }

    public required long Born { get; init; }

    public required int Animals { get; init; }

    public required double P50Microseconds { get; init; }

    public required double P99Microseconds { get; init; }

    public required double MaxMicroseconds { get; init; }

    public required long PageFaults { get; init; }

    public required long OsCalls { get; init; }

    public required long ManagedBytes { get; init; }

    public required long Collections { get; init; }

    public required long FrameOverflows { get; init; }

    public required long Violations { get; init; }
}
