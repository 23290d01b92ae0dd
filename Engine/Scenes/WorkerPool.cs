using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace SuperSlab.Scenes;

/// <summary>
/// Threads that do the ranges of a job at the same time and join again, without allocating for it. Made at level load,
/// with what a first job would otherwise fault in: the threads' slots and caches in the scene's arenas, their stacks,
/// and the code that waits. The thread that dispatches is worker 0 and does its part.
/// <code>
/// WorkerPool pool = new(new() { WorkerCount = 2, Arenas = [scene.Arena], Guard = guard });
/// pool.Prepare(ref move);                    // compiles the job's code, on all workers
/// ... each frame:
/// pool.Run(ref move, entities.Length);       // each worker: move.Execute(its range, its number)
/// </code>
/// One thread at a time uses the pool; a job must not dispatch another to it. <see cref="Run"/> is hot-loop safe, all
/// else is for level load.
/// </summary>
public sealed unsafe class WorkerPool : IDisposable
{
    internal const int StackBytes = 1 << 20;

    /// <summary>The part of the frame in which the dispatching thread sleeps until the workers are done.</summary>
    internal const string WaitName = "worker pool";

    private readonly WorkerPoolOptions _options;
    private readonly StartedThreads _threads = new();
    private readonly WorkerGate _gate;
    private Action<WorkerPool, int> _work = static (_, _) => { };
    private void* _job;
    private int _count;
    private int _batch;
    private int _next;
    private int _running;
    private volatile Exception? _failure;
    private volatile bool _stopping;

    /// <summary>Makes the threads and waits until all are ready.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="OutOfMemoryException">The system has no thread left. None of the pool's is left either.</exception>
    /// <exception cref="ObjectDisposedException">The guard or an arena is disposed.</exception>
    public WorkerPool(WorkerPoolOptions? options = null)
    {
        _options = options ?? new WorkerPoolOptions();
        _options.Validate();
        WorkerCount = _options.ResolvedWorkerCount;
        _gate = new WorkerGate(WorkerCount - 1, _options.SpinTurnCount);
        try
        {
            for (int index = 1; index < WorkerCount; index++)
            {
                int worker = index;
                _threads.Start(() => Serve(worker), $"worker {worker}", StackBytes);
            }

            Rehearse();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The workers, the dispatching thread included; their numbers begin with 0.</summary>
    public int WorkerCount { get; }

    /// <summary>Gives each worker its cache of an arena, such as one of a level that is loaded later.</summary>
    /// <exception cref="ObjectDisposedException">The arena or the pool is disposed.</exception>
    public void Attach(LongLivedArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        Attaching job = new(arena);
        Run(ref job, WorkerCount);
    }

    /// <summary>
    /// Runs a job on an empty range on each worker. That compiles its <see cref="IRangeJob.Execute"/>, though not what
    /// runs only for items, and sets up what each thread needs for it.
    /// </summary>
    /// <inheritdoc cref="Run"/>
    public void Prepare<TJob>(ref TJob job)
        where TJob : struct, IRangeJob
    {
        Emptied<TJob> emptied = new() { Job = job };
        Run(ref emptied, WorkerCount);
        Run(ref job, 0);
        Run(ref job, 0, 1);
    }

    /// <summary>Does the items from 0 to below <paramref name="count"/>, and returns when all are done.</summary>
    /// <param name="job">What is done. The workers share one copy, which is copied back after the join.</param>
    /// <param name="count">The number of items.</param>
    /// <param name="batch">
    /// 0, the default, gives each worker one unbroken range, the same each time for the same count, so that results and
    /// the use of caches do not depend on time. Otherwise free workers take ranges of this number of items.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    /// <exception cref="InvalidOperationException">A job runs; it, or another thread, dispatched this one.</exception>
    /// <exception cref="ObjectDisposedException">The pool is disposed.</exception>
    /// <remarks>Throws, after the join, the first exception that the job threw.</remarks>
    public void Run<TJob>(ref TJob job, int count, int batch = 0)
        where TJob : struct, IRangeJob
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        ObjectDisposedException.ThrowIf(_stopping, this);
        if (Interlocked.Exchange(ref _running, 1) != 0)
        {
            throw new InvalidOperationException(
                "A worker pool does one job at a time: a job must not dispatch another, nor two threads use one pool.");
        }

        // The workers get the address of a copy on this stack: the collector may move the caller's.
        TJob shared = job;
        _job = Unsafe.AsPointer(ref shared);
        _work = Worker<TJob>.Work;
        _count = count;
        _batch = batch;
        _next = 0;
        _gate.Open();
        Work<TJob>(this, 0);
        WaitForAll();
        _job = null;
        job = shared;
        Volatile.Write(ref _running, 0);
        if (_failure is not null)
            Rethrow();
    }

    /// <summary>Ends the threads and waits for their ends. A second call does nothing.</summary>
    public void Dispose()
    {
        if (!_stopping)
        {
            _stopping = true;
            _gate.Open();
            _threads.Join();
        }
    }

    /// <summary>
    /// The first rounds meet the workers spinning, the last ones asleep, so both ways of waking have run once.
    /// </summary>
    private void Rehearse()
    {
        Nothing nothing = default;
        for (int round = 0; round < 4; round++)
        {
            Run(ref nothing, WorkerCount);
            Run(ref nothing, WorkerCount, 1);
            Thread.Sleep(round);
        }

        foreach (LongLivedArena arena in _options.Arenas)
            Attach(arena);
    }

    private static void Work<TJob>(WorkerPool pool, int worker)
        where TJob : struct, IRangeJob
    {
        try
        {
            ref TJob job = ref Unsafe.AsRef<TJob>(pool._job);
            if (pool._batch == 0)
            {
                int start = (int)((long)pool._count * worker / pool.WorkerCount);
                int end = (int)((long)pool._count * (worker + 1) / pool.WorkerCount);
                if (start != end)
                    job.Execute(start, end, worker);

                return;
            }

            long batch = pool._batch;
            while (batch * (Interlocked.Increment(ref pool._next) - 1) is var start && start < pool._count)
                job.Execute((int)start, (int)Math.Min(start + batch, pool._count), worker);
        }
#pragma warning disable CA1031 // The dispatching thread throws it.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref pool._failure, exception, null);
        }
    }

    /// <summary>A wait for the workers is no wait of the game.</summary>
    private void WaitForAll()
    {
        if (_gate.SpinForAll())
            return;

        using FramePartScope wait = _options.Guard is { } guard ? guard.Exclude(WaitName) : default;
        _gate.SleepForAll();
    }

    private void Rethrow()
    {
        Exception failure = _failure!;
        _failure = null;
        ExceptionDispatchInfo.Throw(failure);
    }

    private void Serve(int worker)
    {
        TouchStack(_options.PreparedStackBytes);
        GuardedThread? guarded = TryRegister();
        int turn = 0;
        while (true)
        {
            turn = _gate.WaitForOpening(turn);
            if (_stopping)
                break;

            guarded?.Begin();
            _work(this, worker);
            guarded?.End();
            _gate.Arrive();
        }

        guarded?.Dispose();
    }

    /// <summary>Null without a guard, and where it refuses: the constructor's first job throws what it threw.</summary>
    private GuardedThread? TryRegister()
    {
        try
        {
            return _options.Guard?.RegisterThread(Thread.CurrentThread.Name!);
        }
#pragma warning disable CA1031 // The constructor throws it.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref _failure, exception, null);
            return null;
        }
    }

    /// <summary>Writes to each page of the stack below here, so that deeper calls find them resident.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void TouchStack(int bytes)
    {
        byte* stack = stackalloc byte[bytes];
        for (int offset = bytes - 1; offset >= 0; offset -= 4096)
            Volatile.Write(ref stack[offset], 0);
    }

    /// <summary>A delegate for each type of job, as shared generic code has no pointer to call.</summary>
    private static class Worker<TJob>
        where TJob : struct, IRangeJob
    {
        public static readonly Action<WorkerPool, int> Work = WorkerPool.Work<TJob>;
    }

    private struct Nothing : IRangeJob
    {
        public readonly void Execute(int start, int end, int worker)
        {
        }
    }

    private readonly struct Attaching(LongLivedArena arena) : IRangeJob
    {
        public void Execute(int start, int end, int worker) => arena.AttachThread();
    }

    private struct Emptied<TJob> : IRangeJob
        where TJob : struct, IRangeJob
    {
        public TJob Job;

        public void Execute(int start, int end, int worker) => Job.Execute(0, 0, worker);
    }
}

/// <summary>How a <see cref="WorkerPool"/> is made. Immutable.</summary>
public sealed record WorkerPoolOptions
{
    /// <summary>The workers, the dispatching thread included, 1 to 256. 0, the default, is one a processor.</summary>
    public int WorkerCount { get; init; }

    /// <summary>Bytes of each stack that are made resident ahead, at most 512 KiB. Default 128 KiB.</summary>
    public int PreparedStackBytes { get; init; } = 128 * 1024;

    /// <summary>
    /// Turns of the runtime's spin wait before a waiting thread lets the system wake it. 0 suits machines with more
    /// workers than free processors. Default 200.
    /// </summary>
    public int SpinTurnCount { get; init; } = 200;

    /// <summary>Arenas of which each worker gets its cache; <see cref="WorkerPool.Attach"/> adds others.</summary>
    public IReadOnlyList<LongLivedArena> Arenas { get; init; } = [];

    /// <summary>Counts what the workers do in each job. Null, the default, does not.</summary>
    public HotLoopGuard? Guard { get; init; }

    internal int ResolvedWorkerCount => WorkerCount == 0 ? Math.Min(Environment.ProcessorCount, 256) : WorkerCount;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(WorkerCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(WorkerCount, 256);
        ArgumentOutOfRangeException.ThrowIfNegative(PreparedStackBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(PreparedStackBytes, WorkerPool.StackBytes / 2);
        ArgumentOutOfRangeException.ThrowIfNegative(SpinTurnCount);
    }
}

/// <summary>Work on a range of items for the workers of a <see cref="WorkerPool"/>. A struct implements it.</summary>
public interface IRangeJob
{
    /// <summary>
    /// Does the items from <paramref name="start"/> to below <paramref name="end"/>. The range may be empty, from
    /// <see cref="WorkerPool.Prepare{TJob}"/>. All workers call it on the same struct.
    /// </summary>
    /// <param name="start">The first item.</param>
    /// <param name="end">The item after the last.</param>
    /// <param name="worker">The calling worker's number; 0 is the thread that dispatched.</param>
    void Execute(int start, int end, int worker);
}

/// <summary>
/// Where workers wait for a job, and the dispatcher for the workers: some turns of spinning, then a sleep until the
/// system wakes them. A job has the number of its turn, so a late worker never takes one for another. Nothing allocates
/// after construction: the first wait on a monitor would, at any frame.
/// </summary>
internal sealed class WorkerGate
{
    private readonly int _workers;
    private readonly int _spinTurns;

    private readonly WaitNumber _turn = new();
    private readonly WaitNumber _joins = new();
    private int _missing;

    /// <param name="workers">The threads that wait for jobs.</param>
    /// <param name="spinTurns">Turns of spinning before a sleep.</param>
    public WorkerGate(int workers, int spinTurns)
    {
        _workers = workers;
        _spinTurns = spinTurns;
    }

    /// <summary>Lets all workers through once. They see all that was written before.</summary>
    public void Open()
    {
        Debug.Assert(Volatile.Read(ref _missing) == 0, "All workers have arrived from the turn before.");
        Volatile.Write(ref _missing, _workers);
        _turn.Advance();
    }

    /// <summary>Waits, on a worker, for the turn after <paramref name="last"/>.</summary>
    /// <returns>The new turn.</returns>
    public int WaitForOpening(int last)
    {
        SpinWait spin = default;
        for (int turns = 0; turns < _spinTurns && _turn.Value == last; turns++)
            spin.SpinOnce(sleep1Threshold: -1);

        if (_turn.Value == last)
            _turn.WaitWhile(last);

        return unchecked(last + 1);
    }

    /// <summary>Ends a worker's part. What it wrote before is visible to the dispatcher after its wait.</summary>
    public void Arrive()
    {
        int missing = Interlocked.Decrement(ref _missing);
        Debug.Assert(missing >= 0, "A worker arrives once a turn.");
        if (missing == 0)
            _joins.Advance();
    }

    /// <summary>Spins, on the dispatcher, for the workers; false where some have not arrived.</summary>
    public bool SpinForAll()
    {
        SpinWait spin = default;
        for (int turns = 0; turns < _spinTurns && Volatile.Read(ref _missing) != 0; turns++)
            spin.SpinOnce(sleep1Threshold: -1);

        return Volatile.Read(ref _missing) == 0;
    }

    /// <summary>Sleeps, on the dispatcher, until all workers have arrived.</summary>
    public void SleepForAll()
    {
        for (int joins = _joins.Value; Volatile.Read(ref _missing) != 0; joins = _joins.Value)
            _joins.WaitWhile(joins);
    }
}
