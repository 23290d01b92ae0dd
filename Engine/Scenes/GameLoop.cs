namespace Engine.Scenes;

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
        {
            RunFrame(ref game);
        }
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
        {
            return;
        }

        double left = _options.PaceSeconds - ((_clock.GetTimestamp() - frameBegan) * _secondsPerTick);
        while (left > 0)
        {
            if (left > 0.002)
            {
                Thread.Sleep((int)((left - 0.001) * 1000));
            }
            else
            {
                Thread.SpinWait(20);
            }

            left = _options.PaceSeconds - ((_clock.GetTimestamp() - frameBegan) * _secondsPerTick);
        }
    }
}
