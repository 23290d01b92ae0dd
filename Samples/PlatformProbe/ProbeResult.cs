namespace PlatformProbe;

/// <summary>Everything that the probe found.</summary>
internal sealed record ProbeResult
{
    public required string System { get; init; }

    public required long PageBytes { get; init; }

    public required string TransparentHugePages { get; init; }

    public required long AvailableMebibytes { get; init; }

    public required string AvailableSource { get; init; }

    public required string FaultRecorder { get; init; }

    public required IReadOnlyList<ProbeRow> Rows { get; init; }

    public required string AutomaticChain { get; init; }

    public required IReadOnlyList<PrewarmRow> Prewarms { get; init; }

    public required IReadOnlyList<RiddleRow> Riddle { get; init; }

    public required IReadOnlyList<string> Failures { get; init; }
}
