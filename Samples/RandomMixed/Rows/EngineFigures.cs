namespace Samples.RandomMixed.Rows;

/// <summary>What only the engine's rows have to tell, as JSON has it.</summary>
internal sealed record EngineFigures
{
    /// <summary>The prefault policy that was asked for.</summary>
    public required string Policy { get; init; }

    /// <summary>The kind of pages that was asked for.</summary>
    public required string Pages { get; init; }

    /// <summary>Calls to the system's memory functions that the engine made in the loop.</summary>
    public required long OsCallsInLoop { get; init; }

    /// <summary>
    /// Those of the page faults in the loop that interrupted it; the others were pages that the kernel put there on request. Recorded in
    /// the rows of the matrix; null elsewhere, and where the system does not tell.
    /// </summary>
    public long? InterruptionsInLoop { get; init; }

    /// <summary>Pages of the engine's SuperSlabs on which a write would still fault after the loop; null where the system does not tell.</summary>
    public long? FaultsLeft { get; init; }
}
