namespace PlatformProbe;

/// <summary>One large prewarm by some threads.</summary>
internal sealed record PrewarmRow(int Threads, long Mebibytes, double Milliseconds, double GibibytesPerSecond);
