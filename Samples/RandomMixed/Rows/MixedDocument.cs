namespace Samples.RandomMixed.Rows;

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record MixedDocument
{
    public required List<RunDocument> Runs { get; init; }
}
