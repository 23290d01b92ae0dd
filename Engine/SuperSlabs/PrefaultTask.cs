namespace Engine.SuperSlabs;

/// <summary>How a large prefault is carried out: on how many threads, who hears of its progress (0 to 1), and who may stop it.</summary>
internal sealed record PrefaultTask(int Threads, IProgress<double>? Progress, CancellationToken Cancellation);
