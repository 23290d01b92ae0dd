using SuperSlab.Diagnostics;

namespace Samples.RandomMixed.Rows;

/// <summary>One row's result, as JSON has it.</summary>
internal sealed record RunDocument
{
    public required string Allocator { get; init; }

    public required bool Prewarmed { get; init; }

    /// <summary>How the engine put pages behind its memory; "none" for the other allocators.</summary>
    public required string Prefault { get; init; }

    public required ulong Operations { get; init; }

    public required uint WorkingSet { get; init; }

    public required uint Seed { get; init; }

    public required long OperationsPerSecond { get; init; }

    public required long PageFaultsInLoop { get; init; }

    public required long ManagedBytesInLoop { get; init; }

    public required long CollectionsInLoop { get; init; }

    /// <summary>The page faults of the loop by owner, where that was asked for.</summary>
    public ProfileFaults? Faults { get; init; }

    /// <summary>What only the engine's rows have; null for the others.</summary>
    public EngineFigures? EngineMemory { get; init; }
}
