using System.Diagnostics.CodeAnalysis;
using System.Diagnostics;

namespace SuperSlab.Scenes;

/// <summary>
/// A scene that a <see cref="BackgroundLoader"/> loads and unloads, as often as the game likes. Made at start-up; afterwards
/// <see cref="Load"/>, <see cref="Unload"/> and the questions are hot-loop safe: they allocate nothing and wait for nobody. One thread,
/// the game's, gives the orders; any thread may ask. A callback of a load gives none, as it runs on a thread that would have to carry them out.
/// <code>
///   Unloaded --Load--> Loading --> Loaded --Unload--> Unloading --> Unloaded
///                         '------> Failed --Load--> Loading ...
/// </code>
/// Whatever a load, an unload or one of their callbacks throws is kept in <see cref="Error"/>, and the scene comes to rest. Once the loader is disposed it rests for
/// good, <see cref="StreamState.Unloaded"/> or <see cref="StreamState.Failed"/>.
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
    /// Why the last load failed: what it or its progress threw, <see cref="OperationCanceledException"/> where it was cancelled. After an unload, what that threw, such as
    /// the system's refusal to take memory back: the scene is unloaded all the same. Else null.
    /// </summary>
    public Exception? Error { get; private set; }

    /// <summary>What the last unload found; null before, where <see cref="Error"/> says that it threw, and where the game had disposed of the scene itself.</summary>
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
    /// <exception cref="InvalidOperationException">It is loaded, or on its way; or a callback of one of the loader's loads asks for it. Nothing has changed.</exception>
    /// <exception cref="ObjectDisposedException">The loader is disposed. Nothing has changed.</exception>
    public void Load()
    {
        _loader.ThrowIfCalledBack("load a scene");
        _loader.ThrowIfDisposed();
        if (_state is not (StreamState.Unloaded or StreamState.Failed))
            throw new InvalidOperationException($"Scene '{Plan.Name}' cannot be loaded now; its state is {_state}.");

        _loader.Order(this, StreamState.Loading);
    }

    /// <summary>Begins to unload in the background. The game does not use the scene any more.</summary>
    /// <exception cref="InvalidOperationException">It is not loaded; or a callback of one of the loader's loads asks for it. Nothing has changed.</exception>
    /// <exception cref="ObjectDisposedException">The loader is disposed. Nothing has changed.</exception>
    public void Unload()
    {
        _loader.ThrowIfCalledBack("unload a scene");
        _loader.ThrowIfDisposed();
        if (_state != StreamState.Loaded)
            throw new InvalidOperationException($"Scene '{Plan.Name}' cannot be unloaded now; its state is {_state}.");

        _loader.Order(this, StreamState.Unloading);
    }

    /// <summary>
    /// Stops a load that is waiting or running; it ends as <see cref="StreamState.Failed"/>, or as <see cref="StreamState.Loaded"/> where all of its memory was ready already. Does
    /// nothing in any other state. Callbacks may ask for it too.
    /// </summary>
    public void Cancel()
    {
        lock (_changed)
        {
            _cancelRequested = true;
            _cancellation?.Cancel();
        }
    }

    /// <summary>Waits until it is neither loading nor unloading, which is at once where the loader is disposed. Not for the hot loop.</summary>
    /// <returns>The state it came to rest in.</returns>
    /// <exception cref="InvalidOperationException">It is on its way, and a callback of one of the loader's loads asks: the callback would wait for itself.</exception>
    public StreamState Wait()
    {
        if (_state is StreamState.Loading or StreamState.Unloading)
            _loader.ThrowIfCalledBack("wait for a scene");

        lock (_changed)
        {
            while (_state is StreamState.Loading or StreamState.Unloading)
                Monitor.Wait(_changed);
        }

        return _state;
    }

    /// <summary>Under the loader's lock: an order was given.</summary>
    internal void Begin(StreamState state)
    {
        if (state == StreamState.Loading)
        {
            Volatile.Write(ref _progress, 0);
            _cancelRequested = false;
        }

        _state = state;
    }

    /// <summary>On the loader's thread: does what was ordered, and throws nothing. On the one that disposes of the loader: unloads.</summary>
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
        try
        {
            // The caller's own source may be disposed, which this is told.
            using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(_options.Cancellation);
            LoadUnder(cancellation, memory);
            Volatile.Write(ref _progress, 1);
            return StreamState.Loaded;
        }
        catch (Exception exception)
        {
            Error = exception;
            return StreamState.Failed;
        }
    }

    private void LoadUnder(CancellationTokenSource cancellation, EngineMemory memory)
    {
        lock (_changed)
        {
            _cancellation = cancellation;
            if (_cancelRequested)
                cancellation.Cancel();
        }

        try
        {
            cancellation.Token.ThrowIfCancellationRequested();
            _scene = Scene.Load(memory, Plan, _options with { Cancellation = cancellation.Token, Progress = new Share(this) });
        }
        finally
        {
            lock (_changed)
                _cancellation = null;
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever it is, the game asks for it in Error; the loader's thread goes on.")]
    private StreamState UnloadNow()
    {
        Scene scene = _scene!;
        _scene = null;
        (Error, UnloadReport) = (null, null);
        try
        {
            UnloadReport = scene.IsDisposed ? null : scene.Unload();
        }
        catch (Exception exception)
        {
            Error = exception;
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
                Volatile.Write(ref scene._progress, value);

            if (scene._options.Progress is { } told)
                scene._loader.Report(told, value);
        }
    }
}

/// <summary>How far a <see cref="StreamedScene"/> is.</summary>
public enum StreamState
{
    /// <summary>Not loaded: never, or not any more.</summary>
    Unloaded,

    /// <summary>Waiting for a thread of the loader, or being loaded by it.</summary>
    Loading,

    /// <summary>Loaded: the scene may be used.</summary>
    Loaded,

    /// <summary>Waiting to be unloaded, or being unloaded.</summary>
    Unloading,

    /// <summary>The load failed or was cancelled; nothing was left behind. It may be begun again.</summary>
    Failed,
}
