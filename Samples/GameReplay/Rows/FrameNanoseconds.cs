namespace Samples.GameReplay.Rows;

/// <summary>How long the frames' work took: nearest-rank percentiles over the frames.</summary>
internal sealed record FrameNanoseconds
{
    public required long P50 { get; init; }

    public required long P99 { get; init; }

    public required long Max { get; init; }
}
