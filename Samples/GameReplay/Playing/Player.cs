using System.Runtime.CompilerServices;
using Samples.GameReplay.Contestants;
using Samples.GameReplay.Scripts;
using Samples.GameReplay.Touching;
using SuperSlab.Diagnostics;

namespace Samples.GameReplay.Playing;

/// <summary>
/// One thread of the game, played by one thread of the operating system. It sleeps until a step has something for it, plays it
/// between two readings of all counters, and sleeps again.
/// </summary>
internal sealed unsafe class Player<TContestant, TLane, TTouch> : IDisposable
    where TContestant : class, IContestant<TContestant, TLane>
    where TLane : ILane, allows ref struct
    where TTouch : struct, ITouch
{
    private const int StackBytes = 512 * 1024;
    private const int TouchedStackBytes = 128 * 1024;
    private const int RehearsedSpins = 50;
    private readonly int _number;
    private readonly int _players;
    private readonly bool _recordsFaults;
    private readonly Progress _progress;
    private readonly Meeting _meeting;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly Thread _thread;
    private TContestant? _contestant;
    private OperationList? _operations;
    private FaultAttribution? _faults;
    private ObservedThread? _observed;

    /// <summary>Starts the thread; it arrives at the meeting once when it is ready.</summary>
    public Player(int number, int players, bool recordsFaults, Progress progress, Meeting meeting)
    {
        _number = number;
        _players = players;
        _recordsFaults = recordsFaults;
        _progress = progress;
        _meeting = meeting;
        _thread = new Thread(Live, StackBytes) { IsBackground = true, Name = $"player {number}" };
        _thread.Start();
    }

    /// <summary>What was measured in the last step it played.</summary>
    public StepFigures Figures { get; private set; }

    /// <summary>Lets it play; it arrives at the meeting when it is done.</summary>
    public void Play(TContestant contestant, OperationList operations, FaultAttribution? faults)
    {
        _contestant = contestant;
        _faults = faults;
        _operations = operations;
        _wake.Release();
    }

    /// <summary>Ends the thread.</summary>
    public void Dispose()
    {
        _operations = null;
        _wake.Release();
        _thread.Join();
        _wake.Dispose();
    }

    // Pages of the stack that a deep call in a frame would be the first to use are used here.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void TouchStack()
    {
        Span<byte> stack = stackalloc byte[TouchedStackBytes];
        stack.Fill(1);
    }

    // Whether a wait in the rehearsal really has to wait is chance, so its code is run here.
    private static void RehearseWaiting()
    {
        var spin = default(SpinWait);
        for (int turn = 0; turn < RehearsedSpins; turn++)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }
    }

    private void Live()
    {
        FaultMeter? meter = null;
        try
        {
            TouchStack();
            RehearseWaiting();
            _progress.WaitFor(_number, 0);
            meter = new FaultMeter(_players, _recordsFaults);
        }
#pragma warning disable CA1031 // It is handed to the conductor, who ends the run with it.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            _meeting.Fail(failure);
        }

        _meeting.Arrive();
        while (true)
        {
            _wake.Wait();
            if (_operations is not { } operations)
            {
                break;
            }

            TryPlay(_contestant!, operations, meter!);
            _meeting.Arrive();
        }

        _observed?.Dispose();
        meter?.Dispose();
    }

    private void TryPlay(TContestant contestant, OperationList operations, FaultMeter meter)
    {
        try
        {
            _observed ??= _faults?.ObserveThisThread(Thread.CurrentThread.Name!);
            Measure(contestant, operations, meter);
        }
#pragma warning disable CA1031 // As above.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            _meeting.Fail(failure);
        }
    }

    private void Measure(TContestant contestant, OperationList operations, FaultMeter meter)
    {
        meter.Start();
        long managedBefore = GC.GetAllocatedBytesForCurrentThread();
        TLane lane = contestant.OpenLane();
        long ticks = OperationLoop<TLane, TTouch>.Run(ref lane, operations.First, operations.Count, _progress, _number);
        long managed = GC.GetAllocatedBytesForCurrentThread() - managedBefore;
        meter.Stop();
        long? engineFaults = meter.CountWithin(contestant.MemoryBase, contestant.MemoryBytes);
        Figures = new StepFigures(ticks, meter.Count, engineFaults, 0, managed, 0);
    }
}
