using SuperSlab;

namespace Samples.Soak;

/// <summary>
/// What went wrong, from all threads, and how often the engine refused because the system had refused it. Any thread.
/// </summary>
internal sealed class Verdict
{
    private readonly List<string> _violations = [];
    private long _refusals;
    private long _notTakenBack;

    public bool IsClean
    {
        get
        {
            lock (_violations)
                return _violations.Count == 0;
        }
    }

    /// <summary>How often the engine said that it got no memory.</summary>
    public long Refusals => Interlocked.Read(ref _refusals);

    /// <summary>
    /// How often the engine said that the system did not take memory back, which then stays resident until it is used
    /// again.
    /// </summary>
    public long NotTakenBack => Interlocked.Read(ref _notTakenBack);

    public List<string> Violations()
    {
        lock (_violations)
            return [.. _violations];
    }

    public void Add(string violation)
    {
        lock (_violations)
            _violations.Add(violation);
    }

    /// <summary>Does what may fail for want of memory. False where it did.</summary>
    public bool Try(Action work)
    {
        try
        {
            work();
            return true;
        }
        catch (Exception refusal) when (IsRefusal(refusal))
        {
            CountRefusal(refusal);
            return false;
        }
    }

    public void CountRefusal(Exception refusal)
    {
        Interlocked.Increment(ref _refusals);
        if (refusal is EngineMemoryException)
            Interlocked.Increment(ref _notTakenBack);
    }

    /// <summary>
    /// Whether the engine says clearly that the system refused, as opposed to a fault of the engine or of this program.
    /// </summary>
    public static bool IsRefusal(Exception exception) =>
        exception is EngineOutOfMemoryException
        || (exception is EngineMemoryException && exception.Message.Contains("refused", StringComparison.Ordinal));
}
