namespace Samples.Soak.Rows;

/// <summary>Ten seconds of a run.</summary>
internal sealed record SoakRow
{
    public required int Second { get; init; }

    /// <summary>Of the process, at the end of the ten seconds.</summary>
    public required long ResidentBytes { get; init; }

    public required long LiveBytes { get; init; }

    /// <summary>SuperSlabs that arenas own, in bytes.</summary>
    public required long OwnedBytes { get; init; }

    /// <summary>The share of the long-lived arenas' SuperSlabs in which no live block lies, percent.</summary>
    public required double FragmentationPercent { get; init; }

    /// <summary>Page faults of the process, populated pages included.</summary>
    public required long PageFaults { get; init; }

    public required long OsCalls { get; init; }

    public required long TickP50Nanoseconds { get; init; }

    public required long TickP99Nanoseconds { get; init; }

    public required long TickMaxNanoseconds { get; init; }
}
