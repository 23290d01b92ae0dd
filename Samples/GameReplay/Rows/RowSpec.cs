namespace Samples.GameReplay.Rows;

/// <summary>One row of the table: an allocator, and whether it gets what it needs before the frames.</summary>
/// <param name="Allocator">Who serves.</param>
/// <param name="IsPrewarmed">Whether by a plan.</param>
/// <param name="IsRecorded">Whether a plan is made of what was used in the end.</param>
/// <param name="IsProfiled">Whether a profile is made.</param>
internal sealed record RowSpec(AllocatorKind Allocator, bool IsPrewarmed, bool IsRecorded = false, bool IsProfiled = false)
{
    /// <summary>The rows that tell what recording costs: without a recorder and with one.</summary>
    public static readonly RowSpec[] Recording = [new(AllocatorKind.Engine, true), new(AllocatorKind.Engine, true, true)];

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

    /// <summary>What the table calls it.</summary>
    public string Title => Allocator switch
    {
        AllocatorKind.Engine when IsProfiled => (IsPrewarmed ? "profiled" : "cold profiled") + (AttributesFaults ? ", owners" : ""),
        AllocatorKind.Engine => IsRecorded ? "engine recorded" : IsPrewarmed ? "engine prewarmed" : "engine cold",
        AllocatorKind.Malloc => "malloc",
        _ => "GC arrays",
    };

    /// <summary>What JSON and the command line call the allocator.</summary>
    public string AllocatorName => NameOf(Allocator);

    /// <summary>The name of an allocator in JSON and on the command line.</summary>
    public static string NameOf(AllocatorKind kind) => kind switch
    {
        AllocatorKind.Engine => "engine",
        AllocatorKind.Malloc => "malloc",
        _ => "gc",
    };

    /// <summary>The rows that the options ask for. Only the engine can be prewarmed, so the others are the same cold.</summary>
    public static List<RowSpec> Select(AllocatorKind? allocator, bool coldOnly)
    {
        List<RowSpec> rows = [];
        foreach (RowSpec row in All)
        {
            bool isAsked = allocator is null ? !(coldOnly && row.IsPrewarmed) : row.Allocator == allocator;
            bool isRightWarmth = allocator != AllocatorKind.Engine || row.IsPrewarmed != coldOnly;
            if (isAsked && isRightWarmth)
            {
                rows.Add(row);
            }
        }

        return rows;
    }
}
