namespace SuperSlab;

/// <summary>How a large prefault runs.</summary>
/// <param name="Threads">How many threads share the work.</param>
/// <param name="Progress">Hears of the progress, 0 to 1; null for nobody.</param>
/// <param name="Cancellation">Stops it.</param>
/// <param name="Prefaulter">Its policy; null for the pool's own.</param>
internal sealed record PrefaultTask(
    int Threads, IProgress<double>? Progress, CancellationToken Cancellation, Prefaulter? Prefaulter = null)
{
    /// <summary>The task for a part of the whole, which begins at a place in 0 to 1.</summary>
    public PrefaultTask Part(double start, double share) =>
        Progress is null || share == 1 ? this : this with { Progress = new PartProgress(Progress, start, share) };
}

/// <summary>Reports the progress of a part as progress of the whole, which both run from 0 to 1.</summary>
internal sealed class PartProgress(IProgress<double> whole, double start, double share) : IProgress<double>
{
    /// <inheritdoc/>
    public void Report(double value) => whole.Report(Math.Min(start + (value * share), 1));
}
