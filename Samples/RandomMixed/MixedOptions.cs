using Samples.RandomMixed.Rows;
using SuperSlab;

namespace Samples.RandomMixed;

/// <summary>What was asked for on the command line.</summary>
internal sealed record MixedOptions
{
    public required MixedWork Work { get; init; }

    public required AllocatorKind? Allocator { get; init; }

    public required bool Prewarm { get; init; }

    public required bool Cold { get; init; }

    /// <summary>The one prefault policy that was asked for.</summary>
    public required PrefaultPolicy? Prefault { get; init; }

    /// <summary>The one kind of pages that was asked for.</summary>
    public required PageKind? Pages { get; init; }

    /// <summary>Whether the rows are the prefault policies instead of the allocators.</summary>
    public required bool Matrix { get; init; }

    /// <summary>Whether the owner of each page fault is named.</summary>
    public bool Faults { get; init; }

    public required int Repeat { get; init; }

    public required string? Json { get; init; }

    /// <summary>Where a profile is written to; then one row of the engine's is run, once.</summary>
    public string? Profile { get; init; }

    /// <summary>Set in the measuring child processes: the one row to measure.</summary>
    public required RowSpec? OnlyRow { get; init; }
}
