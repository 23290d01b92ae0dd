using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Engine.Core;

namespace Engine.Scenes;

/// <summary>
/// A scene that a <see cref="BackgroundLoader"/> loads and unloads, as often as the game likes. Made at start-up; afterwards
/// <see cref="Load"/>, <see cref="Unload"/> and the questions are hot-loop safe: they allocate nothing and wait for nobody. One thread,
/// the game's, gives the orders; any thread may ask.
/// <code>
///   Unloaded --Load--> Loading --> Loaded --Unload--> Unloading --> Unloaded
///                         '------> Failed --Load--> Loading ...
/// </code>
/// </summary>
public sealed class StreamedScene
{
    private readonly BackgroundLoader _loader;
    private readonly SceneLoadOptions _options;
    private readonly object _changed = new();
    private volatile StreamState _state;
    private volatile Scene? _scene;
    private volatile bool _cancelRequested;
    private CancellationTokenSource? _cancellation;
    private StreamState _rest;
    private double _progress;

    internal StreamedScene(BackgroundLoader loader, ScenePlan plan, SceneLoadOptions options)
    {
        _loader = loader;
        _options = options;
        Plan = plan;
    }

    /// <summary>What the scene needs.</summary>
    public ScenePlan Plan { get; }

    /// <summary>How far it is.</summary>
    public StreamState State => _state;

    /// <summary>The share of the load that is done, 0 to 1.</summary>
    public double Progress => Volatile.Read(ref _progress);

    /// <summary>The scene, once it is loaded and until it is told to unload.</summary>
    /// <exception cref="InvalidOperationException">It is not loaded.</exception>
    public Scene Scene => _scene ?? throw new InvalidOperationException($"Scene '{Plan.Name}' is not loaded; its state is {_state}.");

    /// <summary>
    /// Why the last load failed; <see cref="OperationCanceledException"/> where it was cancelled. After an unload, the system's refusal to take
    /// memory back, if it refused: the scene is unloaded all the same. Else null.
    /// </summary>
    public Exception? Error { get; private set; }

    /// <summary>What the last unload found; null before, and where <see cref="Error"/> tells of a refusal.</summary>
    public UnloadReport? UnloadReport { get; private set; }

    /// <summary>
    /// When the loader's thread began its last load or unload of this scene, as <see cref="Stopwatch.GetTimestamp"/> told there; 0 before the
    /// first. Asked while nothing is under way.
    /// </summary>
    public long WorkBegan { get; private set; }

    /// <summary>When that load or unload ended, well or not.</summary>
    public long WorkEnded { get; private set; }

    internal StreamedScene? NextInQueue { get; set; }

    /// <summary>Begins to load in the background.</summary>
    /// <exception cref="InvalidOperationException">It is loaded, or on its way.</exception>
    /// <exception cref="ObjectDisposedException">The loader is disposed.</exception>
    public void Load()
    {
        if (_state is not (StreamState.Unloaded or StreamState.Failed))
        {
            throw new InvalidOperationException($"Scene '{Plan.Name}' cannot be loaded now; its state is {_state}.");
        }

        Volatile.Write(ref _progress, 0);
        _cancelRequested = false;
        _state = StreamState.Loading;
        _loader.Enqueue(this);
    }

    /// <summary>Begins to unload in the background. The game does not use the scene any more.</summary>
    /// <exception cref="InvalidOperationException">It is not loaded.</exception>
    /// <exception cref="ObjectDisposedException">The loader is disposed.</exception>
    public void Unload()
    {
        if (_state != StreamState.Loaded)
        {
            throw new InvalidOperationException($"Scene '{Plan.Name}' cannot be unloaded now; its state is {_state}.");
        }

        _state = StreamState.Unloading;
        _loader.Enqueue(this);
    }

    /// <summary>Stops a load that is waiting or running; it ends as <see cref="StreamState.Failed"/>. Does nothing in any other state.</summary>
    public void Cancel()
    {
        lock (_changed)
        {
            _cancelRequested = true;
            _cancellation?.Cancel();
        }
    }

    /// <summary>Waits until it is neither loading nor unloading. Not for the hot loop.</summary>
    /// <returns>The state it came to rest in.</returns>
    public StreamState Wait()
    {
        lock (_changed)
        {
            while (_state is StreamState.Loading or StreamState.Unloading)
            {
                Monitor.Wait(_changed);
            }
        }

        return _state;
    }

    /// <summary>On the loader's thread: does what was ordered.</summary>
    internal void Work(EngineMemory memory)
    {
        WorkBegan = Stopwatch.GetTimestamp();
        _rest = _state == StreamState.Loading ? LoadNow(memory) : UnloadNow();
        WorkEnded = Stopwatch.GetTimestamp();
    }

    /// <summary>On the loader's thread, after <see cref="Work"/>: tells that it is done.</summary>
    internal void Finish()
    {
        lock (_changed)
        {
            _state = _rest;
            Monitor.PulseAll(_changed);
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever it is, the game asks for it in Error; the loader's thread goes on.")]
    private StreamState LoadNow(EngineMemory memory)
    {
        Error = null;
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(_options.Cancellation);
        lock (_changed)
        {
            _cancellation = cancellation;
            if (_cancelRequested)
            {
                cancellation.Cancel();
            }
        }

        try
        {
            Share share = new(this);
            cancellation.Token.ThrowIfCancellationRequested();
            _scene = Scene.Load(memory, Plan, _options with { Cancellation = cancellation.Token, Progress = share });
            Volatile.Write(ref _progress, 1);
            return StreamState.Loaded;
        }
        catch (Exception exception)
        {
            Error = exception;
            return StreamState.Failed;
        }
        finally
        {
            lock (_changed)
            {
                _cancellation = null;
            }
        }
    }

    private StreamState UnloadNow()
    {
        Scene scene = _scene!;
        _scene = null;
        (Error, UnloadReport) = (null, null);
        try
        {
            UnloadReport = scene.Unload();
        }
        catch (Exception refused) when (refused is EngineMemoryException or ObjectDisposedException)
        {
            // The system's refusal; or the memory was disposed before, and took the scene along.
            Error = refused;
        }

        Volatile.Write(ref _progress, 0);
        return StreamState.Unloaded;
    }

    /// <summary>Keeps the progress where the game can ask for it, and passes it on. It never goes back.</summary>
    private sealed class Share(StreamedScene scene) : IProgress<double>
    {
        public void Report(double value)
        {
            if (value > scene.Progress)
            {
                Volatile.Write(ref scene._progress, value);
            }

            scene._options.Progress?.Report(value);
        }
    }
}
