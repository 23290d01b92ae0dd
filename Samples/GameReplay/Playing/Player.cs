// One thread of the game: its operations, and what they take.
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Common;
using Samples.GameReplay.Scripts;
using SuperSlab;
using SuperSlab.Diagnostics;

namespace Samples.GameReplay.Playing;

/// <summary>
/// One thread of the game, played by one thread of the operating system. It sleeps until a step has something for it,
/// plays it between two readings of all counters, and sleeps again.
/// </summary>
internal sealed unsafe class Player<TContestant, TAllocator, TBlock, TTouch> : IDisposable
    where TContestant : class, IReplayContestant<TContestant, TAllocator, TBlock>
    where TAllocator : struct, IGameAllocator<TBlock>, allows ref struct
    where TBlock : struct, IBlock
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
            spin.SpinOnce(sleep1Threshold: -1);
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
                break;

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
        TAllocator allocator = contestant.Open();
        long ticks = OperationLoop<TAllocator, TBlock, TTouch>.Run(
            ref allocator, contestant.Slots, operations.First, operations.Count, _progress, _number);
        long managed = GC.GetAllocatedBytesForCurrentThread() - managedBefore;
        meter.Stop();
        EngineMemory? memory = contestant.Memory;
        long? engineFaults = meter.CountWithin(memory?.ReservationBase ?? 0, memory?.ReservationBytes ?? 0);
        Figures = new StepFigures(ticks, meter.Count, engineFaults, 0, managed, 0);
    }
}

/// <summary>
/// The measured work: one thread's operations of one step, compiled once for each allocator and way of touching.
/// </summary>
internal static unsafe class OperationLoop<TAllocator, TBlock, TTouch>
    where TAllocator : struct, IGameAllocator<TBlock>, allows ref struct
    where TBlock : struct, IBlock
    where TTouch : struct, ITouch
{
    /// <summary>Does the operations in their order.</summary>
    /// <returns>The ticks of the stopwatch that passed in them; the clock stands still while another thread is waited
    /// for.</returns>
    public static long Run(
        ref TAllocator allocator, TBlock[] slots, Operation* first, int count, Progress progress, int thread)
    {
        ref TBlock table = ref MemoryMarshal.GetArrayDataReference(slots);
        long worked = 0;
        long start = Stopwatch.GetTimestamp();
        Operation* end = first + count;
        for (Operation* operation = first; operation < end; operation++)
        {
            if (operation->Kind == OperationKind.Wait)
            {
                if (!progress.HasReached(operation->OtherThread, (long)operation->Bytes))
                {
                    worked += Stopwatch.GetTimestamp() - start;
                    progress.WaitFor(operation->OtherThread, (long)operation->Bytes);
                    start = Stopwatch.GetTimestamp();
                }

                continue;
            }

            Do(ref allocator, ref Unsafe.Add(ref table, operation->Slot), operation);
            if (operation->Publishes)
                progress.Publish(thread, operation - first + 1);
        }

        return worked + Stopwatch.GetTimestamp() - start;
    }

    private static void Do(ref TAllocator allocator, ref TBlock slot, Operation* operation)
    {
        uint place = operation->Slot;
        nuint bytes = (nuint)operation->Bytes;
        byte alignment = operation->AlignmentShift;
        TBlock block;
        switch (operation->Kind)
        {
            case OperationKind.Allocate:
                slot = block = allocator.AllocateUncleared(bytes, place);
                TTouch.Fresh(ref block.First, bytes, operation->Tag, 0, zeroed: false);
                break;
            case OperationKind.Free:
                block = slot;
                if (TTouch.Checks)
                    TTouch.Check(ref allocator.First(block, alignment), bytes, operation->Tag, "when it was freed");

                allocator.Free(block, alignment);
                if (RuntimeHelpers.IsReferenceOrContainsReferences<TBlock>())
                {
                    slot = default; // the collector must find it forgotten
                }

                break;
            case OperationKind.AllocateZeroed:
                slot = block = allocator.AllocateZeroed(bytes, place);
                TTouch.Fresh(ref block.First, bytes, operation->Tag, 0, zeroed: true);
                break;
            case OperationKind.AllocateAligned:
                slot = block = allocator.AllocateAligned(bytes, alignment, place);
                TTouch.Fresh(ref allocator.First(block, alignment), bytes, operation->Tag, alignment, zeroed: false);
                break;
            default:
                nuint oldBytes = (nuint)operation->OldBytes;
                slot = block = allocator.Reallocate(slot, oldBytes, bytes, alignment);
                TTouch.Resized(ref allocator.First(block, alignment), oldBytes, bytes, operation->Tag);
                break;
        }
    }
}

/// <summary>
/// Counts the page faults of the thread that made it, between Start and Stop. Where the system lets it, each fault's
/// address is recorded, which tells those in the allocator's own memory from the rest; where it does not, the kernel's
/// count per thread must do, and only a total of 0 says something about the parts.
/// </summary>
internal sealed class FaultMeter : IDisposable
{
    // An ordinary user may lock about this many records in all.
    private const int RecordsOfAllThreads = 32 * 1024;
    private readonly PageFaultRecorder? _recorder;
    private long _countBefore;
    private long _lostBefore;

    /// <summary>Makes a meter for the calling thread.</summary>
    /// <param name="threads">How many threads make one, as they share what the system grants.</param>
    /// <param name="records">Whether addresses are to be recorded where possible.</param>
    public FaultMeter(int threads, bool records)
    {
        try
        {
            int capacity = Math.Clamp(RecordsOfAllThreads / threads, 256, 4096);
            _recorder = records ? new PageFaultRecorder(capacity) : null;
        }
        catch (EngineMemoryException)
        {
            // Other processes of the user have the rest of what it may lock: this thread's faults are counted only.
        }
    }

    /// <summary>Page faults between Start and Stop.</summary>
    public long Count { get; private set; }

    public void Start()
    {
        if (_recorder is null)
        {
            _countBefore = PageFaults.OfThread();
            return;
        }

        _countBefore = _recorder.Count;
        _lostBefore = _recorder.LostCount;
        _recorder.Start();
    }

    public void Stop()
    {
        _recorder?.Stop();
        Count = (_recorder?.Count ?? PageFaults.OfThread()) - _countBefore;
    }

    /// <summary>
    /// How many of the faults lay in the range; null when that is not known. Faults whose address was lost, because
    /// there were too many of them at once, are taken to lie in it. Once after each Stop.
    /// </summary>
    public long? CountWithin(nint start, nuint bytes)
    {
        if (_recorder is null)
            return Count == 0 || bytes == 0 ? 0 : null;

        long within = _recorder.DrainWithin(start, bytes);
        return bytes == 0 ? 0 : within + _recorder.LostCount - _lostBefore;
    }

    public void Dispose() => _recorder?.Dispose();
}
