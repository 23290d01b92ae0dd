namespace Engine.Tests.Scenes;

/// <summary>The loop against a clock that the test winds.</summary>
internal sealed class GameLoopTests
{
    [Test]
    public void Steps_follow_real_time_and_alpha_is_what_is_left()
    {
        Clock clock = new();
        GameLoop loop = new(new GameLoopOptions { StepDuration = TimeSpan.FromSeconds(0.01), Clock = clock });
        Game game = new();
        loop.RunFrame(ref game);
        Assert.That((loop.StepCount, game.Alpha), Is.EqualTo((1, 0.0)), "the first frame has one step");
        clock.Advance(0.025);
        loop.RunFrame(ref game);
        Assert.That(loop.StepCount, Is.EqualTo(3));
        Assert.That(game.Alpha, Is.EqualTo(0.5).Within(1e-6));
        clock.Advance(0.004);
        loop.RunFrame(ref game);
        Assert.That(loop.StepCount, Is.EqualTo(3), "a frame may have no step");
        Assert.That(game.Alpha, Is.EqualTo(0.9).Within(1e-6));
        clock.Advance(0.001);
        loop.RunFrame(ref game);
        Assert.That(game.Numbers, Is.EqualTo(new long[] { 0, 1, 2, 3 }));
        Assert.That(loop.DroppedTime.TotalSeconds, Is.Zero);
    }

    [Test]
    public void A_hitch_is_dropped_instead_of_made_up_for()
    {
        Clock clock = new();
        GameLoop loop =
            new(new GameLoopOptions { StepDuration = TimeSpan.FromSeconds(0.01), MaximumStepCount = 4, Clock = clock });
        Game game = new();
        loop.RunFrame(ref game);
        clock.Advance(1.005);
        loop.RunFrame(ref game);
        Assert.That(loop.StepCount, Is.EqualTo(5));
        Assert.That(loop.DroppedTime.TotalSeconds, Is.EqualTo(0.96).Within(1e-6));
        Assert.That(game.Alpha, Is.EqualTo(0.5).Within(1e-5));
        clock.Advance(0.01);
        loop.RunFrame(ref game);
        Assert.That(loop.StepCount, Is.EqualTo(6), "the next frame is an ordinary one");
    }

    [Test]
    public void Warm_up_has_one_step_a_frame_and_arms_the_guard()
    {
        using EngineMemory memory = new();
        using HotLoopGuard guard = new(memory);
        GameLoop loop = new(new GameLoopOptions { Frames = new GameFrames(guard) });
        Game game = new() { Garbage = true, Frames = 15 };
        loop.WarmUp(ref game, 10);
        Assert.That(
            (loop.StepCount, loop.FrameCount, guard.IsArmed, guard.ViolationCount), Is.EqualTo((10, 10, true, 0)));
        loop.Run(ref game);
        Assert.That(guard.ViolationCount, Is.EqualTo(5));
        Assert.That(loop.FrameCount, Is.EqualTo(15));
    }

    [Test]
    public void Warm_up_until_quiet_ends_when_frames_in_a_row_are_clean_and_arms_the_guard()
    {
        using EngineMemory memory = new();
        using HotLoopGuard guard = new(memory);
        GameLoop loop = new(new GameLoopOptions { Frames = new GameFrames(guard) });
        Game game = new() { GarbageUntil = 20 };
        Assert.That(loop.WarmUpUntilQuiet(ref game, 10_000, quietFrameCount: 5));
        Assert.That(guard.IsArmed);
        Assert.That(guard.ViolationCount, Is.Zero);
        Assert.That(loop.FrameCount, Is.GreaterThanOrEqualTo(25));

        Game noisy = new() { Garbage = true };
        Assert.That(loop.WarmUpUntilQuiet(ref noisy, 10, quietFrameCount: 5), Is.False);
        Assert.That(guard.IsArmed);

        Game brief = new() { Frames = 3 };
        Assert.That(loop.WarmUpUntilQuiet(ref brief, 10, quietFrameCount: 5), Is.False, "the game ended");
    }

    [Test]
    public void Warm_up_until_quiet_arms_the_guard_also_when_the_game_throws()
    {
        using EngineMemory memory = new();
        using HotLoopGuard guard = new(memory);
        GameLoop loop = new(new GameLoopOptions { Frames = new GameFrames(guard) });
        Game game = new() { ThrowsAt = 3 };
        Assert.That(() => loop.WarmUpUntilQuiet(ref game, 10), Throws.InstanceOf<NotSupportedException>());
        Assert.That(guard.IsArmed);
    }

    [Test]
    public void Warm_up_until_quiet_needs_a_guard_and_numbers_above_zero()
    {
        using EngineMemory memory = new();
        Game game = new();
        GameLoop unguarded = new();
        Assert.That(() => unguarded.WarmUpUntilQuiet(ref game, 1), Throws.InvalidOperationException);
        using HotLoopGuard guard = new(memory);
        GameLoop loop = new(new GameLoopOptions { Frames = new GameFrames(guard) });
        Assert.That(() => loop.WarmUpUntilQuiet(ref game, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => loop.WarmUpUntilQuiet(ref game, 1, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Steps_and_drawing_are_parts_of_the_frame_and_hooks_stand_outside_it()
    {
        using EngineMemory memory = new();
        using HotLoopGuard guard = new(memory);
        List<string> order = [];
        GameLoop loop = new(new GameLoopOptions
        {
            Frames = new GameFrames(guard),
            BeforeFrame = () => order.Add($"before {guard.FrameCount}"),
            AfterFrame = () => order.Add($"after {guard.FrameCount} with {guard.LastFrame.ManagedBytes > 0}"),
        });
        Game game = new() { Garbage = true };
        loop.RunFrame(ref game);
        Assert.That(string.Join(", ", order), Is.EqualTo("before 0, after 1 with True"));
        HotLoopCounts update = guard.Parts.Single(part => part.Name == "update").LastFrame;
        HotLoopCounts draw = guard.Parts.Single(part => part.Name == "draw").LastFrame;
        Assert.That(draw.ManagedBytes, Is.GreaterThanOrEqualTo(100));
        Assert.That(update.ManagedBytes, Is.Positive, "the list of steps");
        Assert.That(guard.LastFrame.ManagedBytes, Is.EqualTo(update.ManagedBytes + draw.ManagedBytes));
    }

    [Test]
    public void Pacing_keeps_frames_apart()
    {
        GameLoop loop = new(new GameLoopOptions { FrameDuration = TimeSpan.FromSeconds(0.01) });
        Game game = new() { Frames = 10 };
        long start = TimeProvider.System.GetTimestamp();
        loop.Run(ref game);
        Assert.That(TimeProvider.System.GetElapsedTime(start).TotalSeconds, Is.GreaterThanOrEqualTo(0.0999));
    }

    [Test]
    public void Options_are_checked()
    {
        Assert.That(() =>
            new GameLoop(new GameLoopOptions { StepDuration = TimeSpan.Zero }),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() =>
            new GameLoop(new GameLoopOptions { MaximumStepCount = 0 }),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() =>
            new GameLoop(new GameLoopOptions { FrameDuration = TimeSpan.FromSeconds(-1) }),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private sealed class Clock : TimeProvider
    {
        private long _ticks = 12345;

        public override long TimestampFrequency => 1_000_000_000;

        public override long GetTimestamp() => _ticks;

        public void Advance(double seconds) => _ticks += (long)Math.Round(seconds * 1e9);
    }

    private sealed class Game : IGame
    {
        private static object? s_garbage;
        private int _drawn;

        public int Frames { get; init; } = int.MaxValue;

        public bool Garbage { get; init; }

        public int GarbageUntil { get; init; }

        public int ThrowsAt { get; init; }

        public List<long> Numbers { get; } = [];

        public double Alpha { get; private set; }

        public bool IsRunning => _drawn < Frames;

        public void Update(long step, double seconds) => Numbers.Add(step);

        public void Draw(double alpha)
        {
            Alpha = alpha;
            _drawn++;
            if (Garbage || _drawn <= GarbageUntil)
                s_garbage = new byte[100];

            if (_drawn == ThrowsAt)
                throw new NotSupportedException();
        }
    }
}
