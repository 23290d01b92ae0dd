using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace SuperSlab.Scenes;

/// <summary>
/// Loads and unloads scenes on threads of its own beside other scenes' hot loops. The threads have the lowest priority.
/// A load prefaults with one thread by default, holds no lock of the allocator during an OS call, and causes no page
/// fault in the threads of a running scene.
/// <code>
/// using BackgroundLoader loader = new(memory);
/// StreamedScene next = loader.Add(plan);       // at start-up
/// next.Load();                                 // in the hot loop: two levels ahead
/// if (next.State == StreamState.Loaded) ...    // each frame
/// </code>
/// One thread makes it, adds scenes and disposes of it; not in the hot loop. A callback of a load
/// (<see cref="SceneLoadOptions.Progress"/>) runs on the loader's threads. It may throw, cancel, and load and unload
/// other scenes by itself; orders to its own loader are refused.
/// </summary>
public sealed class BackgroundLoader : IDisposable
{
    private static readonly object s_closed = new();

    /// <summary>The loader that the calling thread works for, or runs a callback for.</summary>
    [ThreadStatic]
    private static BackgroundLoader? s_current;

    private readonly EngineMemory _memory;
    private readonly StartedThreads _threads = new();
    private readonly List<StreamedScene> _scenes = [];
    private readonly WaitNumber _ordered = new();

    /// <summary>
    /// Orders that no thread of the loader has seen, linked from the last to the first: a <see cref="StreamedScene"/>,
    /// null, or <see cref="s_closed"/>. The game's thread only swaps it, as it must not wait for a thread of the lowest
    /// priority.
    /// </summary>
    private object? _orders;

    /// <summary>The queue of the loader's threads.</summary>
    private readonly Lock _queue = new();
    private StreamedScene? _first;
    private StreamedScene? _last;
    private long _pageFaultCount;
    private volatile bool _stopping;

    /// <summary>Starts the threads.</summary>
    /// <param name="memory">Gives the scenes their memory.</param>
    /// <param name="threadCount">Scenes that may load at the same time, 1 to 16. Default 1.</param>
    /// <exception cref="OutOfMemoryException">The system has no thread left. None of the loader's is left either.</exception>
    public BackgroundLoader(EngineMemory memory, int threadCount = 1)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentOutOfRangeException.ThrowIfLessThan(threadCount, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threadCount, 16);
        _memory = memory;
        try
        {
            for (int index = 0; index < threadCount; index++)
                _threads.Start(Serve, $"scene loader {index}");
        }
        catch
        {
            EndThreads();
            throw;
        }
    }

    /// <summary>
    /// Page faults of the loader's threads, pages made resident on request included: those of finished loads and
    /// unloads, and up to the last time that a thread began to wait. 0 where the system does not count by thread.
    /// Hot-loop safe; any thread.
    /// </summary>
    public long PageFaultCount => Interlocked.Read(ref _pageFaultCount);

    /// <summary>Makes a scene for this loader, not loaded yet.</summary>
    /// <param name="plan">What the scene needs.</param>
    /// <param name="options">How it is loaded. Null prefaults with one thread.</param>
    /// <exception cref="InvalidOperationException">A callback of one of the loader's loads calls.</exception>
    /// <exception cref="ObjectDisposedException">The loader is disposed.</exception>
    public StreamedScene Add(ScenePlan plan, SceneLoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ThrowIfCalledBack("add a scene");
        ObjectDisposedException.ThrowIf(_stopping, this);
        StreamedScene scene = new(this, plan, options ?? new SceneLoadOptions { PrefaultThreadCount = 1 });
        _scenes.Add(scene);
        return scene;
    }

    /// <summary>
    /// Cancels the loads, waits for what runs, callbacks included, and unloads all scenes, whatever one of them throws.
    /// Then each is <see cref="StreamState.Unloaded"/> or <see cref="StreamState.Failed"/> for good. A second call does
    /// nothing.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// A callback of one of the loader's loads calls: it would wait for itself. Nothing has changed.
    /// </exception>
    /// <exception cref="Exception">
    /// The first <see cref="StreamedScene.Error"/> of these unloads. All scenes are unloaded all the same.
    /// </exception>
    public void Dispose()
    {
        ThrowIfCalledBack("dispose of it");
        if (!EndThreads())
            return;

        // An order of another thread may have come after the last look.
        Accept(Interlocked.Exchange(ref _orders, s_closed));
        for (StreamedScene? scene = Next(); scene is not null; scene = Next())
        {
            scene.Cancel();
            scene.Work(_memory);
            scene.Finish();
        }

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
    /// Orders a state from the next free thread. The scenes themselves are linked, so nothing is allocated. Nothing has
    /// changed when it throws.
    /// </summary>
    internal void Order(StreamedScene scene, StreamState state)
    {
        ThrowIfDisposed();
        Debug.Assert(scene.NextInQueue is null, "A scene has one order at a time.");
        StreamState before = scene.State;
        scene.Begin(state);
        object? newest = Volatile.Read(ref _orders);
        object? expected;
        do
        {
            expected = newest;
            if (expected == s_closed)
            {
                scene.NextInQueue = null;
                scene.Begin(before);
                ThrowIfDisposed();
            }

            scene.NextInQueue = (StreamedScene?)expected;
            newest = Interlocked.CompareExchange(ref _orders, scene, expected);
        }
        while (newest != expected);
        _ordered.Advance();
    }

    /// <summary>Reports the progress of a load; the calling thread counts as the loader's meanwhile.</summary>
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

    /// <exception cref="InvalidOperationException">A callback of one of the loader's loads calls.</exception>
    internal void ThrowIfCalledBack(string wish)
    {
        if (s_current == this)
        {
            throw new InvalidOperationException(
                $"A callback of a load asked its background loader to {wish}, on a thread that the loader needs for "
                + "that; leave it to the game's thread.");
        }
    }

    /// <summary>Cancels the loads and waits for the threads; false where that was done before.</summary>
    private bool EndThreads()
    {
        if (_stopping)
            return false;

        _stopping = true;
        _ordered.Advance();
        foreach (StreamedScene scene in _scenes)
            scene.Cancel();

        _threads.Join();
        return true;
    }

    /// <summary>Runs each thread. Nothing ends it early: <see cref="StreamedScene.Error"/> keeps what throws.</summary>
    private void Serve()
    {
        s_current = this;
        ThisPlatform.LowerThreadPriority();
        long counted = 0;
        for (StreamedScene? scene = Dequeue(); scene is not null; scene = Dequeue())
        {
            CountFaults(ref counted);
            scene.Work(_memory);
            CountFaults(ref counted);
            scene.Finish();
            CountFaults(ref counted);
        }
    }

    /// <summary>Adds the calling thread's new faults.</summary>
    private void CountFaults(ref long counted)
    {
        if (!SuperSlab.PageFaults.IsPerThread)
            return;

        long now = SuperSlab.PageFaults.OfThread();
        Debug.Assert(now >= counted, "A thread's faults only grow.");
        Interlocked.Add(ref _pageFaultCount, now - counted);
        counted = now;
    }

    /// <summary>The next scene, or null when the loader stops and nothing is left to do.</summary>
    private StreamedScene? Dequeue()
    {
        while (true)
        {
            int seen = _ordered.Value;
            bool isLast = _stopping;
            lock (_queue)
            {
                Accept(Interlocked.Exchange(ref _orders, null));
                if (Next() is { } scene)
                    return scene;
            }

            if (isLast)
                return null;

            _ordered.WaitWhile(seen);
        }
    }

    /// <summary>Appends orders, linked from the last to the first, to the queue. Under its lock, or alone.</summary>
    private void Accept(object? orders)
    {
        StreamedScene? oldest = null;
        StreamedScene? newest = (StreamedScene?)orders;
        for (StreamedScene? scene = newest; scene is not null;)
        {
            StreamedScene? older = scene.NextInQueue;
            scene.NextInQueue = oldest;
            (oldest, scene) = (scene, older);
        }

        if (newest is null)
            return;

        if (_last is null)
            _first = oldest;
        else
            _last.NextInQueue = oldest;

        _last = newest;
    }

    /// <summary>Takes the first of the queue, or null. Under its lock, or alone.</summary>
    private StreamedScene? Next()
    {
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
