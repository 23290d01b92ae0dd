namespace SuperSlab.Diagnostics;

/// <summary>
/// One thread under <see cref="FaultAttribution"/>, from its registration to <see cref="Dispose"/>, which it calls itself when its work is
/// done and before the attribution is disposed. Neither belongs in a frame; between them the thread does nothing for being observed.
/// </summary>
public sealed class ObservedThread : IDisposable
{
    private const int Tries = 16;

    private readonly FaultAttribution _attribution;
    private readonly PerfEvent? _event;
    private readonly LinuxFiles _files;
    private readonly int _managedId = Environment.CurrentManagedThreadId;
    private readonly LinuxThread _thread;
    private long _before;
    private long _taken;
    private volatile bool _closed;

    internal ObservedThread(FaultAttribution attribution, string name, PerfEvent? perfEvent, string reason, LinuxFiles files, LinuxThread thread)
    {
        _attribution = attribution;
        _event = perfEvent;
        _files = files;
        _thread = thread;
        Name = name;
        Unavailable = perfEvent is null ? reason : "";
    }

    /// <summary>The name given at registration.</summary>
    public string Name { get; }

    /// <summary>Empty where each fault of the thread is recorded; else why its faults are only counted.</summary>
    public string Unavailable { get; }

    /// <summary>Whether faults that the kernel takes in a system call are recorded too, and not only counted.</summary>
    internal bool SeesKernel => _event?.SeesKernel ?? false;

    /// <summary>The kernel's count of the thread's faults, as getrusage has it.</summary>
    internal long KernelCount { get; private set; }

    /// <summary>Those of them that were faults, and not pages put there on request; where that is not told, 0.</summary>
    internal long RecordedCount { get; private set; }

    /// <summary>Recorded ones that found no room.</summary>
    internal long LostCount => Math.Max(0, RecordedCount - _taken);

    /// <summary>Ends the observation, on the thread that registered. A second call does nothing.</summary>
    /// <exception cref="InvalidOperationException">Another thread called it.</exception>
    public void Dispose()
    {
        if (_closed)
            return;

        if (Environment.CurrentManagedThreadId != _managedId)
            throw new InvalidOperationException($"The observation of thread '{Name}' was ended by another thread; only the thread itself can read its count to the end.");

        End();
        _attribution.Finish(this);
    }

    /// <summary>Runs everything once that the window will run, then begins it. On the thread.</summary>
    internal void Begin()
    {
        for (int round = 0; round < 3; round++)
        {
            Start();
            End();
        }

        Start();
    }

    /// <summary>The oldest fault that was recorded. Under the attribution's lock.</summary>
    internal bool TryTake(ref FaultSample sample)
    {
        bool taken = !_closed && _event is not null && _event.TryTake(ref sample);
        _taken += taken ? 1 : 0;
        return taken;
    }

    /// <summary>Brings the counts up to now, from whichever thread; exact where the observed one does nothing meanwhile.</summary>
    internal void Look()
    {
        if (_closed)
            return;

        for (int attempt = 0; attempt < Tries; attempt++)
        {
            long recorded = _event?.ReadCount() ?? 0;
            long now = Environment.CurrentManagedThreadId == _managedId || !PageFaults.IsPerThread ? PageFaults.OfThread() : LinuxThread.FaultsOf(_files, _thread.Id);
            if (now < 0)
            {
                // The thread has ended without a word; what the event counted is all there is.
                KernelCount = Math.Max(KernelCount, recorded);
                RecordedCount = recorded;
                return;
            }

            KernelCount = now - _before;
            RecordedCount = recorded;
            if ((_event?.ReadCount() ?? 0) == recorded)
                return;
        }
    }

    /// <summary>
    /// After the ring was emptied: what the thread did since <see cref="Look"/>, as where it asks itself, may be among the samples and is
    /// counted with them.
    /// </summary>
    internal void IncludeTaken()
    {
        long late = Math.Max(0, _taken - RecordedCount);
        RecordedCount += late;
        KernelCount += late;
    }

    /// <summary>Gives the ring back. Under the attribution's lock.</summary>
    internal void Close()
    {
        if (!_closed)
        {
            _closed = true;
            _event?.Dispose();
        }
    }

    private void Start()
    {
        FaultSample discarded = default;
        for (int attempt = 0; attempt < Tries; attempt++)
        {
            _event?.Disable();
            while (_event is not null && _event.TryTake(ref discarded))
            {
            }

            _event?.Reset();
            _before = PageFaults.OfThread();
            _event?.Enable();
            if ((_event?.ReadCount() ?? 0) == 0 && PageFaults.OfThread() == _before)
                return;
        }
    }

    /// <summary>The counts at one moment: what both counters saw before it, and of what came while they were read what the event saw.</summary>
    private void End()
    {
        long now = PageFaults.OfThread();
        for (int attempt = 0; attempt < Tries; attempt++)
        {
            RecordedCount = _event?.ReadCount() ?? 0;
            KernelCount = now - _before;
            long again = PageFaults.OfThread();
            if (again == now)
                break;

            now = again;
        }

        _event?.Disable();
        long late = (_event?.ReadCount() ?? 0) - (_event is null ? 0 : RecordedCount);
        RecordedCount += late;
        KernelCount += late;
    }
}
