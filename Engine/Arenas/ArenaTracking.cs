namespace Engine.Arenas;

/// <summary>
/// What a long-lived arena remembers of each live block, to say at unload what was left and by whom. Chosen when the arena is made.
/// Anything but <see cref="Off"/> sends every allocation and free of the arena through a lock and a table of managed memory: for
/// looking for leaks, not for the hot loop. The code that uses the arena stays the same.
/// </summary>
public enum ArenaTracking
{
    /// <summary>Nothing, and it costs nothing: the fast path has no test for it.</summary>
    Off,

    /// <summary>The size asked for, and the <see cref="AllocationTag"/> in force.</summary>
    Tags,

    /// <summary>The call stack besides: tens of microseconds for each allocation.</summary>
    CallStacks,
}
