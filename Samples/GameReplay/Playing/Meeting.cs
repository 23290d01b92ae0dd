namespace Samples.GameReplay.Playing;

/// <summary>Where the conductor waits between two steps until all players of the step have arrived, and learns of a failure.</summary>
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
        {
            _allArrived.Release();
        }
    }

    /// <summary>A player cannot go on. The first failure is kept; those that it causes are not of interest.</summary>
    public void Fail(Exception failure)
    {
        Interlocked.CompareExchange(ref _failure, failure, null);
        progress.Abandon();
    }

    /// <summary>Waits until all expected players have arrived.</summary>
    public void Wait() => _allArrived.Wait();

    /// <summary>Throws what a player failed with.</summary>
    public void ThrowOnFailure()
    {
        if (_failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_failure);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _allArrived.Dispose();
}
