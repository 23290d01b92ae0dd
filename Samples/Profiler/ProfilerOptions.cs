namespace Samples.Profiler;

/// <summary>What the command line asked for.</summary>
internal sealed record ProfilerOptions
{
    /// <summary>The process to listen to; null where <see cref="Profile"/> is given.</summary>
    public int? Attach { get; init; }

    /// <summary>How long to watch; null: until the process ends or somebody stops the command.</summary>
    public double? Seconds { get; init; }

    /// <summary>The profile of a finished process.</summary>
    public string? Profile { get; init; }

    /// <summary>Where the report goes.</summary>
    public string? Report { get; init; }

    /// <summary>Where what the view showed last goes, as HTML.</summary>
    public string? SaveView { get; init; }
}
