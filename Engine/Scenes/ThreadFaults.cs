using System.Diagnostics;
using Silk.NET.Core.Contexts;

namespace SuperSlab.Scenes;

/// <summary>
/// The page faults and waits of one thread of a guard, as the kernel records them in memory that it shares with the
/// thread: a frame without them needs no system call. Made and used on that thread, except <see cref="Kept"/>. Of more
/// than about a thousand faults in a frame the rest has no addresses, and counts as page faults only.
/// </summary>
internal sealed class ThreadFaults : IDisposable
{
    private const int KeptFaults = 1024;
    private const int RecordedFaults = 1024;

    private readonly EngineMemory _memory;
    private readonly PerfEvent _event;
    private readonly PlacedFault[] _kept = new PlacedFault[KeptFaults];

    /// <summary>At this number of records some may be missing, and the kernel is asked for the count.</summary>
    private readonly int _manyRecords;
    private int _keptCount;
    private long _known;

    private ThreadFaults(EngineMemory memory, PerfEvent opened)
    {
        _memory = memory;
        _event = opened;
        _manyRecords = opened.Capacity / 4;
        Array.Fill(_kept, default);
        FrameAccount rehearsed = new(null);
        Keep(default);
        _ = Take(rehearsed);
        Resynchronise();
        Skip();
        Forget();
    }

    /// <summary>The first faults since <see cref="Forget"/>, for the guard's thread after the frame.</summary>
    public Span<PlacedFault> Kept => _kept.AsSpan(0, _keptCount);

    /// <summary>Null where the system records no faults, with the reason.</summary>
    public static ThreadFaults? TryOpen(EngineMemory memory, out string reason)
    {
        INativeContext context = memory.Options.NativeContext ?? new SystemLibraries();
        PerfEvent? opened = PerfEvent.TryOpenWithPlaces(context, RecordedFaults, out reason);
        return opened is null ? null : new ThreadFaults(memory, opened);
    }

    /// <summary>Adds what happened since the last call to the account.</summary>
    /// <returns>Whether anything was recorded.</returns>
    public bool Take(FrameAccount account)
    {
        long waits = _event.WaitCount;
        long records = _event.RecordCount;
        long faults = 0;
        long engines = 0;
        while (_event.TryTake(out nuint address, out nuint instruction))
        {
            faults++;
            bool isEngines = _memory.Contains((nint)address);
            engines += isEngines ? 1 : 0;
            HotLoopMetric kind = isEngines ? HotLoopMetric.EngineFaults : HotLoopMetric.NativeFaults;
            Keep(new PlacedFault(address, instruction, account, kind));
        }

        _known += faults;
        if (_event.RecordCount == records)
            return false;

        if (_event.RecordCount - records >= _manyRecords)
            faults += Resynchronise();

        account.Counts.Add(HotLoopMetric.PageFaults, faults);
        account.Counts.Add(HotLoopMetric.EngineFaults, engines);
        account.Counts.Add(HotLoopMetric.Waits, _event.WaitCount - waits);
        return true;
    }

    /// <summary>Drops what happened since the last call.</summary>
    public void Skip()
    {
        long records = _event.RecordCount;
        _known += Drain();
        if (_event.RecordCount - records >= _manyRecords)
            Resynchronise();
    }

    /// <summary>Forgets the kept faults.</summary>
    public void Forget() => _keptCount = 0;

    public void Dispose() => _event.Dispose();

    private void Keep(in PlacedFault fault)
    {
        if (_keptCount < KeptFaults)
            _kept[_keptCount++] = fault;
        else if (fault.Kind == HotLoopMetric.EngineFaults && _kept[^1].Kind != fault.Kind)
            _kept[^1] = fault; // One in the engine is worth more than the last of many elsewhere.
    }

    private long Drain()
    {
        long count = 0;
        while (_event.TryTake(out _, out _))
            count++;

        return count;
    }

    /// <summary>
    /// Gives the number of faults that are missing in the record because it was full, and of those during this call:
    /// code that runs the first time faults, too.
    /// </summary>
    private long Resynchronise()
    {
        long count = _event.ReadCount();
        long late = Drain();
        long missing = Math.Max(0, count - _known - late);
        _known += late + missing;
        Debug.Assert(_known >= count, "All faults that the kernel counted are known.");
        return late + missing;
    }
}

/// <summary>A page fault of a guarded thread.</summary>
/// <param name="Address">Where it was.</param>
/// <param name="Instruction">The address of the code that touched it.</param>
/// <param name="Account">The part of the frame that it happened in.</param>
/// <param name="Kind">Whose memory it was; outside the engine's it is looked up after the frame.</param>
internal record struct PlacedFault(nuint Address, nuint Instruction, FrameAccount Account, HotLoopMetric Kind);
