namespace Engine.Profiling;

/// <summary>What happened at a moment that is kept without managed memory.</summary>
internal enum MomentKind
{
    /// <summary>Arenas took or gave SuperSlabs: how many they own now, and how many more.</summary>
    SuperSlabs,

    /// <summary>A tag went beyond its budget for the first time: the tag, and its bytes.</summary>
    TagOverBudget,
}
