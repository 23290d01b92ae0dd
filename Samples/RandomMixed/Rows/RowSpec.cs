using SuperSlab;

namespace Samples.RandomMixed.Rows;

/// <summary>One row of the table.</summary>
internal sealed record RowSpec(AllocatorKind Allocator, bool IsPrewarmed)
{
    /// <summary>The allocators by their names in JSON and on the command line, in the order of the table.</summary>
    public static readonly (string Name, AllocatorKind Kind)[] Allocators =
    [
        ("engine", AllocatorKind.Engine),
        ("handle", AllocatorKind.Handle),
        ("malloc", AllocatorKind.Malloc),
        ("gc", AllocatorKind.Gc),
        ("arraypool", AllocatorKind.ArrayPool),
        ("null", AllocatorKind.Null),
    ];

    /// <summary>The prefault policy of an engine row.</summary>
    public PrefaultPolicy Prefault { get; init; }

    /// <summary>The kind of pages of an engine row.</summary>
    public PageKind Pages { get; init; }

    /// <summary>
    /// Whether the row belongs to the matrix of prefault policies. Its measured loop is the first one in its memory, prewarmed or not, so
    /// that what it finds there is the prefault's work alone.
    /// </summary>
    public bool IsOfMatrix { get; init; }

    /// <summary>Whether the owners of the page faults in the measured loop are named.</summary>
    public bool AttributesFaults { get; init; }

    /// <summary>The allocator's name.</summary>
    public string AllocatorName => Array.Find(Allocators, entry => entry.Kind == Allocator).Name;

    /// <summary>What the table calls it.</summary>
    public string Title => IsOfMatrix ? $"{Combination(Prefault, Pages)}: {State}" : $"{AllocatorName} {State}";

    /// <summary>In which state the loop finds the memory.</summary>
    public string State => IsPrewarmed ? "prewarmed" : "cold";

    /// <summary>Whether the row is one of the engine's, which promise something when prewarmed.</summary>
    public bool IsEngine => Allocator is AllocatorKind.Engine or AllocatorKind.Handle;

    /// <summary>The allocator with that name, or null.</summary>
    public static AllocatorKind? Find(string? name)
    {
        foreach ((string known, AllocatorKind kind) in Allocators)
        {
            if (known == name)
            {
                return kind;
            }
        }

        return null;
    }

    /// <summary>What a policy with a kind of pages is called.</summary>
    public static string Combination(PrefaultPolicy policy, PageKind pages) =>
        $"{EnumNames<PrefaultPolicy>.Of(policy)}, {EnumNames<PageKind>.Of(pages)}";

    /// <summary>The rows that the options ask for; with no options all prewarmed, and the engine cold.</summary>
    public static List<RowSpec> Select(MixedOptions options)
    {
        AllocatorKind? only = options.Allocator;
        (bool prewarm, bool cold) = (options.Prewarm, options.Cold);
        List<RowSpec> rows = [];
        foreach ((_, AllocatorKind kind) in Allocators)
        {
            bool isAsked = only is null || only == kind;
            if (isAsked && (prewarm || !cold))
            {
                rows.Add(new RowSpec(kind, true));
            }

            bool isColdByDefault = only is null && !prewarm && kind == AllocatorKind.Engine;
            if (isAsked && (cold || isColdByDefault))
            {
                rows.Add(new RowSpec(kind, false));
            }
        }

        PrefaultPolicy prefault = options.Prefault ?? PrefaultPolicy.Automatic;
        PageKind pages = options.Pages ?? PageKind.Automatic;
        return rows.ConvertAll(row => row.IsEngine ? row with { Prefault = prefault, Pages = pages } : row);
    }
}
