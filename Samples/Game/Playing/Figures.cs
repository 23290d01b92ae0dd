// What is kept of frames, and how it is told.
using System.Diagnostics;
using Samples.Common;
using SuperSlab.Scenes;

namespace Samples.Game.Playing;

/// <summary>The frames' times. Made and touched before the frames, so that keeping them costs nothing.</summary>
internal sealed class FrameTimes
{
    private readonly long[] _ticks;

    public FrameTimes(int frames)
    {
        _ticks = new long[frames];
        _ticks.AsSpan().Fill(-1);
    }

    public int Count { get; private set; }

    /// <summary>Keeps a frame's time; beyond its room it keeps no more.</summary>
    public void Add(long ticks)
    {
        if (Count < _ticks.Length)
            _ticks[Count++] = ticks;
    }

    public long[] Microseconds() => Array.ConvertAll(
        _ticks[..Count], ticks => (long)(ticks * 1e6 / Stopwatch.Frequency));
}

/// <summary>A run, as one process tells another.</summary>
internal sealed record RunDocument
{
    public required string Memory { get; init; }
    public required uint Seed { get; init; }
    public required int Frames { get; init; }
    public required string[] Levels { get; init; }

    /// <summary>Of all levels as they were left: the same for the same seed, whatever the memory.</summary>
    public required uint Hash { get; init; }

    public required long P50Microseconds { get; init; }
    public required long P99Microseconds { get; init; }
    public required long P999Microseconds { get; init; }
    public required long LongestMicroseconds { get; init; }

    /// <summary>Frames above 16.7 ms.</summary>
    public required int SlowFrames { get; init; }

    /// <summary>Frames above twice the median of their own level.</summary>
    public required int Hitches { get; init; }

    /// <summary>The longest time that the game stood still for a level that was not ready.</summary>
    public required long LongestWaitMicroseconds { get; init; }

    public required long EngineFaults { get; init; }
    public required long RuntimeFaults { get; init; }
    public required long HeapFaults { get; init; }
    public required long NativeFaults { get; init; }

    /// <summary>All page faults of the frames' threads.</summary>
    public required long PageFaults { get; init; }

    public required long OsCalls { get; init; }
    public required long ManagedBytes { get; init; }
    public required long Collections { get; init; }
    public required long ResidentBytes { get; init; }
    public required long Violations { get; init; }
    public required string? FirstViolation { get; init; }

    /// <summary>Page faults in the driver's calls, which the frames do not count: the driver's own memory and
    /// code.</summary>
    public required long DriverFaults { get; init; }

    /// <summary>
    /// What the driver's calls must not do either, though no frame counts it: page faults in the engine's memory, OS
    /// calls of the engine, managed bytes.
    /// </summary>
    public required long EngineFaultsInDriver { get; init; }

    /// <inheritdoc cref="EngineFaultsInDriver"/>
    public required long OsCallsInDriver { get; init; }

    /// <inheritdoc cref="EngineFaultsInDriver"/>
    public required long ManagedBytesInDriver { get; init; }

    /// <summary>What a run must not do that has the plans, in a sentence; null if it did not.</summary>
    public string? Problem() =>
        Violations != 0 ? $"{FigureText.Count(Violations, "frame")} broke the rules. {FirstViolation}"
        : (EngineFaultsInDriver | OsCallsInDriver | ManagedBytesInDriver) != 0
            ? $"The driver's calls had {FigureText.Count(EngineFaultsInDriver, "page fault")} in the engine's memory, "
            + $"{FigureText.Count(OsCallsInDriver, "OS call")} of the engine and "
            + $"{FigureText.Count(ManagedBytesInDriver, "managed byte")}; the plan of its arena is too small."
        : null;

    /// <summary>Each frame's time, for the picture; empty where it is not asked for.</summary>
    public required long[] FrameMicroseconds { get; init; }

    /// <summary>Makes it of the frames' times and what the guard counted.</summary>
    /// <param name="levels">Which level of the ring each frame was in.</param>
    /// <param name="driver">What the driver's calls did in these frames.</param>
    public static RunDocument Make(
        GameOptions options, LevelKind[] ring, long[] times, byte[] levels, HotLoopGuard guard, HotLoopCounts driver,
        long wait)
    {
        long[] sorted = [.. times];
        Array.Sort(sorted);
        long[] medians = [.. ring.Select((_, level) => Statistics.Median(
            times.Where((_, frame) => levels[frame] == level).DefaultIfEmpty(0)))];
        HotLoopCounts total = guard.Total;
        return new RunDocument
        {
            Memory = EnumNames<MemoryKind>.Of(options.Memory),
            Seed = options.Seed,
            Frames = times.Length,
            Levels = Array.ConvertAll(ring, EnumNames<LevelKind>.Of),
            Hash = 0,
            P50Microseconds = Statistics.Percentile(sorted, 50),
            P99Microseconds = Statistics.Percentile(sorted, 99),
            P999Microseconds = sorted[(int)(((long)sorted.Length * 999 + 999) / 1000) - 1],
            LongestMicroseconds = sorted[^1],
            SlowFrames = times.Count(time => time > 16_700),
            Hitches = times.Where((time, frame) => time > 2 * medians[levels[frame]]).Count(),
            LongestWaitMicroseconds = wait,
            EngineFaults = total.EngineFaults,
            RuntimeFaults = total.RuntimeFaults,
            HeapFaults = total.HeapFaults,
            NativeFaults = total.NativeFaults,
            PageFaults = total.PageFaults,
            OsCalls = total.OsCalls,
            ManagedBytes = total.ManagedBytes,
            Collections = total.Collections,
            ResidentBytes = ResidentMemory.Bytes(),
            DriverFaults = driver.PageFaults,
            EngineFaultsInDriver = driver.EngineFaults,
            OsCallsInDriver = driver.OsCalls,
            ManagedBytesInDriver = driver.ManagedBytes,
            Violations = guard.ViolationCount,
            FirstViolation = guard.FirstViolation is { } first ? $"{first} {first.CallStack}".TrimEnd() : null,
            FrameMicroseconds = options.KeepsTimes ? times : [],
        };
    }
}

/// <summary>Prints runs for people, a column each.</summary>
internal static class RunTable
{
    private static readonly (string Name, Func<RunDocument, string> Figure)[] s_rows =
    [
        ("frames", run => FigureText.Count(run.Frames)),
        ("p50", run => FigureText.Time(1000 * run.P50Microseconds)),
        ("p99", run => FigureText.Time(1000 * run.P99Microseconds)),
        ("p99.9", run => FigureText.Time(1000 * run.P999Microseconds)),
        ("longest", run => FigureText.Time(1000 * run.LongestMicroseconds)),
        ("frames over 16.7 ms", run => FigureText.Count(run.SlowFrames)),
        ("frames over 2 medians of their level", run => FigureText.Count(run.Hitches)),
        ("longest wait for a level", run => FigureText.Time(1000 * run.LongestWaitMicroseconds)),
        ("page faults of the frames' threads", run => FigureText.Count(run.PageFaults)),
        ("  in the engine's memory", run => FigureText.Count(run.EngineFaults)),
        ("  in managed code and the runtime", run => FigureText.Count(run.RuntimeFaults)),
        ("  on the collector's heap", run => FigureText.Count(run.HeapFaults)),
        ("  in libraries, stacks, files", run => FigureText.Count(run.NativeFaults)),
        ("page faults in the driver's calls, left out", run => FigureText.Count(run.DriverFaults)),
        ("OS calls of the engine", run => FigureText.Count(run.OsCalls)),
        ("managed memory", run => FigureText.Bytes(run.ManagedBytes)),
        ("collections", run => FigureText.Count(run.Collections)),
        ("resident", run => FigureText.Bytes(run.ResidentBytes)),
        ("frames that broke the rules", run => FigureText.Count(run.Violations)),
        ("hash of all states", run => $"{run.Hash:x8}"),
    ];

    public static string Print(IReadOnlyList<RunDocument> runs)
    {
        string levels = "levels: " + string.Join(", ", runs[0].Levels);
        TextTable table = new([.. runs.Select(run => run.Memory).Prepend(levels)]);
        foreach ((string name, Func<RunDocument, string> figure) in s_rows)
            table.Add([.. runs.Select(figure).Prepend(name)]);

        return table.ToString();
    }
}
