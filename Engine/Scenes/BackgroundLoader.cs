namespace Engine.Scenes;

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
/// </summary>
public sealed class BackgroundLoader : IDisposable
{
    private readonly EngineMemory _memory;
    private readonly Thread[] _threads;
    private readonly List<StreamedScene> _scenes = [];
    private readonly object _queued = new();
    private StreamedScene? _first;
    private StreamedScene? _last;
    private long _pageFaults;
    private bool _stopping;

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
    public StreamedScene Add(ScenePlan plan, SceneLoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ObjectDisposedException.ThrowIf(_stopping, this);
        StreamedScene scene = new(this, plan, options ?? new SceneLoadOptions { PrefaultThreads = 1 });
        _scenes.Add(scene);
        return scene;
    }

    /// <summary>Cancels what is loading, waits for what is running, and unloads all of the loader's scenes. A second call does nothing.</summary>
    public void Dispose()
    {
        if (_stopping)
        {
            return;
        }

        foreach (StreamedScene scene in _scenes)
        {
            scene.Cancel();
        }

        lock (_queued)
        {
            _stopping = true;
            Monitor.PulseAll(_queued);
        }

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        Scene.DisposeAll([.. _scenes.FindAll(scene => scene.State == StreamState.Loaded).ConvertAll(scene => scene.Scene)]);
    }

    /// <summary>Hands a scene to the next free thread. The queue runs through the scenes themselves, so nothing is allocated.</summary>
    internal void Enqueue(StreamedScene scene)
    {
        lock (_queued)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            scene.NextInQueue = null;
            if (_last is null)
            {
                _first = scene;
            }
            else
            {
                _last.NextInQueue = scene;
            }

            _last = scene;
            Monitor.Pulse(_queued);
        }
    }

    private void Live()
    {
        Platform.ThisPlatform.LowerThreadPriority();
        bool counts = Platform.PageFaults.IsPerThread;
        long counted = 0;
        for (StreamedScene? scene = Dequeue(); scene is not null; scene = Dequeue())
        {
            scene.Work(_memory);
            long now = counts ? Platform.PageFaults.OfThread() : 0;
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
            {
                Monitor.Wait(_queued);
            }

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
