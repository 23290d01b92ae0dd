namespace Samples.RandomMixed.Rows;

/// <summary>What a measuring process reports: the run, and what is looked at but not published.</summary>
internal sealed record Measurement
{
    public required RunDocument Run { get; init; }

    /// <summary>Page faults of the identical loop that was run before, in prewarmed rows.</summary>
    public required long PageFaultsInRehearsal { get; init; }

    /// <summary>What was left behind by the loop.</summary>
    public required uint Checksum { get; init; }
}
