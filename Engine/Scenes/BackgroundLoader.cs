using System.Runtime.ExceptionServices;

namespace SuperSlab.Scenes;

/// <summary>
/// Loads and unloads scenes on threads of its own while other scenes' hot loops run. The threads have the lowest priority: they run on
/// what the game's leave. Each load prefaults with one thread unless told otherwise, holds none of the allocator's locks during an OS call,
/// and takes no page fault from the threads of a running scene, nor time beyond what the machine's memory shares.
/// <code>
/// using BackgroundLoader loader = new(memory);
/// StreamedScene next = loader.Add(plan);       // at start-up
/// next.Load();                                 // in the hot loop: two levels ahead
/// if (next.State == StreamState.Loaded) ...    // each frame
/// </code>
/// Disposing it waits for what is running, and unloads what it loaded. Made, added to and disposed by one thread; not in the hot loop.
/// A callback of a load (<see cref="SceneLoadOptions.Progress"/>) runs on the loader's threads, and those it waits for do nothing else
/// meanwhile: it may throw, load and unload scenes by itself, and cancel; orders to its own loader are refused.
/// </summary>
public sealed class BackgroundLoader : IDisposable
{
    /// <summary>The loader that the calling thread works for, or calls back for.</summary>
    [ThreadStatic]
    private static BackgroundLoader? s_current;

    private readonly EngineMemory _memory;
    private readonly Thread[] _threads;
    private readonly List<StreamedScene> _scenes = [];
    private readonly object _queued = new();
    private StreamedScene? _first;
    private StreamedScene? _last;
    private long _pageFaults;
    private volatile bool _stopping;

    /// <summary>Starts the threads.</summary>
    /// <param name="memory">Where the scenes' memory comes from.</param>
    /// <param name="threads">Scenes that may be loading at the same time, 1 to 16. Default 1.</param>
    public BackgroundLoader(EngineMemory memory, int threads = 1)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, 16);
        _memory = memory;
        _threads = new Thread[threads];
        for (int index = 0; index < threads; index++)
        {
            _threads[index] = new Thread(Live) { IsBackground = true, Name = $"scene loader {index}" };
            _threads[index].Start();
        }
    }

    /// <summary>
    /// Page faults of the loader's threads in finished loads and unloads, pages made resident on request included: what a count of the
    /// process's faults has to leave out. 0 where the system does not count threads apart. Hot-loop safe; any thread.
    /// </summary>
    public long PageFaults => Interlocked.Read(ref _pageFaults);

    /// <summary>Makes a scene that this loader loads when told. Nothing is loaded yet.</summary>
    /// <param name="plan">What the scene needs.</param>
    /// <param name="options">How it is loaded. Null prefaults with one thread, which leaves the other processors to the hot loop.</param>
    /// <exception cref="InvalidOperationException">A callback of one of the loader's loads asks for it.</exception>
    /// <exception cref="ObjectDisposedException">The loader is disposed.</exception>
    public StreamedScene Add(ScenePlan plan, SceneLoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ThrowIfCalledBack("add a scene");
        ObjectDisposedException.ThrowIf(_stopping, this);
        StreamedScene scene = new(this, plan, options ?? new SceneLoadOptions { PrefaultThreads = 1 });
        _scenes.Add(scene);
        return scene;
    }

    /// <summary>
    /// Cancels what is loading, waits for what is running, callbacks included, and unloads all of the loader's scenes, whatever one of them throws. Afterwards each is
    /// <see cref="StreamState.Unloaded"/> or <see cref="StreamState.Failed"/> for good, and takes no order. A second call does nothing.
    /// </summary>
    /// <exception cref="InvalidOperationException">A callback of one of the loader's loads asks for it: it would wait for itself. Nothing has changed.</exception>
    /// <exception cref="Exception">
    /// The first <see cref="StreamedScene.Error"/> of these unloads, such as an <see cref="EngineMemoryException"/> where the system refused to take
    /// memory back. All scenes are unloaded all the same.
    /// </exception>
    public void Dispose()
    {
        ThrowIfCalledBack("dispose of it");
        lock (_queued)
        {
            if (_stopping)
                return;

            _stopping = true; // first, so that no order comes after the cancellation
            Monitor.PulseAll(_queued);
        }

        foreach (StreamedScene scene in _scenes)
            scene.Cancel();

        foreach (Thread thread in _threads)
            thread.Join();

        Exception? first = null;
        foreach (StreamedScene scene in _scenes.FindAll(scene => scene.State == StreamState.Loaded))
        {
            scene.Work(_memory);
            scene.Finish();
            first ??= scene.Error;
        }

        if (first is not null)
            ExceptionDispatchInfo.Throw(first);
    }

    /// <summary>
    /// Orders what the state says of a scene, from the next free thread. The queue runs through the scenes themselves, so nothing is allocated. Nothing has changed
    /// when it throws.
    /// </summary>
    internal void Order(StreamedScene scene, StreamState state)
    {
        lock (_queued)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            scene.Begin(state);
            scene.NextInQueue = null;
            if (_last is null)
                _first = scene;
            else
                _last.NextInQueue = scene;

            _last = scene;
            Monitor.Pulse(_queued);
        }
    }

    /// <summary>Tells the progress of a load; the calling thread, which may be a helper of the loader's, is known as one of the loader's meanwhile.</summary>
    internal void Report(IProgress<double> progress, double value)
    {
        BackgroundLoader? outer = s_current;
        s_current = this;
        try
        {
            progress.Report(value);
        }
        finally
        {
            s_current = outer;
        }
    }

    /// <exception cref="ObjectDisposedException">The loader is disposed.</exception>
    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_stopping, this);

    /// <exception cref="InvalidOperationException">The calling thread loads for this loader, so the call comes from a callback of a load.</exception>
    internal void ThrowIfCalledBack(string wish)
    {
        if (s_current == this)
        {
            throw new InvalidOperationException(
                $"A callback of a load asked its background loader to {wish}, on a thread that the loader needs for that; leave it to the game's thread.");
        }
    }

    /// <summary>What each thread runs. Nothing that a load, an unload or their callbacks throw ends it: <see cref="StreamedScene.Error"/> keeps it.</summary>
    private void Live()
    {
        s_current = this;
        ThisPlatform.LowerThreadPriority();
        bool counts = SuperSlab.PageFaults.IsPerThread;
        long counted = 0;
        for (StreamedScene? scene = Dequeue(); scene is not null; scene = Dequeue())
        {
            scene.Work(_memory);
            long now = counts ? SuperSlab.PageFaults.OfThread() : 0;
            Interlocked.Add(ref _pageFaults, now - counted);
            counted = now;
            scene.Finish();
        }
    }

    /// <summary>The next scene, or null when the loader stops and nothing is left to do.</summary>
    private StreamedScene? Dequeue()
    {
        lock (_queued)
        {
            while (_first is null && !_stopping)
                Monitor.Wait(_queued);

            StreamedScene? scene = _first;
            if (scene is not null)
            {
                _first = scene.NextInQueue;
                _last = _first is null ? null : _last;
                scene.NextInQueue = null;
            }

            return scene;
        }
    }
}
