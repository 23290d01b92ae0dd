namespace Engine.SuperSlabs;

/// <summary>The progress of one part of a work, told as its share of the whole.</summary>
/// <param name="whole">Who hears of the whole work, 0 to 1.</param>
/// <param name="start">How far the work is when the part begins.</param>
/// <param name="share">The part's share of the work.</param>
internal sealed class PartProgress(IProgress<double> whole, double start, double share) : IProgress<double>
{
    /// <inheritdoc/>
    public void Report(double value) => whole.Report(Math.Min(start + (value * share), 1));
}
