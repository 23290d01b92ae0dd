using SuperSlab;
using SuperSlab.Scenes;

namespace EngineGame;

/// <summary>A level that is played: its memory, its rules, its workers and its loop. One thread.</summary>
internal sealed class Session : IDisposable
{
    private readonly EngineMemory _memory = new();
    private readonly Scene _scene;
    private readonly HotLoopGuard _guard;
    private readonly WorkerPool _workers;
    private readonly GameLoop _loop;

    public Session(ScenePlan plan, bool isPaced = true)
    {
        _scene = Scene.Load(_memory, plan); // all page faults and system calls are here
        _guard = new HotLoopGuard(_memory, plan.HotLoop, new() { Log = Console.Error.WriteLine });
        _workers = new WorkerPool(new()
        {
            WorkerCount = plan.FrameArena!.LaneCount,
            Arenas = [_scene.Arena],
            Guard = _guard,
        });
        GameFrames frames = new(_guard);
        frames.Add(_scene);
        _loop = new GameLoop(new()
        {
            FrameDuration = isPaced ? TimeSpan.FromSeconds(1.0 / 60) : TimeSpan.Zero,
            Frames = frames,
        });
        World = new World(_scene, _workers);
    }

    public World World { get; }

    /// <summary>Frames that broke the plan's rules.</summary>
    public long ViolationCount => _guard.ViolationCount;

    /// <summary>What each part of the frames did, a line each.</summary>
    public IEnumerable<string> Parts => _guard.Parts.Select(part => part.ToString());

    /// <summary>Plays frames after a warm-up, in which code is compiled.</summary>
    public void Play(int frameCount)
    {
        World world = World;
        world.FramesLeft = int.MaxValue;
        _loop.WarmUpUntilQuiet(ref world, maximumFrameCount: 300);
        world.FramesLeft = frameCount;
        _loop.Run(ref world);
    }

    public void Dispose()
    {
        World.Dispose();
        _workers.Dispose();
        _guard.Dispose();
        UnloadReport report = _scene.Unload();
        if (!report.IsClean)
            Console.Error.WriteLine(report);

        _memory.Dispose();
    }
}
