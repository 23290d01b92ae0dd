using Engine.Tests.Support;
using NUnit.Framework.Constraints;

namespace Engine.Tests.Scenes;

/// <summary>One call begins and ends a frame for all that take part in it.</summary>
internal sealed unsafe class GameFramesTests
{
    private static readonly ScenePlan s_plan = new()
    {
        Name = "frames",
        Arenas = [new ArenaPlan { Blocks = [new(64, 100)] }],
        FrameArena = new FrameArenaOptions { BytesPerLane = 64 * 1024 },
    };

    /// <summary>Each thread has counts of its own: those of another would be taken for the guard's.</summary>
    [Test]
    public void Frames_of_another_thread_than_the_guards_are_refused_and_nothing_has_begun()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        using Scene scene = Scene.Load(memory, s_plan);
        using HotLoopGuard guard = new(memory);
        GameFrames frames = new(guard);
        frames.Add(scene);
        long frame = scene.FrameArena.FrameNumber;
        GuardedThread worker = null!;
        Workers.Run(() =>
        {
            worker = guard.RegisterThread("worker");
            Assert.That(guard.BeginFrame, RefusesThread("main"));
            Assert.That(frames.BeginFrame, RefusesThread("main"));
        });
        Assert.That((scene.FrameArena.FrameNumber, guard.FrameCount), Is.EqualTo((frame, 0L)));
        frames.BeginFrame();
        Assert.That(worker.Begin, RefusesThread("worker"));
        Assert.That(worker.End, RefusesThread("worker"));
        Workers.Run(() => Assert.That(frames.EndFrame, RefusesThread("main")));
        guard.EndFrame();
        Assert.That(guard.FrameCount, Is.EqualTo(1));

        static Constraint RefusesThread(string name) =>
            Throws.InvalidOperationException.With.Message.StartsWith($"Thread '{name}' is thread ")
                .And.Message.Contains("make a guard on the thread that runs the frames");
    }

    [Test]
    public void A_frame_begins_and_ends_for_all_in_opposite_orders_and_ends_where_a_rule_throws()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        using Scene scene = Scene.Load(memory, s_plan);
        using HotLoopGuard guard = new(memory, new HotLoopRules { FrameOverflow = new(0, HotLoopAction.Throw) });
        List<string> calls = [];
        GameFrames frames = new(guard);
        frames.Add(scene);
        frames.Add(new Observer("one", calls));
        frames.Add(new Observer("two", calls));
        guard.Watch(scene);
        using (GameFrame frame = frames.Begin())
        {
            Assert.That((frame.Number, scene.FrameArena.FrameNumber, guard.FrameCount), Is.EqualTo((1L, 1L, 1L)));
        }

        frames.BeginFrame();
        scene.FrameArena.Lane(0).Allocate(100 * 1024);
        Assert.That(frames.EndFrame, Throws.TypeOf<HotLoopViolationException>());
        string[] expected =
        [
            "one begins 1", "two begins 1", "two ends: 0 overflows", "one ends: 0 overflows",
            "one begins 2", "two begins 2", "two ends: 1 overflows", "one ends: 1 overflows",
        ];
        Assert.That(calls, Is.EqualTo(expected), "a scene that is watched twice counts once");
        frames.Remove(scene);
        frames.BeginFrame();
        scene.FrameArena.Lane(0).Allocate(100 * 1024);
        frames.EndFrame();
        Assert.That((scene.FrameArena.FrameNumber, guard.LastFrame.FrameOverflows), Is.EqualTo((2L, 0L)));
    }

    [Test]
    public void Calls_at_the_wrong_time_are_refused()
    {
        GameFrames frames = new();
        Observer observer = new("one", []);
        frames.Add(observer);
        Assert.That(
            frames.EndFrame, Throws.InvalidOperationException.With.Message.Contains("call BeginFrame before EndFrame"));
        Assert.That(() =>
            frames.Add(observer), Throws.InvalidOperationException.With.Message.Contains("a second time"));
        frames.BeginFrame();
        Assert.That(
            frames.BeginFrame, Throws.InvalidOperationException.With.Message.StartsWith("Frame 1 has not ended"));
        Assert.That(() => frames.Remove(observer), Throws.InvalidOperationException);
        frames.EndFrame();
        frames.Remove(observer);
        Assert.That((frames.FrameCount, observer.LastCounts), Is.EqualTo((1L, (HotLoopCounts?)null)));
    }

    [Test]
    public void A_profiler_and_fault_attribution_take_part_and_frames_cost_nothing()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using Scene scene = Scene.Load(memory, s_plan);
        using HotLoopGuard guard = new(memory);
        using SuperSlab.Diagnostics.FaultAttribution faults = new(memory);
        using SuperSlab.Diagnostics.Profiler profiler = new(memory);
        GameFrames frames = new(guard);
        frames.Add(scene);
        frames.Add(faults);
        frames.Add(profiler);
        HotLoopCost cost = HotLoopCost.BestOf(5, () => HotLoopCost.Of(memory, () =>
        {
            for (int number = 0; number < 100; number++)
            {
                using GameFrame frame = frames.Begin();
                scene.FrameArena.Lane(0).Allocate(1000);
            }
        }));
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
        Assert.That(profiler.FrameCount, Is.EqualTo(frames.FrameCount));
    }

    private sealed class Observer(string name, List<string> calls) : IFrameObserver
    {
        public HotLoopCounts? LastCounts { get; private set; }

        public void BeginFrame(long frame) => calls.Add($"{name} begins {frame}");

        public void EndFrame(in HotLoopCounts? counts)
        {
            LastCounts = counts;
            calls.Add($"{name} ends: {counts?.FrameOverflows} overflows");
        }
    }
}
