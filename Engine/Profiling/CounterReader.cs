using Engine.Arenas;
using Engine.Caches;
using Engine.Core;
using Engine.Slabs;

namespace Engine.Profiling;

/// <summary>Adds up what all arenas counted: allocations by tag, overflows, and when a sample is due, their bytes.</summary>
internal ref struct CounterReader(Span<CounterCell> sums, MemoryCurves? curves) : IArenaReader
{
    private readonly Span<CounterCell> _sums = sums;

    /// <summary>Overflows of all frame arenas since they were made.</summary>
    public long Overflows { get; private set; }

    public void Read(IArena arena, int number)
    {
        if (arena is FrameArena frame)
        {
            ReadFrame(frame);
        }
        else if (arena is LongLivedArena longLived)
        {
            long live = longLived.Caches.AddCountersTo(_sums);
            curves?.AddArena(arena.Name, CounterSwitch.IsOn ? live : BytesOut(longLived));
        }
    }

    private void ReadFrame(FrameArena arena)
    {
        long used = 0;
        foreach (ref readonly LaneState lane in arena.LaneStates)
        {
            Overflows += lane.Overflows;
            used += curves is null ? 0 : (long)lane.UsedBytes;
        }

        curves?.AddArena(arena.Name, used);
    }

    /// <summary>Blocks that callers, caches and depots hold: what is known where nothing is counted.</summary>
    private static unsafe long BytesOut(LongLivedArena arena)
    {
        long bytes = (long)arena.Slabs.HugeBytesOut();
        for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
        {
            ClassState* state = arena.Slabs.ClassOf(sizeClass);
            bytes += state->BlocksOut * state->BlockBytes;
        }

        return bytes;
    }
}
