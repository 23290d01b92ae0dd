namespace SuperSlab.Scenes;

/// <summary>
/// A small loop for games: the world moves in steps of a fixed length, as many as real time asks for, and is drawn once a frame, between
/// two steps (Glenn Fiedler, "Fix Your Timestep!", 2004, is the idea's source). An engine with a loop of its own does not need it: it calls
/// <see cref="HotLoopGuard.BeginFrame"/> and <see cref="HotLoopGuard.EndFrame"/> itself.
/// <code>
/// GameLoop loop = new(new() { PaceSeconds = 1.0 / 60, Guard = guard });
/// loop.WarmUp(ref game, 60);        // code is compiled and faulted in; the guard holds these frames to nothing
/// loop.Run(ref game);
/// </code>
/// Allocates nothing in its frames. One thread, the guard's.
/// </summary>
public sealed class GameLoop
{
    private readonly GameLoopOptions _options;
    private readonly TimeProvider _clock;
    private readonly double _secondsPerTick;
    private long _lastFrame;
    private double _behind;
    private bool _hasBegun;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public GameLoop(GameLoopOptions? options = null)
    {
        _options = options ?? new GameLoopOptions();
        _options.Validate();
        _clock = _options.Clock;
        _secondsPerTick = 1.0 / _clock.TimestampFrequency;
    }

    /// <summary>Steps done so far.</summary>
    public long Steps { get; private set; }

    /// <summary>Frames done so far, warm-up included.</summary>
    public long Frames { get; private set; }

    /// <summary>Real time in seconds that was dropped because a frame would have had too many steps.</summary>
    public double DroppedSeconds { get; private set; }

    /// <summary>Runs frames until the game does not want another.</summary>
    public void Run<TGame>(ref TGame game)
        where TGame : IGame, allows ref struct
    {
        while (game.IsRunning)
            RunFrame(ref game);
    }

    /// <summary>
    /// Runs the body so many times before it counts: the frames of the game itself, with exactly one step each and no waiting, that the
    /// guard holds to nothing. What they touch and compile, the frames after them find ready.
    /// </summary>
    /// <param name="game">The game; its world moves on by as many steps.</param>
    /// <param name="frames">How many, 0 or more.</param>
    public void WarmUp<TGame>(ref TGame game, int frames)
        where TGame : IGame, allows ref struct
    {
        ArgumentOutOfRangeException.ThrowIfNegative(frames);
        _options.Guard?.WarmUp(frames);
        for (int frame = 0; frame < frames && game.IsRunning; frame++)
        {
            _options.Guard?.BeginFrame();
            game.Update(Steps++, _options.StepSeconds);
            game.Draw(0);
            _options.Guard?.EndFrame();
            Frames++;
        }

        // The wait of the pacing and the reading of the clock run here for the first time, too.
        Wait(_clock.GetTimestamp());
        _options.Guard?.WarmUp(0);
        _hasBegun = false;
    }

    /// <summary>Runs one frame: as many steps as real time asks for, a drawing, and the wait for the next frame's time.</summary>
    /// <exception cref="HotLoopViolationException">The frame broke a rule that throws.</exception>
    public void RunFrame<TGame>(ref TGame game)
        where TGame : IGame, allows ref struct
    {
        long now = _clock.GetTimestamp();
        _behind += _hasBegun ? (now - _lastFrame) * _secondsPerTick : _options.StepSeconds;
        _hasBegun = true;
        _lastFrame = now;
        _options.Guard?.BeginFrame();
        int steps = 0;
        for (; _behind >= _options.StepSeconds && steps < _options.MaximumSteps; steps++)
        {
            game.Update(Steps++, _options.StepSeconds);
            _behind -= _options.StepSeconds;
        }

        if (_behind >= _options.StepSeconds)
        {
            double kept = _behind % _options.StepSeconds;
            DroppedSeconds += _behind - kept;
            _behind = kept;
        }

        game.Draw(_behind / _options.StepSeconds);
        _options.Guard?.EndFrame();
        Frames++;
        Wait(now);
    }

    /// <summary>Sleeps while there is time, and spins the last two milliseconds, which no sleep hits exactly.</summary>
    private void Wait(long frameBegan)
    {
        if (_options.PaceSeconds == 0)
            return;

        double left = _options.PaceSeconds - ((_clock.GetTimestamp() - frameBegan) * _secondsPerTick);
        while (left > 0)
        {
            if (left > 0.002)
                Thread.Sleep((int)((left - 0.001) * 1000));
            else
                Thread.SpinWait(20);

            left = _options.PaceSeconds - ((_clock.GetTimestamp() - frameBegan) * _secondsPerTick);
        }
    }
}

/// <summary>How a <see cref="GameLoop"/> runs. Immutable.</summary>
public sealed record GameLoopOptions
{
    /// <summary>The length of a step of the world in seconds. Default 1/60.</summary>
    public double StepSeconds { get; init; } = 1.0 / 60;

    /// <summary>
    /// The most steps in one frame. When more time has passed (a hitch, or steps that take longer than they last), the rest is dropped and
    /// the world runs slower than real time, instead of each frame having more to do than the one before. Default 5.
    /// </summary>
    public int MaximumSteps { get; init; } = 5;

    /// <summary>The least time from a frame's beginning to the next in seconds: 0, the default, begins the next at once.</summary>
    public double PaceSeconds { get; init; }

    /// <summary>Brackets each frame, waiting excluded. Null, the default, does not.</summary>
    public HotLoopGuard? Guard { get; init; }

    /// <summary>The clock. Default the system's.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    internal void Validate()
    {
        Check(StepSeconds is > 0 and <= 10, nameof(StepSeconds), StepSeconds, "above 0 and at most 10");
        Check(MaximumSteps is >= 1 and <= 1000, nameof(MaximumSteps), MaximumSteps, "from 1 to 1,000");
        Check(PaceSeconds is >= 0 and <= 10, nameof(PaceSeconds), PaceSeconds, "from 0 to 10");
    }

    private static void Check(bool holds, string name, object value, string allowed)
    {
        if (!holds)
            throw new ArgumentOutOfRangeException(name, value, $"GameLoopOptions.{name} is {value}; it must be {allowed}.");
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
    /// <param name="alpha">How far real time has come from the last step towards the next, 0 up to 1: what is shown lies so far between both.</param>
    void Draw(double alpha);
}
