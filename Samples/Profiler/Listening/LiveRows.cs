namespace Samples.Profiler.Listening;

/// <summary>A frame as it was heard of; sizes in bytes.</summary>
/// <param name="Seconds">When it ended, since the session began.</param>
internal sealed record LiveFrame(
    double Seconds, long Number, long Nanoseconds, long Allocations, long AllocatedBytes, long PageFaults,
        long Overflows, long ManagedBytes, long Collections);

/// <summary>A level load or what else was noted.</summary>
internal sealed record LiveSpan(string Track, string Name, long Nanoseconds);
