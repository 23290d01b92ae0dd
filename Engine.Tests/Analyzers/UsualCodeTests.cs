namespace Engine.Tests.Analyzers;

/// <summary>Code as games write it, in which no rule finds anything.</summary>
internal sealed class UsualCodeTests
{
    [Test]
    public Task A_game_with_a_loop_a_guard_workers_and_containers_is_right() => Check.Code<EngineUseAnalyzer>(
        Check.Types("""
            internal struct Enemy
            {
                public NativeList<int> Path;
                public int Health;
            }

            internal struct Move : IRangeJob
            {
                public NativeArray<Enemy> Enemies;
                public NativeStream Hits;
                public FrameArena Frames;

                public void Execute(int start, int end, int worker)
                {
                    using FrameScope scope = Frames.Lane(worker).BeginScope();
                    Span<float> distances = Frames.Lane(worker).AllocateSpan<float>(end - start);
                    NativeList<int> near = new(Frames.Lane(worker), 16);
                    for (int index = start; index < end; index++)
                    {
                        ref Enemy enemy = ref Enemies[index];
                        distances[index - start] = enemy.Health;
                        near.Add(index);
                    }

                    foreach (int index in near)
                        Hits.Write(worker, index);
                }
            }

            internal sealed class World : IGame, IDisposable
            {
                private static readonly AllocationTag s_tag = AllocationTag.Register("world");
                private readonly Scene _scene;
                private readonly WorkerPool _pool;
                private readonly List<NativeText> _lines = [];
                private NativeArray<Enemy> _enemies;
                private NativeList<int> _spawned;
                private Move _move;

                public World(Scene scene, WorkerPool pool)
                {
                    using TagScope tag = s_tag.Begin();
                    _scene = scene;
                    _pool = pool;
                    _enemies = new(scene.Arena, 64);
                    _spawned = new(scene.Arena, 64);
                    foreach (ref Enemy enemy in _enemies)
                        enemy.Path = new(scene.Arena);
                }

                public bool IsRunning => _spawned.Count < 64;

                public void Update(long step, double seconds)
                {
                    NativeList<int> spawned = _spawned;
                    spawned.AddNoResize((int)step);
                    _move = new Move
                    {
                        Enemies = _enemies, Frames = _scene.FrameArena, Hits = NativeStream.InLanes(_scene.FrameArena),
                    };
                    _pool.Run(ref _move, _enemies.Length);
                }

                public unsafe void Draw(double alpha)
                {
                    FrameLane lane = _scene.FrameArena.Lane(0);
                    NativeText text = new(lane);
                    text.Append($"{_spawned.Count} enemies");
                    byte* pixels = (byte*)lane.Allocate(1024);
                    pixels[0] = text.AsSpan()[0];
                }

                public void Dispose()
                {
                    foreach (ref Enemy enemy in _enemies)
                        enemy.Path.Dispose();

                    _enemies.Dispose();
                    _spawned.Dispose();
                }
            }

            internal static class Program
            {
                public static async Task<int> Main()
                {
                    using EngineMemory memory = new();
                    using Scene scene = await Scene.LoadAsync(memory, null);
                    Play(memory, scene);
                    await Task.Yield();
                    return scene.Unload().IsClean ? 0 : 1;
                }

                private static void Play(EngineMemory memory, Scene scene)
                {
                    using HotLoopGuard guard = new(memory);
                    GameFrames frames = new(guard);
                    frames.Add(scene);
                    using WorkerPool pool = new(new() { Guard = guard });
                    World world = new(scene, pool);
                    GameLoop loop = new(new() { Frames = frames });
                    loop.Run(ref world);
                    for (int frame = 0; frame < 10; frame++)
                    {
                        using (frames.Begin())
                        {
                            using (guard.Part("update"))
                                world.Update(frame, 0.01);

                            using FramePartScope draw = guard.Part("draw");
                            world.Draw(0);
                        }
                    }

                    world.Dispose();
                    frames.Remove(scene);
                }
            }
            """));

    [Test]
    public Task Code_with_errors_breaks_nothing() => Check.InMethod("""
        FrameScope scope = frameArena.Lane(0).{|CS1501:BeginScope|}(1);
        {|CS0103:missing|}.BeginFrame();
        NativeList<{|CS0246:Missing|}> list = new(arena);
        {|CS0103:missing|} = new NativeList<int>(frameArena.Lane(0));
        arena.Free({|CS0103:missing|});
        """);
}
