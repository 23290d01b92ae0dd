namespace PlatformProbe;

/// <summary>One large prewarm: medians of several runs, with the least and the most.</summary>
/// <param name="Threads">The threads that took part; 0 for the kernel alone, without the engine.</param>
/// <param name="Mebibytes">How much was prewarmed.</param>
/// <param name="Milliseconds">The median.</param>
/// <param name="LeastMilliseconds">The fastest run.</param>
/// <param name="MostMilliseconds">The slowest run.</param>
/// <param name="GibibytesPerSecond">The bandwidth at the median.</param>
internal sealed record PrewarmRow(
    int Threads, long Mebibytes, double Milliseconds, double LeastMilliseconds, double MostMilliseconds, double GibibytesPerSecond);
