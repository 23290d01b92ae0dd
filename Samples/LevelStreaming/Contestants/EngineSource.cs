using Samples.Common;
using Samples.LevelStreaming.World;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.LevelStreaming.Contestants;

/// <summary>Levels as scenes: loaded by their plans and unloaded by a background loader. An empty plan is a level without prewarm.</summary>
internal sealed class EngineSource : ILevelSource<EngineStore>
{
    private readonly BackgroundLoader _loader;
    private readonly HotLoopGuard _guard;
    private readonly WorkerPool _pool;
    private readonly StreamedScene[] _scenes;
    private readonly SceneRecorder[]? _recorders;
    private readonly (double Milliseconds, long Bytes)[] _loads = new (double, long)[LevelSpec.Ring.Length];

    /// <param name="memory">The engine's memory.</param>
    /// <param name="guard">Watches the arenas of the level that is walked through.</param>
    /// <param name="pool">Its threads get their caches when a level is entered.</param>
    /// <param name="plans">A plan for each level of the ring.</param>
    /// <param name="recorders">Told each level at its end, if not null.</param>
    public EngineSource(SuperSlab.EngineMemory memory, HotLoopGuard guard, WorkerPool pool, IReadOnlyList<ScenePlan> plans, SceneRecorder[]? recorders)
    {
        _loader = new BackgroundLoader(memory);
        _guard = guard;
        _pool = pool;
        _recorders = recorders;
        _scenes = new StreamedScene[plans.Count];
        for (int ring = 0; ring < plans.Count; ring++)
        {
            _scenes[ring] = _loader.Add(plans[ring]);
        }
    }

    public long LoaderFaults => _loader.PageFaultCount;

    public void Prepare(int ring) => _scenes[ring].Load();

    public EngineStore Enter(int ring)
    {
        StreamedScene streamed = _scenes[ring];
        if (streamed.Wait() != StreamState.Loaded)
        {
            throw new RunFailedException($"Level '{LevelSpec.Ring[ring].Name}' could not be loaded: {streamed.Error?.Message}", streamed.Error!);
        }

        Scene scene = streamed.Scene;
        _loads[ring] = (scene.Report.Duration.TotalMilliseconds, (long)scene.Report.Bytes);
        _pool.Attach(scene.Arena);
        scene.Arena.AttachThread();
        _guard.Watch(scene);
        return new EngineStore(scene, LevelSpec.Ring[ring]);
    }

    public void Note(int ring, Profiler profiler)
    {
        profiler.NoteLoad(_scenes[ring]);
        profiler.NoteUnload(_scenes[ring].Scene);
    }

    public void Leave(int ring)
    {
        Scene scene = _scenes[ring].Scene;
        _guard.Unwatch(scene);
        _recorders?[ring].Add(scene);
        _scenes[ring].Unload();
    }

    public void Settle()
    {
        foreach (StreamedScene streamed in _scenes)
        {
            streamed.Wait();
            if (streamed.UnloadReport is { IsClean: false } report)
            {
                throw new RunFailedException(report.ToString());
            }
        }
    }

    public (double Milliseconds, long Bytes) LoadOf(int ring) => _loads[ring];

    public void Dispose() => _loader.Dispose();
}
