namespace Samples.GameReplay.Rows;

/// <summary>What the process that measured a row tells the one that asked for it.</summary>
internal sealed record RowMeasurement
{
    /// <summary>The row's result.</summary>
    public required RunDocument Run { get; init; }

    /// <summary>The work of each frame.</summary>
    public required long[] WorkNanoseconds { get; init; }

    /// <summary>The recorded plan as JSON, where the row records.</summary>
    public string? RecordedPlan { get; init; }

    /// <summary>What the profiler's calls took at each frame; 0 without one.</summary>
    public required long[] ProfilerNanoseconds { get; init; }

    /// <summary>How long it took to make it.</summary>
    public long PlanNanoseconds { get; init; }
}
