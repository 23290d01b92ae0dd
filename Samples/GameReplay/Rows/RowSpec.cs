using Samples.Common;

namespace Samples.GameReplay.Rows;

/// <summary>One row of the table: an allocator, and whether it gets what it needs before the frames.</summary>
/// <param name="IsPrewarmed">Whether by a plan.</param>
/// <param name="IsRecorded">Whether a plan is made of what was used in the end.</param>
/// <param name="IsProfiled">Whether a profile is made.</param>
internal sealed record RowSpec(
    AllocatorKind Allocator, bool IsPrewarmed, bool IsRecorded = false, bool IsProfiled = false)
{
    /// <summary>
    /// The rows that tell what recording costs: without a recorder and with one. Both take memory on demand, so that no
    /// more of it is recorded than is needed.
    /// </summary>
    public static readonly RowSpec[] Recording =
        [new(AllocatorKind.Engine, false), new(AllocatorKind.Engine, false, true)];

    /// <summary>All rows, in the order of the table.</summary>
    public static readonly RowSpec[] All =
    [
        new(AllocatorKind.Engine, true),
        new(AllocatorKind.Engine, false),
        new(AllocatorKind.Malloc, false),
        new(AllocatorKind.Gc, false),
    ];

    /// <summary>Whether the owners of the page faults are named.</summary>
    public bool AttributesFaults { get; init; }

    public string Title => Allocator switch
    {
        AllocatorKind.Engine when IsProfiled =>
            (IsPrewarmed ? "profiled" : "cold profiled") + (AttributesFaults ? ", owners" : ""),
        AllocatorKind.Engine => IsRecorded ? "engine recorded" : IsPrewarmed ? "engine prewarmed" : "engine cold",
        AllocatorKind.Malloc => "malloc",
        _ => "GC arrays",
    };

    /// <summary>What JSON and the command line call the allocator.</summary>
    public string AllocatorName => EnumNames<AllocatorKind>.Of(Allocator);

    /// <summary>In which state the replay begins, as between the processes.</summary>
    public string State => IsRecorded ? "recorded" : IsPrewarmed ? "prewarmed" : "cold";

    /// <summary>Reads the row of a measuring process: the name of the allocator and the state.</summary>
    public static RowSpec? Parse(string? text, bool isProfiled, bool attributesFaults) =>
        text?.Split(':') is [var name, var state] && EnumNames<AllocatorKind>.Find(name) is { } kind
            ? new(kind, state == "prewarmed", state == "recorded", isProfiled) { AttributesFaults = attributesFaults }
            : null;

    /// <summary>
    /// The rows that the options ask for. Only the engine can be prewarmed, so the others are the same cold.
    /// </summary>
    public static List<RowSpec> Select(AllocatorKind? allocator, bool coldOnly) =>
    [
        .. All.Where(row => allocator is null
            ? !(coldOnly && row.IsPrewarmed)
            : row.Allocator == allocator && (allocator != AllocatorKind.Engine || row.IsPrewarmed != coldOnly)),
    ];
}
