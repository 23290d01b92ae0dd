namespace PlatformProbe;

/// <summary>What one policy with one kind of pages does on this machine.</summary>
internal sealed record ProbeRow
{
    public required string Policy { get; init; }

    public required string Pages { get; init; }

    /// <summary>Null when it works, or why it does not.</summary>
    public string? WhyNot { get; init; }

    /// <summary>Median of several runs of 2 MiB.</summary>
    public double MicrosecondsPerMebibyteOfSuperSlab { get; init; }

    /// <summary>Median of several runs of 64 MiB.</summary>
    public double MicrosecondsPerMebibyteOfLarge { get; init; }

    /// <summary>Pages of 64 MiB that would still fault, as the system tells; -1 where it does not.</summary>
    public long PagesThatWouldFault { get; init; }

    /// <summary>Faults that a write to every page of 64 MiB took; -1 where they are not counted by thread.</summary>
    public long FaultsOfWritePass { get; init; }

    /// <summary>How much of 64 MiB stands on huge pages; -1 where it is not told.</summary>
    public long HugePageMebibytes { get; init; }
}
