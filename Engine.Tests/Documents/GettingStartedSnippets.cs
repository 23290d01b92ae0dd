using SuperSlab.Collections;

namespace Engine.Tests.Documents;

/// <summary>The code of docs/getting-started.md and docs/package.md.</summary>
internal sealed class GettingStartedSnippets
{
    private record struct Particle(float X, float Y);

    [Test]
    public void An_engine_that_exists_takes_seven_steps()
    {
        StandInWindow window = new(200);
        int updates = 0;
        EngineMemory memory = new();
        using EngineMemory disposed = memory;
        ScenePlan plan = new()
        {
            Name = "harbour",
            Arenas = [new ArenaPlan { TogetherSuperSlabCount = 16, Carve = false }],
            FrameArena = new FrameArenaOptions { BytesPerLane = 1 << 20, LaneCount = 2 },
            HotLoop = new HotLoopRules
            {
                PageFaults = new HotLoopRule(0, HotLoopAction.Log),
                OsCalls = new HotLoopRule(0, HotLoopAction.Log),
                ManagedBytes = new HotLoopRule(0, HotLoopAction.Log),
            },
        };
        Scene scene = Scene.Load(memory, plan);
        using Scene unloaded = scene;
        NativeArray<Particle> particles = new(scene.Arena, 4096);                // the level's, in a field
        foreach (ref Particle particle in particles.AsSpan())
            particle.Y -= 1;

        Span<int> visible = scene.FrameArena.Lane(0).AllocateSpan<int>(4096);    // this frame's, in a local
        Assert.That((particles.Length, visible.Length), Is.EqualTo((4096, 4096)));

        using HotLoopGuard guard = new(memory, plan.HotLoop, new() { Log = Console.Error.WriteLine });
        GameFrames frames = new(guard);
        frames.Add(scene);                   // its lanes are empty again at each frame's beginning
        guard.WarmUp(120);                   // frames in which code may be compiled
        while (window.IsOpen)
        {
            window.TakeEvents();
            using (frames.Begin())
            {
                Update();
                using (guard.Exclude("present"))
                    window.SwapBuffers();    // what the driver does is the driver's
            }
        }

        Console.WriteLine($"{guard.ViolationCount} frames broke the rules. {guard.FirstViolation}");
        Assert.That((updates, guard.FrameCount, guard.Total.OsCalls), Is.EqualTo((200, 200L, 0L)));

        Exception? failure = null;
        Thread worker = new(() =>
        {
            try
            {
                scene.Arena.AttachThread();                                  // its cache is there
                GuardedThread counted = guard.RegisterThread("physics");
                // ... in each frame
                counted.Begin();
                Physics(scene.FrameArena.Lane(1));
                counted.End();
            }
            catch (Exception thrown)
            {
                failure = thrown;
            }
        });
        worker.Start();
        worker.Join();
        Assert.That(failure, Is.Null);

        SceneRecorder recorder = new();
        recorder.Add(scene);
        File.WriteAllText("harbour.json", recorder.Plan(headroom: 1.1).ToJson());
        ScenePlan recorded = ScenePlan.Load("harbour.json");
        Assert.That((recorded.Name, recorded.HotLoop), Is.EqualTo(("harbour", plan.HotLoop)));
        File.Delete("harbour.json");
        particles.Dispose();
        guard.Dispose();
        Console.WriteLine(scene.Unload());   // what was not freed, by size
        memory.Dispose();

        void Update() => updates++;

        static void Physics(FrameLane lane) => lane.AllocateSpan<float>(16).Clear();
    }

    [Test]
    public void A_package_shows_what_lives_how_long()
    {
        using EngineMemory memory = new();
        using Scene scene = Scene.Load(memory, new ScenePlan
        {
            Name = "forest",
            Arenas = [new ArenaPlan { Blocks = [new(64, 100_000)] }],
            FrameArena = new FrameArenaOptions { BytesPerLane = 1 << 20, LaneCount = 2 },
        });

        Span<int> live = scene.Arena.AllocateSpan<int>(16);                  // until it is freed, or the scene ends
        Span<int> brief = scene.FrameArena.Lane(0).AllocateSpan<int>(16);   // until the frame after the next
        Assert.That(live.Length + brief.Length, Is.EqualTo(32));
    }

    [Test]
    public void Silk_NETs_update_and_render_are_a_frame()
    {
        ScenePlan plan = new() { Name = "silk", FrameArena = new FrameArenaOptions() };
        StandInWindow window = new(3);
        World world = new();
        EngineMemory memory = new();
        HotLoopGuard guard = null!;
        GameFrames frames = null!;
        Scene scene = null!;
        window.Load += () =>
        {
            scene = Scene.Load(memory, plan);
            guard = new HotLoopGuard(memory, plan.HotLoop, new() { Log = Console.Error.WriteLine });
            frames = new GameFrames(guard);
            frames.Add(scene);
            guard.WarmUp(120);
        };
        window.Update += seconds =>
        {
            frames.BeginFrame();
            world.Update(seconds);
        };
        window.Render += seconds =>
        {
            world.Draw(scene.FrameArena.Lane(0));
            frames.EndFrame();               // buffers are swapped after it, outside of the frame
        };
        window.Run();
        guard.Dispose();                     // after the last frame
        scene.Dispose();                     // what lived in it and was not freed is thrown away
        memory.Dispose();
        Assert.That((frames.FrameCount, world.Drawn), Is.EqualTo((3L, 3)));
        Assert.That(world.Seconds, Is.EqualTo(0.05).Within(1e-9));
    }

    [Test]
    public void Other_frameworks_begin_and_end_frames_in_their_places()
    {
        using EngineMemory memory = new();
        using MonoGame game = new(memory);
        game.RunOneFrame(isFirst: true);
        game.RunOneFrame(isFirst: false);
        Assert.That(game.FrameCount, Is.EqualTo(2));

        StrideSystem system = new();
        system.Update(new GameTime());
        system.Draw(new GameTime());
        Assert.That(system.FrameCount, Is.EqualTo(1));

        GodotNode node = new();
        node._Process(1.0 / 60);
        Assert.That(node.Frames.FrameCount, Is.EqualTo(1));
    }

    private sealed class World
    {
        public int Drawn { get; private set; }

        public double Seconds { get; private set; }

        public void Update(double seconds) => Seconds += seconds;

        public void Draw(FrameLane lane) => Drawn += lane.AllocateSpan<int>(1).Length;
    }

    private sealed class MonoGame(EngineMemory memory) : StandInGame, IDisposable
    {
        private readonly EngineMemory _memory = memory;
        private readonly ScenePlan _plan = new() { Name = "mono", FrameArena = new FrameArenaOptions() };
        private readonly GameFrames _frames = new();
        private Scene? _scene;

        public long FrameCount => _frames.FrameCount;

        protected override void LoadContent() => _scene = Scene.Load(_memory, _plan);

        protected override bool BeginDraw()
        {
            _frames.BeginFrame();
            return base.BeginDraw();
        }

        protected override void EndDraw()
        {
            _frames.EndFrame();
            base.EndDraw();                  // presents: the driver's time and memory
        }

        public void Dispose() => _scene?.Dispose();
    }

    private sealed class StrideSystem : StandInGameSystem
    {
        private readonly GameFrames _frames = new();

        public long FrameCount => _frames.FrameCount;

        public override void Update(GameTime time) => _frames.BeginFrame();

        public override void Draw(GameTime time) => _frames.EndFrame();
    }

    private sealed class GodotNode : StandInNode
    {
        public GameFrames Frames { get; } = new();

        public override void _Process(double delta) => Frames.BeginFrame();
    }
}
