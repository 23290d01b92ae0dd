using Engine.Platform;

namespace Engine.SuperSlabs;

/// <summary>
/// How a large prefault is carried out: on how many threads, who hears of its progress (0 to 1), who may stop it, and by which policy where
/// not by the pool's own.
/// </summary>
internal sealed record PrefaultTask(int Threads, IProgress<double>? Progress, CancellationToken Cancellation, Prefaulter? Prefaulter = null);
