// Threads that are born, work and die.
using System.Diagnostics.CodeAnalysis;
using SuperSlab;

namespace Samples.Soak.Load;

/// <summary>The workers that live now; new ones are born as others die.</summary>
internal sealed class Workers(
    EngineMemory memory, Exchange shared, Verdict verdict, Random random, SizeDrift? drift) : IDisposable
{
    private const int Most = 6;
    private readonly List<Worker> _living = [];
    private readonly ReaderWriterLockSlim _gate = new();

    public long Births { get; private set; }
    public nuint LiveBytes => _living.Aggregate((nuint)0, (bytes, worker) => bytes + worker.LiveBytes);

    public void Tick()
    {
        _living.RemoveAll(worker => !worker.IsAlive);
        if (_living.Count < Most && random.Next(10) == 0)
        {
            Worker born = new(memory, shared, _gate, verdict, random.Next(), drift);
            born.Start();
            _living.Add(born);
            Births++;
        }
    }

    /// <summary>Does something while all workers rest.</summary>
    public void WhileResting(Action work)
    {
        _gate.EnterWriteLock();
        try
        {
            work();
        }
        finally
        {
            _gate.ExitWriteLock();
        }
    }

    /// <summary>Checks the blocks of all workers, which rest.</summary>
    public void Check() => _living.ForEach(worker => worker.Check());

    public void End()
    {
        _living.ForEach(worker => worker.Stop());
        _living.ForEach(worker => worker.Join());
        _living.Clear();
    }

    public void Dispose()
    {
        End();
        _gate.Dispose();
    }
}

/// <summary>
/// A thread with a life of random length: it churns blocks of the shared arena, or of an arena of its own, gives some
/// away, frees what others gave away, and dies, with its blocks freed, left to others, or thrown away with its arena.
/// It rests while <paramref name="gate"/> is held.
/// </summary>
internal sealed class Worker(
    EngineMemory memory, Exchange shared, ReaderWriterLockSlim gate, Verdict verdict, int seed, SizeDrift? drift)
{
    private const int BatchOperations = 100;

    private readonly Random _random = new(seed);

    /// <summary>Milliseconds between two batches stay below it: long where sizes drift, beside others.</summary>
    private readonly int _pauseLimit = drift is null ? 3 : 30;
    private Thread? _thread;
    private Churn? _churn;
    private volatile bool _stops;

    public bool IsAlive => _thread is { IsAlive: true };
    public nuint LiveBytes => _churn?.LiveBytes ?? 0;

    public void Start()
    {
        _thread = new Thread(Live) { Name = "soak worker", IsBackground = true };
        _thread.Start();
    }

    public void Stop() => _stops = true;
    public void Join() => _thread?.Join();
    public void Check() => _churn?.Check();

    [SuppressMessage("Design", "CA1031", Justification = "Whatever it is, the run ends with it as a violation.")]
    private void Live()
    {
        try
        {
            if (_random.Next(3) == 0)
                verdict.Try(LiveInOwnArena);
            else
                LiveInSharedArena();
        }
        catch (Exception fault)
        {
            verdict.Add($"a thread failed: {fault.Message}");
        }
    }

    private void LiveInSharedArena()
    {
        _churn = new Churn(shared.Arena, _random, verdict, limitBytes: 12 << 20, drift);
        RunBatches(() =>
        {
            _churn.Run(BatchOperations, shared);
            shared.Free(BatchOperations / 8);
        });
        WhileOpen(() => _churn.FreeAll(_random.Next(2) == 0 ? shared : null));
    }

    private void LiveInOwnArena()
    {
        LongLivedArena? own = null;
        WhileOpen(() => own = memory.CreateLongLivedArena("own"));
        _churn = new Churn(own!, _random, verdict, limitBytes: 6 << 20, drift);
        try
        {
            RunBatches(() => _churn.Run(BatchOperations));
        }
        finally
        {
            // Also when a refusal ended the batches: an arena that nobody disposes is a leak of the worker's.
            WhileOpen(() =>
            {
                _churn.Forget();
                own!.Dispose();
            });
        }
    }

    private void RunBatches(Action batch)
    {
        for (int left = 1 << _random.Next(10); left > 0 && !_stops; left--)
        {
            WhileOpen(batch);
            Thread.Sleep(_random.Next(_pauseLimit));
        }
    }

    private void WhileOpen(Action work)
    {
        gate.EnterReadLock();
        try
        {
            work();
        }
        finally
        {
            gate.ExitReadLock();
        }
    }
}
