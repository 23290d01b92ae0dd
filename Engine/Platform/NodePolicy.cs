namespace Engine.Platform;

/// <summary>On which memory node (NUMA) pages lie, where a machine has several.</summary>
public enum NodePolicy
{
    /// <summary><see cref="Interleave"/> where the process may use the memory of several nodes; nothing is done where it is one.</summary>
    Automatic,

    /// <summary>The system's way: on the node of the thread that first writes a page, which is the one that prefaults it.</summary>
    FirstTouch,

    /// <summary>
    /// Pages take turns over the nodes, so that a level that one thread loads does not lie behind one memory controller (Linux, mbind). Not
    /// those that <see cref="PrefaultPolicy.PopulateAtMapping"/> populates: they are there before the system can be told.
    /// </summary>
    Interleave,
}
