using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace SuperSlab.Scenes;

/// <summary>
/// Threads that do a job's ranges at the same time and come together again (fork and join), with nothing allocated for it. They are made
/// at level load with all that a first job would otherwise fault in: their slots and caches in the scene's arenas, their stacks, and the
/// code that waits. The thread that dispatches is worker 0 and does its part.
/// <code>
/// WorkerPool pool = new(new() { Workers = 2, Arenas = [scene.Arena], Guard = guard });
/// pool.Prepare(ref move);                    // compiles the job's code, on all workers
/// ... each frame:
/// pool.Run(ref move, entities.Length);       // each worker: move.Execute(its range, its number)
/// </code>
/// One thread at a time uses the pool; a job must not dispatch another to it. <see cref="Run"/> is hot-loop safe, all else is for level
/// load.
/// </summary>
public sealed unsafe class WorkerPool : IDisposable
{
    internal const int StackBytes = 1 << 20;

    private readonly WorkerPoolOptions _options;
    private readonly Thread[] _threads;
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
    public WorkerPool(WorkerPoolOptions? options = null)
    {
        _options = options ?? new WorkerPoolOptions();
        _options.Validate();
        Workers = _options.ResolvedWorkers;
        _gate = new WorkerGate(Workers - 1, _options.SpinTurns);
        _threads = new Thread[Workers - 1];
        for (int index = 0; index < _threads.Length; index++)
        {
            int worker = index + 1;
            _threads[index] = new Thread(() => Live(worker), StackBytes) { IsBackground = true, Name = $"worker {worker}" };
            _threads[index].Start();
        }

        // The first rounds meet the workers spinning, the last ones asleep: both ways of waking have been gone once.
        Nothing nothing = default;
        for (int round = 0; round < 4; round++)
        {
            Run(ref nothing, Workers);
            Run(ref nothing, Workers, 1);
            Thread.Sleep(round);
        }

        foreach (LongLivedArena arena in _options.Arenas)
            Attach(arena);
    }

    /// <summary>The workers, the dispatching thread included: a job's worker numbers are 0 to one less.</summary>
    public int Workers { get; }

    /// <summary>Gives each worker its cache of an arena, when a level was loaded while the pool exists.</summary>
    /// <exception cref="ObjectDisposedException">The arena or the pool is disposed.</exception>
    public void Attach(LongLivedArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        Attaching job = new(arena);
        Run(ref job, Workers);
    }

    /// <summary>
    /// Runs a job on an empty range, on each worker: its <see cref="IRangeJob.Execute"/> is compiled (not what that calls only for items),
    /// and whatever each thread has to set up for it is set up.
    /// </summary>
    /// <inheritdoc cref="Run"/>
    public void Prepare<TJob>(ref TJob job)
        where TJob : struct, IRangeJob
    {
        Emptied<TJob> emptied = new() { Job = job };
        Run(ref emptied, Workers);
        Run(ref job, 0);
        Run(ref job, 0, 1);
    }

    /// <summary>
    /// Does the items 0 to <paramref name="count"/> and returns when all are done. Allocates nothing.
    /// </summary>
    /// <param name="job">What is done. The workers share one copy, which is copied back after the join.</param>
    /// <param name="count">How many items.</param>
    /// <param name="batch">
    /// 0, the default, gives each worker one unbroken range, the same range for the same count each time, so that results and the use of
    /// caches do not depend on time. Otherwise ranges of so many items go to whoever is free.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    /// <exception cref="InvalidOperationException">A job is running: a job dispatched another, or two threads used the pool.</exception>
    /// <exception cref="ObjectDisposedException">The pool is disposed.</exception>
    /// <remarks>What the job throws is thrown here after the join, the first of several.</remarks>
    public void Run<TJob>(ref TJob job, int count, int batch = 0)
        where TJob : struct, IRangeJob
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        ObjectDisposedException.ThrowIf(_stopping, this);
        if (Interlocked.Exchange(ref _running, 1) != 0)
            throw new InvalidOperationException("A worker pool does one job at a time: a job must not dispatch another, nor two threads use one pool.");

        // The workers get the address of a copy on this stack: what the caller has may lie in an object that the collector moves.
        TJob shared = job;
        _job = Unsafe.AsPointer(ref shared);
        _work = Worker<TJob>.Work;
        _count = count;
        _batch = batch;
        _next = 0;
        _gate.Open();
        Work<TJob>(this, 0);
        _gate.WaitForAll();
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
            foreach (Thread thread in _threads)
                thread.Join();
        }
    }

    private static void Work<TJob>(WorkerPool pool, int worker)
        where TJob : struct, IRangeJob
    {
        try
        {
            ref TJob job = ref Unsafe.AsRef<TJob>(pool._job);
            if (pool._batch == 0)
            {
                int start = (int)((long)pool._count * worker / pool.Workers);
                int end = (int)((long)pool._count * (worker + 1) / pool.Workers);
                if (start != end)
                    job.Execute(start, end, worker);

                return;
            }

            long batch = pool._batch;
            for (long start = batch * (Interlocked.Increment(ref pool._next) - 1); start < pool._count;
                start = batch * (Interlocked.Increment(ref pool._next) - 1))
            {
                job.Execute((int)start, (int)Math.Min(start + batch, pool._count), worker);
            }
        }
#pragma warning disable CA1031 // Whatever it is, the dispatching thread throws it.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref pool._failure, exception, null);
        }
    }

    private void Rethrow()
    {
        Exception failure = _failure!;
        _failure = null;
        ExceptionDispatchInfo.Throw(failure);
    }

    private void Live(int worker)
    {
        TouchStack(_options.PreparedStackBytes);
        GuardedThread? guarded = _options.Guard?.RegisterThread(Thread.CurrentThread.Name!);
        long turn = 0;
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

    /// <summary>Writes to each page of the stack below here, so that deeper calls find it resident.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void TouchStack(int bytes)
    {
        byte* stack = stackalloc byte[bytes];
        for (int offset = bytes - 1; offset >= 0; offset -= 4096)
            Volatile.Write(ref stack[offset], 0);
    }

    /// <summary>One delegate for each kind of job, made when it is first run or prepared. (A pointer to shared generic code is no pointer to a method.)</summary>
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
    /// <summary>Workers, the dispatching thread included, 1 to 256. 0, the default, is as many as there are processors.</summary>
    public int Workers { get; init; }

    /// <summary>Bytes of each thread's stack that are made resident ahead, up to half of the stack of 1 MiB. Default 128 KiB.</summary>
    public int PreparedStackBytes { get; init; } = 128 * 1024;

    /// <summary>
    /// How long an idle worker, or one that waits for the others, spins before it lets the system wake it, in turns of the runtime's
    /// spin wait. 0 suits machines with more workers than free processors. Default 200.
    /// </summary>
    public int SpinTurns { get; init; } = 200;

    /// <summary>Arenas that each worker gets its cache of at once. More by <see cref="WorkerPool.Attach"/>.</summary>
    public IReadOnlyList<LongLivedArena> Arenas { get; init; } = [];

    /// <summary>Counts what the workers do in each job. Null, the default, does not.</summary>
    public HotLoopGuard? Guard { get; init; }

    internal int ResolvedWorkers => Workers == 0 ? Math.Min(Environment.ProcessorCount, 256) : Workers;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Workers);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Workers, 256);
        ArgumentOutOfRangeException.ThrowIfNegative(PreparedStackBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(PreparedStackBytes, WorkerPool.StackBytes / 2);
        ArgumentOutOfRangeException.ThrowIfNegative(SpinTurns);
    }
}

/// <summary>Work on a range of items, done by the workers of a <see cref="WorkerPool"/> at the same time. Implemented by a struct.</summary>
public interface IRangeJob
{
    /// <summary>
    /// Does the items from <paramref name="start"/> up to but not including <paramref name="end"/>. An empty range may come, from
    /// <see cref="WorkerPool.Prepare{TJob}"/>. All workers call it on the same struct.
    /// </summary>
    /// <param name="start">The first item.</param>
    /// <param name="end">The item after the last.</param>
    /// <param name="worker">Who calls: 0 is the thread that dispatched. The number of the worker's frame lane.</param>
    void Execute(int start, int end, int worker);
}

/// <summary>
/// Where workers wait for a job, and the dispatcher for the workers: some turns of spinning, then a monitor. A turn number says which
/// job is meant, so a worker that is late never takes one job for another. Nothing is allocated after the first waits.
/// </summary>
internal sealed class WorkerGate(int workers, int spinTurns)
{
    private readonly object _opening = new();
    private readonly object _arrival = new();
    private long _turn;
    private int _sleeping;
    private int _missing;

    /// <summary>Lets all workers through once. Everything written before is seen by them.</summary>
    public void Open()
    {
        Volatile.Write(ref _missing, workers);
        Interlocked.Increment(ref _turn);
        if (Volatile.Read(ref _sleeping) != 0)
        {
            lock (_opening)
                Monitor.PulseAll(_opening);
        }
    }

    /// <summary>A worker waits for the turn after the one it did last.</summary>
    /// <returns>The turn that has come.</returns>
    public long WaitForOpening(long last)
    {
        SpinWait spin = default;
        for (int turns = 0; turns < spinTurns && Volatile.Read(ref _turn) == last; turns++)
            spin.SpinOnce(sleep1Threshold: -1);

        if (Volatile.Read(ref _turn) == last)
        {
            lock (_opening)
            {
                Interlocked.Increment(ref _sleeping);
                while (Volatile.Read(ref _turn) == last)
                    Monitor.Wait(_opening);

                Interlocked.Decrement(ref _sleeping);
            }
        }

        return last + 1;
    }

    /// <summary>A worker has done its part. Everything it wrote before is seen after <see cref="WaitForAll"/>.</summary>
    public void Arrive()
    {
        if (Interlocked.Decrement(ref _missing) == 0)
        {
            lock (_arrival)
                Monitor.Pulse(_arrival);
        }
    }

    /// <summary>The dispatcher waits until all workers have arrived.</summary>
    public void WaitForAll()
    {
        SpinWait spin = default;
        for (int turns = 0; turns < spinTurns && Volatile.Read(ref _missing) != 0; turns++)
            spin.SpinOnce(sleep1Threshold: -1);

        if (Volatile.Read(ref _missing) != 0)
        {
            lock (_arrival)
            {
                while (Volatile.Read(ref _missing) != 0)
                    Monitor.Wait(_arrival);
            }
        }
    }
}
