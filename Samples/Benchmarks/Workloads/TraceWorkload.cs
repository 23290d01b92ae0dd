using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.GameReplay.Rows;
using Samples.GameReplay.Tracing;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// The allocations of a recorded game, as the sample GameReplay plays them: the time that a frame's calls and writes take, summed over the
/// game's threads. One figure of the frames' distribution is one workload.
/// </summary>
internal sealed class TraceWorkload(TraceReplay replay, int percentile) : Workload
{
    /// <summary>The percentiles that are shown; 100 is the longest frame.</summary>
    public static readonly int[] Percentiles = [50, 99, 100];

    /// <inheritdoc/>
    public override string Name => "trace-" + replay.Game;

    /// <inheritdoc/>
    public override string? Variant => percentile == 100 ? "max" : $"p{percentile}";

    /// <inheritdoc/>
    public override string Operation => "frame";

    /// <inheritdoc/>
    public override long Operations => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("percentile", percentile)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> Contestants => 
        [ContestantNames.Null, ContestantNames.Handle, ContestantNames.HandleCold, ContestantNames.HandleOnDemand, ContestantNames.NativeMemory];

    /// <inheritdoc/>
    public override string OneRunWith => Name;

    /// <inheritdoc/>
    public override string NativeTime => Variant!;

    /// <inheritdoc/>
    public override bool IsMemoryAsked => true;

    /// <summary>All figures of all games that travel with the sample GameReplay.</summary>
    public static IEnumerable<TraceWorkload> All() => TraceFile.EmbeddedNames()
        .Select(game => new TraceReplay(game))
        .SelectMany(replay => Array.ConvertAll(Percentiles, percentile => new TraceWorkload(replay, percentile)));

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => ["replay", replay.Script(folder)];

    /// <inheritdoc/>
    public override Measurement Measure(string contestant)
    {
        RunDocument run = replay.Run(contestant);
        return new Measurement
        {
            Workload = Id,
            Nanoseconds = [percentile switch { 50 => run.FrameNanoseconds.P50, 99 => run.FrameNanoseconds.P99, _ => run.FrameNanoseconds.Max }],
            Checksum = (ulong)run.Frames,
            PeakResidentBytes = run.PeakResidentBytes,
            MetadataBytes = run.MetadataBytes,
            OsCalls = run.HotLoop.OsCalls,
        };
    }
}
