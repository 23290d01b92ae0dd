using Engine.Caches;

namespace Engine.Arenas;

/// <summary>Adds up what all long-lived arenas counted, one sum for each tag.</summary>
internal readonly ref struct TagReader(Span<CounterCell> sums) : IArenaReader
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
