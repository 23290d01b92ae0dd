using Engine.Arenas;
using Engine.Slabs;

namespace Engine.Scenes;

/// <summary>How a scene is loaded, as opposed to what it needs, which its plan says. Immutable.</summary>
public sealed record SceneLoadOptions
{
    /// <summary>
    /// Told the share of the load that is done, 0 to 1, by whichever thread did it, several at the same time where several prefault; the last report is 1. Null, the
    /// default, is nobody. It is called under no lock and may do anything except wait for its own load: what it throws, the load throws, and nothing is left behind;
    /// while it runs, its part of the load waits.
    /// </summary>
    public IProgress<double>? Progress { get; init; }

    /// <summary>
    /// Decides for arenas whose plan says so (<see cref="ArenaOverflow.Callback"/>) and has no function of its own; see <see cref="ArenaBudget.OnOverflow"/>.
    /// </summary>
    public Func<ArenaOverflowRequest, bool>? OnOverflow { get; init; }

    /// <summary>Stops the load; nothing is left behind.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>
    /// Threads that may prefault at the same time. 0, the default, is as many as there are processors: fastest while nothing else runs.
    /// Beside a running hot loop it is 1, which leaves the other processors to the loop.
    /// </summary>
    public int PrefaultThreads { get; init; }

    /// <summary>What the long-lived arenas remember of each block, for the report at unload. Default nothing.</summary>
    public ArenaTracking Tracking { get; init; }
}
