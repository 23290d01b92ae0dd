namespace Engine.Scenes;

/// <summary>The kinds of things that do not belong in a hot loop; each has its rule in <see cref="HotLoopRules"/>.</summary>
[Flags]
public enum HotLoopKinds
{
    /// <summary>None of them.</summary>
    None = 0,

    /// <summary>Page faults.</summary>
    PageFaults = 1,

    /// <summary>The engine's OS calls.</summary>
    OsCalls = 2,

    /// <summary>Managed bytes.</summary>
    ManagedBytes = 4,

    /// <summary>Collections.</summary>
    Collections = 8,

    /// <summary>Overflow of a frame arena's lane.</summary>
    FrameOverflow = 16,

    /// <summary>A soft or hard budget.</summary>
    BudgetOverrun = 32,

    /// <summary>The budget of an allocation tag.</summary>
    TagOverrun = 64,
}
