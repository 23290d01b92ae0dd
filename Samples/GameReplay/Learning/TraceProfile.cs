namespace Samples.GameReplay.Learning;

/// <summary>
/// What the first pass over a trace learns: everything that must be known before the replay so that nothing grows in it. It is
/// handed to the measuring processes, which then need no first pass, and no memory for one, of their own.
/// </summary>
internal sealed record TraceProfile
{
    /// <summary>How many threads the trace has.</summary>
    public required int Threads { get; init; }

    /// <summary>How many block slots are in use at once at most.</summary>
    public required int Slots { get; init; }

    /// <summary>The frames that are measured: those between two Frame records.</summary>
    public required int Frames { get; init; }

    /// <summary>All allocations.</summary>
    public required long Allocations { get; init; }

    /// <summary>The allocations within the measured frames.</summary>
    public required long FrameAllocations { get; init; }

    /// <summary>The most bytes asked for and live at once, in the order of the trace.</summary>
    public required long PeakLiveBytes { get; init; }

    /// <summary>By thread, the most operations in one step.</summary>
    public required int[] OperationCapacities { get; init; }

    /// <summary>The peaks by block size.</summary>
    public required BlockPeak[] Peaks { get; init; }

    /// <summary>The uses by thread and block size.</summary>
    public required ThreadUse[] Uses { get; init; }
}
