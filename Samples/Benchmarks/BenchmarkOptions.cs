using Samples.Benchmarks.Contestants;

namespace Samples.Benchmarks;

/// <summary>What was asked for on the command line.</summary>
internal sealed record BenchmarkOptions
{
    /// <summary>Names or ids of workloads; empty for all.</summary>
    public required IReadOnlyList<string> Workloads { get; init; }

    /// <summary>Whether it is to be a look rather than a measurement.</summary>
    public required bool IsQuick { get; init; }

    /// <summary>How many rounds; null for as many as usual.</summary>
    public required int? Repeat { get; init; }

    public required string? Json { get; init; }

    public required string? Chart { get; init; }

    /// <summary>Where a profile of one workload is written to, in place of all measurements; null measures.</summary>
    public required string? Profile { get; init; }

    /// <summary>Set in the measuring child processes: the contestant that does the workloads.</summary>
    public required string? OnlyContestant { get; init; }

    /// <summary>Set in the child process that finds out which native allocators can be loaded.</summary>
    public required bool IsAttendance { get; init; }

    /// <summary>Numbers of threads for the scaling workloads, in order; empty for the usual ones, null when it is not about them.</summary>
    public required IReadOnlyList<int>? Threads { get; init; }

    /// <summary>Operations of each thread in the scaling workloads; null for as many as usual.</summary>
    public required long? Operations { get; init; }

    /// <summary>Libraries to measure beside the usual ones.</summary>
    public required IReadOnlyList<Peer> Libraries { get; init; }

    /// <summary>This program compiled ahead of time; null for the one that lies where it is published to.</summary>
    public required string? AheadOfTime { get; init; }

    /// <summary>Whether it is a failure when the prewarmed engine calls the system.</summary>
    public required bool RequiresNoSystemCalls { get; init; }

    /// <summary>Set in the measuring child processes: the library that counts system calls.</summary>
    public required string? SystemCalls { get; init; }
}
