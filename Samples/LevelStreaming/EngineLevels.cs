// Levels in the engine's memory.
using Samples.Common;
using SuperSlab;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.LevelStreaming;

/// <summary>
/// Levels as scenes: loaded by their plans and unloaded by a background loader. An empty plan is a level without
/// prewarm.
/// </summary>
internal sealed class EngineSource : ILevelSource<EngineStore>
{
    private readonly BackgroundLoader _loader;
    private readonly HotLoopGuard _guard;
    private readonly WorkerPool _pool;
    private readonly StreamedScene[] _scenes;
    private readonly SceneRecorder[]? _recorders;
    private readonly (double Milliseconds, long Bytes)[] _loads = new (double, long)[LevelSpec.Ring.Length];
    private long _allocated;

    /// <param name="guard">Watches the arenas of the level that is walked through.</param>
    /// <param name="pool">Its threads get their caches when a level is entered.</param>
    /// <param name="plans">A plan for each level of the ring.</param>
    /// <param name="recorders">Told each level at its end, if not null.</param>
    public EngineSource(
        EngineMemory memory, HotLoopGuard guard, WorkerPool pool, IReadOnlyList<ScenePlan> plans,
        SceneRecorder[]? recorders)
    {
        _loader = new BackgroundLoader(memory);
        _guard = guard;
        _pool = pool;
        _recorders = recorders;
        _scenes = new StreamedScene[plans.Count];
        for (int ring = 0; ring < plans.Count; ring++)
            _scenes[ring] = _loader.Add(plans[ring]);
    }

    public long LoaderFaults => _loader.PageFaultCount;
    public void Prepare(int ring) => _scenes[ring].Load();

    public EngineStore Enter(int ring)
    {
        StreamedScene streamed = _scenes[ring];
        if (streamed.Wait() != StreamState.Loaded)
        {
            throw new RunFailedException(
                $"Level '{LevelSpec.Ring[ring].Name}' could not be loaded: {streamed.Error?.Message}", streamed.Error!);
        }

        CollectGarbage();
        Scene scene = streamed.Scene;
        _loads[ring] = (scene.Report.Duration.TotalMilliseconds, (long)scene.Report.Bytes);
        _pool.Attach(scene.Arena);
        scene.Arena.AttachThread();
        _guard.Watch(scene);
        return new EngineStore(scene, LevelSpec.Ring[ring]);
    }

    /// <summary>
    /// Each load makes some objects. They are collected here, between two frames, before the runtime would collect in
    /// one.
    /// </summary>
    private void CollectGarbage()
    {
        const long Allowed = 128 * 1024;
        const int Generation = 1; // objects of a load that is under way survive a collection of the youngest
        long allocated = GC.GetTotalAllocatedBytes();
        if (allocated - _allocated > Allowed)
        {
            _allocated = allocated;
            GC.Collect(Generation);
        }
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
                throw new RunFailedException(report.ToString());
        }
    }

    public (double Milliseconds, long Bytes) LoadOf(int ring) => _loads[ring];
    public void Dispose() => _loader.Dispose();
}

/// <summary>
/// A level in the engine's memory: animals, genes, lists and terrain in the scene's arena, scratch space in its frame
/// lanes. A struct, since the runtime looks up generic code of classes when a thread first runs it, which faults.
/// </summary>
internal readonly unsafe struct EngineStore : ILevelStore<nint>
{
    private static readonly AllocationTag s_animalsTag = AllocationTag.Register("animals");
    private static readonly AllocationTag s_groundTag = AllocationTag.Register("ground");

    private readonly Scene _scene;
    private readonly LevelSpec _spec;
    private readonly nint*[] _animals = new nint*[2];
    private readonly float*[] _grass = new float*[2];
    private readonly byte* _terrain;

    public EngineStore(Scene scene, LevelSpec spec)
    {
        _scene = scene;
        _spec = spec;
        using TagScope scope = s_groundTag.Begin();
        for (int region = 0; region < 2; region++)
        {
            _animals[region] = scene.Arena.Allocate<nint>(2L * spec.Limit);
            _grass[region] = scene.Arena.Allocate<float>((long)spec.Cells);
        }

        _terrain = scene.Arena.Allocate<byte>((long)spec.TerrainBytes);
        new Span<byte>(_terrain, spec.TerrainBytes).Fill(1);
    }

    public Span<nint> Animals(int region) => new(_animals[region], 2 * _spec.Limit);
    public Span<float> Grass(int region) => new(_grass[region], _spec.Cells);

    public nint Spawn(in Body body)
    {
        using TagScope scope = s_animalsTag.Begin();
        Animal* animal = _scene.Arena.Allocate<Animal>();
        animal->Body = body;
        animal->Genes = (byte*)_scene.Arena.Allocate((nuint)body.GeneBytes);
        return (nint)animal;
    }

    public void Despawn(nint animal)
    {
        using TagScope scope = s_animalsTag.Begin();
        _scene.Arena.Free(((Animal*)animal)->Genes);
        _scene.Arena.Free((void*)animal);
    }

    public ref Body BodyOf(nint animal) => ref ((Animal*)animal)->Body;
    public Span<byte> GenesOf(nint animal) => new(((Animal*)animal)->Genes, ((Animal*)animal)->Body.GeneBytes);
    public Span<int> Scratch(int worker, int count) => _scene.FrameArena.Lane(worker).AllocateSpan<int>(count);
    public void BeginFrame() => _scene.FrameArena.NextFrame();

    public void End()
    {
        using TagScope scope = s_groundTag.Begin();
        for (int region = 0; region < 2; region++)
        {
            _scene.Arena.Free(_animals[region]);
            _scene.Arena.Free(_grass[region]);
        }

        _scene.Arena.Free(_terrain);
    }

    private struct Animal
    {
        public Body Body;
        public byte* Genes;
    }
}
