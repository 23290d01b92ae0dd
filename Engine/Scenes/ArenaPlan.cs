using Engine.Arenas;
using Engine.Slabs;

namespace Engine.Scenes;

/// <summary>One long-lived arena of a scene: what it prewarms and what it may hold. Immutable. Not for the hot loop; any thread.</summary>
public sealed record ArenaPlan
{
    /// <summary>What the scene knows the arena by. 1 to 64 characters.</summary>
    public string Name { get; init; } = "main";

    /// <summary>How many blocks of which size the arena holds at its peak; each size once.</summary>
    public IReadOnlyList<BlockCount> Blocks { get; init; } = [];

    /// <summary>SuperSlabs (2 MiB each) that are prewarmed besides, for blocks of any size up to 2 MiB.</summary>
    public int SuperSlabs { get; init; }

    /// <summary>Threads that use the arena at the same time, 1 to 512. Default 1.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Whether slabs are promised to size classes at load, so that no class can take another's. Default true.</summary>
    public bool Carve { get; init; } = true;

    /// <summary>
    /// How many bytes of SuperSlabs the arena may hold, and what happens beyond. Its <see cref="ArenaBudget.OnOverflow"/> is not part of
    /// the JSON; <see cref="SceneLoadOptions.OnOverflow"/> may give one. Default: no limit.
    /// </summary>
    public ArenaBudget Budget { get; init; } = new();

    /// <summary>
    /// Prefaulted memory that stays in the reserve on account of this arena when the scene is unloaded, in bytes, instead of going back to
    /// the system. See <see cref="ScenePlan.RetainBytes"/>. Default 0.
    /// </summary>
    public nuint RetainBytes { get; init; }
}
