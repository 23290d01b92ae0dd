namespace Samples.LevelStreaming.Rows;

/// <summary>One repetition: frames alone, beside a load, and beside an unload.</summary>
internal sealed record BesideRepetition(BesideFrames Alone, BesideFrames Loading, BesideFrames Unloading)
{
    /// <summary>How many times longer the p99 of the frames was beside the load than alone.</summary>
    public double Ratio => Math.Round(Loading.P99Microseconds / Alone.P99Microseconds, 3);
}
