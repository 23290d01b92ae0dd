using Engine.Arenas;
using Engine.Caches;

namespace Engine.Profiling;

/// <summary>Adds up what all long-lived arenas counted, by tag.</summary>
internal readonly ref struct CounterReader(Span<CounterCell> sums) : IArenaReader
{
    private readonly Span<CounterCell> _sums = sums;

    public void Read(IArena arena, int number)
    {
        if (arena is LongLivedArena longLived)
        {
            longLived.Caches.AddCountersTo(_sums);
        }
    }
}
