namespace SuperSlab.Scenes;

/// <summary>
/// The threads that an object of the library owns. The system may refuse any of them, as a container's limit of
/// processes does; the owner then ends those that run, and throws.
/// <code>
/// try
/// {
///     for (...)
///         _threads.Start(Serve, "worker 1");
/// }
/// catch
/// {
///     ... tell them to end ...
///     _threads.Join();
///     throw;
/// }
/// </code>
/// One thread at a time.
/// </summary>
internal sealed class StartedThreads
{
    private readonly List<Thread> _threads = [];

    /// <summary>Tests refuse a thread here, on the thread that starts it.</summary>
    [field: ThreadStatic]
    internal static Action<Thread>? Starting { get; set; }

    /// <summary>Starts a thread in the background of the process.</summary>
    /// <param name="run">What it does.</param>
    /// <param name="name">Its name in debuggers and reports.</param>
    /// <param name="stackBytes">Its stack's size; 0 takes the system's.</param>
    /// <exception cref="OutOfMemoryException">The system has no thread left.</exception>
    public void Start(ThreadStart run, string name, int stackBytes = 0)
    {
        Thread thread = new(run, stackBytes) { IsBackground = true, Name = name };
        Starting?.Invoke(thread);
        thread.Start();
        _threads.Add(thread);
    }

    /// <summary>Waits for the ends of those that were started.</summary>
    public void Join()
    {
        foreach (Thread thread in _threads)
            thread.Join();
    }
}
