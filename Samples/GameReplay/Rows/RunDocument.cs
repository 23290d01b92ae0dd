using System.Text.Json.Serialization;
using SuperSlab.Diagnostics;

namespace Samples.GameReplay.Rows;

/// <summary>One row's result, as JSON has it.</summary>
internal sealed record RunDocument
{
    public required string Allocator { get; init; }

    public required bool Prewarmed { get; init; }

    public required int Frames { get; init; }

    public required long Allocations { get; init; }

    public required FrameNanoseconds FrameNanoseconds { get; init; }

    public required HotLoop HotLoop { get; init; }

    public required long PrewarmNanoseconds { get; init; }

    public required long PeakResidentBytes { get; init; }

    /// <summary>Only where the plan was given.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PlanUse? PlanUse { get; init; }

    /// <summary>Of the peak, the allocator's own tables; not in JSON, for other programs that replay.</summary>
    [JsonIgnore]
    public long MetadataBytes { get; init; }

    /// <summary>The page faults of the players' threads by owner, where that was asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ProfileFaults? Faults { get; init; }
}
