using Engine.Arenas;
using Engine.Caches;
using Engine.Core;

namespace Engine.Scenes;

/// <summary>
/// The tags whose budgets a guard looks at, where its rules ask for that: it reads the counters of all threads in all arenas, which
/// allocates nothing and asks the system for nothing, and takes the longer the more of them there are.
/// </summary>
internal sealed class WatchedTags
{
    private readonly CounterBoard _counters;
    private readonly CounterCell[] _sums = new CounterCell[ThreadCounters.Tags];

    /// <exception cref="EngineMemoryException">Nothing is counted in this process.</exception>
    public WatchedTags(EngineMemory memory) => _counters = memory.Counters ?? throw new EngineMemoryException(
        "The rule 'tagOverrun' of the hot loop cannot be kept, because memory counters are off: call MemoryCounters.Enable() before the "
        + "first EngineMemory is made, or leave the rule out.");

    /// <summary>The tag that was the most bytes over its budget at the last reading, or null.</summary>
    public AllocationTag? Worst { get; private set; }

    /// <summary>What lived under it then.</summary>
    public long WorstLiveBytes { get; private set; }

    /// <summary>How many tags are over their budgets now.</summary>
    public int Read()
    {
        Worst = null;
        int over = 0;
        long worst = 0;
        Span<CounterCell> sums = _sums.AsSpan(0, AllocationTag.Count);
        _counters.Sum(sums);
        for (int index = 1; index < sums.Length; index++)
        {
            AllocationTag tag = AllocationTag.Of(index)!;
            long budget = (long)tag.BudgetBytes;
            long excess = sums[index].LiveBytes - budget;
            if (budget == 0 || excess <= 0)
            {
                continue;
            }

            over++;
            if (excess > worst)
            {
                worst = excess;
                Worst = tag;
                WorstLiveBytes = sums[index].LiveBytes;
            }
        }

        return over;
    }
}
