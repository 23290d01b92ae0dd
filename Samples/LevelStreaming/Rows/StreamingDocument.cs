using System.Text.Json.Serialization;

namespace Samples.LevelStreaming.Rows;

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record StreamingDocument
{
    public required List<RowDocument> Rows { get; init; }

    /// <summary>Only where it was asked for; then there are no rows.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BesideDocument? Beside { get; init; }
}
