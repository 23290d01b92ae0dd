using System.Diagnostics;

namespace SuperSlab.Diagnostics;

/// <summary>
/// One thread under <see cref="FaultAttribution"/>, until it calls <see cref="Dispose"/> itself, after its work and
/// before the attribution is disposed; not in a frame. Observation costs the thread nothing in between.
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

    internal ObservedThread(
        FaultAttribution attribution,
        string name,
        PerfEvent? perfEvent,
        string reason,
        LinuxFiles files,
        LinuxThread thread)
    {
        _attribution = attribution;
        _event = perfEvent;
        _files = files;
        _thread = thread;
        Name = name;
        Unavailable = perfEvent is null ? reason : "";
    }

    /// <summary>Its name in reports.</summary>
    public string Name { get; }

    /// <summary>Empty where each fault of the thread is recorded; else why its faults are only counted.</summary>
    public string Unavailable { get; }

    /// <summary>Whether faults that the kernel takes in a system call are recorded, not only counted.</summary>
    internal bool SeesKernel => _event?.SeesKernel ?? false;

    /// <summary>The kernel's count of the thread's faults, as in getrusage.</summary>
    internal long KernelCount { get; private set; }

    /// <summary>Those that interrupted the thread, as pages put there on request do not; 0 if unknown.</summary>
    internal long RecordedCount { get; private set; }

    /// <summary>Recorded faults that found no room.</summary>
    internal long LostCount => Math.Max(0, RecordedCount - _taken);

    /// <summary>Ends the observation, on the observed thread. A second call does nothing.</summary>
    /// <exception cref="InvalidOperationException">Another thread called it.</exception>
    public void Dispose()
    {
        if (_closed)
            return;

        if (Environment.CurrentManagedThreadId != _managedId)
        {
            throw new InvalidOperationException(
                $"Another thread ended the observation of '{Name}'; only the thread itself can read its last count.");
        }

        End();
        _attribution.Finish(this);
    }

    /// <summary>Runs all code of the observation, so that it faults no more, then begins. On the thread.</summary>
    internal void Begin()
    {
        for (int round = 0; round < 3; round++)
        {
            Start();
            End();
        }

        Start();
    }

    /// <summary>Takes the oldest recorded fault. Under the attribution's lock.</summary>
    internal bool TryTake(ref FaultSample sample)
    {
        bool taken = !_closed && _event is not null && _event.TryTake(ref sample);
        _taken += taken ? 1 : 0;
        return taken;
    }

    /// <summary>Brings the counts up to now, on any thread; exact while the observed one is idle.</summary>
    internal void Update()
    {
        if (_closed)
            return;

        for (int attempt = 0; attempt < Tries; attempt++)
        {
            long recorded = _event?.ReadCount() ?? 0;
            long now = ReadKernelCount();
            if (now < 0)
            {
                // The thread has ended without a call; only the event's count is left.
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

    /// <summary>Counts what the thread did between <see cref="Update"/> and the emptying of its ring.</summary>
    internal void IncludeTaken()
    {
        long late = Math.Max(0, _taken - RecordedCount);
        RecordedCount += late;
        KernelCount += late;
    }

    /// <summary>Frees the ring. Under the attribution's lock.</summary>
    internal void Close()
    {
        if (!_closed)
        {
            _closed = true;
            _event?.Dispose();
        }
    }

    private long ReadKernelCount() =>
        Environment.CurrentManagedThreadId == _managedId || !PageFaults.IsPerThread
            ? PageFaults.OfThread()
            : LinuxThread.FaultsOf(_files, _thread.Id);

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

    /// <summary>Reads both counters until no fault comes between; what comes last is counted by the event.</summary>
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
        Debug.Assert(KernelCount >= 0, "Counts only rise.");
    }
}
