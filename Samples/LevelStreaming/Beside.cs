using System.Diagnostics;
using Samples.Common;
using Samples.LevelStreaming.Contestants;
using Samples.LevelStreaming.Rows;
using Samples.LevelStreaming.World;
using SuperSlab.Scenes;
using SuperSlab;

namespace Samples.LevelStreaming;

/// <summary>
/// What a load in the background costs the frames of a level that is being played, on the game's own thread alone, so that of two
/// processors one is left to the loader. By turns frames are played while a scene loads, while it unloads, and alone: the same frames of the
/// same level, which begins anew each time and every so many frames. A repetition has many such turns; its percentiles are compared.
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
        _next = _loader.Add(new ScenePlan { Name = "next", Arenas = [new ArenaPlan { Blocks = [new BlockCount(1 << 20, megabytes)] }] });

        // Enough for any number of animals that the level can have: what is asked here is not how little it needs.
        _scene = Scene.Load(_memory, new ScenePlan
        {
            Name = s_spec.Name,
            Arenas = [new ArenaPlan { SuperSlabCount = 32 }],
            FrameArena = new FrameArenaOptions { BytesPerLane = 1 << 20, Lanes = 1 },
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
            {
                Turn();
            }

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

    /// <inheritdoc/>
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
        {
            throw new RunFailedException($"The scene beside could not be loaded: {_next.Error?.Message}");
        }

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
        {
            Play(times, 1);
        }
    }

    private void Play(FrameTimes times, int frames)
    {
        for (int frame = 0; frame < frames; frame++)
        {
            if (_frame++ == FramesOfLevel)
            {
                BeginLevel();
            }

            long start = Stopwatch.GetTimestamp();
            _guard.BeginFrame();
            _level.Step(_pool);
            _guard.EndFrame();
            times.Add(Stopwatch.GetTimestamp() - start);
        }
    }
}
