namespace Samples.GameReplay.Rows;

/// <summary>What happened in all the frames together that should not.</summary>
internal sealed record HotLoop
{
    public required long PageFaults { get; init; }

    /// <summary>Null where the system does not tell the addresses of faults.</summary>
    public required long? EnginePageFaults { get; init; }

    public required long OsCalls { get; init; }

    public required long ManagedBytes { get; init; }

    public required long Collections { get; init; }
}
