using Engine.Arenas;

namespace Engine.Scenes;

/// <summary>How a <see cref="WorkerPool"/> is made. Immutable.</summary>
public sealed record WorkerPoolOptions
{
    /// <summary>Workers, the dispatching thread included, 1 to 256. 0, the default, is as many as there are processors.</summary>
    public int Workers { get; init; }

    /// <summary>Bytes of each thread's stack that are made resident ahead, up to half of the stack of 1 MiB. Default 128 KiB.</summary>
    public int PreparedStackBytes { get; init; } = 128 * 1024;

    /// <summary>
    /// How long an idle worker, or one that waits for the others, spins before it lets the system wake it, in turns of the runtime's
    /// spin wait. 0 suits machines with more workers than free processors. Default 200.
    /// </summary>
    public int SpinTurns { get; init; } = 200;

    /// <summary>Arenas that each worker gets its cache of at once. More by <see cref="WorkerPool.Attach"/>.</summary>
    public IReadOnlyList<LongLivedArena> Arenas { get; init; } = [];

    /// <summary>Counts what the workers do in each job. Null, the default, does not.</summary>
    public HotLoopGuard? Guard { get; init; }

    internal int ResolvedWorkers => Workers == 0 ? Math.Min(Environment.ProcessorCount, 256) : Workers;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Workers);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Workers, 256);
        ArgumentOutOfRangeException.ThrowIfNegative(PreparedStackBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(PreparedStackBytes, WorkerPool.StackBytes / 2);
        ArgumentOutOfRangeException.ThrowIfNegative(SpinTurns);
    }
}
