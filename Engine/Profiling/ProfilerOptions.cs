namespace Engine.Profiling;

/// <summary>What a <see cref="Profiler"/> keeps and asks. Immutable.</summary>
public sealed record ProfilerOptions
{
    /// <summary>How many frames are kept one by one, 64 bytes each; percentiles are those of all frames. 2 to 16 million. Default 16,384.</summary>
    public int FrameCapacity { get; init; } = 16_384;

    /// <summary>How many samples of memory over time are kept, about 800 bytes each: an even number from 2 to 1 million. Default 2,048.</summary>
    public int SampleCapacity { get; init; } = 2048;

    /// <summary>The least time between two samples in seconds, from 0 to 3,600; it doubles each time that the samples are full. Default 0.01.</summary>
    public double SampleSeconds { get; init; } = 0.01;

    /// <summary>
    /// Whether the page faults of the profiler's thread are counted: two calls to the system in each frame, about 0.4 microseconds. Default
    /// false; there is no need where a <see cref="Scenes.HotLoopGuard"/> counts them, see <see cref="Profiler.EndFrame(Scenes.HotLoopCounts)"/>.
    /// </summary>
    public bool CountsPageFaults { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    internal void Validate()
    {
        Check(FrameCapacity is >= 2 and <= 1 << 24, nameof(FrameCapacity), FrameCapacity, "from 2 to 16,777,216");
        Check(SampleCapacity is >= 2 and <= 1_000_000 && SampleCapacity % 2 == 0, nameof(SampleCapacity), SampleCapacity, "an even number from 2 to 1,000,000");
        Check(SampleSeconds is >= 0 and <= 3600, nameof(SampleSeconds), SampleSeconds, "from 0 to 3,600");
    }

    private static void Check(bool holds, string name, object value, string allowed)
    {
        if (!holds)
        {
            throw new ArgumentOutOfRangeException(name, value, $"ProfilerOptions.{name} is {value}; it must be {allowed}.");
        }
    }
}
