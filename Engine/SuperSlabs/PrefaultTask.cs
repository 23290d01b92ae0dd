namespace Engine.SuperSlabs;

/// <summary>How a large prefault is carried out: on how many threads, who hears of its progress (0 to 1), and who may stop it.</summary>
internal sealed record PrefaultTask(int Threads, IProgress<double>? Progress, CancellationToken Cancellation)
{
    /// <summary>The same, where 0 threads are as many as there are processors.</summary>
    public static PrefaultTask Of(int threads, IProgress<double>? progress, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        return new PrefaultTask(threads == 0 ? Environment.ProcessorCount : threads, progress, cancellation);
    }
}
