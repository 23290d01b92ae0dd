using Engine.Arenas;
using Engine.Core;

namespace Engine.Scenes;

/// <summary>
/// The tags whose budgets a guard looks at, where its rules ask for that: it reads the counters of all threads in all arenas, which
/// allocates nothing and asks the system for nothing, and takes the longer the more of them there are.
/// </summary>
internal sealed class WatchedTags
{
    private readonly EngineMemory _memory;
    private readonly long[] _liveBytes = new long[AllocationTag.MaximumCount + 1];

    /// <exception cref="EngineMemoryException">Nothing is counted in this process.</exception>
    public WatchedTags(EngineMemory memory)
    {
        if (!MemoryCounters.AreOn)
        {
            throw new EngineMemoryException(
                "The rule 'tagOverrun' of the hot loop cannot be kept, because memory counters are off: call MemoryCounters.Enable() before the "
                + "first EngineMemory is made, or leave the rule out.");
        }

        _memory = memory;
    }

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
        int count = _memory.ReadTags(_liveBytes);
        for (int index = 1; index < count; index++)
        {
            AllocationTag tag = AllocationTag.Of(index)!;
            long budget = (long)tag.BudgetBytes;
            long excess = _liveBytes[index] - budget;
            if (budget == 0 || excess <= 0)
            {
                continue;
            }

            over++;
            if (excess > worst)
            {
                worst = excess;
                Worst = tag;
                WorstLiveBytes = _liveBytes[index];
            }
        }

        return over;
    }
}
