using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace SuperSlab.Scenes;

/// <summary>
/// A scene that a <see cref="BackgroundLoader"/> loads and unloads, as often as the game likes. Made at start-up. Then
/// <see cref="Load"/>, <see cref="Unload"/> and all properties are hot-loop safe: they allocate nothing and do not
/// wait. One thread, the game's, gives the orders; any thread may read. Callbacks of a load give no orders, as they run
/// on a thread that would have to carry them out.
/// <code>
///   Unloaded --Load--> Loading --> Loaded --Unload--> Unloading --> Unloaded
///                         '------> Failed --Load--> Loading ...
/// </code>
/// <see cref="Error"/> keeps what a load, an unload or a callback throws. Once the loader is disposed the scene stays
/// <see cref="StreamState.Unloaded"/> or <see cref="StreamState.Failed"/>.
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

    /// <summary>How far the scene is.</summary>
    public StreamState State => _state;

    /// <summary>The share of the load that is done, 0 to 1.</summary>
    public double Progress => Volatile.Read(ref _progress);

    /// <summary>The scene, from the end of its load to the order to unload it.</summary>
    /// <exception cref="InvalidOperationException">It is not loaded.</exception>
    public Scene Scene => _scene
        ?? throw new InvalidOperationException($"Scene '{Plan.Name}' is not loaded; its state is {_state}.");

    /// <summary>
    /// What the last load or unload threw, or null: <see cref="OperationCanceledException"/> from a cancelled load.
    /// Where an unload threw, such as by the system's refusal to take memory back, the scene is unloaded all the same.
    /// </summary>
    public Exception? Error { get; private set; }

    /// <summary>
    /// What the last unload found. Null before the first, after one that threw, and where the game disposed of the
    /// scene.
    /// </summary>
    public UnloadReport? UnloadReport { get; private set; }

    /// <summary>The timestamp at which the last load or unload began; 0 before the first.</summary>
    internal long WorkBegan { get; private set; }

    /// <summary>The timestamp at which that load or unload ended, well or not.</summary>
    internal long WorkEnded { get; private set; }

    internal StreamedScene? NextInQueue { get; set; }

    /// <summary>Orders the load.</summary>
    /// <exception cref="InvalidOperationException">
    /// The scene is loaded or under way, or a callback of one of the loader's loads calls. Nothing has changed.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The loader is disposed. Nothing has changed.</exception>
    public void Load()
    {
        _loader.ThrowIfCalledBack("load a scene");
        _loader.ThrowIfDisposed();
        if (_state is not (StreamState.Unloaded or StreamState.Failed))
            throw new InvalidOperationException($"Scene '{Plan.Name}' cannot be loaded now; its state is {_state}.");

        _loader.Order(this, StreamState.Loading);
    }

    /// <summary>Orders the unload. The game does not use the scene any more.</summary>
    /// <exception cref="InvalidOperationException">
    /// The scene is not loaded, or a callback of one of the loader's loads calls. Nothing has changed.
    /// </exception>
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
    /// Stops a load that waits or runs. It ends <see cref="StreamState.Failed"/>, or <see cref="StreamState.Loaded"/>
    /// where all its memory was ready. Does nothing in any other state. Callbacks may call it, too.
    /// </summary>
    public void Cancel()
    {
        lock (_changed)
        {
            _cancelRequested = true;
            _cancellation?.Cancel();
        }
    }

    /// <summary>Waits until the scene neither loads nor unloads. Not for the hot loop.</summary>
    /// <returns>The state it is in then.</returns>
    /// <exception cref="InvalidOperationException">
    /// The scene is under way, and a callback of one of the loader's loads calls: it would wait for itself.
    /// </exception>
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

    /// <summary>Takes an order, under the loader's lock.</summary>
    internal void Begin(StreamState state)
    {
        Debug.Assert(_state is not (StreamState.Loading or StreamState.Unloading), "One order at a time is under way.");
        if (state == StreamState.Loading)
        {
            Volatile.Write(ref _progress, 0);
            _cancelRequested = false;
        }

        _state = state;
    }

    /// <summary>
    /// Carries out the order; throws nothing. On the thread that loads, or that disposes of the loader.
    /// </summary>
    internal void Work(EngineMemory memory)
    {
        WorkBegan = Stopwatch.GetTimestamp();
        _rest = _state == StreamState.Loading ? LoadNow(memory) : UnloadNow();
        WorkEnded = Stopwatch.GetTimestamp();
    }

    /// <summary>Shows the state that <see cref="Work"/> reached.</summary>
    internal void Finish()
    {
        Debug.Assert(_rest is not (StreamState.Loading or StreamState.Unloading), "The work has ended.");
        lock (_changed)
        {
            _state = _rest;
            Monitor.PulseAll(_changed);
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "The game finds it in Error; the loader's thread goes on.")]
    private StreamState LoadNow(EngineMemory memory)
    {
        Error = null;
        try
        {
            // Throws where the caller disposed of its own source.
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
            SceneLoadOptions options = _options with { Cancellation = cancellation.Token, Progress = new Share(this) };
            _scene = Scene.Load(memory, Plan, options);
        }
        finally
        {
            lock (_changed)
                _cancellation = null;
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "The game finds it in Error; the loader's thread goes on.")]
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

    /// <summary>Keeps the progress where the game can read it, and passes it on. It never goes back.</summary>
    private sealed class Share(StreamedScene scene) : IProgress<double>
    {
        public void Report(double value)
        {
            if (value > scene.Progress)
                Volatile.Write(ref scene._progress, value);

            if (scene._options.Progress is { } progress)
                scene._loader.Report(progress, value);
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
