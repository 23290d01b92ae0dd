// Where the memory of levels and libraries comes from: scenes of the engine, or the managed heap and malloc.
using Samples.Common;
using Samples.Game.Libraries;
using SuperSlab;
using SuperSlab.Interop;
using SuperSlab.Scenes;

namespace Samples.Game.Playing;

/// <summary>Where the game's memory is.</summary>
internal enum MemoryKind
{
    /// <summary>In the engine, each level prewarmed by its plan.</summary>
    Engine,

    /// <summary>In the engine without plans: memory comes when it is asked for.</summary>
    Cold,

    /// <summary>Managed objects, and libraries on malloc.</summary>
    Gc,
}

/// <summary>
/// The memory of levels, one for each of the ring; the seam's other half beside <see cref="IStore"/>.
/// </summary>
internal interface IStoreSource<TStore> : IDisposable
    where TStore : struct, IStore
{
    /// <summary>Begins to make a level's memory ready. On the game's thread.</summary>
    void BeginLoad(int ring);

    /// <summary>How much of it is ready, from 0 to 1.</summary>
    double Progress(int ring);

    /// <summary>The level's memory, waited for. On the builder's thread.</summary>
    /// <param name="capacities">Of each kind of things, as many as the level ever has.</param>
    /// <param name="script">What its script's memory comes from; null is malloc.</param>
    TStore Open(int ring, ReadOnlySpan<int> capacities, out NativeAllocator? script);

    /// <summary>The level begins. Between frames, on the game's thread.</summary>
    void Enter(int ring);

    /// <summary>The level has ended. Between frames, on the game's thread.</summary>
    void Leave(int ring);

    /// <summary>Everything of the level is gone; so goes its memory. On the builder's thread.</summary>
    void Close(int ring);
}

/// <summary>Levels and libraries in scenes of the engine.</summary>
internal sealed class EngineSource : IStoreSource<EngineStore>
{
    private const long AllowedGarbageBytes = 256 * 1024;
    private static readonly AllocationTag s_scriptTag = AllocationTag.Register("lua", 4 << 20);

    private readonly GameFrames _frames;
    private readonly WorkerPool _pool;
    private readonly BackgroundLoader _loader;
    private readonly StreamedScene[] _scenes;
    private readonly NativeAllocator?[] _scripts;
    private readonly SceneRecorder[]? _recorders;
    private long _allocated;

    /// <param name="plans">A plan for each level of the ring.</param>
    /// <param name="recorders">Told each level at its end, if not null.</param>
    public EngineSource(
        EngineMemory memory, GameFrames frames, WorkerPool pool, IReadOnlyList<ScenePlan> plans,
        SceneRecorder[]? recorders)
    {
        (_frames, _pool, _recorders) = (frames, pool, recorders);
        _loader = new BackgroundLoader(memory);
        _scenes = [.. plans.Select(plan => _loader.Add(plan))];
        _scripts = new NativeAllocator?[_scenes.Length];
    }

    public void BeginLoad(int ring) => _scenes[ring].Load();

    public double Progress(int ring) => _scenes[ring].State == StreamState.Loaded ? 1 : _scenes[ring].Progress;

    public EngineStore Open(int ring, ReadOnlySpan<int> capacities, out NativeAllocator? script)
    {
        StreamedScene scene = _scenes[ring];
        if (scene.Wait() != StreamState.Loaded)
            throw new RunFailedException($"Level '{scene.Plan.Name}' could not be loaded: {scene.Error?.Message}");

        script = _scripts[ring] = scene.Scene.GetArena("script").ToNativeAllocator(new() { Tag = s_scriptTag });
        return new EngineStore(scene.Scene, capacities);
    }

    public void Enter(int ring)
    {
        Scene scene = _scenes[ring].Scene;
        _pool.Attach(scene.Arena);
        scene.GetArena("script").AttachThread();
        _frames.Add(scene);
        _frames.Guard!.Watch(scene);
        CollectGarbage();
    }

    public void Leave(int ring)
    {
        Scene scene = _scenes[ring].Scene;
        _frames.Guard!.Unwatch(scene);
        _frames.Remove(scene);
        _recorders?[ring].Add(scene);
    }

    public void Close(int ring)
    {
        NativeAllocator script = _scripts[ring]!;
        if (script.MisuseCount + script.RefusalCount != 0)
            throw new RunFailedException($"A script's memory ended: {script.FirstRefusal ?? script.FirstMisuse}");

        script.Dispose();
        StreamedScene scene = _scenes[ring];
        scene.Scene.GetArena("script").Reset();
        scene.Unload();
        scene.Wait();
        if (scene.UnloadReport is { IsClean: false } report)
            throw new RunFailedException(report.ToString());
    }

    public void Dispose() => _loader.Dispose();

    /// <summary>
    /// A load makes some objects. They go here, between two frames, before the runtime collects in one.
    /// </summary>
    private void CollectGarbage()
    {
        const int Generation = 1; // objects of a load that is under way survive a collection of the youngest
        long allocated = GC.GetTotalAllocatedBytes();
        if (allocated - _allocated > AllowedGarbageBytes)
        {
            _allocated = allocated;
            GC.Collect(Generation);
        }
    }
}

/// <summary>Levels on the managed heap.</summary>
internal sealed class GcSource : IStoreSource<GcStore>
{
    public void BeginLoad(int ring)
    {
    }

    public double Progress(int ring) => 1;

    public GcStore Open(int ring, ReadOnlySpan<int> capacities, out NativeAllocator? script)
    {
        script = null;
        return new GcStore();
    }

    public void Enter(int ring)
    {
    }

    public void Leave(int ring)
    {
    }

    public void Close(int ring)
    {
    }

    public void Dispose()
    {
    }
}

/// <summary>
/// The libraries that live as long as the game, each with an arena, a tag and a budget of its own, or on malloc.
/// </summary>
internal sealed class GameLibraries : IDisposable
{
    private readonly Scene? _scene;
    private readonly List<NativeAllocator> _allocators = [];
    private readonly nint _physics = Physics.Load();
    private bool _hasEnded;

    /// <param name="plan">
    /// Of the arenas "physics", "saves", "window" and, where it draws, "vulkan"; null leaves all to malloc.
    /// </param>
    /// <param name="save">The file of saved games; null keeps them in memory.</param>
    public GameLibraries(EngineMemory memory, ScenePlan? plan, string? save)
    {
        if (plan is not null)
        {
            _scene = Scene.Load(memory, plan);
            Allocator("saves", "sqlite", 4).UseSqlite(SaveGames.Load());
            if (HasPhysics)
                Allocator("physics", "ode", 16).UseOde(_physics);
        }

        if (HasPhysics)
        {
            Physics.Start();
            Physics.AttachThread();
        }

        Saves = new SaveGames(save);
    }

    public bool HasPhysics => _physics != 0;

    public SaveGames Saves { get; }

    /// <summary>Where their arenas are; null on malloc.</summary>
    public Scene? Scene => _scene;

    /// <summary>An allocator on one of the arenas.</summary>
    /// <param name="megabytes">The tag's budget.</param>
    public NativeAllocator Allocator(string arena, string tag, int megabytes)
    {
        NativeAllocator allocator = _scene!.GetArena(arena).ToNativeAllocator(
            new() { Tag = AllocationTag.Register(tag, (nuint)megabytes << 20) });
        _allocators.Add(allocator);
        return allocator;
    }

    /// <summary>Ends the libraries, and looks whether they left something behind.</summary>
    /// <exception cref="RunFailedException">They did.</exception>
    public void End()
    {
        (long misuses, UnloadReport? report) = Shutdown();
        if (report is { IsClean: false } || misuses != 0)
            throw new RunFailedException($"{report} {misuses} calls of libraries were wrong or refused.");
    }

    /// <summary>Ends the libraries, where the game failed before it could.</summary>
    public void Dispose() => Shutdown();

    private (long Misuses, UnloadReport? Report) Shutdown()
    {
        if (_hasEnded)
            return default;

        _hasEnded = true;
        Saves.Dispose();
        if (HasPhysics)
            Physics.End();

        long misuses = _allocators.Sum(allocator => allocator.MisuseCount + allocator.RefusalCount);
        foreach (NativeAllocator allocator in _allocators)
            allocator.Dispose();

        return (misuses, _scene?.Unload());
    }
}
