using SuperSlab;

namespace Samples.Soak.Load;

/// <summary>The workers that live now; new ones are born as others die.</summary>
internal sealed class Workers(EngineMemory memory, Exchange shared, Verdict verdict, Random random) : IDisposable
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
            Worker born = new(memory, shared, _gate, verdict, random.Next());
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

    /// <summary>Ends all lives.</summary>
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
