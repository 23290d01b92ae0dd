namespace SuperSlab.Scenes;

/// <summary>
/// A small loop for games. The world moves in steps of a fixed length, as many as real time asks for, and is drawn once
/// a frame, between two steps. An engine with a loop of its own calls <see cref="GameFrames"/> instead.
/// <code>
/// GameLoop loop = new(new() { FrameDuration = TimeSpan.FromSeconds(1.0 / 60), Frames = new GameFrames(guard) });
/// loop.WarmUpUntilQuiet(ref game, 1200);   // code is compiled and faulted in, without rules
/// loop.Run(ref game);
/// </code>
/// The guard counts the steps of a frame as its part "update", the drawing as "draw".
/// Allocates nothing in its frames. One thread, the guard's.
/// </summary>
/// <remarks>The idea is from Glenn Fiedler, "Fix Your Timestep!", 2004.</remarks>
public sealed class GameLoop
{
    private const string UpdatePart = "update";
    private const string DrawPart = "draw";

    private readonly GameLoopOptions _options;
    private readonly HotLoopGuard? _guard;
    private readonly TimeProvider _clock;
    private readonly double _stepSeconds;
    private readonly double _frameSeconds;
    private readonly double _secondsPerTick;
    private long _lastFrame;
    private double _behind;
    private double _dropped;
    private bool _hasBegun;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public GameLoop(GameLoopOptions? options = null)
    {
        _options = options ?? new GameLoopOptions();
        _options.Validate();
        _guard = _options.Frames?.Guard;
        _clock = _options.Clock;
        _stepSeconds = _options.StepDuration.TotalSeconds;
        _frameSeconds = _options.FrameDuration.TotalSeconds;
        _secondsPerTick = 1.0 / _clock.TimestampFrequency;
    }

    /// <summary>Steps done so far.</summary>
    public long StepCount { get; private set; }

    /// <summary>Frames done so far, warm-up included.</summary>
    public long FrameCount { get; private set; }

    /// <summary>Real time that was dropped because a frame would have had too many steps.</summary>
    public TimeSpan DroppedTime => TimeSpan.FromSeconds(_dropped);

    /// <summary>Runs frames until the game does not want another.</summary>
    /// <inheritdoc cref="RunFrame{TGame}(ref TGame)"/>
    public void Run<TGame>(ref TGame game)
        where TGame : IGame, allows ref struct
    {
        while (game.IsRunning)
            RunFrame(ref game);
    }

    /// <summary>
    /// Runs frames of the game with exactly one step each, without waiting and without rules: they compile and touch
    /// what the frames after them then find ready. A runtime that compiles hot methods again does so some hundred
    /// milliseconds later: <see cref="WarmUpUntilQuiet"/> waits for that.
    /// </summary>
    /// <param name="game">The game; its world moves on by a step a frame.</param>
    /// <param name="frameCount">How many frames, 0 or more.</param>
    public void WarmUp<TGame>(ref TGame game, int frameCount)
        where TGame : IGame, allows ref struct
    {
        ArgumentOutOfRangeException.ThrowIfNegative(frameCount);
        _guard?.WarmUp(frameCount);
        for (int frame = 0; frame < frameCount && game.IsRunning; frame++)
        {
            _behind = 0;
            _hasBegun = false;
            RunFrame(ref game, waits: false);
        }

        Rehearse();
        _guard?.WarmUp(0);
        _hasBegun = false;
    }

    /// <summary>
    /// Runs frames as <see cref="Run"/> does, without rules, until a number of them in a row would have kept the rules
    /// and found all code compiled and resident.
    /// </summary>
    /// <param name="game">The game.</param>
    /// <param name="maximumFrameCount">The most frames, 1 or more.</param>
    /// <param name="quietFrameCount">The quiet frames in a row, 1 or more. Default 60.</param>
    /// <returns>Whether that many frames were quiet; false after the most frames or when the game ended.</returns>
    /// <exception cref="InvalidOperationException">The loop has no guard.</exception>
    public bool WarmUpUntilQuiet<TGame>(ref TGame game, int maximumFrameCount, int quietFrameCount = 60)
        where TGame : IGame, allows ref struct
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumFrameCount);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(quietFrameCount);
        if (_guard is null)
            throw new InvalidOperationException("Only a guard knows quiet frames: set GameLoopOptions.Frames to its.");

        int quiet = 0;
        Rehearse();
        _guard.WarmUp(int.MaxValue);
        try
        {
            for (int frame = 0; frame < maximumFrameCount && quiet < quietFrameCount && game.IsRunning; frame++)
            {
                RunFrame(ref game, waits: true);
                quiet = _guard.IsQuiet(_guard.LastFrame) ? quiet + 1 : 0;
            }
        }
        finally
        {
            _guard.WarmUp(0);
        }

        return quiet == quietFrameCount;
    }

    /// <summary>Runs one frame: the steps that real time asks for, a drawing, and the wait for the next.</summary>
    /// <exception cref="HotLoopViolationException">The frame broke a rule that throws.</exception>
    public void RunFrame<TGame>(ref TGame game)
        where TGame : IGame, allows ref struct =>
        RunFrame(ref game, waits: true);

    private void RunFrame<TGame>(ref TGame game, bool waits)
        where TGame : IGame, allows ref struct
    {
        _options.BeforeFrame?.Invoke();
        long now = _clock.GetTimestamp();
        _behind += _hasBegun ? (now - _lastFrame) * _secondsPerTick : _stepSeconds;
        _hasBegun = true;
        _lastFrame = now;
        Play(ref game);
        _options.AfterFrame?.Invoke();
        if (waits)
            Wait(now);
    }

    /// <summary>Runs the code of a hitch and of the wait, so that their first times are not in a frame.</summary>
    private void Rehearse()
    {
        (double behind, double dropped) = (_behind, _dropped);
        _behind = 2.5 * _stepSeconds;
        DropWholeSteps();
        (_behind, _dropped) = (behind, dropped);
        Wait(_clock.GetTimestamp());
    }

    private void Play<TGame>(ref TGame game)
        where TGame : IGame, allows ref struct
    {
        _options.Frames?.BeginFrame();
        try
        {
            using (Part(UpdatePart))
                Update(ref game);

            using (Part(DrawPart))
                game.Draw(_behind / _stepSeconds);
        }
        finally
        {
            _options.Frames?.EndFrame();
        }

        FrameCount++;
    }

    private FramePartScope Part(string name) => _guard is null ? default : _guard.Part(name);

    private void Update<TGame>(ref TGame game)
        where TGame : IGame, allows ref struct
    {
        for (int steps = 0; _behind >= _stepSeconds && steps < _options.MaximumStepCount; steps++)
        {
            game.Update(StepCount++, _stepSeconds);
            _behind -= _stepSeconds;
        }

        DropWholeSteps();
    }

    /// <summary>Drops the steps that did not fit, by instructions only: a remainder would call the C library.</summary>
    private void DropWholeSteps()
    {
        double dropped = Math.Floor(_behind / _stepSeconds) * _stepSeconds;
        _dropped += dropped;
        _behind -= dropped;
    }

    /// <summary>Sleeps while there is time, and spins the last two milliseconds, which no sleep hits exactly.</summary>
    private void Wait(long frameBegan)
    {
        if (_frameSeconds == 0)
            return;

        for (double left = Left(); left > 0; left = Left())
        {
            if (left > 0.002)
                Thread.Sleep((int)((left - 0.001) * 1000));
            else
                Thread.SpinWait(20);
        }

        double Left() => _frameSeconds - ((_clock.GetTimestamp() - frameBegan) * _secondsPerTick);
    }
}

/// <summary>How a <see cref="GameLoop"/> runs. Immutable.</summary>
public sealed record GameLoopOptions
{
    /// <summary>The length of a step of the world, up to 10 seconds. Default 1/60 second.</summary>
    public TimeSpan StepDuration { get; init; } = TimeSpan.FromSeconds(1.0 / 60);

    /// <summary>
    /// The most steps in one frame, 1 to 1,000. After a hitch the rest of the time is dropped: the world runs slower,
    /// where each frame would otherwise have more to do than the one before. Default 5.
    /// </summary>
    public int MaximumStepCount { get; init; } = 5;

    /// <summary>The least time from frame to frame, up to 10 seconds. Zero, the default, does not wait.</summary>
    public TimeSpan FrameDuration { get; init; }

    /// <summary>Begins and ends each frame, without the wait, for the guard and others. Default null.</summary>
    public GameFrames? Frames { get; init; }

    /// <summary>
    /// Is called before each frame, outside of what the guard counts: where a window's events are taken. Default null.
    /// </summary>
    public Action? BeforeFrame { get; init; }

    /// <summary>
    /// Is called after each frame, outside of what the guard counts, before the wait for the next: where a window shows
    /// the picture. Default null.
    /// </summary>
    public Action? AfterFrame { get; init; }

    /// <summary>The clock. Default the system's.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    internal void Validate()
    {
        (double step, double frame) = (StepDuration.TotalSeconds, FrameDuration.TotalSeconds);
        OptionRange.Check(this, step is > 0 and <= 10, StepDuration, "above 0 and at most 10 seconds");
        OptionRange.Check(this, MaximumStepCount is >= 1 and <= 1000, MaximumStepCount, "from 1 to 1,000");
        OptionRange.Check(this, frame is >= 0 and <= 10, FrameDuration, "from 0 to 10 seconds");
    }
}

/// <summary>What a <see cref="GameLoop"/> runs. A struct or a class; called on the thread that runs the loop.</summary>
public interface IGame
{
    /// <summary>Whether another frame is wanted.</summary>
    bool IsRunning { get; }

    /// <summary>Moves the world on by one step.</summary>
    /// <param name="step">The step's number, from 0.</param>
    /// <param name="seconds">The step's length, always the same.</param>
    void Update(long step, double seconds);

    /// <summary>Shows the world.</summary>
    /// <param name="alpha">Where between the last step and the next to show it, from 0 up to 1.</param>
    void Draw(double alpha);
}
