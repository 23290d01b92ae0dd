// Frames beside a load: measurement, documents and table.
using System.Diagnostics;
using System.Globalization;
using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.LevelStreaming;

/// <summary>
/// What a load in the background costs the frames of a level that is being played, on the game's own thread alone, so
/// that of two processors one is left to the loader. By turns frames are played while a scene loads, while it unloads,
/// and alone: the same frames of the same level, which begins anew each time and every so many frames. A repetition has
/// many such turns; its percentiles are compared.
/// </summary>
internal sealed class Beside : IDisposable
{
    private const int Repetitions = 9;
    private const int FramesOfRepetition = 1000;
    private const int FramesOfLevel = 100;
    private static readonly LevelSpec s_spec = LevelSpec.Ring[3];

    private readonly EngineMemory _memory = new();
    private readonly HotLoopGuard _guard;
    private readonly WorkerPool _pool = new(new WorkerPoolOptions { WorkerCount = 1 });
    private readonly BackgroundLoader _loader;
    private readonly StreamedScene _next;
    private readonly Scene _scene;
    private readonly uint _seed;
    private Level<EngineStore, nint> _level;
    private int _frame;
    private readonly FrameTimes _alone = new();
    private readonly FrameTimes _loading = new();
    private readonly FrameTimes _unloading = new();

    /// <param name="megabytes">What is loaded, in MiB.</param>
    /// <param name="seed">Where the level's random numbers begin.</param>
    public Beside(int megabytes, uint seed)
    {
        _guard = new HotLoopGuard(_memory);
        _loader = new BackgroundLoader(_memory);
        var arena = new ArenaPlan { Blocks = [new BlockCount(1 << 20, megabytes)] };
        _next = _loader.Add(new ScenePlan { Name = "next", Arenas = [arena] });

        // Enough for any number of animals that the level can have: what is asked here is not how little it needs.
        _scene = Scene.Load(_memory, new ScenePlan
        {
            Name = s_spec.Name,
            Arenas = [new ArenaPlan { SuperSlabCount = 32 }],
            FrameArena = new FrameArenaOptions { BytesPerLane = 1 << 20, LaneCount = 1 },
        });
        _seed = seed;
        _level = NewLevel();
        _guard.Watch(_scene);
    }

    /// <summary>Measures.</summary>
    /// <exception cref="RunFailedException">The scene could not be loaded.</exception>
    public BesideDocument Run()
    {
        _guard.WarmUp(int.MaxValue);
        Turn();
        _guard.WarmUp(0);
        List<BesideRepetition> repetitions = [];
        for (int repetition = 0; repetition < Repetitions; repetition++)
        {
            _alone.Clear();
            _loading.Clear();
            _unloading.Clear();
            while (_loading.Count < FramesOfRepetition)
                Turn();

            repetitions.Add(new BesideRepetition(_alone.Figures(), _loading.Figures(), _unloading.Figures()));
        }

        return new BesideDocument
        {
            Megabytes = _next.Plan.Arenas[0].Blocks[0].Count,
            Frames = _guard.FrameCount,
            Violations = _guard.ViolationCount,
            FirstViolation = _guard.FirstViolation?.ToString(),
            PageFaults = _guard.Total.PageFaults,
            Ratio = Statistics.Median(repetitions.ConvertAll(repetition => repetition.Ratio)),
            Repetitions = repetitions,
        };
    }

    public void Dispose()
    {
        _loader.Dispose();
        _level.Clear();
        _scene.Dispose();
        _pool.Dispose();
        _guard.Dispose();
        _memory.Dispose();
    }

    private void Turn()
    {
        int before = _loading.Count;
        BeginLevel();
        _next.Load();
        PlayWhile(_loading, StreamState.Loading);
        if (_next.State != StreamState.Loaded)
            throw new RunFailedException($"The scene beside could not be loaded: {_next.Error?.Message}");

        int frames = _loading.Count - before;
        _next.Unload();
        PlayWhile(_unloading, StreamState.Unloading);
        BeginLevel();
        Play(_alone, frames);
    }

    private Level<EngineStore, nint> NewLevel() => new(s_spec, new EngineStore(_scene, s_spec), _seed);

    private void BeginLevel()
    {
        _level.Clear();
        _level = NewLevel();

        // What the levels leave behind would be collected in some frame.
        GC.Collect();
        _frame = 0;
    }

    private void PlayWhile(FrameTimes times, StreamState state)
    {
        while (_next.State == state)
            Play(times, 1);
    }

    private void Play(FrameTimes times, int frames)
    {
        for (int frame = 0; frame < frames; frame++)
        {
            if (_frame++ == FramesOfLevel)
                BeginLevel();

            long start = Stopwatch.GetTimestamp();
            _guard.BeginFrame();
            _level.Step(_pool);
            _guard.EndFrame();
            times.Add(Stopwatch.GetTimestamp() - start);
        }
    }
}

/// <summary>
/// The times of frames of one kind. Made before the frames, so that keeping them costs nothing; beyond its room it
/// keeps no more.
/// </summary>
internal sealed class FrameTimes
{
    private const int Room = 1 << 17;
    private readonly long[] _ticks = new long[Room];

    public FrameTimes() => _ticks.AsSpan().Fill(-1);
    public int Count { get; private set; }

    public void Add(long ticks)
    {
        if (Count < Room)
            _ticks[Count++] = ticks;
    }

    public void Clear() => Count = 0;

    public BesideFrames Figures()
    {
        Span<long> sorted = _ticks.AsSpan(0, Count);
        sorted.Sort();
        return new BesideFrames(Count, Microseconds(sorted, 50), Microseconds(sorted, 99), Microseconds(sorted, 100));
    }

    private static double Microseconds(ReadOnlySpan<long> sorted, int percent) =>
        Math.Round(Statistics.Percentile(sorted, percent) * 1e6 / Stopwatch.Frequency, 1);
}

/// <summary>What a load in the background cost the frames of a running level, as JSON has it.</summary>
internal sealed record BesideDocument
{
    /// <summary>What was loaded each time.</summary>
    public required long Megabytes { get; init; }

    /// <summary>All frames that were played, the rehearsal's included.</summary>
    public required long Frames { get; init; }

    public required long Violations { get; init; }
    public required string? FirstViolation { get; init; }

    /// <summary>Of the game's thread, in all frames after the rehearsal.</summary>
    public required long PageFaults { get; init; }

    /// <summary>The median of the repetitions' ratios.</summary>
    public required double Ratio { get; init; }

    public required List<BesideRepetition> Repetitions { get; init; }
}

/// <summary>One repetition: frames alone, beside a load, and beside an unload.</summary>
internal sealed record BesideRepetition(BesideFrames Alone, BesideFrames Loading, BesideFrames Unloading)
{
    /// <summary>How many times longer the p99 of the frames was beside the load than alone.</summary>
    public double Ratio => Math.Round(Loading.P99Microseconds / Alone.P99Microseconds, 3);
}

/// <summary>How long the frames of one kind took in one repetition.</summary>
internal sealed record BesideFrames(int Frames, double P50Microseconds, double P99Microseconds, double MaxMicroseconds);

/// <summary>Prints what a load in the background cost, for people: the medians of the repetitions.</summary>
internal static class BesideTable
{
    public static string Print(BesideDocument document)
    {
        List<BesideRepetition> all = document.Repetitions;
        var table = new TextTable(["frames of a level", "frames", "p50 µs", "p99 µs", "max µs"]);
        Add(table, "alone", all.ConvertAll(repetition => repetition.Alone));
        Add(table, $"while {document.Megabytes:N0} MiB load", all.ConvertAll(repetition => repetition.Loading));
        Add(table, "while they unload", all.ConvertAll(repetition => repetition.Unloading));
        string end = Environment.NewLine;
        return table + end + string.Create(
            CultureInfo.InvariantCulture,
            $"the p99 beside the load is {document.Ratio:N2} times that alone (median of "
            + $"{FigureText.Count(all.Count, "repetition")}, least {all.Min(one => one.Ratio):N2}, "
            + $"most {all.Max(one => one.Ratio):N2}){end}in "
            + $"{FigureText.Count(document.Frames, "frame")} the game's thread had "
            + $"{FigureText.Count(document.PageFaults, "page fault")}; "
            + $"{FigureText.Count(document.Violations, "violation")}{end}");
    }

    private static void Add(TextTable table, string name, List<BesideFrames> frames) => table.Add(
        name,
        FigureText.Count(frames.Sum(one => one.Frames)),
        Median(frames.ConvertAll(one => one.P50Microseconds)),
        Median(frames.ConvertAll(one => one.P99Microseconds)),
        Median(frames.ConvertAll(one => one.MaxMicroseconds)));

    private static string Median(List<double> values) => FigureText.Decimals(Statistics.Median(values));
}
