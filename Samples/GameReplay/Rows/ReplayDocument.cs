using System.Text.Json.Serialization;

namespace Samples.GameReplay.Rows;

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record ReplayDocument
{
    public required string Trace { get; init; }

    public required List<RunDocument> Runs { get; init; }

    /// <summary>Only where a plan was recorded.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RecordingCost? Recording { get; init; }
}
