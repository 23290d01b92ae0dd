namespace Samples.Soak;

/// <summary>What was asked for on the command line.</summary>
internal sealed record SoakOptions
{
    /// <summary>How long the load runs.</summary>
    public required int Seconds { get; init; }

    public required int Seed { get; init; }

    public required string? Json { get; init; }

    /// <summary>Where a profile is written to, of the ticks as frames.</summary>
    public required string? Profile { get; init; }

    /// <summary>A fault that is made on purpose, so that a test sees it found.</summary>
    public Sabotage Sabotage { get; init; }
}
