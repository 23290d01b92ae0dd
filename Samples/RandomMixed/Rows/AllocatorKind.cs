namespace Samples.RandomMixed.Rows;

/// <summary>Who serves the loop.</summary>
internal enum AllocatorKind
{
    /// <summary>The engine's arena, called as such.</summary>
    Engine,

    /// <summary>The engine's arena through a thread's handle.</summary>
    Handle,

    Malloc,
    Gc,
    ArrayPool,

    /// <summary>Nobody: the loop alone.</summary>
    Null,
}
