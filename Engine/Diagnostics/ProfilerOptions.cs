using System.Diagnostics;
using SuperSlab.Scenes;

namespace SuperSlab.Diagnostics;

/// <summary>What a <see cref="Profiler"/> keeps and counts. Immutable.</summary>
public sealed record ProfilerOptions
{
    /// <summary>
    /// Frames kept one by one, 64 bytes each; percentiles are of all frames. 2 to 16,777,216; default 16,384.
    /// </summary>
    public int FrameCapacity { get; init; } = 16_384;

    /// <summary>
    /// The time that a frame may take, up to an hour: a sixtieth of a second at 60 Hz. A longer frame is a hitch. Zero,
    /// the default, is no budget: hitches are only frames much longer than their neighbours.
    /// </summary>
    public TimeSpan FrameBudget { get; init; }

    /// <summary>
    /// Samples of memory over time, about 800 bytes each: an even number from 2 to 1,000,000; default 2,048.
    /// </summary>
    public int SampleCapacity { get; init; } = 2048;

    /// <summary>
    /// Least time between two samples, up to an hour; doubles each time that the samples are full. Default 10 ms.
    /// </summary>
    public TimeSpan SampleInterval { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>
    /// Whether to count the page faults of the profiler's thread: two OS calls in each frame, about 0.4 microseconds.
    /// Default false; a <see cref="HotLoopGuard"/> has them for <see cref="Profiler.EndFrame(HotLoopCounts)"/>.
    /// </summary>
    public bool CountsPageFaults { get; init; }

    /// <summary>
    /// The mean distance in bytes between two allocations that are sampled, with their call stacks, in long-lived and
    /// small arenas: from 1, which samples each block, to 1 TiB; 0, the default, samples none. With 512 KiB, an
    /// estimate of 1 GiB in small blocks has a standard deviation of 2 %. Needs <see cref="MemoryCounters"/>. Sampling
    /// takes 3 MiB; a sample takes its thread about a microsecond, without a managed byte or, but for the first of a
    /// thread that had used the arena before, a system call. One profiler of a memory at a time.
    /// </summary>
    public long SampleAllocationsEvery { get; init; }

    /// <summary>Where the random distances between samples begin, for tests.</summary>
    internal ulong SampleSeed { get; init; } = (ulong)Stopwatch.GetTimestamp();

    /// <summary>How many samples there is room for, for tests.</summary>
    internal SampleLimits SampleLimits { get; init; } = SampleLimits.Default;

    /// <summary>The clock of frames, samples and events. Default the system's, which costs frames the least.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(TimeProvider);
        OptionRange.Check(this, FrameCapacity is >= 2 and <= 1 << 24, FrameCapacity, "from 2 to 16,777,216");
        bool isCapacity = SampleCapacity is >= 2 and <= 1_000_000 && SampleCapacity % 2 == 0;
        OptionRange.Check(this, isCapacity, SampleCapacity, "an even number from 2 to 1,000,000");
        bool isBudget = FrameBudget >= TimeSpan.Zero && FrameBudget <= TimeSpan.FromHours(1);
        OptionRange.Check(this, isBudget, FrameBudget, "from 0 to an hour");
        bool isEvery = SampleAllocationsEvery is >= 0 and <= 1L << 40;
        OptionRange.Check(this, isEvery, SampleAllocationsEvery, "from 0 to 1,099,511,627,776 bytes");
        bool isInterval = SampleInterval >= TimeSpan.Zero && SampleInterval <= TimeSpan.FromHours(1);
        OptionRange.Check(this, isInterval, SampleInterval, "from 0 to an hour");
    }
}
