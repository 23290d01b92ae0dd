// The rows: allocators, or with --matrix the engine's prefault policies.
using Samples.Common;
using SuperSlab;

namespace Samples.RandomMixed;

/// <summary>One row of the table.</summary>
internal sealed record RowSpec(AllocatorKind Allocator, bool IsPrewarmed)
{
    /// <summary>The prefault policy of an engine row.</summary>
    public PrefaultPolicy Prefault { get; init; }

    /// <summary>The kind of pages of an engine row.</summary>
    public PageKind Pages { get; init; }

    /// <summary>
    /// Whether the row belongs to the matrix of prefault policies. Its measured loop is the first one in its memory,
    /// prewarmed or not, so that what it finds there is the prefault's work alone.
    /// </summary>
    public bool IsOfMatrix { get; init; }

    /// <summary>Whether the owners of the page faults in the measured loop are named.</summary>
    public bool AttributesFaults { get; init; }

    public string AllocatorName => EnumNames<AllocatorKind>.Of(Allocator);
    public string Title => IsOfMatrix ? $"{Combination(Prefault, Pages)}: {State}" : $"{AllocatorName} {State}";

    /// <summary>In which state the loop finds the memory.</summary>
    public string State => IsPrewarmed ? "prewarmed" : "cold";

    /// <summary>Whether the row is one of the engine's, which promise something when prewarmed.</summary>
    public bool IsEngine => Allocator is AllocatorKind.Engine or AllocatorKind.Handle;

    /// <summary>What a policy with a kind of pages is called.</summary>
    public static string Combination(PrefaultPolicy policy, PageKind pages) =>
        $"{EnumNames<PrefaultPolicy>.Of(policy)}, {EnumNames<PageKind>.Of(pages)}";

    /// <summary>The rows that the options ask for; with no options all prewarmed, and the engine cold.</summary>
    public static List<RowSpec> Select(MixedOptions options)
    {
        AllocatorKind? only = options.Allocator;
        (bool prewarm, bool cold) = (options.Prewarm, options.Cold);
        List<RowSpec> rows = [];
        foreach (AllocatorKind kind in only is null ? Enum.GetValues<AllocatorKind>() : [only.Value])
        {
            if (prewarm || !cold)
                rows.Add(new RowSpec(kind, true));

            bool isColdByDefault = only is null && !prewarm && kind == AllocatorKind.Engine;
            if (cold || isColdByDefault)
                rows.Add(new RowSpec(kind, false));
        }

        PrefaultPolicy prefault = options.Prefault ?? PrefaultPolicy.Automatic;
        PageKind pages = options.Pages ?? PageKind.Automatic;
        return rows.ConvertAll(row => row.IsEngine ? row with { Prefault = prefault, Pages = pages } : row);
    }
}

/// <summary>
/// The rows of the matrix: each prefault policy with each kind of pages, cold and prewarmed. The engine lists what
/// there is, and says what this machine has of it when it is tried.
/// </summary>
internal static class MatrixRows
{
    private static readonly PageKind[] UsualKinds = [PageKind.Normal, PageKind.TransparentHuge];

    /// <summary>
    /// Tries every combination that the options ask for; with no options what the engine chooses by itself, and then
    /// all.
    /// </summary>
    public static List<PrefaultTrial> Try(MixedOptions options)
    {
        List<PrefaultTrial> trials = [];
        if (options is { Prefault: null, Pages: null })
            trials.Add(PrefaultTrial.Run(PrefaultPolicy.Automatic, PageKind.Automatic));

        foreach (PageKind pages in options.Pages is { } kind ? [kind] : UsualKinds)
        {
            foreach (PrefaultPolicy policy in Enum.GetValues<PrefaultPolicy>())
            {
                if (policy == options.Prefault || (options.Prefault is null && policy != PrefaultPolicy.Automatic))
                    trials.Add(PrefaultTrial.Run(policy, pages));
            }
        }

        return trials;
    }

    /// <summary>The rows of a combination that this machine has.</summary>
    public static IEnumerable<RowSpec> Of(PrefaultTrial trial, MixedOptions options)
    {
        var row = new RowSpec(options.Allocator ?? AllocatorKind.Engine, IsPrewarmed: false)
        {
            Prefault = trial.Policy,
            Pages = trial.Pages,
            IsOfMatrix = true,
        };
        if (options.Cold || !options.Prewarm)
            yield return row;

        if (options.Prewarm || !options.Cold)
            yield return row with { IsPrewarmed = true };
    }

    /// <summary>What this machine does not have, as JSON has it; null where it has all.</summary>
    public static List<UnavailableDocument>? Unavailable(IEnumerable<PrefaultTrial> trials)
    {
        List<UnavailableDocument> documents =
        [
            .. trials.Where(trial => !trial.IsObtained).Select(trial => new UnavailableDocument
            {
                Policy = EnumNames<PrefaultPolicy>.Of(trial.Policy),
                Pages = EnumNames<PageKind>.Of(trial.Pages),
                Prefault = trial.Description,
            }),
        ];
        return documents.Count == 0 ? null : documents;
    }
}
