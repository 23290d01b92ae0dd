// The game as the engine's loop runs it.
using System.Diagnostics;
using Samples.Game.Levels;
using Samples.Game.Showing;
using SuperSlab.Scenes;

namespace Samples.Game.Playing;

/// <summary>
/// Levels one after another: each is played for a number of steps, or until the player asks for another, while the next
/// one is made. All on the game's thread.
/// </summary>
internal sealed class Session<TStore> : IGame
    where TStore : struct, IStore
{
    private const int StepsBetweenSaves = 50;
    private readonly GameOptions _options;
    private readonly GameLibraries _libraries;
    private readonly LevelStream<TStore> _stream;
    private readonly WorkerPool _pool;
    private readonly HotLoopGuard _guard;
    private readonly IScreen _screen;
    private readonly LevelKind[] _ring;
    private readonly byte[][] _names;
    private readonly string[] _titles;
    private readonly byte[] _levelOfFrame;
    private Level<TStore>? _level;
    private Controls _controls;
    private bool _isPaused;
    private int _visit;
    private int _frameOfLevel;
    private long _frameBegan;
    private long _longestWait;
    private int _framesLeft;
    private bool _counts;
    private uint _hash = 2166136261;

    public Session(
        GameOptions options, GameLibraries libraries, LevelStream<TStore> stream, WorkerPool pool, HotLoopGuard guard,
        IScreen screen, LevelKind[] ring)
    {
        (_options, _libraries, _stream, _pool) = (options, libraries, stream, pool);
        (_guard, _screen, _ring) = (guard, screen, ring);
        _titles = Array.ConvertAll(ring, Samples.Common.EnumNames<LevelKind>.Of);
        _names = Array.ConvertAll(_titles, System.Text.Encoding.UTF8.GetBytes);
        Times = new FrameTimes(options.Unattended);
        _levelOfFrame = new byte[options.Unattended];
        _stream.Prepare(0);
        _framesLeft = int.MaxValue;
    }

    public FrameTimes Times { get; }

    public bool IsRunning => _framesLeft > 0 && _screen.IsOpen;

    /// <summary>Of all levels that were left since <see cref="Count"/>.</summary>
    public uint Hash => _hash;

    /// <summary>Which level of the ring each frame was in.</summary>
    public byte[] LevelOfFrame => _levelOfFrame;

    public long LongestWaitMicroseconds => (long)(_longestWait * 1e6 / Stopwatch.Frequency);

    /// <summary>From now on frames count, so many of them.</summary>
    public void Count(int frames) => (_counts, _framesLeft) = (true, frames);

    /// <summary>Between frames: takes the player's wishes, and changes levels.</summary>
    public void BeforeFrame()
    {
        PlayerInput input = _screen.TakeInput();
        _isPaused ^= input.TogglesPause;
        bool isOver = _frameOfLevel >= _options.LevelFrames
            && (_options.IsUnattended || _stream.Progress(_visit + 1) == 1);
        if (_level is not null && input.WantsRestart)
            Restart();
        else if (_level is null || isOver || input.WantsNext)
            ChangeLevel();

        _controls = new Controls(input.Aim, input.Fires, !_options.IsUnattended);
        _screen.BeginFrame(_guard);
        _frameBegan = Stopwatch.GetTimestamp();
    }

    public void Update(long step, double seconds)
    {
        if (_isPaused)
            return;

        _level!.Step(_controls, _pool);
        if (_level.StepCount % StepsBetweenSaves == 0)
        {
            using (_guard.Part("save"))
                _libraries.Saves.Save(_names[_visit % _ring.Length], _level.StepCount, _level.Score, 0);
        }
    }

    public void Draw(double alpha)
    {
        Camera camera = _level!.Camera(_screen.Aspect);
        ReadOnlySpan<DrawList> lists = _level.Draw(camera, _pool);
        Table<byte> line = _level.Status(_titles[_visit % _ring.Length]);
        FrameView view = new(camera, lists, line.Span)
        {
            IsPaused = _isPaused,
            Progress = (float)_stream.Progress(_visit + 1),
        };
        _screen.Draw(view, _guard);
    }

    /// <summary>Between frames: keeps the frame's time, and shows it.</summary>
    public void AfterFrame()
    {
        long ticks = Stopwatch.GetTimestamp() - _frameBegan;
        if (_counts)
        {
            if (Times.Count < _levelOfFrame.Length)
                _levelOfFrame[Times.Count] = (byte)(_visit % _ring.Length);

            Times.Add(ticks);
            _framesLeft--;
        }

        _frameOfLevel++;
        _screen.Present(ticks, _counts ? Times.Count : 0, _framesLeft == 0);
    }

    /// <summary>Leaves the last level, and waits until all are taken apart.</summary>
    public void End()
    {
        Leave();
        _stream.TakeApart(_visit + 1);
        _stream.Settle();
    }

    private void ChangeLevel()
    {
        if (_level is not null)
        {
            Leave();
            _visit++;
        }

        long start = Stopwatch.GetTimestamp();
        _level = _stream.Enter(_visit);
        _longestWait = _counts ? Math.Max(_longestWait, Stopwatch.GetTimestamp() - start) : 0;
        _stream.Prepare(_visit + 1);
        _frameOfLevel = 0;
    }

    /// <summary>The same level again, from the same random numbers.</summary>
    private void Restart()
    {
        _stream.Leave(_visit);
        _stream.Prepare(_visit);
        _level = _stream.Enter(_visit);
        _frameOfLevel = 0;
    }

    private void Leave()
    {
        if (_counts)
            _hash = (_hash ^ _level!.Hash()) * 16777619;

        _stream.Leave(_visit);
    }
}

/// <summary>A clock by which each frame has exactly one step.</summary>
internal sealed class StepClock : TimeProvider
{
    private long _steps;

    public override long TimestampFrequency => 60;

    public override long GetTimestamp() => _steps++;
}
