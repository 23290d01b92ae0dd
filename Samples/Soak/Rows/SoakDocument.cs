namespace Samples.Soak.Rows;

/// <summary>What a run found.</summary>
internal sealed record SoakDocument
{
    public required int Seconds { get; init; }

    public required int Seed { get; init; }

    public required IReadOnlyList<SoakRow> Rows { get; init; }

    /// <summary>Resident bytes of the process when everything was freed, each time that was done.</summary>
    public required IReadOnlyList<long> FloorBytes { get; init; }

    /// <summary>How much the floor grows by the line that fits best, warm-up left out, over the whole run.</summary>
    public required long FloorGrowthBytes { get; init; }

    public required long Ticks { get; init; }

    public required long ThreadsBorn { get; init; }

    public required long ScenesLoaded { get; init; }

    /// <summary>OS calls that were made to fail.</summary>
    public required long FailuresInjected { get; init; }

    /// <summary>How often the engine had no memory to give; all of them by injected failures.</summary>
    public required long Refusals { get; init; }

    /// <summary>What must not have been.</summary>
    public required IReadOnlyList<string> Violations { get; init; }
}
