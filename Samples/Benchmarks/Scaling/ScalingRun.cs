// One contestant on a number of threads.
using System.Diagnostics;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Workloads;
using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.Benchmarks.Scaling;

/// <summary>One workload on a number of threads.</summary>
/// <param name="Threads">How many do it at once.</param>
/// <param name="Operations">The operations that each was asked for.</param>
/// <param name="Repetitions">How many times the timed pass is made.</param>
internal readonly record struct ScalingLoad(ScalingWork Work, int Threads, long Operations, int Repetitions)
{
    /// <summary>The steps of each thread.</summary>
    public int Steps => Work.StepsFor(Operations);

    /// <summary>The operations that each thread really does.</summary>
    public long OperationsPerThread => Steps * Work.OperationsPerStep;

    /// <summary>
    /// What a level load would know: whole SuperSlabs, because which sizes meet is chance, and blocks that need two.
    /// </summary>
    public ScenePlan Plan()
    {
        int largest = Threads * Work.LargestPerThread;
        var arena = new ArenaPlan
        {
            Blocks = largest == 0 ? [] : [new BlockCount(ScalingWork.MostBytes, largest)],
            SuperSlabCount = Threads * Work.SuperSlabsPerThread,

            // The main thread too; and one that dies may still be there when the next has begun.
            ThreadCount = (Work.HasLives ? 2 * Threads : Threads) + 1,
        };
        return new ScenePlan { Name = "scaling", Arenas = [arena] };
    }
}

/// <summary>Makes a contestant, as fresh as a process can have it, and lets its threads do a workload.</summary>
internal static class ScalingHost
{
    /// <summary>Those that a C# program can have.</summary>
    public static readonly string[] Contestants = ContestantNames.All[1..];

    /// <summary>Does the work in this process.</summary>
    /// <exception cref="RunFailedException">The contestant is not there.</exception>
    public static ScalingMeasurement Measure(ScalingLoad load, string contestant, SystemCallCounter? counter) =>
        contestant switch
        {
            ContestantNames.Engine or ContestantNames.Handle => MeasureEngine(load, contestant, counter),
            ContestantNames.NativeMemory =>
                Run<NativeMemoryAllocator, NativeMemoryAllocator, Address>(load, default, counter),
            ContestantNames.Gc => Run<GcAllocator, GcAllocator, ArrayBlock>(load, default, counter),
            ContestantNames.ArrayPool => Run<PoolAllocator, PoolAllocator, ArrayBlock>(load, default, counter),
            _ => Run<FunctionAllocator, FunctionAllocator, Address>(load, Peer.Load(contestant), counter),
        };

    private static ScalingMeasurement MeasureEngine(ScalingLoad load, string contestant, SystemCallCounter? counter)
    {
        using var memory = new EngineMemory(new EngineMemoryOptions { Checks = MemoryChecks.Off });
        using Scene scene = Scene.Load(memory, load.Plan());
        long osCalls = memory.OsCalls;
        ScalingMeasurement measurement = contestant == ContestantNames.Engine
            ? Run<EngineAllocator, EngineAllocator, Address>(load, new EngineAllocator(scene.Arena), counter)
            : Run<HandleContestant, HandleAllocator, Address>(load, new HandleContestant(scene.Arena), counter);
        return measurement with { OsCalls = memory.OsCalls - osCalls };
    }

    /// <summary>Does the work on a contestant that nobody has used.</summary>
    public static ScalingMeasurement Run<TContestant, TAllocator, TBlock>(
        ScalingLoad load, TContestant contestant, SystemCallCounter? counter)
        where TContestant : struct, IContestant<TAllocator>
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        using var run = new ScalingRun<TContestant, TAllocator, TBlock>(load, contestant, counter);
        return run.Measure();
    }
}

/// <summary>
/// The threads of one contestant and their passes: one in which every block is looked at, one for warmth, the
/// repetitions, then two in which each call is timed, of which the second counts, and one in which the system calls are
/// counted. So the clock and the counting do not disturb the times, and whatever a pass does has been done before.
/// </summary>
internal sealed class ScalingRun<TContestant, TAllocator, TBlock> : IDisposable
    where TContestant : struct, IContestant<TAllocator>
    where TAllocator : struct, IAllocator<TBlock>, allows ref struct
    where TBlock : struct, IBlock
{
    private readonly ScalingLoad _load;
    private readonly TContestant _contestant;
    private readonly SystemCallCounter? _counter;
    private readonly Pass[] _passes;
    private readonly Barrier _meeting;
    private readonly TBlock[] _shared;
    private readonly Player<TBlock>[] _players;
    private readonly List<double> _nanoseconds = [];
    private Exception? _error;

    public ScalingRun(ScalingLoad load, TContestant contestant, SystemCallCounter? counter)
    {
        _load = load;
        _contestant = contestant;
        _counter = counter;
        _passes =
        [
            Pass.Checked, Pass.WarmUp, .. Enumerable.Repeat(Pass.Repetition, load.Repetitions),
            Pass.Timed, Pass.Timed, Pass.Counted,
        ];
        _meeting = new Barrier(load.Threads + 1);
        _shared = load.Work.IsShared ? new TBlock[Player.SharedSlots * load.Threads] : [];
        _players = [.. Enumerable.Range(0, load.Threads).Select(number => new Player<TBlock>(number, _shared))];
    }

    private enum Pass
    {
        Checked,
        WarmUp,
        Repetition,
        Timed,
        Counted,
    }

    /// <summary>Makes all passes.</summary>
    /// <exception cref="RunFailedException">A thread failed.</exception>
    public ScalingMeasurement Measure()
    {
        Thread[] threads = Array.ConvertAll(_players, player => new Thread(() => Play(player)));
        Array.ForEach(threads, thread => thread.Start());
        TAllocator allocator = _contestant.Open();
        foreach (Pass pass in _passes)
        {
            Prepare(allocator, pass);
            _meeting.SignalAndWait();
            _meeting.SignalAndWait();
            Finish(pass);
        }

        Array.ForEach(threads, thread => thread.Join());
        Clear(allocator, _shared);
        return _error is null
            ? Result()
            : throw new RunFailedException($"{_load.Work.Name}: {_error.GetType().Name}: {_error.Message}");
    }

    public void Dispose() => _meeting.Dispose();

    private static void Clear(TAllocator allocator, Span<TBlock> slots)
    {
        foreach (ref TBlock slot in slots)
        {
            if (!slot.IsNone)
            {
                allocator.Free(slot);
                slot = default;
            }
        }
    }

    private void Prepare(TAllocator allocator, Pass pass)
    {
        foreach (Player<TBlock> player in _players)
        {
            if (_load.Work.TakesGiven)
                player.Given = allocator.Allocate(ScratchWork.Bytes, 0);

            if (pass == Pass.Timed)
                player.Calls = new CallTimes();
        }
    }

    private void Finish(Pass pass)
    {
        if (pass == Pass.Checked)
        {
            _players[0].LookAtAll(_shared);
        }
        else if (pass == Pass.Repetition)
        {
            // The players look at the clock, because this thread may get a processor only when they are done.
            TimeSpan time = Stopwatch.GetElapsedTime(
                _players.Min(player => player.Shift.Start), _players.Max(player => player.Shift.End));
            _nanoseconds.Add(time.TotalNanoseconds / _load.OperationsPerThread);
        }
    }

    private void Play(Player<TBlock> player)
    {
        TAllocator allocator = _contestant.Open();
        foreach (Pass pass in _passes)
        {
            _meeting.SignalAndWait();
            long start = Stopwatch.GetTimestamp();
            Guarded(allocator, player, pass);
            player.Shift = (start, Stopwatch.GetTimestamp());
            _meeting.SignalAndWait();
        }

        Clear(allocator, player.Own);
    }

    // A thread that fails comes to the meetings all the same: the others wait there.
    private void Guarded(TAllocator allocator, Player<TBlock> player, Pass pass)
    {
        try
        {
            if (_load.Work.HasLives)
                DoLives(player, pass);
            else
                Do(allocator, player, pass);
        }
#pragma warning disable CA1031 // Whatever it is: the main thread reports it.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref _error, error, null);
        }
    }

    private void DoLives(Player<TBlock> player, Pass pass)
    {
        for (int step = 0; step < _load.Steps; step++)
        {
            player.BeginLife(step, _load.Steps);
            var life = new Thread(() => Live(player, pass));
            life.Start();
            life.Join();
        }
    }

    private void Live(Player<TBlock> player, Pass pass)
    {
        try
        {
            TAllocator allocator = _contestant.Open();
            Do(allocator, player, pass);
            Clear(allocator, player.Own);
        }
#pragma warning disable CA1031 // Whatever it is: the main thread reports it.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref _error, error, null);
        }
    }

    private void Do(TAllocator allocator, Player<TBlock> player, Pass pass)
    {
        ThreadUsage before = ThreadUsage.OfThisThread();
        switch (pass)
        {
            case Pass.Checked:
                _load.Work.Loop<TAllocator, TBlock, CheckedPass>(allocator, player, _load.Steps);
                player.LookAtAll(player.Own.AsSpan(0, _load.Work.KeptSlots));
                break;
            case Pass.Timed:
                player.Calls.BeginThread();
                var timed = new TimedAllocator<TAllocator, TBlock>(allocator, player.Calls);
                _load.Work.Loop<TimedAllocator<TAllocator, TBlock>, TBlock, PlainPass>(timed, player, _load.Steps);
                break;
            case Pass.Counted:
                DoCounted(allocator, player);
                break;
            default:
                _load.Work.Loop<TAllocator, TBlock, PlainPass>(allocator, player, _load.Steps);
                break;
        }

        if (pass == Pass.Repetition)
            player.Usage += ThreadUsage.OfThisThread() - before;
    }

    private void DoCounted(TAllocator allocator, Player<TBlock> player)
    {
        bool isCounted = _counter is not null && _counter.TryBegin();
        _load.Work.Loop<TAllocator, TBlock, PlainPass>(allocator, player, _load.Steps);
        player.SystemCalls = isCounted ? player.SystemCalls + _counter!.End() : null;
    }

    private ScalingMeasurement Result() => new()
    {
        Workload = _load.Work.Name,
        Threads = _load.Threads,
        Nanoseconds = [.. _nanoseconds],
        Checksum = _players.Aggregate(0UL, (sum, player) => sum + player.Sum),
        LostBlocks = _players.Sum(player => player.Lost),
        Latency = CallTimes.Of(Array.ConvertAll(_players, player => player.Calls)),
        Usage = ThreadUsage.IsKnown
            ? _players.Aggregate(default(ThreadUsage), (sum, player) => sum + player.Usage)
            : null,
        SystemCalls = _players.Aggregate((long?)0, (sum, player) => sum + player.SystemCalls),
    };
}
