namespace Samples.LevelStreaming.Rows;

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record StreamingDocument
{
    public required List<RowDocument> Rows { get; init; }
}
