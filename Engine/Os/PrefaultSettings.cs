namespace SuperSlab;

/// <summary>The words by which a user names policies and kinds of pages, in the environment and on command lines.</summary>
internal static class PrefaultSettings
{
    public const string PolicyVariable = "ENGINE_MEMORY_PREFAULT";
    public const string PagesVariable = "ENGINE_MEMORY_PAGES";

    public static ReadOnlySpan<(string Word, PrefaultPolicy Value)> Policies => PolicyWords;

    public static ReadOnlySpan<(string Word, PageKind Value)> Pages => PageWords;

    private static readonly (string Word, PrefaultPolicy Value)[] PolicyWords =
    [
        ("automatic", PrefaultPolicy.Automatic),
        ("none", PrefaultPolicy.None),
        ("touch", PrefaultPolicy.Touch),
        ("clear", PrefaultPolicy.Clear),
        ("populate-at-mapping", PrefaultPolicy.PopulateAtMapping),
        ("populate-write", PrefaultPolicy.PopulateWrite),
        ("lock", PrefaultPolicy.Lock),
        ("prefetch", PrefaultPolicy.Prefetch),
    ];

    private static readonly (string Word, PageKind Value)[] PageWords =
    [
        ("automatic", PageKind.Automatic),
        ("normal", PageKind.Normal),
        ("transparent-huge", PageKind.TransparentHuge),
        ("explicit-huge", PageKind.ExplicitHuge),
    ];

    /// <summary>ENGINE_MEMORY_PREFAULT, or <paramref name="fallback"/>.</summary>
    public static PrefaultPolicy Policy(EnvironmentSettings settings, PrefaultPolicy fallback) =>
        settings.Choice(PolicyVariable, Policies, fallback);

    /// <summary>ENGINE_MEMORY_PAGES, or <paramref name="fallback"/>.</summary>
    public static PageKind PagesOf(EnvironmentSettings settings, PageKind fallback) => settings.Choice(PagesVariable, Pages, fallback);
}
