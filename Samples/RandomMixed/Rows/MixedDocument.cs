namespace Samples.RandomMixed.Rows;

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record MixedDocument
{
    public required List<RunDocument> Runs { get; init; }

    /// <summary>What the matrix could not measure here; null where nothing was left out.</summary>
    public List<UnavailableDocument>? Unavailable { get; init; }
}
