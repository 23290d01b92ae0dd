namespace Engine.Platform;

/// <summary>
/// Which policy makes sense with which kind of pages, on which systems; and in which order steps are tried.
/// This is the whole of the decision; whether a step works on the machine at hand is tried, not looked up.
/// </summary>
internal static class PrefaultTable
{
    private const SystemKinds All = SystemKinds.Linux | SystemKinds.Windows | SystemKinds.Mac | SystemKinds.OtherPosix;
    private const SystemKinds Linux = SystemKinds.Linux;
    private const SystemKinds Windows = SystemKinds.Windows;
    private const SystemKinds Never = SystemKinds.None;

    // Explicit huge pages are never touched before they were populated by a call that can answer "there is none left":
    // a touch would be answered by SIGBUS, which kills the process. So they go with three policies only.
    // On macOS they are superpages, wired when they are mapped; on Windows large pages are resident when they are reserved,
    // which is before any prefault (see VirtualMemory.TryReserveExplicitHuge).
    private static readonly Row[] Rows =
    [
        //  policy                              normal           transparent  explicit
        new(PrefaultPolicy.None,                All,             Linux,       Never),
        new(PrefaultPolicy.Touch,               All,             Linux,       SystemKinds.Mac),
        new(PrefaultPolicy.Clear,               All,             Linux,       SystemKinds.Mac),
        new(PrefaultPolicy.PopulateAtMapping,   Linux,           Linux,       Linux),
        new(PrefaultPolicy.PopulateWrite,       Linux,           Linux,       Linux),
        new(PrefaultPolicy.Lock,                All,             Linux,       Linux),
        new(PrefaultPolicy.Prefetch,            Windows,         Never,       Never),
    ];

    // Fastest first, as measured (microseconds per MiB on Linux: populate 33-61 on huge pages, 108-237 on normal ones, where the
    // two populates are the same; touch 40-122 and 224-348).
    private static readonly PrefaultPolicy[] AutomaticPolicies =
        [PrefaultPolicy.PopulateWrite, PrefaultPolicy.PopulateAtMapping, PrefaultPolicy.Touch];

    /// <summary>Whether the combination makes sense on the system; nothing is tried.</summary>
    public static bool MakesSense(PrefaultStep step, SystemKinds system)
    {
        foreach (Row row in Rows)
        {
            if (row.Policy == step.Policy)
            {
                SystemKinds systems = step.Pages switch
                {
                    PageKind.Normal => row.Normal,
                    PageKind.TransparentHuge => row.Transparent,
                    PageKind.ExplicitHuge => row.Explicit,
                    _ => Never,
                };
                return (systems & system) != 0;
            }
        }

        return false;
    }

    /// <summary>
    /// The steps for what the user asked, in the order of trying. The kind of pages asked for comes first, then the lesser
    /// kinds; within a kind the policy asked for, then the automatic ones. No prefault asked for is no fallback either.
    /// </summary>
    public static PrefaultStep[] Chain(SystemKinds system, PrefaultPolicy policy, PageKind pages)
    {
        ReadOnlySpan<PageKind> kinds = pages switch
        {
            PageKind.ExplicitHuge => [PageKind.ExplicitHuge, PageKind.TransparentHuge, PageKind.Normal],
            PageKind.Normal => [PageKind.Normal],
            _ => [PageKind.TransparentHuge, PageKind.Normal],
        };
        var steps = new List<PrefaultStep>();
        foreach (PageKind kind in kinds)
        {
            AddIfSensible(steps, system, new(kind, policy));
            foreach (PrefaultPolicy next in policy == PrefaultPolicy.None ? [] : AutomaticPolicies)
            {
                // Mapped populated, transparent huge pages must be collapsed afterwards, which is slower than touching them.
                bool isSlow = kind == PageKind.TransparentHuge && next == PrefaultPolicy.PopulateAtMapping;
                if (next != policy && !isSlow)
                {
                    AddIfSensible(steps, system, new(kind, next));
                }
            }
        }

        return [.. steps];
    }

    private static void AddIfSensible(List<PrefaultStep> steps, SystemKinds system, PrefaultStep step)
    {
        if (MakesSense(step, system))
        {
            steps.Add(step);
        }
    }

    private readonly record struct Row(PrefaultPolicy Policy, SystemKinds Normal, SystemKinds Transparent, SystemKinds Explicit);
}
