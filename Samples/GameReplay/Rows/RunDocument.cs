// The JSON documents.
using System.Text.Json.Serialization;
using Samples.GameReplay.Learning;
using SuperSlab.Diagnostics;

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

/// <summary>How long the frames' work took: nearest-rank percentiles over the frames.</summary>
internal sealed record FrameNanoseconds
{
    public required long P50 { get; init; }
    public required long P99 { get; init; }
    public required long Max { get; init; }
}

/// <summary>What happened in all the frames together that should not.</summary>
internal sealed record HotLoop
{
    public required long PageFaults { get; init; }

    /// <summary>Null where the system does not tell the addresses of faults.</summary>
    public required long? EnginePageFaults { get; init; }

    public required long OsCalls { get; init; }
    public required long ManagedBytes { get; init; }
    public required long Collections { get; init; }
}

/// <summary>
/// How much of what a plan prewarmed was used. Used is the most blocks of each class that were out of the arena at
/// once, in bytes: the classes' peaks need not fall together, as memory promised to one class is not lent to another.
/// The rest is waste.
/// </summary>
/// <param name="PrewarmedBytes">SuperSlabs that the scene held after its load.</param>
/// <param name="UsedBytes">Blocks of all classes, each at its own peak.</param>
/// <param name="Arenas">The long-lived arenas of the plan.</param>
internal sealed record PlanUse(long PrewarmedBytes, long UsedBytes, int Arenas)
{
    private const long SuperSlabBytes = 2 * 1024 * 1024;

    /// <summary>Prewarmed and never used.</summary>
    public long WasteBytes => Math.Max(PrewarmedBytes - UsedBytes, 0);

    /// <summary>
    /// What may be wasted: a tenth, and two SuperSlabs of each arena for what is left over in runs and SuperSlabs.
    /// </summary>
    public long WasteLimitBytes => (PrewarmedBytes / 10) + (2 * SuperSlabBytes * Arenas);
}

/// <summary>
/// What recording a plan cost: the work of all frames together, each by its median of the repeats, which took turns.
/// </summary>
/// <param name="Repeats">How often each row was measured.</param>
/// <param name="PlanNanoseconds">How long the recorder took after the last frame to make the plan, its code being
/// compiled included.</param>
internal sealed record RecordingCost(
    int Repeats, long WorkNanosecondsWithout, long WorkNanosecondsWith, long PlanNanoseconds)
{
    /// <summary>SuperSlabs that the plan got afterwards, until no frame called the system.</summary>
    public int AddedSuperSlabs { get; init; }

    /// <summary>
    /// What the recorder added to the frames, in percent. Below 0 where chance was larger than the cost.
    /// </summary>
    public double Percent =>
        Math.Round(100.0 * (WorkNanosecondsWith - WorkNanosecondsWithout) / WorkNanosecondsWithout, 1);
}

/// <summary>What the process that measured a row tells the one that asked for it.</summary>
internal sealed record RowMeasurement
{
    public required RunDocument Run { get; init; }

    /// <summary>The work of each frame.</summary>
    public required long[] WorkNanoseconds { get; init; }

    /// <summary>The recorded plan as JSON, where the row records.</summary>
    public string? RecordedPlan { get; init; }

    /// <summary>What the profiler's calls took at each frame; 0 without one.</summary>
    public required long[] ProfilerNanoseconds { get; init; }

    /// <summary>How long it took to make it.</summary>
    public long PlanNanoseconds { get; init; }
}

/// <summary>
/// Reads and writes the JSON of this sample without reflection. The names are read by other programs: they stay.
/// </summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ReplayDocument))]
[JsonSerializable(typeof(RowMeasurement))]
[JsonSerializable(typeof(TraceProfile))]
internal sealed partial class ReplayJson : JsonSerializerContext;
