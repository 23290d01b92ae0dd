namespace Engine.Scenes;

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
            {
                Monitor.PulseAll(_opening);
            }
        }
    }

    /// <summary>A worker waits for the turn after the one it did last.</summary>
    /// <returns>The turn that has come.</returns>
    public long WaitForOpening(long last)
    {
        SpinWait spin = default;
        for (int turns = 0; turns < spinTurns && Volatile.Read(ref _turn) == last; turns++)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }

        if (Volatile.Read(ref _turn) == last)
        {
            lock (_opening)
            {
                Interlocked.Increment(ref _sleeping);
                while (Volatile.Read(ref _turn) == last)
                {
                    Monitor.Wait(_opening);
                }

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
            {
                Monitor.Pulse(_arrival);
            }
        }
    }

    /// <summary>The dispatcher waits until all workers have arrived.</summary>
    public void WaitForAll()
    {
        SpinWait spin = default;
        for (int turns = 0; turns < spinTurns && Volatile.Read(ref _missing) != 0; turns++)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }

        if (Volatile.Read(ref _missing) != 0)
        {
            lock (_arrival)
            {
                while (Volatile.Read(ref _missing) != 0)
                {
                    Monitor.Wait(_arrival);
                }
            }
        }
    }
}
