using SuperSlab;

namespace Samples.RandomMixed.Rows;

/// <summary>
/// The rows of the matrix: each prefault policy with each kind of pages, cold and prewarmed. What there is, is the engine's list; what
/// this machine has of it, the engine says when it is tried.
/// </summary>
internal static class MatrixRows
{
    private static readonly PageKind[] UsualKinds = [PageKind.Normal, PageKind.TransparentHuge];

    /// <summary>Tries every combination that the options ask for; with no options what the engine chooses by itself, and then all.</summary>
    public static List<PrefaultTrial> Try(MixedOptions options)
    {
        List<PrefaultTrial> trials = [];
        if (options is { Prefault: null, Pages: null })
        {
            trials.Add(PrefaultTrial.Run(PrefaultPolicy.Automatic, PageKind.Automatic));
        }

        foreach (PageKind pages in options.Pages is { } kind ? [kind] : UsualKinds)
        {
            foreach (PrefaultPolicy policy in Enum.GetValues<PrefaultPolicy>())
            {
                if (policy == options.Prefault || (options.Prefault is null && policy != PrefaultPolicy.Automatic))
                {
                    trials.Add(PrefaultTrial.Run(policy, pages));
                }
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
        {
            yield return row;
        }

        if (options.Prewarm || !options.Cold)
        {
            yield return row with { IsPrewarmed = true };
        }
    }

    /// <summary>What this machine does not have, as JSON has it; null where it has all.</summary>
    public static List<UnavailableDocument>? Unavailable(IReadOnlyList<PrefaultTrial> trials)
    {
        List<UnavailableDocument> documents = [];
        foreach (PrefaultTrial trial in trials)
        {
            if (!trial.IsObtained)
            {
                documents.Add(new UnavailableDocument
                {
                    Policy = EnumNames<PrefaultPolicy>.Of(trial.Policy),
                    Pages = EnumNames<PageKind>.Of(trial.Pages),
                    Prefault = trial.Description,
                });
            }
        }

        return documents.Count == 0 ? null : documents;
    }
}
