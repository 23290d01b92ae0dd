using Engine.Tests.Os;
using Engine.Tests.Support;
using SuperSlab.Reports;

namespace Engine.Tests.Documents;

/// <summary>The code of docs/hot-loop.md, docs/profiling.md and docs/scenes.md.</summary>
internal sealed class HotLoopSnippets
{
    private static readonly AllocationTag terrain = AllocationTag.Register("terrain", budgetBytes: 64 << 20);

    private EngineMemory _memory = null!;
    private Scene _scene = null!;

    [SetUp]
    public void LoadScene()
    {
        _memory = new EngineMemory();
        _scene = Scene.Load(_memory, new ScenePlan
        {
            Name = "forest",
            Arenas = [new ArenaPlan { SuperSlabCount = 2, ThreadCount = 2 }],
            FrameArena = new FrameArenaOptions { LaneCount = 2 },
        });
    }

    [TearDown]
    public void DisposeMemory()
    {
        _scene.Dispose();
        _memory.Dispose();
    }

    [Test]
    public void A_loop_begins_and_ends_frames_for_all_parts()
    {
        (EngineMemory memory, Scene scene) = (_memory, _scene);
        using Profiler profiler = new(memory);
        Game game = new() { FramesLeft = 90 };
        using HotLoopGuard guard = new(memory, scene.Plan.HotLoop, new() { Log = Console.Error.WriteLine });
        using WorkerPool pool = new(new() { WorkerCount = 2, Arenas = [scene.Arena], Guard = guard });   // first jobs do not fault

        GameFrames frames = new(guard);        // begins and ends each frame for all that take part in it
        frames.Add(scene);                     // its frame arena turns to the next buffer, the guard watches its arenas
        frames.Add(profiler);                  // where there is one

        GameLoop loop = new(new() { FrameDuration = TimeSpan.FromSeconds(1.0 / 60), Frames = frames });
        loop.WarmUpUntilQuiet(ref game, 1200); // code is compiled and faulted in; these frames are held to nothing
        loop.Run(ref game);                    // game.Update in fixed steps, game.Draw(alpha), pool.Run(ref job, count)
        Assert.That((loop.FrameCount, frames.FrameCount, guard.FrameCount), Is.EqualTo((90L, 90L, 90L)));
    }

    [Test]
    public void Parts_of_a_frame_have_names_and_a_loop_of_its_own_has_frames()
    {
        StandInWindow window = new(0);
        using HotLoopGuard guard = new(_memory, _scene.Plan.HotLoop);
        GameFrames frames = new(guard);
        int left = 70;
        bool running = true;
        guard.WarmUp(60);
        while (running)
        {
            using (frames.Begin())             // on the thread that made the guard
                Frame();                       // own workers: worker = guard.RegisterThread("physics"), scene.Arena.AttachThread() at level load,
        }                                      // worker.Begin() and worker.End() around each job

        foreach (FramePart part in guard.Parts)
            Console.WriteLine(part);           // at the end: what each did in all

        Assert.That(guard.FrameCount, Is.EqualTo(70));
        Assert.That(guard.Parts.Select(part => part.Name), Does.Contain("physics").And.Contain("present"));

        void Frame()
        {
            using (guard.Part("physics"))          // counts in the frame, and by this name besides: a violation says "during 'physics'"
                Physics();

            using (guard.Exclude("present"))       // does not count in the frame: faults, waits and bytes of a driver's call
                window.SwapBuffers();

            running = --left > 0;
        }

        static void Physics()
        {
        }
    }

    [Test]
    [Category(Machine.NeedsRealKernel)]
    public void Faults_have_owners()
    {
        EngineMemory memory = _memory;
        GameFrames frames = new();
        using FaultAttribution faults = new(memory);
        using ObservedThread main = faults.ObserveThisThread("main");    // each worker for itself
        frames.Add(faults);                                              // a GameFrames, as above; or faults.BeginFrame and EndFrame
        ProfileFaults table = faults.Collect();                          // by owner and by frame
        Assert.That(table, Is.Not.Null);
    }

    /// <summary>Counters are a constant of the process, which the other tests have off.</summary>
    [Test]
    public void A_profile_of_frames_with_tags_is_written() => WithCounters.Run(Profile);

    private static unsafe void Profile()
    {
        using EngineMemory memory = new();
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        using FaultAttribution faults = new(memory);
        void* tile;
        MemoryCounters.Enable();               // first thing in the program: allocations are counted, by thread and tag
        using Profiler profiler = new(memory) { Faults = faults };  // at level load; or without faults

        profiler.BeginFrame();
        using (terrain.Begin())                // static readonly AllocationTag terrain = AllocationTag.Register("terrain", budgetBytes: 64 << 20)
        {
            tile = arena.Allocate(65536);
        }
        profiler.EndFrame();                   // or EndFrame(guard.LastFrame)

        profiler.ToDocument("my game").Write("profile.json");
        Assert.That(File.ReadAllText("profile.json"), Does.Contain("\"terrain\""));
        arena.Free(tile);
        File.Delete("profile.json");
    }

    [Test]
    public unsafe void Where_memory_comes_from_is_listed() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = new();
        using LongLivedArena arena = memory.CreateLongLivedArena("world");
        using Profiler profiler = new(memory, new ProfilerOptions { SampleAllocationsEvery = 512 * 1024 });
        arena.Allocate(40 << 20);

        ProfileCallSites sites = profiler.ToDocument("my game").CallSites;
        foreach (ProfileCallSites.SiteRow site in sites.Sites)       // or sites.Tags, or sites.Stacks with all callers
            Console.WriteLine($"{site.LiveBytes} ± {site.LiveDeviation} bytes live from {site.Name}");
        Assert.That(sites.Sites.Single().LiveBytes, Is.EqualTo(40 << 20));
    });

    [Test]
    public void A_profile_becomes_a_page_a_trace_and_tables()
    {
        using Profiler profiler = new(_memory);
        profiler.BeginFrame();
        profiler.EndFrame();
        ProfileDocument profile = profiler.ToDocument("my game");
        HtmlReport.Write(profile, "report.html");       // one file to pass around: no network, light and dark, all of it usable by keyboard
        TraceFile.Write(profile, "trace.json");         // for https://ui.perfetto.dev and chrome://tracing
        CsvFile.Write(profile, "tables");               // frames, arenas, classes, SuperSlabs, tags, faults ... for spreadsheets and scripts
        Assert.That(File.Exists("report.html") && File.Exists("trace.json"));
        Assert.That(Directory.GetFiles("tables"), Is.Not.Empty);
        File.Delete("report.html");
        File.Delete("trace.json");
        Directory.Delete("tables", recursive: true);
    }

    [Test]
    public void A_scene_is_loaded_in_the_background_and_recorded()
    {
        EngineMemory memory = _memory;
        Scene scene = _scene;
        File.WriteAllText("forest.json", (scene.Plan with { Name = "next" }).ToJson());
        using BackgroundLoader loader = new(memory);
        StreamedScene next = loader.Add(ScenePlan.Load("forest.json"));      // at start-up
        next.Load();                           // in the hot loop: allocates nothing, waits for nobody
        while (next.State != StreamState.Loaded)
            PlayFrame();                       // of the level before

        Scene forest = next.Scene;
        next.Unload();                         // later, in the hot loop too; then next.UnloadReport

        SceneRecorder recorder = new();
        recorder.Add(scene);                   // after playing it; by a plan with "carve": false it records what lived together
        File.WriteAllText("forest.json", recorder.Plan(headroom: 1.1).ToJson());
        Assert.That((next.Wait(), forest.Plan.Name), Is.EqualTo((StreamState.Unloaded, "next")));
        Assert.That(ScenePlan.Load("forest.json").Name, Is.EqualTo("forest"));
        File.Delete("forest.json");

        void PlayFrame()
        {
            Assert.That(next.State, Is.Not.EqualTo(StreamState.Failed), next.Error?.ToString());
            Thread.Yield();
        }
    }

    private sealed class Game : IGame
    {
        public int FramesLeft { get; set; }

        public bool IsRunning => FramesLeft > 0;

        public void Update(long step, double seconds)
        {
        }

        public void Draw(double alpha) => FramesLeft--;
    }
}
