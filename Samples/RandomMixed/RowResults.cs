// One row over all repeats, and the JSON documents.
using System.Text.Json.Serialization;
using Samples.Common;
using SuperSlab;
using SuperSlab.Diagnostics;

namespace Samples.RandomMixed;

/// <summary>One row's results over all repeats.</summary>
internal sealed class RowResults(RowSpec row) : RepeatedRow<Measurement>
{
    public RowSpec Row => row;

    /// <summary>What the loop left behind, which must be the same in all rows.</summary>
    public uint Checksum => First.Checksum;

    /// <summary>The most page faults in the loop before the measured one.</summary>
    public long PageFaultsInRehearsal => Most(measurement => measurement.PageFaultsInRehearsal);

    /// <summary>The slowest and the fastest repeat.</summary>
    public (long Least, long Most) OperationsPerSecond => Range(measurement => measurement.Run.OperationsPerSecond);

    /// <summary>The page faults of the first repeat by owner; null where that was not asked for.</summary>
    public ProfileFaults? Faults => First.Run.Faults;

    /// <summary>The row as one result: the median speed, and of what should not happen the largest count.</summary>
    public RunDocument Summary() => First.Run with
    {
        OperationsPerSecond = Median(measurement => measurement.Run.OperationsPerSecond),
        PageFaultsInLoop = Most(measurement => measurement.Run.PageFaultsInLoop),
        ManagedBytesInLoop = Most(measurement => measurement.Run.ManagedBytesInLoop),
        CollectionsInLoop = Most(measurement => measurement.Run.CollectionsInLoop),
        EngineMemory = First.Run.EngineMemory is null ? null : First.Run.EngineMemory with
        {
            OsCallsInLoop = Most(measurement => measurement.Run.EngineMemory!.OsCallsInLoop),
            InterruptionsInLoop = Most(measurement => measurement.Run.EngineMemory!.InterruptionsInLoop),
            FaultsLeft = Most(measurement => measurement.Run.EngineMemory!.FaultsLeft),
        },
    };

    /// <summary>What the memory said of its pages: one line, if all repeats said the same.</summary>
    public IEnumerable<string> Prefaults() => Repeats.Select(measurement => measurement.Run.Prefault).Distinct();

    /// <summary>What must not be and is, in words; null when all is well.</summary>
    /// <param name="first">The row whose work all others must have done.</param>
    public string? Problem(RowResults first) =>
        Checksum != first.Checksum
            ? $"{row.Title} did other work than {first.Row.Title}: checksum {Checksum:x8} instead of "
                + $"{first.Checksum:x8}"
            : BrokenPromise() ?? FaultsProblem();

    private string? FaultsProblem() =>
        Faults is not null && FaultsTable.Problem(Faults) is { } problem ? $"{row.Title}: {problem}" : null;

    // No prefault asked for is no promise.
    private string? BrokenPromise()
    {
        RunDocument run = Summary();
        EngineFigures? engine = run.EngineMemory;
        if (engine is null || row.Prefault == PrefaultPolicy.None)
            return null;

        long inLoop = run.PageFaultsInLoop + run.ManagedBytesInLoop + run.CollectionsInLoop + engine.OsCallsInLoop;
        if (row.IsPrewarmed && inLoop + PageFaultsInRehearsal > 0)
        {
            return $"{row.Title}: {FigureText.Count(run.PageFaultsInLoop, "page fault")}, "
                + $"{FigureText.Count(engine.OsCallsInLoop, "OS call")}, "
                + $"{FigureText.Count(run.ManagedBytesInLoop, "managed byte")} and "
                + $"{FigureText.Count(run.CollectionsInLoop, "collection")} in the loop, "
                + $"{FigureText.Count(PageFaultsInRehearsal, "page fault")} in the loop before it; there should have "
                + "been none";
        }

        return engine.FaultsLeft is { } left and > 0
            ? $"{row.Title}: {FigureText.Count(left, "page")} of the engine's SuperSlabs would still "
                + "fault; there should have been none"
            : null;
    }
}

/// <summary>What a measuring process reports: the run, and what is looked at but not published.</summary>
internal sealed record Measurement
{
    public required RunDocument Run { get; init; }

    /// <summary>Page faults of the identical loop that was run before, in prewarmed rows.</summary>
    public required long PageFaultsInRehearsal { get; init; }

    /// <summary>What was left behind by the loop.</summary>
    public required uint Checksum { get; init; }
}

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record MixedDocument
{
    public required List<RunDocument> Runs { get; init; }

    /// <summary>What the matrix could not measure here; null where nothing was left out.</summary>
    public List<UnavailableDocument>? Unavailable { get; init; }
}

/// <summary>One row's result.</summary>
internal sealed record RunDocument
{
    public required string Allocator { get; init; }
    public required bool Prewarmed { get; init; }

    /// <summary>How the engine put pages behind its memory; "none" for the other allocators.</summary>
    public required string Prefault { get; init; }

    public required long Operations { get; init; }
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

/// <summary>What only the engine's rows report.</summary>
internal sealed record EngineFigures
{
    /// <summary>The prefault policy that was asked for.</summary>
    public required string Policy { get; init; }

    /// <summary>The kind of pages that was asked for.</summary>
    public required string Pages { get; init; }

    /// <summary>Calls to the system's memory functions that the engine made in the loop.</summary>
    public required long OsCallsInLoop { get; init; }

    /// <summary>
    /// Those of the page faults in the loop that interrupted it; the others were pages that the kernel put there on
    /// request. Recorded in the rows of the matrix; null elsewhere, and where the system does not tell.
    /// </summary>
    public long? InterruptionsInLoop { get; init; }

    /// <summary>
    /// Pages of the engine's SuperSlabs on which a write would still fault after the loop; null where the system does
    /// not tell.
    /// </summary>
    public long? FaultsLeft { get; init; }
}

/// <summary>A combination of the matrix that this machine does not have.</summary>
internal sealed record UnavailableDocument
{
    public required string Policy { get; init; }
    public required string Pages { get; init; }

    /// <summary>What was tried instead and what it said.</summary>
    public required string Prefault { get; init; }
}

/// <summary>
/// Reads and writes the JSON of this sample without reflection. Other programs read the names: they stay.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MixedDocument))]
[JsonSerializable(typeof(Measurement))]
internal sealed partial class MixedJson : JsonSerializerContext;
