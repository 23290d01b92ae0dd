namespace Samples.GameReplay.Rows;

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record ReplayDocument
{
    public required string Trace { get; init; }

    public required List<RunDocument> Runs { get; init; }
}
