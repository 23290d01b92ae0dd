using Engine.Platform;

namespace Engine.SuperSlabs;

/// <summary>
/// How a large prefault is carried out: on how many threads, who hears of its progress (0 to 1), who may stop it, and by which policy where
/// not by the pool's own.
/// </summary>
internal sealed record PrefaultTask(int Threads, IProgress<double>? Progress, CancellationToken Cancellation, Prefaulter? Prefaulter = null)
{
    /// <summary>The same for a part that is such a share of the whole.</summary>
    public PrefaultTask Part(double start, double share) =>
        Progress is null || share == 1 ? this : this with { Progress = new PartProgress(Progress, start, share) };
}
