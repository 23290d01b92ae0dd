namespace Samples.Benchmarks.Measuring;

/// <summary>What one process found out about one workload with one contestant.</summary>
internal sealed record Measurement
{
    /// <summary>The workload's <see cref="Workloads.Workload.Id"/>.</summary>
    public required string Workload { get; init; }

    /// <summary>Nanoseconds per operation, of each repetition.</summary>
    public required double[] Nanoseconds { get; init; }

    /// <summary>What the work left behind, the same for all who did the same work.</summary>
    public required ulong Checksum { get; init; }

    /// <summary>The most physical memory that the work took; null where it is not asked.</summary>
    public long? PeakResidentBytes { get; init; }

    /// <summary>How much of that were the allocator's own tables; null where it does not say.</summary>
    public long? MetadataBytes { get; init; }

    /// <summary>Calls to the system's memory functions in the timed part; null where the allocator does not say.</summary>
    public long? OsCalls { get; init; }
}
