namespace Samples.Soak;

/// <summary>Faults that the soak makes itself when a test asks for it: a watchman that never barks may be asleep.</summary>
internal enum Sabotage
{
    None,

    /// <summary>Memory of the process that nobody gives back.</summary>
    Growth,

    /// <summary>A byte of a live block is changed.</summary>
    Corruption,

    /// <summary>A block is forgotten instead of freed.</summary>
    Leak,
}
