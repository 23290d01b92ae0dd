namespace Engine.Profiling;

/// <summary>Who has a SuperSlab.</summary>
public enum SnapshotState : byte
{
    /// <summary>Nobody, and there is no memory behind it; or it is on its way from or to the system.</summary>
    Free,

    /// <summary>The retained reserve: prefaulted, to be had without an OS call.</summary>
    Ready,

    /// <summary>An arena, which divides it in slabs or in lanes.</summary>
    Owned,

    /// <summary>An arena, for one block, or the lanes of a frame arena, of several SuperSlabs.</summary>
    Extent,
}
