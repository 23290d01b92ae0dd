namespace Samples.RandomMixed.Rows;

/// <summary>A combination of the matrix that this machine does not have, as JSON has it.</summary>
internal sealed record UnavailableDocument
{
    public required string Policy { get; init; }

    public required string Pages { get; init; }

    /// <summary>What was tried instead and what it said.</summary>
    public required string Prefault { get; init; }
}
