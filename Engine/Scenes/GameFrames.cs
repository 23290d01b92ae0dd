using System.Diagnostics;

namespace SuperSlab.Scenes;

/// <summary>Takes part in the frames of a <see cref="GameFrames"/>, like a profiler. Hot-loop safe.</summary>
public interface IFrameObserver
{
    /// <summary>A frame begins.</summary>
    /// <param name="frame">The frame's number, from 1.</param>
    void BeginFrame(long frame);

    /// <summary>The frame has ended.</summary>
    /// <param name="counts">What the guard counted in it; null where there is no guard.</param>
    void EndFrame(in HotLoopCounts? counts);
}

/// <summary>
/// Begins and ends a game's frames for everything that takes part in them: frame arenas turn to their next buffers, the
/// guard counts, profilers and fault attributions measure. <see cref="GameLoop"/> calls it; so can any other loop.
/// <code>
/// GameFrames frames = new(guard);
/// frames.Add(scene);                  // at level load: its frame arena, and its arenas for the guard
/// frames.Add(profiler);
/// ... each frame:
/// using (frames.Begin())
///     Frame();
/// </code>
/// One thread, the guard's. A frame allocates nothing.
/// </summary>
/// <param name="guard">Counts the frames' deeds. Null does not.</param>
public sealed class GameFrames(HotLoopGuard? guard = null)
{
    private readonly List<IFrameObserver> _observers = [];
    private readonly List<FrameArena> _arenas = [];
    private bool _isInside;

    /// <summary>The guard, or null.</summary>
    public HotLoopGuard? Guard => guard;

    /// <summary>Frames that have begun.</summary>
    public long FrameCount { get; private set; }

    /// <summary>Adds a part that begins before and ends after the guard. Between frames.</summary>
    /// <exception cref="InvalidOperationException">A frame has begun, or the part was added before.</exception>
    public void Add(IFrameObserver observer) => Add(_observers, observer);

    /// <summary>Turns a frame arena to its next buffer at the beginning of each frame. Between frames.</summary>
    /// <inheritdoc cref="Add(IFrameObserver)"/>
    public void Add(FrameArena arena) => Add(_arenas, arena);

    /// <summary>Adds a scene's frame arena, if it has one, and has the guard watch the scene. Between frames.</summary>
    /// <inheritdoc cref="Add(IFrameObserver)"/>
    public void Add(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        if (scene.Plan.FrameArena is not null)
            Add(scene.FrameArena);

        guard?.Watch(scene);
    }

    /// <summary>Removes a part. Between frames.</summary>
    /// <exception cref="InvalidOperationException">A frame has begun.</exception>
    public void Remove(IFrameObserver observer) => Remove(_observers, observer);

    /// <summary>Removes a frame arena. Between frames, before the arena is disposed.</summary>
    /// <inheritdoc cref="Remove(IFrameObserver)"/>
    public void Remove(FrameArena arena) => Remove(_arenas, arena);

    /// <summary>Removes a scene. Between frames, before the scene is unloaded.</summary>
    /// <inheritdoc cref="Remove(IFrameObserver)"/>
    public void Remove(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        if (scene.Plan.FrameArena is not null)
            Remove(scene.FrameArena);

        guard?.Unwatch(scene);
    }

    /// <summary>Begins a frame that ends when the result is disposed. Hot-loop safe.</summary>
    /// <inheritdoc cref="BeginFrame"/>
    public GameFrame Begin()
    {
        BeginFrame();
        return new GameFrame(this);
    }

    /// <summary>Begins a frame. Hot-loop safe.</summary>
    /// <exception cref="InvalidOperationException">
    /// The last frame has not ended, or the thread is not the one that made the guard. No frame has begun.
    /// </exception>
    /// <exception cref="EngineMemoryException">
    /// With full checks: memory of a frame was written after it had ended. No frame has begun.
    /// </exception>
    public void BeginFrame()
    {
        ThrowIfInside();
        guard?.ThrowIfElsewhere();
        foreach (FrameArena arena in _arenas)
            arena.NextFrame();

        FrameCount++;
        foreach (IFrameObserver observer in _observers)
            observer.BeginFrame(FrameCount);

        guard?.BeginFrame();
        _isInside = true;
    }

    /// <summary>Ends the frame, after the workers' parts. Hot-loop safe unless a rule was broken.</summary>
    /// <exception cref="HotLoopViolationException">The frame broke a rule that throws. It has ended.</exception>
    /// <exception cref="InvalidOperationException">No frame has begun.</exception>
    public void EndFrame()
    {
        if (!_isInside)
            throw new InvalidOperationException("No frame has begun: call BeginFrame before EndFrame.");

        _isInside = false;
        try
        {
            guard?.EndFrame();
        }
        finally
        {
            HotLoopCounts? counts = guard?.LastFrame;
            for (int index = _observers.Count - 1; index >= 0; index--)
                _observers[index].EndFrame(counts);
        }
    }

    private void Add<T>(List<T> parts, T part)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(part);
        ThrowIfInside();
        if (parts.Contains(part))
            throw new InvalidOperationException($"The same {typeof(T).Name} was added a second time to the frames.");

        parts.Add(part);
    }

    private void Remove<T>(List<T> parts, T part)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(part);
        ThrowIfInside();
        parts.Remove(part);
    }

    private void ThrowIfInside()
    {
        if (_isInside)
        {
            throw new InvalidOperationException(
                $"Frame {FrameCount} has not ended: this call stands between two frames, so call EndFrame first.");
        }
    }
}

/// <summary>A frame that has begun; disposing it is <see cref="GameFrames.EndFrame"/>.</summary>
public readonly ref struct GameFrame : IDisposable
{
    private readonly GameFrames _frames;

    internal GameFrame(GameFrames frames)
    {
        Debug.Assert(frames.FrameCount > 0, "The frame has begun.");
        _frames = frames;
    }

    /// <summary>The frame's number, from 1.</summary>
    public long Number => _frames.FrameCount;

    /// <summary>Ends the frame.</summary>
    /// <inheritdoc cref="GameFrames.EndFrame"/>
    public void Dispose() => _frames.EndFrame();
}
