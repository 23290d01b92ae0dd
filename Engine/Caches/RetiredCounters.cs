using Engine.Core;
using Engine.SuperSlabs;

namespace Engine.Caches;

/// <summary>
/// What was counted in arenas that were reset or disposed since, by tag, for all arenas of one memory: numbers that only rise stay so. The
/// blocks that an arena threw away count as freed, each under the tag that it was allocated under. Guarded by the registry of the arenas,
/// which is held, so that nobody sees a number in both places or in none.
/// </summary>
internal sealed unsafe class RetiredCounters
{
    private readonly CounterCell* _cells;

    public RetiredCounters(MetadataHeap heap) => _cells = (CounterCell*)heap.Allocate((nuint)(ThreadCounters.Tags * sizeof(CounterCell)));

    /// <summary>Takes over what a cache counted, and sets it back to 0. Its thread does not use the arena.</summary>
    public void Take(ThreadCache* cache)
    {
        for (int tag = 0; tag < ThreadCounters.Tags; tag++)
        {
            CounterCell* cell = ThreadCounters.CellOf(cache, tag);
            _cells[tag].Allocations += cell->Allocations;
            _cells[tag].AllocatedBytes += cell->AllocatedBytes;
            _cells[tag].Frees += cell->Allocations;
            _cells[tag].FreedBytes += cell->AllocatedBytes;
            *cell = default;
        }
    }

    /// <summary>Adds all that is retired to the sums, one for each tag.</summary>
    public void AddTo(Span<CounterCell> sums)
    {
        for (int tag = 0; tag < sums.Length; tag++)
        {
            sums[tag].Add(_cells[tag]);
        }
    }
}
