using Engine.Arenas;
using Engine.Core;
using Engine.Slabs;

namespace Engine.Profiling;

/// <summary>Adds what each arena holds to the sample that was begun.</summary>
internal readonly struct CurveReader(MemoryCurves curves) : IArenaReader
{
    public void Read(IArena arena, int number)
    {
        if (arena is FrameArena frame)
        {
            long used = 0;
            foreach (ref readonly LaneState lane in frame.LaneStates)
            {
                used += (long)lane.UsedBytes;
            }

            curves.AddArena(arena.Name, used);
        }
        else if (arena is LongLivedArena longLived)
        {
            curves.AddArena(arena.Name, CounterSwitch.IsOn ? longLived.Caches.CountedLiveBytes(AllocationTag.Count) : BytesOut(longLived));
        }
    }

    /// <summary>Blocks that callers and thread caches hold: what is known where nothing is counted.</summary>
    private static unsafe long BytesOut(LongLivedArena arena)
    {
        long bytes = (long)arena.Slabs.HugeBytesOut();
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
        {
            ClassState* state = arena.Slabs.ClassOf(sizeClass);
            bytes += state->BlocksOut * state->BlockBytes;
        }

        return bytes;
    }
}
