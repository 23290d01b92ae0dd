namespace SuperSlab;

/// <summary>
/// Which policy makes sense with which kind of pages, on which systems, and in which order steps are tried. Whether a
/// step works on the machine is tried, not looked up.
/// </summary>
internal static class PrefaultTable
{
    private const SystemKinds All = SystemKinds.Linux | SystemKinds.Windows | SystemKinds.Mac | SystemKinds.OtherPosix;
    private const SystemKinds Linux = SystemKinds.Linux;
    private const SystemKinds Windows = SystemKinds.Windows;
    private const SystemKinds Never = SystemKinds.None;

    // On Linux, explicit huge pages go only with the three policies whose calls can answer "there is none left": a
    // touch is answered by SIGBUS, which kills the process. On macOS they are superpages, wired when they are mapped.
    // On Windows large pages are resident from their reservation on (see VirtualMemory.TryReserveExplicitHuge).
    private static readonly Row[] s_rows =
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

    // Fastest first, as measured (microseconds per MiB on Linux: populate 33-61 on huge pages, 108-237 on normal ones,
    // where the two populates are equal; touch 40-122 and 224-348).
    private static readonly PrefaultPolicy[] s_automaticPolicies =
        [PrefaultPolicy.PopulateWrite, PrefaultPolicy.PopulateAtMapping, PrefaultPolicy.Touch];

    /// <summary>Whether the combination makes sense on the system; it tries nothing.</summary>
    public static bool MakesSense(PrefaultStep step, SystemKinds system)
    {
        foreach (Row row in s_rows)
        {
            if (row.Policy == step.Policy)
                return (row.SystemsFor(step.Pages) & system) != 0;
        }

        return false;
    }

    /// <summary>
    /// The steps for what the user asked, in the order of trying: the kind of pages asked for, then the lesser kinds;
    /// for each kind the policy asked for, then the automatic ones. PrefaultPolicy.None has no fallback.
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
            foreach (PrefaultPolicy next in policy == PrefaultPolicy.None ? [] : s_automaticPolicies)
            {
                // A mapping populates transparent huge pages that must be collapsed, which is slower than a touch.
                bool isSlow = kind == PageKind.TransparentHuge && next == PrefaultPolicy.PopulateAtMapping;
                if (next != policy && !isSlow)
                    AddIfSensible(steps, system, new(kind, next));
            }
        }

        return [.. steps];
    }

    private static void AddIfSensible(List<PrefaultStep> steps, SystemKinds system, PrefaultStep step)
    {
        if (MakesSense(step, system))
            steps.Add(step);
    }

    private readonly record struct Row(
        PrefaultPolicy Policy, SystemKinds Normal, SystemKinds Transparent, SystemKinds Explicit)
    {
        public SystemKinds SystemsFor(PageKind pages) => pages switch
        {
            PageKind.Normal => Normal,
            PageKind.TransparentHuge => Transparent,
            PageKind.ExplicitHuge => Explicit,
            _ => Never,
        };
    }
}

/// <summary>One way to put physical pages behind a range: which pages, by which policy. Never Automatic.</summary>
internal readonly record struct PrefaultStep(PageKind Pages, PrefaultPolicy Policy)
{
    /// <summary>Commits a range of normal pages, and puts none behind it.</summary>
    public static readonly PrefaultStep CommitOnly = new(PageKind.Normal, PrefaultPolicy.None);
}

/// <summary>Why a step did not work.</summary>
/// <param name="Reason">A clause for the user: "madvise(MADV_HUGEPAGE): Invalid argument (22)".</param>
/// <param name="IsLasting">Whether it can never work here. Otherwise it may work another time (a pool was dry).</param>
/// <param name="IsForPages">Whether no such pages came, so that no other policy would get them.</param>
internal readonly record struct PrefaultFailure(string Reason, bool IsLasting, bool IsForPages = false);
