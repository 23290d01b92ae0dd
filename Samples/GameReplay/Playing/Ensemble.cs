// Plays a trace step by step on all of its threads.
using System.Runtime.CompilerServices;
using Samples.Common;
using Samples.GameReplay.Scripts;
using SuperSlab.Diagnostics;

namespace Samples.GameReplay.Playing;

/// <summary>
/// All players of a trace, and the conductor that lets them play step by step. Between two steps all have met, and the
/// script may be written anew.
/// </summary>
internal sealed class Ensemble<TContestant, TAllocator, TBlock, TTouch> : IDisposable
    where TContestant : class, IReplayContestant<TContestant, TAllocator, TBlock>
    where TAllocator : struct, IGameAllocator<TBlock>, allows ref struct
    where TBlock : struct, IBlock
    where TTouch : struct, ITouch
{
    private readonly Progress _progress;
    private readonly Meeting _meeting;
    private readonly Player<TContestant, TAllocator, TBlock, TTouch>[] _players;

    /// <summary>Starts the threads and waits until they are ready.</summary>
    public Ensemble(int players, bool recordsFaults)
    {
        _progress = new Progress(players);
        _meeting = new Meeting(_progress);
        _meeting.Expect(players);
        _players = new Player<TContestant, TAllocator, TBlock, TTouch>[players];
        for (int number = 0; number < players; number++)
        {
            _players[number] = new Player<TContestant, TAllocator, TBlock, TTouch>(
                number, players, recordsFaults, _progress, _meeting);
        }

        _meeting.Wait();
    }

    /// <summary>
    /// What names the owners of the players' page faults from the next step on; null, the default, is nothing.
    /// </summary>
    public FaultAttribution? Faults { get; set; }

    /// <summary>
    /// Plays one step and gives what was measured. Threads that have nothing to do in it are left asleep.
    /// </summary>
    public StepFigures Play(StepScript script, TContestant contestant)
    {
        _meeting.ThrowOnFailure();
        int active = CountActive(script);
        if (active == 0)
            return new StepFigures(0, 0, 0, 0, 0, 0);

        _progress.Reset();
        _meeting.Expect(active);
        long callsBefore = contestant.OsCalls;
        int collectionsBefore = GC.CollectionCount(0);
        for (int number = 0; number < script.ThreadCount; number++)
        {
            if (script.Operations(number).Count > 0)
                _players[number].Play(contestant, script.Operations(number), Faults);
        }

        _meeting.Wait();
        var conductor = new StepFigures(
            0, 0, 0, contestant.OsCalls - callsBefore, 0, GC.CollectionCount(0) - collectionsBefore);
        _meeting.ThrowOnFailure();
        return conductor + Sum(script);
    }

    public void Dispose()
    {
        foreach (Player<TContestant, TAllocator, TBlock, TTouch> player in _players)
            player.Dispose();

        _meeting.Dispose();
    }

    private static int CountActive(StepScript script)
    {
        int active = 0;
        for (int number = 0; number < script.ThreadCount; number++)
            active += script.Operations(number).Count > 0 ? 1 : 0;

        return active;
    }

    private StepFigures Sum(StepScript script)
    {
        var sum = new StepFigures(0, 0, 0, 0, 0, 0);
        for (int number = 0; number < script.ThreadCount; number++)
        {
            if (script.Operations(number).Count > 0)
                sum += _players[number].Figures;
        }

        return sum;
    }
}

/// <summary>What was measured in one step, over all threads.</summary>
/// <param name="WorkTicks">Time in the replayed work, in ticks of the stopwatch; waits for other threads are not in
/// it.</param>
/// <param name="PageFaults">Page faults of the players.</param>
/// <param name="EngineFaults">Of these, those in the allocator's own range; null when that is not known.</param>
/// <param name="OsCalls">Calls of the allocator to the operating system.</param>
/// <param name="ManagedBytes">Managed memory allocated by the players.</param>
/// <param name="Collections">Garbage collections of any generation.</param>
internal readonly record struct StepFigures(
    long WorkTicks, long PageFaults, long? EngineFaults, long OsCalls, long ManagedBytes, long Collections)
{
    public static StepFigures operator +(StepFigures left, StepFigures right) => new(
        left.WorkTicks + right.WorkTicks,
        left.PageFaults + right.PageFaults,
        left.EngineFaults + right.EngineFaults,
        left.OsCalls + right.OsCalls,
        left.ManagedBytes + right.ManagedBytes,
        left.Collections + right.Collections);
}

/// <summary>
/// Where the conductor waits between two steps until all players of the step have arrived, and learns of a failure.
/// </summary>
internal sealed class Meeting(Progress progress) : IDisposable
{
    private readonly SemaphoreSlim _allArrived = new(0);
    private int _missing;
    private Exception? _failure;

    /// <summary>Says how many players will arrive. Before they begin.</summary>
    public void Expect(int players) => Volatile.Write(ref _missing, players);

    /// <summary>A player is done.</summary>
    public void Arrive()
    {
        if (Interlocked.Decrement(ref _missing) == 0)
            _allArrived.Release();
    }

    /// <summary>A player cannot go on. The first failure is kept; those that it causes are not of interest.</summary>
    public void Fail(Exception failure)
    {
        Interlocked.CompareExchange(ref _failure, failure, null);
        progress.Abandon();
    }

    /// <summary>Waits until all expected players have arrived.</summary>
    public void Wait() => _allArrived.Wait();

    public void ThrowOnFailure()
    {
        if (_failure is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_failure);
    }

    public void Dispose() => _allArrived.Dispose();
}

/// <summary>
/// How far each thread has come in the step: the number of its operations done, as far as others need to know. Each
/// count has two cache lines to itself, so that publishing one disturbs nobody who waits for another.
/// </summary>
internal sealed unsafe class Progress
{
    private const int Stride = 128 / sizeof(long);
    private readonly long[] _counts;
    private readonly long* _first;
    private volatile bool _isAbandoned;

    /// <summary>Makes the counts, all 0.</summary>
    public Progress(int threads)
    {
        _counts = GC.AllocateArray<long>(threads * Stride, pinned: true);
        _counts.AsSpan().Clear();
        _first = (long*)Unsafe.AsPointer(ref _counts[0]);
    }

    /// <summary>Begins a step. No thread may be playing.</summary>
    public void Reset() => _counts.AsSpan().Clear();

    /// <summary>Ends all waits, because a thread failed and will not come further.</summary>
    public void Abandon() => _isAbandoned = true;

    /// <summary>Publishes how many operations the thread has done, and all that it wrote before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Publish(int thread, long done) => Volatile.Write(ref _first[thread * Stride], done);

    /// <summary>Whether the thread has done that many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool HasReached(int thread, long done) => Volatile.Read(ref _first[thread * Stride]) >= done;

    /// <summary>
    /// Waits until the thread has done that many: spins a little, then gives the processor away again and again,
    /// because there may be more threads than processors, and never sleeps, because a sleep is longer than most frames.
    /// </summary>
    /// <exception cref="OperationCanceledException">Another thread failed.</exception>
    public void WaitFor(int thread, long done)
    {
        var spin = default(SpinWait);
        while (!HasReached(thread, done))
        {
            if (_isAbandoned)
                throw new OperationCanceledException();

            spin.SpinOnce(sleep1Threshold: -1);
        }
    }
}
