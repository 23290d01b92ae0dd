using Engine.Arenas;

namespace Engine.Scenes;

/// <summary>What one scene needs before its hot loop begins. Immutable.</summary>
public sealed record PrewarmPlan
{
    /// <summary>The scene's name, which its arenas bear.</summary>
    public string Name { get; init; } = "scene";

    /// <summary>How many blocks of which size the long-lived arena holds at its peak.</summary>
    public IReadOnlyList<BlockCount> Blocks { get; init; } = [];

    /// <summary>Threads that use the long-lived arena at the same time. Default 1.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Whether slabs are promised to size classes at load, so that no class can take another's. Default true.</summary>
    public bool Carve { get; init; } = true;

    /// <summary>The frame arena: bytes per lane, lanes (one a worker), buffers. Null where the scene has none.</summary>
    public FrameArenaOptions? Frame { get; init; } = new();
}
