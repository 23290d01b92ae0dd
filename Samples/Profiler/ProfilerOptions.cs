namespace Samples.Profiler;

/// <summary>What the command line asked for.</summary>
internal sealed record ProfilerOptions
{
    /// <summary>
    /// The process to listen to, by its number or name; null where <see cref="Profile"/> or <see cref="Diff"/> is
    /// given.
    /// </summary>
    public string? Attach { get; init; }

    /// <summary>Whether the process is named, so that another one of the name takes its place when it ends.</summary>
    public bool AttachesByName => Attach is not null && !Attach.All(char.IsAsciiDigit);

    /// <summary>How long to watch; null: until the process ends or somebody stops the command.</summary>
    public double? Seconds { get; init; }

    /// <summary>The profile of a finished process.</summary>
    public string? Profile { get; init; }

    /// <summary>Two profiles to compare, first the one that the other is held against; null for none.</summary>
    public (string Before, string After)? Diff { get; init; }

    /// <summary>Where the report goes.</summary>
    public string? Report { get; init; }

    /// <summary>Where what the view showed last goes, as HTML.</summary>
    public string? SaveView { get; init; }
}
