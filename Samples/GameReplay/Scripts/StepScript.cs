namespace Samples.GameReplay.Scripts;

/// <summary>
/// What all threads do between two meetings: a list for each. One script is filled again for every step, so playing a trace of
/// any length takes the memory of its longest step.
/// </summary>
internal sealed class StepScript
{
    private readonly List<OperationList> _lists = [];
    private readonly List<int> _capacities;

    /// <summary>Makes a script whose lists have room from the start for so many operations, by thread.</summary>
    public StepScript(IEnumerable<int>? capacities = null)
    {
        _capacities = capacities is null ? [] : [.. capacities];
        if (_capacities.Count > 0)
        {
            Operations(_capacities.Count - 1);
        }
    }

    /// <summary>Which part of the run this step is.</summary>
    public StepKind Kind { get; set; }

    /// <summary>How many threads have appeared so far.</summary>
    public int ThreadCount => _lists.Count;

    /// <summary>What a thread does.</summary>
    public OperationList Operations(int thread)
    {
        while (_lists.Count <= thread)
        {
            _lists.Add(new OperationList(_lists.Count < _capacities.Count ? _capacities[_lists.Count] : 0));
        }

        return _lists[thread];
    }

    /// <summary>Empties all lists.</summary>
    public void Clear()
    {
        foreach (OperationList list in _lists)
        {
            list.Clear();
        }
    }
}
