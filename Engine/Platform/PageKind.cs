namespace Engine.Platform;

/// <summary>What kind of pages stand behind a SuperSlab.</summary>
public enum PageKind
{
    /// <summary>The best kind the machine offers without a privilege or a reserved pool.</summary>
    Automatic,

    /// <summary>The machine's base pages (4 KiB on x86-64, 16 KiB on Apple silicon).</summary>
    Normal,

    /// <summary>Transparent huge pages, asked for by madvise (Linux).</summary>
    TransparentHuge,

    /// <summary>Huge pages from a reserved pool or with a privilege: MAP_HUGETLB, Windows large pages, macOS superpages.</summary>
    ExplicitHuge,
}
